// The weight gradient of depthwise_twins.hpp: the same pairs of rows, with the roles changed.
#pragma once
#include "kernels/depthwise_twins.hpp"
#include "kernels/lane_sums.hpp"

namespace {

// Source pair K meets pair R of dy at row K - R * Step of the taps. The last pair may have no upper
// row: `last` keeps the products of what is above, perhaps a NaN, out of the sums.
template <int Step, int K, int I, int Count, int R, class T, int N>
PYCONV_UNROLLED void add_twin_products(const Vec<T> (&g)[twin_rows], Vec<T> v,
                                       typename Vec<T>::Mask last, Vec<T> (&s)[N]) {
  if constexpr (K >= R * Step && K < R * Step + N / Count) {
    Vec<T>& sum = s[(K - R * Step) * Count + I];
    const Vec<T> more = fma(g[R], v, sum);
    sum = R + 1 < twin_rows ? more : select(last, more, sum);
  }
  if constexpr (R + 1 < twin_rows)
    add_twin_products<Step, K, I, Count, R + 1>(g, v, last, s);
}
template <int Step, int K, int I, class T, int Count, int N>
PYCONV_UNROLLED void add_picked_products(const Vec<T> (&g)[twin_rows], Vec<T> a, Vec<T> b,
                                         const Picks<T> (&picks)[Count],
                                         typename Vec<T>::Mask last, Vec<T> (&s)[N]) {
  Vec<T> v = pick(a, b, picks[I]);
  hold(v);
  add_twin_products<Step, K, I, Count, 0>(g, v, last, s);
  if constexpr (I + 1 < Count) add_picked_products<Step, K, I + 1>(g, a, b, picks, last, s);
}
template <int Step, int K, class T, int Count, int N>
PYCONV_UNROLLED void add_source_pairs(const Vec<T> (&g)[twin_rows], TwinRows<T>& rows,
                                      const Picks<T> (&picks)[Count],
                                      typename Vec<T>::Mask last, Vec<T> (&s)[N]) {
  Vec<T> a, b;
  rows.template next<K>(a, b);
  add_picked_products<Step, K, 0>(g, a, b, picks, last, s);
  if constexpr (K + 1 < (twin_rows - 1) * Step + N / Count)
    add_source_pairs<Step, K + 1>(g, rows, picks, last, s);
}

template <int K = 0, class T>
PYCONV_UNROLLED void load_twins(TwinRows<T>& rows, const Picks<T>& columns,
                                Vec<T> (&g)[twin_rows]) {
  Vec<T> a, b;
  rows.template next<K>(a, b);
  g[K] = pick(a, b, columns);
  hold(g[K]);
  if constexpr (K + 1 < twin_rows) load_twins<K + 1>(rows, columns, g);
}

// Rows y .. y + 2 twin_rows - 1 of dy, all planes, tap columns First .. First + Count - 1.
template <int Taps, int Step, int First, int Count, class T>
void weight_twins_block(const DepthwiseWeightArgs<T>& a, int64_t y) {
  constexpr int half = Vec<T>::lanes / 2, count = (twin_rows - 1) * Step + Taps;
  TapRun taps = a.column_taps;
  taps.first += First * taps.step;
  Picks<T> picks[Count];
  set_picks<Step>(taps, a.width, a.columns, picks);
  const Picks<T> columns = column_picks<T>(0, 1, a.columns, a.columns);
  const TwinRows<T> source = twin_rows_at(a.source, a.height, a.width, 1,
                                          y * Step + a.row_taps.first, twin_rows * Step, count);
  const TwinRows<T> grad =
      twin_rows_at(a.grad, a.rows, a.columns, 1, y, twin_rows, twin_rows);
  const bool whole = a.rows - y >= 2 * twin_rows;
  const typename Vec<T>::Mask last = Vec<T>::range(0, whole ? 2 * half : half);
  T* sums = a.sums + First;
  for (int64_t i = 0; i < a.planes; ++i) {
    TwinRows<T> x = source.from(i * a.source_plane), dy = grad.from(i * a.grad_plane);
    Vec<T> g[twin_rows], s[Taps * Count];
    load_twins(dy, columns, g);
    clear(s);
    add_source_pairs<Step, 0>(g, x, picks, last, s);
    T each[lane_sums_size<T>(Taps * Count)];
    lane_sums(s, each);
    for (int j = 0; j < Taps; ++j)
      for (int c = 0; c < Count; ++c) sums[j * Taps + c] += each[j * Count + c];
    sums += Taps * Taps;
  }
}

template <int Taps, int Step, class T>
void depthwise_weight_twins(const DepthwiseWeightArgs<T>& a) {
  for (int64_t y = 0; y < a.rows; y += 2 * twin_rows) {
    weight_twins_block<Taps, Step, 0, 3>(a, y);
    if constexpr (Taps == 5) weight_twins_block<Taps, Step, 3, 2>(a, y);
  }
}

// Where at most one row is missing in the last block of them.
template <class T>
auto weight_twins_function(const DepthwiseWeightArgs<T>& a)
    -> void (*)(const DepthwiseWeightArgs<T>&) {
  if constexpr (has_twins<T>) {
    const bool three = a.row_taps.count == 3;
    if (!twins_fit<T>(a, a.column_taps) || (a.rows + 1) % (2 * twin_rows) > 1) return nullptr;
    if (a.mode == Columns::strided)
      return three ? depthwise_weight_twins<3, 2, T> : depthwise_weight_twins<5, 2, T>;
    return three ? depthwise_weight_twins<3, 1, T> : depthwise_weight_twins<5, 1, T>;
  }
  return nullptr;
}

}  // namespace
