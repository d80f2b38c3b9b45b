// One filter on one plane, rows at a time: vector over the pixels of a row, no channel blocking.
//
// Any filter, stride and dilation: the driver has padded the plane and split it by stride, so every
// tap is a contiguous, unaligned load. depthwise.hpp is faster on what it can do.
#pragma once
#include "kernels/table.hpp"

namespace {

template <class T>
void strip(const StripArgs<T>& a) {
  constexpr int lanes = Vec<T>::lanes;
  const Vec<T> zero = Vec<T>::zero(), bias = Vec<T>::set(a.bias);
  for (int64_t y = 0; y < a.rows; ++y) {
    T* out = a.out + y * a.out_row;
    const ptrdiff_t row = y * a.source_row;
    for (int64_t x = 0; x < a.columns; x += lanes) {
      const int n = a.columns - x < lanes ? static_cast<int>(a.columns - x) : lanes;
      Vec<T> s = a.accumulate ? Vec<T>::load_n(out + x, n) : bias;
      for (int64_t t = 0; t < a.tap_count; ++t)
        s = fma(Vec<T>::set(a.weights[t]), Vec<T>::load(a.taps[t] + row + x), s);
      if (a.relu) s = select(le(s, zero), zero, s);
      s.store_n(out + x, n);
    }
  }
}

template <class T, int Taps>
void strip_weight_taps(const StripWeightArgs<T>& a, int64_t first) {
  constexpr int lanes = Vec<T>::lanes;
  Vec<T> s[Taps];
  const T* in[Taps];
  for (int t = 0; t < Taps; ++t) s[t] = Vec<T>::zero();
  for (int64_t y = 0; y < a.rows; ++y) {
    for (int t = 0; t < Taps; ++t) in[t] = a.taps[first + t] + y * a.source_row;
    const T* grad = a.grad + y * a.grad_row;
    int64_t x = 0;
    for (; x + lanes <= a.columns; x += lanes) {
      const Vec<T> g = Vec<T>::load(grad + x);
      for (int t = 0; t < Taps; ++t) s[t] = fma(g, Vec<T>::load(in[t] + x), s[t]);
    }
    if (x == a.columns) continue;
    const int n = static_cast<int>(a.columns - x);
    const Vec<T> g = Vec<T>::load_n(grad + x, n);
    // Masked on both sides: slack may hold anything, and 0 * NaN is NaN.
    for (int t = 0; t < Taps; ++t) s[t] = fma(g, Vec<T>::load_n(in[t] + x, n), s[t]);
  }
  for (int t = 0; t < Taps; ++t) a.sums[first + t] += s[t].sum();
}

template <class T>
void strip_weight(const StripWeightArgs<T>& a) {
  int64_t t = 0;
  for (; t + 9 <= a.tap_count; t += 9) strip_weight_taps<T, 9>(a, t);
  for (; t + 3 <= a.tap_count; t += 3) strip_weight_taps<T, 3>(a, t);
  for (; t < a.tap_count; ++t) strip_weight_taps<T, 1>(a, t);
}

// Four independent partial sums, added in a fixed order.
template <class T>
T sum_values(const T* in, int64_t count) {
  constexpr int lanes = Vec<T>::lanes;
  Vec<T> s[4] = {Vec<T>::zero(), Vec<T>::zero(), Vec<T>::zero(), Vec<T>::zero()};
  int64_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes)
    for (int j = 0; j < 4; ++j) s[j] = add(s[j], Vec<T>::load(in + i + j * lanes));
  for (; i < count; i += lanes) {
    const int n = count - i < lanes ? static_cast<int>(count - i) : lanes;
    s[0] = add(s[0], Vec<T>::load_n(in + i, n));
  }
  return add(add(s[0], s[1]), add(s[2], s[3])).sum();
}

}  // namespace
