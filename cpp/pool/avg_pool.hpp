// Average pooling over the planes of a batch, NCHW, float and double.
#pragma once
#include <cstdint>

#include "core/problem.hpp"

namespace pyconv {

// What a sum is divided by: `divisor`, or where that is 0 the elements of the window, those in the
// padding among them or not (elements past the padding, which ceil_mode allows, never).
struct AvgRule {
  bool count_padding;
  int64_t divisor;
};

template <class T>
void avg_pool_forward(const PoolProblem& problem, AvgRule rule, const T* x, T* out);
template <class T>
void avg_pool_backward(const PoolProblem& problem, AvgRule rule, const T* grad, T* out);

}  // namespace pyconv
