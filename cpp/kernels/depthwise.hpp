// One filter on one plane, rows at a time: vector over the pixels of a row, no channel blocking.
//
// The driver has padded the plane and split it by stride, so every tap is a contiguous, unaligned
// load. 18 flops and 8 bytes an output for 3x3: bound by memory unless the plane is in cache.
#pragma once
#include "kernels/table.hpp"

namespace {

// Taps known at compile time keep their weights in registers over a whole plane.
template <class T, int Taps>
void depthwise_fixed(const DepthwiseArgs<T>& a) {
  constexpr int lanes = Vec<T>::lanes;
  const Vec<T> zero = Vec<T>::zero(), bias = Vec<T>::set(a.bias);
  Vec<T> w[Taps];
  const T* in[Taps];
  for (int t = 0; t < Taps; ++t) w[t] = Vec<T>::set(a.weights[t]);
  for (int64_t y = 0; y < a.rows; ++y) {
    for (int t = 0; t < Taps; ++t) in[t] = a.taps[t] + y * a.source_row;
    T* out = a.out + y * a.out_row;
    for (int64_t x = 0; x < a.columns; x += lanes) {
      const int n = a.columns - x < lanes ? static_cast<int>(a.columns - x) : lanes;
      Vec<T> s = a.accumulate ? Vec<T>::load_n(out + x, n) : bias;
      for (int t = 0; t < Taps; ++t) s = fma(w[t], Vec<T>::load(in[t] + x), s);
      if (a.relu) s = select(le(s, zero), zero, s);
      if (n == lanes) {
        s.store(out + x);
      } else {
        s.store_n(out + x, n);
      }
    }
  }
}

// Source row `Row` of a block: each of its three shifted vectors serves up to three output rows.
// A recursion, because compilers do not reliably unroll a loop with conditions, and a rolled loop
// keeps weights and sums in memory.
template <class T, int R, int Row>
inline void add_source_rows(const T* const (&in)[3], ptrdiff_t source_row, const Vec<T> (&w)[9],
                            Vec<T> (&s)[R]) {
  for (int c = 0; c < 3; ++c) {
    Vec<T> v = Vec<T>::load(in[c] + Row * source_row);
    hold(v);
    if constexpr (Row < R) s[Row] = fma(w[c], v, s[Row]);
    if constexpr (Row >= 1 && Row - 1 < R) s[Row - 1] = fma(w[3 + c], v, s[Row - 1]);
    if constexpr (Row >= 2) s[Row - 2] = fma(w[6 + c], v, s[Row - 2]);
  }
  if constexpr (Row < R + 1) add_source_rows<T, R, Row + 1>(in, source_row, w, s);
}

// 3x3 with both row steps 1: R output rows share R + 2 source rows, 3 (R + 2) loads for 9 R
// products. Every output adds its taps in row order, whatever R: a block is no seam.
template <class T, int R>
int64_t depthwise_3x3_rows(const DepthwiseArgs<T>& a, int64_t y) {
  constexpr int lanes = Vec<T>::lanes;
  const Vec<T> zero = Vec<T>::zero(), bias = Vec<T>::set(a.bias);
  const ptrdiff_t source_row = a.source_row, out_row = a.out_row;
  const int64_t columns = a.columns;
  const bool accumulate = a.accumulate, relu = a.relu;
  Vec<T> w[9];
  for (int t = 0; t < 9; ++t) w[t] = Vec<T>::set(a.weights[t]);
  for (; y + R <= a.rows; y += R) {
    const T* in[3] = {a.taps[0] + y * source_row, a.taps[1] + y * source_row,
                      a.taps[2] + y * source_row};
    T* out = a.out + y * out_row;
    for (int64_t x = 0; x < columns; x += lanes, out += lanes) {
      const int n = columns - x < lanes ? static_cast<int>(columns - x) : lanes;
      Vec<T> s[R];
      for (int r = 0; r < R; ++r) s[r] = accumulate ? Vec<T>::load_n(out + r * out_row, n) : bias;
      add_source_rows<T, R, 0>(in, source_row, w, s);
      for (int c = 0; c < 3; ++c) in[c] += lanes;
      for (int r = 0; r < R; ++r) {
        if (relu) s[r] = select(le(s[r], zero), zero, s[r]);
        if (n == lanes) {
          s[r].store(out + r * out_row);
        } else {
          s[r].store_n(out + r * out_row, n);
        }
      }
    }
  }
  return y;
}

template <class T>
bool rows_shared(const DepthwiseArgs<T>& a) {
  for (int c = 0; c < 3; ++c)
    if (a.taps[3 + c] != a.taps[c] + a.source_row || a.taps[6 + c] != a.taps[3 + c] + a.source_row)
      return false;
  return true;
}

template <class T>
void depthwise_any(const DepthwiseArgs<T>& a) {
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

// The source may be read up to a vector past the last column: the driver leaves that slack.
template <class T>
void depthwise(const DepthwiseArgs<T>& a) {
  switch (a.tap_count) {
    case 1: return depthwise_fixed<T, 1>(a);
    case 2: return depthwise_fixed<T, 2>(a);
    case 3: return depthwise_fixed<T, 3>(a);
    case 4: return depthwise_fixed<T, 4>(a);
    case 9:
      if (rows_shared(a)) {
        const int64_t done = depthwise_3x3_rows<T, 4>(a, 0);
        depthwise_3x3_rows<T, 1>(a, done);
        return;
      }
      return depthwise_fixed<T, 9>(a);
    default: return depthwise_any<T>(a);
  }
}

template <class T, int Taps>
void depthwise_weight_taps(const DepthwiseWeightArgs<T>& a, int64_t first) {
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
void depthwise_weight(const DepthwiseWeightArgs<T>& a) {
  int64_t t = 0;
  for (; t + 9 <= a.tap_count; t += 9) depthwise_weight_taps<T, 9>(a, t);
  for (; t + 3 <= a.tap_count; t += 3) depthwise_weight_taps<T, 3>(a, t);
  for (; t < a.tap_count; ++t) depthwise_weight_taps<T, 1>(a, t);
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
