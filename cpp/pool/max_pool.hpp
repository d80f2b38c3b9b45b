// Maximum pooling over the planes of a batch, NCHW, float and double.
#pragma once
#include <cstdint>

#include "core/problem.hpp"

namespace pyconv {

// Positions in windows, kh * KW + kw: bytes for windows of up to 256 elements, else int32.
// Both null: not asked for.
struct WindowOffsets {
  uint8_t* bytes;
  int32_t* words;
};

template <class T>
void max_pool_forward(const PoolProblem& problem, const T* x, T* out, WindowOffsets offsets);
template <class T>
void max_pool_backward(const PoolProblem& problem, const T* grad, WindowOffsets offsets, T* out);

// Positions in windows to positions h * W + w in their plane.
void max_pool_indices(const PoolProblem& problem, WindowOffsets offsets, int64_t* indices);

}  // namespace pyconv
