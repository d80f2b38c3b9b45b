// max(x, 0) element by element, NaN kept, and its gradient from the output, or from bits that say
// where it passes (of element i: bit i % 8 of byte i / 8).
#pragma once
#include <cstdint>

namespace pyconv {

template <class T>
void relu_forward(const T* x, int64_t count, T* out);
template <class T>
void relu_forward(const T* x, int64_t count, T* out, uint8_t* bits);
template <class T>
void relu_backward(const T* grad, const T* output, int64_t count, T* out);
template <class T>
void relu_backward(const T* grad, const uint8_t* bits, int64_t count, T* out);

}  // namespace pyconv
