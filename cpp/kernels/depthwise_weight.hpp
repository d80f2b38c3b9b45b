// The weight gradient of one filter on whole planes: each tap's sum over pixels of source * grad.
//
// The same reads as depthwise.hpp with the roles changed: some rows of dy are held in
// registers, and each vector of source is multiplied with all of them that it meets, each product
// going to the sum of its tap.
#pragma once
#include "kernels/depthwise_weight_twins.hpp"
#include "kernels/depthwise_weight_walk.hpp"

namespace {

// Source row K of a block meets row `First` of dy at tap row K - First * RowStep.
template <int Taps, int RowStep, int K, int First, class T, int R>
PYCONV_UNROLLED void add_products(const Vec<T> (&g)[R], Vec<T> v, Vec<T> (&s)[Taps]) {
  if constexpr (K >= First * RowStep && K < First * RowStep + Taps)
    s[K - First * RowStep] = fma(g[First], v, s[K - First * RowStep]);
  if constexpr (First + 1 < R) add_products<Taps, RowStep, K, First + 1>(g, v, s);
}

template <int RowStep, bool Border, int K, class T, bool Strided, int Count, int Taps, int R>
PYCONV_UNROLLED void add_source_rows(SourceRows<T>& rows,
                                     const TapColumns<T, Strided, Count>& columns,
                                     const Vec<T> (&g)[R], Vec<T> (&s)[Count][Taps]) {
  Vec<T> v[Count];
  if constexpr (K + RowStep >= Taps) {
    prefetch(rows.p + R * RowStep * rows.pitch);
    if constexpr (Strided) prefetch(rows.p + R * RowStep * rows.pitch + Vec<T>::lanes);
  }
  rows.template next<K, Border>(columns, v);
  add_products<Taps, RowStep, K, 0>(g, v[0], s[0]);
  if constexpr (Count > 1) add_products<Taps, RowStep, K, 0>(g, v[1], s[1]);
  if constexpr (Count > 2) add_products<Taps, RowStep, K, 0>(g, v[2], s[2]);
  if constexpr (K + 1 < (R - 1) * RowStep + Taps)
    add_source_rows<RowStep, Border, K + 1>(rows, columns, g, s);
}

// Columns x .. end - 1 of R rows of dy, for `Count` tap columns from number j.
template <int Taps, int RowStep, bool Strided, int Count, int R, class T>
void weight_rows(const DepthwiseWeightArgs<T>& a, const WeightPlane<T>& plane, int64_t j,
                 int64_t y, int64_t x, int64_t end, T* totals) {
  constexpr int lanes = Vec<T>::lanes, count = (R - 1) * RowStep + Taps;
  const TapRun taps = a.column_taps;
  const int64_t width = a.width;
  const ptrdiff_t grad_row = a.grad_row * a.row_group;
  const SourceRows<T> rows = source_rows(plane.source, a.height, width,
                                         y * a.row_step + a.row_taps.first, a.row_taps.step, count);
  const T* grad = plane.grad + y * a.grad_row;
  Vec<T> s[Count][Taps];
  clear(s[0]);
  if constexpr (Count > 1) clear(s[1]);
  if constexpr (Count > 2) clear(s[2]);
  for (; x < end; x += lanes) {
    const int n = clamp_to_lanes(end - x, lanes);
    Vec<T> g[R];
    load_rows(grad + x, grad_row, n, g);
    const int64_t at = (Strided ? 2 * x : x) + taps.first + j * taps.step;
    SourceRows<T> here = rows.from(at);
    // Masked to the lanes of dy as well: what lies behind them may be a NaN, and 0 * NaN is NaN.
    const TapColumns<T, Strided, Count> columns(at, taps.step, width, n);
    if (here.inside == (1u << count) - 1u) {
      add_source_rows<RowStep, false, 0>(here, columns, g, s);
    } else {
      add_source_rows<RowStep, true, 0>(here, columns, g, s);
    }
  }
  add_to_totals(s[0], totals);
  if constexpr (Count > 1) add_to_totals(s[1], totals + Taps * lanes);
  if constexpr (Count > 2) add_to_totals(s[2], totals + 2 * Taps * lanes);
}

// Rows y, y + row_group, ... of dy in blocks; a run of sixteen vectors keeps a chain of
// sums under 128 products.
template <int Taps, int RowStep, bool Strided, int Count, class T>
void weight_columns(const DepthwiseWeightArgs<T>& a, const WeightPlane<T>& plane, int64_t j) {
  constexpr int lanes = Vec<T>::lanes, most = depthwise_rows;
  constexpr int64_t run = 16 * lanes;
  T totals[Count * Taps * lanes];
  for (T& t : totals) t = T(0);
  const int64_t group = a.row_group;
  for (int64_t x = 0; x < a.columns; x += run) {
    const int64_t end = a.columns - x < run ? a.columns : x + run;
    for (int64_t first = 0; first < group && first < a.rows; ++first) {
      int64_t y = first, left = (a.rows - first + group - 1) / group;
      for (; left >= most; left -= most, y += most * group)
        weight_rows<Taps, RowStep, Strided, Count, most>(a, plane, j, y, x, end, totals);
      if constexpr (most > 2)
        for (; left >= 2; left -= 2, y += 2 * group)
          weight_rows<Taps, RowStep, Strided, Count, 2>(a, plane, j, y, x, end, totals);
      for (; left > 0; --left, y += group)
        weight_rows<Taps, RowStep, Strided, Count, 1>(a, plane, j, y, x, end, totals);
    }
  }
  Vec<T> each[Count * Taps];
  load_rows(totals, lanes, lanes, each);
  T sums[lane_sums_size<T>(Count * Taps)];
  lane_sums(each, sums);
  for (int c = 0; c < Count; ++c)
    for (int i = 0; i < Taps; ++i)
      plane.sums[i * a.column_taps.count + j + c] += sums[c * Taps + i];
}

// As many tap columns at a time as leave room for their sums.
template <int Taps, bool Strided, class T>
void weight_plane(const DepthwiseWeightArgs<T>& a, const WeightPlane<T>& plane) {
  constexpr int row_step = Strided ? 2 : 1, some = Taps == 3 ? 3 : Taps == 5 ? 2 : 1;
  const int64_t count = a.column_taps.count;
  int64_t j = 0;
  if (!Strided || a.column_taps.step == 1)
    for (; j + some <= count; j += some) weight_columns<Taps, row_step, Strided, some>(a, plane, j);
  for (; j < count; ++j) weight_columns<Taps, row_step, Strided, 1>(a, plane, j);
}

template <class T>
void depthwise_weight(const DepthwiseWeightArgs<T>& a) {
  if (const auto twins = weight_twins_function(a)) return twins(a);
  const int64_t taps = a.row_taps.count;
  void (*run)(const DepthwiseWeightArgs<T>&, const WeightPlane<T>&) =
      a.mode == Columns::strided
          ? (taps == 3 ? weight_plane<3, true, T> : weight_plane<5, true, T>)
          : (taps == 3 && a.column_taps.count == 3 ? depthwise_weight_walk<3, T>
             : taps == 3 ? weight_plane<3, false, T>
             : taps == 5 ? weight_plane<5, false, T>
                         : weight_plane<7, false, T>);
  WeightPlane<T> plane{a.source, a.grad, a.sums};
  for (int64_t i = 0; i < a.planes; ++i) {
    run(a, plane);
    plane.source += a.source_plane;
    plane.grad += a.grad_plane;
    plane.sums += taps * a.column_taps.count;
  }
}

}  // namespace
