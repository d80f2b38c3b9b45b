// The weight gradient of 3x3 filters as depthwise_walk.hpp walks: down the rows of source, each of
// which meets the rows of dy that its taps reach.
#pragma once
#include "kernels/depthwise_weight_plane.hpp"

namespace {

// Where the columns of taps read a row: lanes inside it that dy has too. What lies behind the
// columns of dy may be a NaN, and 0 * NaN is NaN.
template <int Taps, class T>
struct WeightColumns {
  ptrdiff_t step;
  typename Vec<T>::Lanes inside[Taps];
  WeightColumns(int64_t at, int64_t apart, int64_t width, int n) : step(apart) {
    for (int j = 0; j < Taps; ++j)
      inside[j] = lanes_inside<T>(at + j * step, min(width, at + j * step + n));
  }
};

// `rows`: which rows of dy exist, a bit a row; unless `Some`, all of them do. A product with the
// zeros of a row that does not would make a NaN of a NaN in the source.
template <bool Some, int J, int Row = 0, int Taps, class T>
PYCONV_UNROLLED void add_tap_products(Vec<T> v, const Vec<T> (&g)[Taps], unsigned rows,
                                      Vec<T> (&s)[Taps * Taps]) {
  if (!Some || rows >> Row & 1u) s[Row * Taps + J] = fma(g[Row], v, s[Row * Taps + J]);
  if constexpr (Row + 1 < Taps) add_tap_products<Some, J, Row + 1>(v, g, rows, s);
}
template <bool Some, int J = 0, int Taps, class T>
PYCONV_UNROLLED void add_source_taps(const T* p, const WeightColumns<Taps, T>& columns,
                                     const Vec<T> (&g)[Taps], unsigned rows,
                                     Vec<T> (&s)[Taps * Taps]) {
  Vec<T> v = Vec<T>::load(p, columns.inside[J]);
  hold(v);
  add_tap_products<Some, J>(v, g, rows, s);
  if constexpr (J + 1 < Taps)
    add_source_taps<Some, J + 1>(p + columns.step, columns, g, rows, s);
}

// Row r of dy, which meets this row of source at tap row r: the newest first.
template <int Row, class T, int Taps>
PYCONV_UNROLLED void next_gradient(Vec<T> newest, Vec<T> (&g)[Taps]) {
  if constexpr (Row > 0) {
    g[Row] = g[Row - 1];
    next_gradient<Row - 1>(newest, g);
  } else {
    g[0] = newest;
  }
}

// A vector of columns from x, rows first, first + row_group, ... of dy: `count` of them from
// number `y`, so that no chain of sums is longer.
template <int Taps, class T>
inline void walk_weight(const DepthwiseWeightArgs<T>& a, const T* source, const T* grad,
                        int64_t first, int64_t y, int64_t count, int64_t x,
                        Vec<T> (&s)[Taps * Taps]) {
  const int n = clamp_to_lanes(a.columns - x, Vec<T>::lanes);
  const int64_t at = x + a.column_taps.first, step = a.row_taps.step, height = a.height;
  const WeightColumns<Taps, T> columns(at, a.column_taps.step, a.width, n);
  const typename Vec<T>::Lanes here = Vec<T>::between(0, n);
  const ptrdiff_t pitch = step * a.width, grad_pitch = a.grad_row * a.row_group;
  int64_t row = (first + y * a.row_group) * a.row_step + a.row_taps.first;
  source += row * a.width + at;
  grad += (first + y * a.row_group) * a.grad_row + x;
  constexpr unsigned all = (1u << Taps) - 1u;
  unsigned rows = 0;
  Vec<T> g[Taps];
  clear(g);
  for (int64_t i = 0; i < count + Taps - 1; ++i, row += step, source += pitch, grad += grad_pitch) {
    const bool more = i < count;
    next_gradient<Taps - 1>(more ? Vec<T>::load(grad, here) : Vec<T>::zero(), g);
    rows = (rows << 1 | static_cast<unsigned>(more)) & all;
    if (PYCONV_LIKELY(static_cast<uint64_t>(row) < static_cast<uint64_t>(height))) {
      if (PYCONV_LIKELY(rows == all)) {
        add_source_taps<false>(source, columns, g, rows, s);
      } else {
        add_source_taps<true>(source, columns, g, rows, s);
      }
    }
  }
}

template <int Taps, class T>
void depthwise_weight_walk(const DepthwiseWeightArgs<T>& a, const WeightPlane<T>& plane) {
  constexpr int64_t most = 120;  // products of a chain
  constexpr int lanes = Vec<T>::lanes;
  T totals[Taps * Taps * lanes];
  for (T& t : totals) t = T(0);
  for (int64_t first = 0; first < a.row_group && first < a.rows; ++first) {
    const int64_t results = (a.rows - first + a.row_group - 1) / a.row_group;
    for (int64_t y = 0; y < results; y += most)
      for (int64_t x = 0; x < a.columns; x += lanes) {
        Vec<T> s[Taps * Taps];
        clear(s);
        walk_weight<Taps>(a, plane.source, plane.grad, first, y, min(most, results - y), x, s);
        add_to_totals(s, totals);
      }
  }
  Vec<T> each[Taps * Taps];
  load_rows(totals, lanes, lanes, each);
  T sums[lane_sums_size<T>(Taps * Taps)];
  lane_sums(each, sums);
  for (int i = 0; i < Taps * Taps; ++i) plane.sums[i] += sums[i];
}

}  // namespace
