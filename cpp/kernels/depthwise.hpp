// One filter on whole planes, straight from the image: vector over the pixels of a row. Square
// filters at stride 1 have depthwise_walk.hpp, data gradients at stride 2 depthwise_quads.hpp, lines
// depthwise_line.hpp.
//
// Some rows of results are held in registers; each source row is read once per tap column and
// serves every result that it reaches. Rows and columns outside the image are masked off: nothing
// is copied. A load that crosses a cache line takes a whole cycle on Zen 5 and nearly all do, which
// is why rows share them; masks cost nothing.
#pragma once
#include "kernels/depthwise_line.hpp"
#include "kernels/depthwise_plane.hpp"
#include "kernels/depthwise_quad_twins.hpp"
#include "kernels/depthwise_twins.hpp"
#include "kernels/depthwise_walk.hpp"
#include "kernels/source_rows.hpp"

namespace {

// The source rows under R results y, y + row_group, ...
template <int Taps, int RowStep, int R, class T>
inline SourceRows<T> rows_under(const DepthwiseArgs<T>& a, const T* plane, int64_t y) {
  return source_rows(plane, a.height, a.width, y * a.row_step + a.row_taps.first, a.row_taps.step,
                     (R - 1) * RowStep + Taps);
}

// Source row K of a block is tap row K - r * RowStep of result r. A recursion, here and below,
// because compilers do not reliably unroll a loop with conditions, and a rolled loop keeps weights
// and sums in memory.
template <int Taps, int RowStep, int K, int First, class T, int R>
PYCONV_UNROLLED void add_row(const Vec<T> (&w)[Taps], Vec<T> v, Vec<T> (&s)[R]) {
  if constexpr (K >= First * RowStep && K < First * RowStep + Taps)
    s[First] = fma(w[K - First * RowStep], v, s[First]);
  if constexpr (First + 1 < R) add_row<Taps, RowStep, K, First + 1>(w, v, s);
}

template <int RowStep, bool Border, int K, class T, bool Strided, int Count, int Taps, int R>
PYCONV_UNROLLED void add_columns(SourceRows<T>& rows,
                                 const TapColumns<T, Strided, Count>& columns,
                                 const Vec<T> (&w)[Count][Taps], Vec<T> (&s)[R]) {
  Vec<T> v[Count];
  // The rows that the next block of results adds to these: a block is the right time ahead.
  if constexpr (K + RowStep >= Taps) {
    prefetch(rows.p + R * RowStep * rows.pitch);
    if constexpr (Strided) prefetch(rows.p + R * RowStep * rows.pitch + Vec<T>::lanes);
  }
  rows.template next<K, Border>(columns, v);
  add_row<Taps, RowStep, K, 0>(w[0], v[0], s);
  if constexpr (Count > 1) add_row<Taps, RowStep, K, 0>(w[1], v[1], s);
  if constexpr (Count > 2) add_row<Taps, RowStep, K, 0>(w[2], v[2], s);
  if constexpr (K + 1 < (R - 1) * RowStep + Taps) 
    add_columns<RowStep, Border, K + 1>(rows, columns, w, s);
}

template <class T, int Count, int Taps>
PYCONV_UNROLLED void set_weights(const DepthwiseArgs<T>& a, const T* weights, const TapRun& columns,
                                 int64_t first, Vec<T> (&w)[Count][Taps]) {
  const ptrdiff_t step = a.row_taps.weight_step;
  weights += a.row_taps.weight + columns.weight + first * columns.weight_step;
  set_column(weights, step, w[0]);
  if constexpr (Count > 1) set_column(weights + columns.weight_step, step, w[1]);
  if constexpr (Count > 2) set_column(weights + 2 * columns.weight_step, step, w[2]);
}

template <int RowStep, class T, bool Strided, int Count, int Taps, int R>
inline void add_block(SourceRows<T> rows, const TapColumns<T, Strided, Count>& columns,
                      const Vec<T> (&w)[Count][Taps], Vec<T> (&s)[R]) {
  constexpr unsigned all = (1u << ((R - 1) * RowStep + Taps)) - 1u;
  if (rows.inside == all) {
    add_columns<RowStep, false, 0>(rows, columns, w, s);
  } else {
    add_columns<RowStep, true, 0>(rows, columns, w, s);
  }
}

// `Count` tap columns from number j for R rows of results, whose first column is x.
template <int Taps, int RowStep, bool Strided, int Count, class T, int R>
inline void add_some(const DepthwiseArgs<T>& a, const T* weights, const TapRun& taps, int64_t j,
                     int64_t x, const SourceRows<T>& first, Vec<T> (&s)[R]) {
  Vec<T> w[Count][Taps];
  set_weights(a, weights, taps, j, w);
  constexpr int lanes = Vec<T>::lanes;
  const int64_t at = (Strided ? 2 * x : x) + taps.first + j * taps.step;
  const TapColumns<T, Strided, Count> columns(at, taps.step, a.width, lanes);
  add_block<RowStep>(first.from(at), columns, w, s);
}

template <int Taps, int RowStep, bool Strided, class T, int R>
inline void add_all(const DepthwiseArgs<T>& a, const T* weights, const TapRun& taps, int64_t x,
                    const SourceRows<T>& rows, Vec<T> (&s)[R]) {
  int64_t j = 0;
  if constexpr (Strided)
    for (; taps.step == 1 && j + 2 <= taps.count; j += 2)
      add_some<Taps, RowStep, Strided, 2>(a, weights, taps, j, x, rows, s);
  for (; j < taps.count; ++j)
    add_some<Taps, RowStep, Strided, 1>(a, weights, taps, j, x, rows, s);
}

// Rows y, y + a.row_group, ... of one plane: R of them. With `Square`, as many tap columns as rows,
// whose weights stay in registers.
template <int Taps, int RowStep, bool Strided, bool Square, int R, class T>
void one_block(const DepthwiseArgs<T>& a, const DepthwisePlane<T>& plane, int64_t y) {
  constexpr int lanes = Vec<T>::lanes, kept = Square ? Taps : 1;
  const Vec<T> bias = Vec<T>::set(plane.bias);
  const ptrdiff_t out_row = a.out_row * a.row_group;
  const int64_t columns = a.columns, width = a.width;
  const bool accumulate = a.accumulate, relu = a.relu;
  const TapRun taps = a.column_taps[0];
  const SourceRows<T> rows = rows_under<Taps, RowStep, R>(a, plane.source, y);
  Vec<T> w[kept][Taps];
  if constexpr (Square) set_weights(a, plane.weights, taps, 0, w);
  T* out = plane.out + y * a.out_row;
  for (int64_t x = 0; x < columns; x += lanes, out += lanes) {
    const int n = clamp_to_lanes(columns - x, lanes);
    Vec<T> s[R];
    for (int r = 0; r < R; ++r)
      s[r] = accumulate ? Vec<T>::load_n(out + r * out_row, n) : bias;
    if constexpr (Square) {
      const int64_t at = (Strided ? 2 * x : x) + taps.first;
      const TapColumns<T, Strided, kept> inside(at, taps.step, width, lanes);
      add_block<RowStep>(rows.from(at), inside, w, s);
    } else {
      add_all<Taps, RowStep, Strided>(a, plane.weights, taps, x, rows, s);
    }
    for (int r = 0; r < R; ++r) store_result(s[r], relu, out + r * out_row, columns - x);
  }
}

// Two dense halves, the even and the odd columns of the result, put in turn as they are stored.
template <int Taps, int R, class T>
void merged_rows(const DepthwiseArgs<T>& a, const DepthwisePlane<T>& plane, int64_t y) {
  constexpr int lanes = Vec<T>::lanes;
  const ptrdiff_t out_row = a.out_row * a.row_group;
  const int64_t columns = a.columns;
  const bool accumulate = a.accumulate;
  const SourceRows<T> rows = rows_under<Taps, 1, R>(a, plane.source, y);
  T* out = plane.out + y * a.out_row;
  for (int64_t x = 0; 2 * x < columns; x += lanes, out += 2 * lanes) {
    Vec<T> even[R], odd[R];
    for (int r = 0; r < R; ++r) even[r] = odd[r] = Vec<T>::zero();
    add_all<Taps, 1, false>(a, plane.weights, a.column_taps[0], x, rows, even);
    add_all<Taps, 1, false>(a, plane.weights, a.column_taps[1], x, rows, odd);
    for (int r = 0; r < R; ++r)
      store_pairs(even[r], odd[r], accumulate, out + r * out_row, columns - 2 * x);
  }
}

template <Columns Mode, int Taps, bool Square, int R, class T>
inline void some_rows(const DepthwiseArgs<T>& a, const DepthwisePlane<T>& plane, int64_t y) {
  if constexpr (Mode == Columns::merged) {
    merged_rows<Taps, R>(a, plane, y);
  } else {
    constexpr bool strided = Mode == Columns::strided;
    one_block<Taps, strided ? 2 : 1, strided, Square, R>(a, plane, y);
  }
}

// A merged block holds two sums a row, so it is of half as many rows.
template <Columns Mode, int Taps, bool Square, class T>
void depthwise_plane(const DepthwiseArgs<T>& a, const DepthwisePlane<T>& plane) {
  constexpr int most = Mode == Columns::merged ? (depthwise_rows + 1) / 2 : depthwise_rows;
  const int64_t group = a.row_group;
  for (int64_t first = 0; first < group && first < a.rows; ++first) {
    int64_t y = first, left = (a.rows - first + group - 1) / group;
    for (; left >= most; left -= most, y += most * group)
      some_rows<Mode, Taps, Square, most>(a, plane, y);
    if constexpr (most > 2)
      for (; left >= 2; left -= 2, y += 2 * group) some_rows<Mode, Taps, Square, 2>(a, plane, y);
    for (; left > 0; --left, y += group) some_rows<Mode, Taps, Square, 1>(a, plane, y);
  }
}

template <class T>
using DepthwiseFunction = void (*)(const DepthwiseArgs<T>&, const DepthwisePlane<T>&);

template <class T>
DepthwiseFunction<T> depthwise_function(const DepthwiseArgs<T>& a) {
  const int64_t taps = a.row_taps.count;
  const bool nine = taps == 3 && a.column_taps[0].count == 3;
  if (a.mode == Columns::quads) {
    const bool odd = a.column_taps[0].first % 2 != 0;
    if (taps == 3) return odd ? depthwise_quads<3, true, T> : depthwise_quads<3, false, T>;
    return odd ? depthwise_quads<5, true, T> : depthwise_quads<5, false, T>;
  }
  if (a.mode == Columns::merged) {
    switch (taps) {
      case 1: return depthwise_plane<Columns::merged, 1, false, T>;
      case 2: return depthwise_plane<Columns::merged, 2, false, T>;
      default: return depthwise_plane<Columns::merged, 3, false, T>;
    }
  }
  if (a.mode == Columns::strided) {
    if (nine && a.column_taps[0].step == 1) return depthwise_plane<Columns::strided, 3, true, T>;
    switch (taps) {
      case 3: return depthwise_plane<Columns::strided, 3, false, T>;
      default: return depthwise_plane<Columns::strided, 5, false, T>;
    }
  }
  if (taps == 1 && a.rows == 1) return depthwise_line<T>;
  if (taps == a.column_taps[0].count) {
    if (taps == 3) return depthwise_walk<3, T>;
    if (taps == 5) return depthwise_walk<5, T>;
    if (taps == 7) return depthwise_walk<7, T>;
  }
  switch (taps) {
    case 1: return depthwise_plane<Columns::dense, 1, false, T>;
    case 2: return depthwise_plane<Columns::dense, 2, false, T>;
    case 3: return depthwise_plane<Columns::dense, 3, false, T>;
    case 4: return depthwise_plane<Columns::dense, 4, false, T>;
    case 5: return depthwise_plane<Columns::dense, 5, false, T>;
    default: return depthwise_plane<Columns::dense, 7, false, T>;
  }
}

template <class T>
void depthwise(const DepthwiseArgs<T>& a) {
  if (const auto twins = twins_function(a)) return twins(a);
  if (const auto twins = quad_twins_function(a)) return twins(a);
  const DepthwiseFunction<T> run = depthwise_function(a);
  DepthwisePlane<T> plane{a.source, a.weights, T(0), a.out};
  for (int64_t i = 0; i < a.planes; ++i) {
    if (a.bias) plane.bias = a.bias[i];
    run(a, plane);
    plane.source += a.source_plane;
    plane.weights += a.weight_plane;
    plane.out += a.out_plane;
  }
}

}  // namespace
