// The data gradient of 3x3 and 5x5 filters at stride 2, in 2x2 results at a time: nine products of
// 2x2 gradients, or 25 of 3x3.
//
// Places are counted from the padding on: tap k of gradient w is at 2 w + k. So an even place 2 w
// is reached by the even taps of gradients w, w - 1, ... and the odd place behind it by their odd
// taps. The kernel walks down rows of gradients: each is read once and added to the rows of places
// that its taps reach, of which the first two are complete then.
#pragma once
#include "kernels/depthwise_plane.hpp"
#include "kernels/lane_sums.hpp"

namespace {

// Gradients of neighbouring columns that reach a place: `near<Taps> - 1` before the last.
template <int Taps>
constexpr int near = (Taps + 1) / 2;

// Sums of the places of `Taps` rows from row 2 i, in two vectors of columns each.
template <int Taps, class T>
struct QuadSums {
  Vec<T> even[Taps], odd[Taps];
};

// With an odd padding results begin at an odd place, so pairs of them are an odd place and the even
// one behind it, whose last gradient is one further on.
template <bool Odd, int Row = 0, int J = 0, int Taps, class T>
PYCONV_UNROLLED void add_gradients(const TapWeights<Taps, T>& w, const Vec<T> (&g)[near<Taps>],
                                   QuadSums<Taps, T>& s) {
  constexpr int tap = 2 * J;
  s.even[Row] = fma(w.template at<Row * Taps + tap>(), g[J], s.even[Row]);
  if constexpr (tap + 1 < Taps)
    s.odd[Row] = fma(w.template at<Row * Taps + tap + 1>(), g[Odd ? J + 1 : J], s.odd[Row]);
  if constexpr (J + 1 < near<Taps>) {
    add_gradients<Odd, Row, J + 1>(w, g, s);
  } else if constexpr (Row + 1 < Taps) {
    add_gradients<Odd, Row + 1>(w, g, s);
  }
}

// The last gradient column first.
template <bool Inside, int J = 0, class T, int Count>
PYCONV_UNROLLED void load_gradients(const T* p, const typename Vec<T>::Lanes (&lanes)[Count],
                                    Vec<T> (&g)[Count]) {
  g[J] = Inside ? Vec<T>::load(p - J) : Vec<T>::load(p - J, lanes[J]);
  hold(g[J]);
  if constexpr (J + 1 < Count) load_gradients<Inside, J + 1>(p, lanes, g);
}

// The sums of the two rows that are complete leave, those of two new rows come.
template <int Row = 0, int Taps, class T>
PYCONV_UNROLLED void next_rows(QuadSums<Taps, T>& s) {
  if constexpr (Row + 2 < Taps) {
    s.even[Row] = s.even[Row + 2];
    s.odd[Row] = s.odd[Row + 2];
  } else {
    s.even[Row] = s.odd[Row] = Vec<T>::zero();
  }
  if constexpr (Row + 1 < Taps) next_rows<Row + 1>(s);
}

// The last gradient column that reaches result x, an even number, or x + 1.
template <bool Odd, class T>
inline int64_t last_column(const DepthwiseArgs<T>& a, int64_t x) {
  return (x - a.column_taps[0].first + Odd) / 2;
}

// Results of the rows that gradient rows `first` to `end` - 1 complete, two vectors of columns from
// x, an even number. `Inside`: nothing is near the border of the columns.
template <int Taps, bool Odd, bool Inside, class T>
inline void walk_rows(const DepthwiseArgs<T>& a, const DepthwisePlane<T>& plane,
                      TapWeights<Taps, T> taps, int64_t first, int64_t end, int64_t x) {
  constexpr int count = near<Taps>;
  const int64_t at = last_column<Odd>(a, x), left = Inside ? 2 * Vec<T>::lanes : a.columns - x;
  const int64_t width = a.width, height = a.height, rows = a.rows, out_row = a.out_row;
  const bool accumulate = a.accumulate;
  typename Vec<T>::Lanes inside[count];
  for (int j = 0; j < count; ++j) inside[j] = lanes_inside<T>(at - j, width);
  const int64_t from = first < count ? 0 : first - (count - 1);
  const T* source = plane.source + from * width + at;
  int64_t y = 2 * from + a.row_taps.first;
  T* out = plane.out + y * out_row + x;
  QuadSums<Taps, T> s;
  clear(s.even);
  clear(s.odd);
  for (int64_t i = from; i < end; ++i, source += width, y += 2, out += 2 * out_row) {
    if (PYCONV_LIKELY(i < height)) {
      Vec<T> g[count];
      load_gradients<Inside>(source, inside, g);
      taps.forget();
      add_gradients<Odd>(taps, g, s);
    }
    if (PYCONV_LIKELY(i >= first && y >= 0))
      store_pairs(Odd ? s.odd[0] : s.even[0], Odd ? s.even[0] : s.odd[0], accumulate, out, left);
    if (PYCONV_LIKELY(i >= first && y + 1 < rows))
      store_pairs(Odd ? s.odd[1] : s.even[1], Odd ? s.even[1] : s.odd[1], accumulate, out + out_row,
                  left);
    next_rows(s);
  }
}

// In strips of rows, so that the next columns of a wide plane find lines of results near.
template <int Taps, bool Odd, class T>
void depthwise_quads(const DepthwiseArgs<T>& a, const DepthwisePlane<T>& plane) {
  constexpr int64_t strip = 16, lanes = Vec<T>::lanes;
  TapWeights<Taps, T> taps;
  taps.set(plane.weights);
  const int64_t padding = -a.row_taps.first, last = (a.rows - 1 + padding) / 2 + 1;
  for (int64_t i = padding / 2; i < last; i += strip) {
    const int64_t stop = min(last, i + strip);
    for (int64_t x = 0; x < a.columns; x += 2 * lanes) {
      const int64_t at = last_column<Odd>(a, x);
      if (at >= near<Taps> - 1 && at + lanes <= a.width && x + 2 * lanes <= a.columns) {
        walk_rows<Taps, Odd, true>(a, plane, taps, i, stop, x);
      } else {
        walk_rows<Taps, Odd, false>(a, plane, taps, i, stop, x);
      }
    }
  }
}

}  // namespace
