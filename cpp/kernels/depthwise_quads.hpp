// The data gradient of a 3x3 filter at stride 2, in 2x2 results at a time: nine products of 2x2
// gradients.
//
// Places are counted from the padding on: tap k of gradient w is at 2 w + k. So an even place 2 w
// is reached by tap 0 of gradient w and tap 2 of gradient w - 1, and the odd place behind it by
// tap 1 of gradient w alone.
#pragma once
#include "kernels/depthwise_plane.hpp"

namespace {

// Vectors of gradients of neighbouring columns: those that the pairs of results there need.
template <class T>
struct QuadRow {
  Vec<T> left, right;
};

template <class T>
struct QuadWeights {
  Vec<T> w[9];
};
template <int I = 0, class T>
PYCONV_UNROLLED void set_weights(const T* from, QuadWeights<T>& to) {
  to.w[I] = Vec<T>::set(from[I]);
  hold(to.w[I]);
  if constexpr (I + 1 < 9) set_weights<I + 1>(from, to);
}

// Results of the even and the odd places of a row, two vectors of columns.
template <class T>
struct QuadPair {
  Vec<T> even, odd;
};

// What a row of gradients adds to them through a row of taps.
template <bool Odd, int TapRow, class T>
PYCONV_UNROLLED QuadPair<T> add_taps(const QuadRow<T>& g, const QuadWeights<T>& taps,
                                     QuadPair<T> s) {
  constexpr int first = TapRow * 3;
  s.even = fma(g.left, taps.w[first + 2], fma(g.right, taps.w[first], s.even));
  s.odd = fma(Odd ? g.left : g.right, taps.w[first + 1], s.odd);
  return s;
}

// Lanes of QuadRow inside the image; all of them where nothing is near a border.
template <class T, bool Inside>
struct QuadLanes {
  typename Vec<T>::Lanes left, right;
  QuadLanes(int64_t at, int64_t width)
      : left(lanes_inside<T>(at, width)), right(lanes_inside<T>(at + 1, width)) {}
  PYCONV_UNROLLED QuadRow<T> load(const T* p, bool exists) const {
    if (!exists) return {Vec<T>::zero(), Vec<T>::zero()};
    if constexpr (Inside) return {Vec<T>::load(p), Vec<T>::load(p + 1)};
    return {Vec<T>::load(p, left), Vec<T>::load(p + 1, right)};
  }
};

// With an odd padding results begin at an odd place, so pairs of them are an odd place and the even
// one behind it.
template <bool Odd, class T>
PYCONV_UNROLLED void store_quad_row(const QuadPair<T>& s, bool accumulate, T* out, int64_t left) {
  store_pairs(Odd ? s.odd : s.even, Odd ? s.even : s.odd, accumulate, out, left);
}

// The column of gradients under result x, an even number, on the left.
template <bool Odd, class T>
inline int64_t quad_column(const DepthwiseArgs<T>& a, int64_t x) {
  return (x - a.column_taps[0].first) / 2 - (Odd ? 0 : 1);
}

// Rows of gradients `first` to `end` - 1, results x to `x_end` - 1: not `Inside`, one vector of
// gradients, at a border.
template <bool Odd, bool Inside, class T>
inline void quad_block(const DepthwiseArgs<T>& a, const DepthwisePlane<T>& plane,
                       const QuadWeights<T>& taps, int64_t first, int64_t end, int64_t x,
                       int64_t x_end) {
  constexpr int pair = 2 * Vec<T>::lanes;
  const int64_t at = quad_column<Odd>(a, x), width = a.width, out_row = a.out_row;
  const int64_t count = x_end - x, left = Inside ? pair : a.columns - x;
  const bool accumulate = a.accumulate;
  const QuadLanes<T, Inside> lanes(at, width);
  const Vec<T> zero = Vec<T>::zero();
  for (int64_t i = first; i < end; ++i) {
    const bool above = i > 0 && i <= a.height, here = i >= 0 && i < a.height;
    const T* source = plane.source + i * width + at;
    const int64_t y = 2 * i + a.row_taps.first;
    T* out = plane.out + y * out_row + x;
    const bool even_row = y >= 0, odd_row = y + 1 < a.rows;
    for (int64_t c = 0; c < (Inside ? count : 1); c += pair, source += Vec<T>::lanes, out += pair) {
      const QuadRow<T> g = lanes.load(source, here);
      if (even_row) {
        QuadPair<T> s = add_taps<Odd, 2>(lanes.load(source - width, above), taps, {zero, zero});
        s = add_taps<Odd, 0>(g, taps, s);
        store_quad_row<Odd>(s, accumulate, out, left);
      }
      if (odd_row)
        store_quad_row<Odd>(add_taps<Odd, 1>(g, taps, {zero, zero}), accumulate, out + out_row,
                            left);
    }
  }
}

template <bool Odd, class T>
void depthwise_quads(const DepthwiseArgs<T>& a, const DepthwisePlane<T>& plane) {
  // So many rows are still near when their borders follow the columns between.
  constexpr int64_t strip = 16, lanes = Vec<T>::lanes, pair = 2 * lanes;
  QuadWeights<T> taps;
  set_weights(plane.weights, taps);
  int64_t begin = 0;
  while (begin < a.columns && quad_column<Odd>(a, begin) < 0) begin += pair;
  int64_t end = begin;
  while (end + pair <= a.columns && quad_column<Odd>(a, end) + 1 + lanes <= a.width) end += pair;
  const int64_t padding = -a.row_taps.first, last = (a.rows - 1 + padding) / 2 + 1;
  for (int64_t i = padding / 2; i < last; i += strip) {
    const int64_t stop = min(last, i + strip);
    for (int64_t x = 0; x < begin; x += pair)
      quad_block<Odd, false>(a, plane, taps, i, stop, x, x + pair);
    if (end > begin) quad_block<Odd, true>(a, plane, taps, i, stop, begin, end);
    for (int64_t x = end; x < a.columns; x += pair)
      quad_block<Odd, false>(a, plane, taps, i, stop, x, x + pair);
  }
}

}  // namespace
