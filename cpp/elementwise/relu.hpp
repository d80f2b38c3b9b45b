// max(x, 0) element by element, NaN kept, and its gradient from the output, or from bits that say
// where it passes (of element i: bit i % 8 of byte i / 8).
#pragma once
#include <cstdint>

#include "core/element_type.hpp"

namespace pyconv {

template <class T>
void relu_forward(const T* x, int64_t count, T* out);
template <class T>
void relu_forward(const T* x, int64_t count, T* out, uint8_t* bits);
template <class T>
void relu_backward(const T* grad, const T* output, int64_t count, T* out);
// With the sums of `out` over images and area: the gradient of a bias before the ReLU, in the order
// of sum_channels and while a plane is still in cache.
template <class T>
void relu_bias_backward(const T* grad, const T* output, int64_t images, int64_t channels,
                        int64_t area, T* out, T* sums);
template <class T>
void relu_backward(const T* grad, const uint8_t* bits, int64_t count, T* out);

// Arrays of 16 bits.
void relu_forward(ElementType half, const uint16_t* x, int64_t count, uint16_t* out);
void relu_forward(ElementType half, const uint16_t* x, int64_t count, uint16_t* out,
                  uint8_t* bits);
void relu_backward(const uint16_t* grad, const uint8_t* bits, int64_t count, uint16_t* out);
void relu_backward(ElementType half, const uint16_t* grad, const uint16_t* output, int64_t count,
                   uint16_t* out);

}  // namespace pyconv
