// Arrays of 16-bit numbers: to float32 and back, and ReLU, which needs only their bits.
#pragma once
#include <string.h>

#include "kernels/table.hpp"

namespace {

struct Float16 {
  static constexpr uint16_t infinity = 0x7c00;
  static Vec<float> load(const uint16_t* p) { return Vec<float>::load_float16(p); }
  static void store(Vec<float> v, uint16_t* p) { v.store_float16(p); }
};

struct BFloat16 {
  static constexpr uint16_t infinity = 0x7f80;
  static Vec<float> load(const uint16_t* p) { return Vec<float>::load_bfloat16(p); }
  static void store(Vec<float> v, uint16_t* p) { v.store_bfloat16(p); }
};

template <class Format>
void widen(const uint16_t* in, int64_t count, float* out) {
  constexpr int lanes = Vec<float>::lanes;
  int64_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes)
    for (int j = 0; j < 4; ++j) Format::load(in + i + j * lanes).store(out + i + j * lanes);
  for (; i + lanes <= count; i += lanes) Format::load(in + i).store(out + i);
  const int tail = static_cast<int>(count - i);
  if (tail > 0) {
    uint16_t rest[lanes] = {};
    memcpy(rest, in + i, static_cast<size_t>(tail) * sizeof *in);
    Format::load(rest).store_n(out + i, tail);
  }
}

template <class Format>
void narrow(const float* in, int64_t count, uint16_t* out) {
  constexpr int lanes = Vec<float>::lanes;
  int64_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes)
    for (int j = 0; j < 4; ++j)
      Format::store(Vec<float>::load(in + i + j * lanes), out + i + j * lanes);
  for (; i + lanes <= count; i += lanes) Format::store(Vec<float>::load(in + i), out + i);
  const int tail = static_cast<int>(count - i);
  if (tail > 0) {
    uint16_t rest[lanes];
    Format::store(Vec<float>::load_n(in + i, tail), rest);
    memcpy(out + i, rest, static_cast<size_t>(tail) * sizeof *out);
  }
}

// Runs of a fixed length, which compilers turn into vectors of 16-bit integers. Through memory of
// their own because the result may lie where an operand does.
constexpr int relu_run = 128;

// Zeros where a number of `judged` is zero or less; a NaN is neither. Both formats are a sign and
// bits that are ordered as the values are.
template <class Format>
inline void clear_negative(const int16_t* judged, int16_t* values) {
  for (int i = 0; i < relu_run; ++i) {
    const int16_t bits = judged[i], size = static_cast<int16_t>(bits & 0x7fff);
    const bool kept = (bits > 0) | (size > static_cast<int16_t>(Format::infinity));
    values[i] = kept ? values[i] : int16_t(0);
  }
}

template <class Format>
void relu_half(const uint16_t* in, int64_t count, uint16_t* out) {
  for (int64_t i = 0; i < count; i += relu_run) {
    int16_t x[relu_run] = {};
    if (i + relu_run <= count) {
      memcpy(x, in + i, sizeof x);
      clear_negative<Format>(x, x);
      memcpy(out + i, x, sizeof x);
    } else {
      const size_t bytes = static_cast<size_t>(count - i) * sizeof *in;
      memcpy(x, in + i, bytes);
      clear_negative<Format>(x, x);
      memcpy(out + i, x, bytes);
    }
  }
}

template <class Format>
void relu_backward_half(const uint16_t* grad, const uint16_t* output, int64_t count,
                        uint16_t* out) {
  for (int64_t i = 0; i < count; i += relu_run) {
    int16_t g[relu_run] = {}, y[relu_run] = {};
    if (i + relu_run <= count) {
      memcpy(g, grad + i, sizeof g);
      memcpy(y, output + i, sizeof y);
      clear_negative<Format>(y, g);
      memcpy(out + i, g, sizeof g);
    } else {
      const size_t bytes = static_cast<size_t>(count - i) * sizeof *grad;
      memcpy(g, grad + i, bytes);
      memcpy(y, output + i, bytes);
      clear_negative<Format>(y, g);
      memcpy(out + i, g, bytes);
    }
  }
}

template <class Format>
constexpr HalfKernels half_kernels() {
  return {&widen<Format>, &narrow<Format>, &relu_half<Format>, &relu_backward_half<Format>};
}

}  // namespace
