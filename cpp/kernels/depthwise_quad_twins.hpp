// The 3x3 filters of depthwise_quads.hpp on planes whose rows of results fit a vector: gradients of
// two rows side by side, as in depthwise_twins.hpp. Interleaved, a vector is one whole row of
// results.
#pragma once
#include "kernels/depthwise_quads.hpp"
#include "kernels/depthwise_twins.hpp"

namespace {

// Vectors of gradients of neighbouring columns: those that the pairs of results there need.
template <class T>
struct QuadRow {
  Vec<T> left, right;
};

// Results of the even and the odd places of a row, two vectors of columns.
template <class T>
struct QuadPair {
  Vec<T> even, odd;
};

// What a row of gradients adds to them through a row of taps.
template <bool Odd, int TapRow, class T>
PYCONV_UNROLLED QuadPair<T> add_taps(const QuadRow<T>& g, const TapWeights<3, T>& taps,
                                     QuadPair<T> s) {
  constexpr int first = TapRow * 3;
  s.even = fma(g.right, taps.template at<first>(), s.even);
  s.even = fma(g.left, taps.template at<first + 2>(), s.even);
  s.odd = fma(Odd ? g.left : g.right, taps.template at<first + 1>(), s.odd);
  return s;
}

// Where the results of a block go: the lower halves from `low` on, the upper to rows further down.
// Which of the rows exist is a bit a row.
template <class T>
struct QuadTwinOut {
  T* low;
  ptrdiff_t row, apart;
  unsigned low_rows, high_rows;
  int columns;
  bool accumulate;

  template <int Row, bool Odd>
  PYCONV_UNROLLED void store(const QuadPair<T>& s) const {
    Vec<T> low_row, high_row;
    interleave(Odd ? s.odd : s.even, Odd ? s.even : s.odd, low_row, high_row);
    T* to = low + Row * row;
    if (PYCONV_LIKELY(low_rows >> Row & 1u)) store_half(low_row, accumulate, columns, to);
    if (PYCONV_LIKELY(high_rows >> Row & 1u)) store_half(high_row, accumulate, columns, to + apart);
  }
};

template <class T>
struct QuadPicks {
  Picks<T> left, right;
};

// Row K of the gradients, after the row `above`.
template <bool Odd, int K, class T>
PYCONV_UNROLLED void quad_twin_rows(TwinRows<T>& rows, const QuadPicks<T>& picks,
                                    const TapWeights<3, T>& taps, QuadRow<T> above,
                                    const QuadTwinOut<T>& out) {
  Vec<T> a, b;
  rows.template next<K>(a, b);
  const QuadRow<T> g = {pick(a, b, picks.left), pick(a, b, picks.right)};
  if constexpr (K > 0) {
    const QuadPair<T> none = {Vec<T>::zero(), Vec<T>::zero()};
    const QuadPair<T> even = add_taps<Odd, 0>(g, taps, add_taps<Odd, 2>(above, taps, none));
    out.template store<2 * K - 2, Odd>(even);
    out.template store<2 * K - 1, Odd>(add_taps<Odd, 1>(g, taps, none));
  }
  if constexpr (K < twin_rows) quad_twin_rows<Odd, K + 1>(rows, picks, taps, g, out);
}

// Rows of gradients first .. first + 2 twin_rows - 1 of all planes.
template <bool Odd, class T>
void quad_twin_block(const DepthwiseArgs<T>& a, int64_t first) {
  const int64_t at = last_column<Odd>(a, 0) - 1, pairs = (a.columns + 1) / 2;
  const QuadPicks<T> picks = {column_picks<T>(at, 1, a.width, pairs),
                              column_picks<T>(at + 1, 1, a.width, pairs)};
  const TwinRows<T> all =
      twin_rows_at(a.source, a.height, a.width, 1, first - 1, twin_rows, twin_rows + 1);
  const int64_t y = 2 * first + a.row_taps.first;
  QuadTwinOut<T> out{a.out + y * a.out_row, a.out_row,    2 * twin_rows * a.out_row, 0, 0,
                     static_cast<int>(a.columns), a.accumulate};
  for (int i = 0; i < 2 * twin_rows; ++i) {
    out.low_rows |= static_cast<unsigned>(y + i >= 0 && y + i < a.rows) << i;
    const int64_t high = y + 2 * twin_rows + i;
    out.high_rows |= static_cast<unsigned>(high >= 0 && high < a.rows) << i;
  }
  const T* weights = a.weights;
  for (int64_t i = 0; i < a.planes; ++i) {
    TwinRows<T> rows = all.from(i * a.source_plane);
    TapWeights<3, T> taps;
    taps.set(weights);
    hold(out.low_rows);
    hold(out.high_rows);
    quad_twin_rows<Odd, 0>(rows, picks, taps, {Vec<T>::zero(), Vec<T>::zero()}, out);
    weights += a.weight_plane;
    out.low += a.out_plane;
  }
}

template <bool Odd, class T>
void depthwise_quad_twins(const DepthwiseArgs<T>& a) {
  const int64_t padding = -a.row_taps.first, last = (a.rows - 1 + padding) / 2 + 1;
  for (int64_t i = padding / 2; i < last; i += 2 * twin_rows) quad_twin_block<Odd>(a, i);
}

// The kernel for two rows at a time, or null where rows are too long.
template <class T>
auto quad_twins_function(const DepthwiseArgs<T>& a) -> void (*)(const DepthwiseArgs<T>&) {
  if constexpr (has_twins<T>) {
    constexpr int lanes = Vec<T>::lanes;
    if (a.mode != Columns::quads || a.row_taps.count != 3) return nullptr;
    if (a.columns > lanes || a.width > lanes) return nullptr;
    return a.column_taps[0].first % 2 ? depthwise_quad_twins<true, T>
                                      : depthwise_quad_twins<false, T>;
  }
  return nullptr;
}

}  // namespace
