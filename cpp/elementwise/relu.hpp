// max(x, 0) element by element, NaN kept, and its gradient from the output.
#pragma once
#include <cstdint>

namespace pyconv {

template <class T>
void relu_forward(const T* x, int64_t count, T* out);
template <class T>
void relu_backward(const T* grad, const T* output, int64_t count, T* out);

}  // namespace pyconv
