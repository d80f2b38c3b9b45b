// One filter on one plane, rows at a time: vector over the pixels of a row, no channel blocking.
//
// Any filter, stride and dilation: the driver has padded the plane and split it by stride, so every
// tap is a contiguous, unaligned load. depthwise.hpp is faster on what it can do.
#pragma once
#include "kernels/table.hpp"

namespace {

// R rows of V vectors, of which the last holds `n` columns: so many sums at once that none waits for
// its own multiply-adds, and a weight is read once for them all.
template <class T, int R, int V>
inline void strip_block(const StripArgs<T>& a, int64_t y, int64_t x, int n) {
  constexpr int lanes = Vec<T>::lanes;
  const Vec<T> zero = Vec<T>::zero(), bias = Vec<T>::set(a.bias);
  T* const out = a.out + y * a.out_row + x;
  const ptrdiff_t at = y * a.source_row + x;
  Vec<T> s[R][V];
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v)
      s[r][v] = a.accumulate
                    ? Vec<T>::load_n(out + r * a.out_row + v * lanes, v == V - 1 ? n : lanes)
                    : bias;
  for (int64_t t = 0; t < a.tap_count; ++t) {
    const T* in = a.taps[t] + at;
    const Vec<T> weight = Vec<T>::set(a.weights[t]);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v)
        s[r][v] = fma(weight, Vec<T>::load(in + r * a.source_row + v * lanes), s[r][v]);
  }
#pragma GCC unroll 4
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      if (a.relu) s[r][v] = select(le(s[r][v], zero), zero, s[r][v]);
      T* const to = out + r * a.out_row + v * lanes;
      if (v < V - 1) {
        s[r][v].store(to);
      } else {
        s[r][v].store_n(to, n);
      }
    }
}

template <class T>
void strip(const StripArgs<T>& a) {
  constexpr int lanes = Vec<T>::lanes, most = 4;
  if (a.columns <= lanes) {
    const int n = static_cast<int>(a.columns);
    int64_t y = 0;
    for (; y + most <= a.rows; y += most) strip_block<T, most, 1>(a, y, 0, n);
    for (; y < a.rows; ++y) strip_block<T, 1, 1>(a, y, 0, n);
    return;
  }
  for (int64_t y = 0; y < a.rows; ++y) {
    int64_t x = 0;
    for (; x + most * lanes <= a.columns; x += most * lanes)
      strip_block<T, 1, most>(a, y, x, lanes);
    const int64_t left = a.columns - x;
    const auto tail = [&](int v) { return static_cast<int>(left - v * lanes); };
    if (left > 3 * lanes) {
      strip_block<T, 1, 4>(a, y, x, tail(3));
    } else if (left > 2 * lanes) {
      strip_block<T, 1, 3>(a, y, x, tail(2));
    } else if (left > lanes) {
      strip_block<T, 1, 2>(a, y, x, tail(1));
    } else if (left > 0) {
      strip_block<T, 1, 1>(a, y, x, tail(0));
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
