// Square filters on whole planes whose rows of results and taps lie alike: down the rows of source.
//
// Each row of source is read once and added to the rows of results that its taps reach, of which
// the first is complete then. What depends on the columns alone is found once for all rows, and no
// row of results waits for another, so that a processor has several under way.
#pragma once
#include "kernels/depthwise_plane.hpp"
#include "kernels/depthwise_quads.hpp"

namespace {

// Sums of `Taps` rows of results, the first of them the nearest to complete.
template <int Taps, int Vectors, class T>
struct WalkSums {
  Vec<T> s[Taps][Vectors];
};

// Adds the source that column J of the taps reads.
template <int J, int Row = 0, int Taps, int Vectors, class T>
PYCONV_UNROLLED void add_source(const TapWeights<Taps, T>& taps, const Vec<T> (&v)[Vectors],
                                WalkSums<Taps, Vectors, T>& sums) {
  Vec<T> w = taps.template at<(Taps - 1 - Row) * Taps + J>();
  if constexpr (Taps > 3 && Vectors > 1) hold(w);
  sums.s[Row][0] = fma(w, v[0], sums.s[Row][0]);
  if constexpr (Vectors > 1) sums.s[Row][1] = fma(w, v[1], sums.s[Row][1]);
  if constexpr (Row + 1 < Taps) add_source<J, Row + 1>(taps, v, sums);
}

// Where the columns of taps read a row, and which lanes there are inside it.
template <int Taps, int Vectors, class T>
struct WalkColumns {
  ptrdiff_t step;
  typename Vec<T>::Lanes inside[Taps][Vectors];
  WalkColumns(int64_t at, int64_t apart, int64_t width) : step(apart) {
    for (int j = 0; j < Taps; ++j)
      for (int v = 0; v < Vectors; ++v)
        inside[j][v] = lanes_inside<T>(at + j * step + v * Vec<T>::lanes, width);
  }
};

template <bool Inside, int J = 0, int Taps, int Vectors, class T>
PYCONV_UNROLLED void add_source_row(const T* p, const WalkColumns<Taps, Vectors, T>& columns,
                                    const TapWeights<Taps, T>& taps,
                                    WalkSums<Taps, Vectors, T>& sums) {
  constexpr int lanes = Vec<T>::lanes;
  Vec<T> v[Vectors];
  v[0] = Inside ? Vec<T>::load(p) : Vec<T>::load(p, columns.inside[J][0]);
  hold(v[0]);
  if constexpr (Vectors > 1) {
    v[1] = Inside ? Vec<T>::load(p + lanes) : Vec<T>::load(p + lanes, columns.inside[J][1]);
    hold(v[1]);
  }
  add_source<J>(taps, v, sums);
  if constexpr (J + 1 < Taps)
    add_source_row<Inside, J + 1>(p + columns.step, columns, taps, sums);
}

template <int Row = 0, int Taps, int Vectors, class T>
PYCONV_UNROLLED void next_row(Vec<T> bias, WalkSums<Taps, Vectors, T>& sums) {
  if constexpr (Row + 1 < Taps) {
    sums.s[Row][0] = sums.s[Row + 1][0];
    if constexpr (Vectors > 1) sums.s[Row][1] = sums.s[Row + 1][1];
    next_row<Row + 1>(bias, sums);
  } else {
    sums.s[Row][0] = bias;
    if constexpr (Vectors > 1) sums.s[Row][1] = bias;
  }
}

// Rows first, first + row_group, ... of the results, `Vectors` vectors of columns from x.
template <int Taps, int Vectors, bool Inside, class T>
inline void walk_plane(const DepthwiseArgs<T>& a, const DepthwisePlane<T>& plane,
                       TapWeights<Taps, T> taps, int64_t first, int64_t x) {
  constexpr int lanes = Vec<T>::lanes;
  const int64_t at = x + a.column_taps[0].first, left = Inside ? Vectors * lanes : a.columns - x;
  const WalkColumns<Taps, Vectors, T> columns(at, a.column_taps[0].step, a.width);
  const int64_t results = (a.rows - first + a.row_group - 1) / a.row_group;
  const int64_t step = a.row_taps.step, height = a.height;
  const ptrdiff_t pitch = step * a.width, out_row = a.out_row * a.row_group;
  const bool accumulate = a.accumulate, relu = a.relu;
  const Vec<T> bias = Vec<T>::set(plane.bias);
  int64_t row = first * a.row_step + a.row_taps.first;
  const T* source = plane.source + row * a.width + at;
  T* out = plane.out + first * a.out_row + x;
  WalkSums<Taps, Vectors, T> sums;
  for (int i = 0; i < Taps; ++i) next_row(bias, sums);
  for (int64_t y = 1 - Taps; y < results; ++y, row += step, source += pitch) {
    if (PYCONV_LIKELY(static_cast<uint64_t>(row) < static_cast<uint64_t>(height))) {
      taps.forget();
      add_source_row<Inside>(source, columns, taps, sums);
    }
    if (PYCONV_LIKELY(y >= 0)) {
      if (accumulate) {
        sums.s[0][0] = add(sums.s[0][0], Vec<T>::load_n(out, clamp_to_lanes(left, lanes)));
        if constexpr (Vectors > 1)
          sums.s[0][1] =
              add(sums.s[0][1], Vec<T>::load_n(out + lanes, clamp_to_lanes(left - lanes, lanes)));
      }
      store_result(sums.s[0][0], relu, out, left);
      if constexpr (Vectors > 1) store_result(sums.s[0][1], relu, out + lanes, left - lanes);
      out += out_row;
    }
    next_row(bias, sums);
  }
}

template <int Taps, class T>
void depthwise_walk(const DepthwiseArgs<T>& a, const DepthwisePlane<T>& plane) {
  constexpr int64_t lanes = Vec<T>::lanes;
  const TapRun &rows = a.row_taps, &columns = a.column_taps[0];
  T weights[Taps * Taps];
  for (int i = 0; i < Taps; ++i)
    for (int j = 0; j < Taps; ++j)
      weights[i * Taps + j] = plane.weights[rows.weight + columns.weight + i * rows.weight_step +
                                            j * columns.weight_step];
  TapWeights<Taps, T> taps;
  taps.set(weights);
  // Nine weights stay in registers; more are read for two vectors at a time.
  constexpr int vectors = Taps > 3 ? 2 : 1;
  for (int64_t first = 0; first < a.row_group && first < a.rows; ++first)
    for (int64_t x = 0; x < a.columns; x += vectors * lanes) {
      const int64_t at = x + columns.first, end = at + vectors * lanes + (Taps - 1) * columns.step;
      if (at >= 0 && end <= a.width && a.columns - x >= vectors * lanes) {
        walk_plane<Taps, vectors, true>(a, plane, taps, first, x);
      } else if (vectors == 1 || a.columns - x <= lanes) {
        walk_plane<Taps, 1, false>(a, plane, taps, first, x);
      } else {
        walk_plane<Taps, 2, false>(a, plane, taps, first, x);
      }
    }
}

}  // namespace
