// Depthwise on planes whose rows of results fill at most half a vector: two rows side by side.
//
// Result row y lies in the lower half and row y + twin_rows in the upper, so a vector of source is
// two rows too, and the lanes that a column of taps reads are picked out of them in registers: each
// row of source is loaded once. A 7x7 plane takes 36 products and 18 picks, where one row a vector
// takes 57 products and 21 loads, most of them across two cache lines.
#pragma once
#include "kernels/depthwise_plane.hpp"
#include "kernels/source_rows.hpp"

namespace {

constexpr int twin_rows = 4;  // vectors of a block, which has twice as many rows

// The lanes that one column of taps reads in two rows of source, of which each starts a vector.
template <class T>
inline Picks<T> column_picks(int64_t first, int64_t step, int64_t width, int64_t columns) {
  constexpr int lanes = Vec<T>::lanes, half = lanes / 2;
  int32_t from[lanes];
  for (int i = 0; i < half; ++i) {
    const int64_t at = first + i * step;
    const bool read = i < columns && at >= 0 && at < width;
    from[i] = read ? static_cast<int32_t>(at) : -1;
    from[half + i] = read ? static_cast<int32_t>(at) + lanes : -1;
  }
  return Picks<T>::of(from);
}

template <int Step, int I = 0, class T, int Count>
PYCONV_UNROLLED void set_picks(const TapRun& taps, int64_t width, int64_t columns,
                               Picks<T> (&picks)[Count]) {
  picks[I] = column_picks<T>(taps.first + I * taps.step, Step, width, columns);
  if constexpr (I + 1 < Count) set_picks<Step, I + 1>(taps, width, columns, picks);
}

// Two runs of rows walked side by side; which rows of them exist is a bit a row.
template <class T>
struct TwinRows {
  const T *low, *high;
  ptrdiff_t pitch;
  unsigned low_inside, high_inside;
  typename Vec<T>::Lanes columns;

  // Held, like SourceRows::from.
  TwinRows from(int64_t offset) const {
    TwinRows r = *this;
    r.low += offset;
    r.high += offset;
    hold(r.low);
    hold(r.high);
    hold(r.low_inside);
    hold(r.high_inside);
    return r;
  }
  template <int K>
  PYCONV_UNROLLED void next(Vec<T>& a, Vec<T>& b) {
    a = PYCONV_LIKELY(low_inside >> K & 1u) ? Vec<T>::load(low, columns) : Vec<T>::zero();
    b = PYCONV_LIKELY(high_inside >> K & 1u) ? Vec<T>::load(high, columns) : Vec<T>::zero();
    hold(a);
    hold(b);
    low += pitch;
    high += pitch;
  }
};

// The weights of a filter: nine stay in registers, more are read as they are used.
template <int At, class T>
PYCONV_UNROLLED Vec<T> weight_at(const Vec<T> (&w)[9]) { return w[At]; }
template <int At, class T>
PYCONV_UNROLLED Vec<T> weight_at(const T* const& w) { return Vec<T>::set(w[At]); }

// Rows first, first + step, ... of a plane, and those `apart` rows behind them.
template <class T>
inline TwinRows<T> twin_rows_at(const T* plane, int64_t height, int64_t width, int64_t step,
                                int64_t first, int64_t apart, int count) {
  const SourceRows<T> low = source_rows(plane, height, step * width, first, 1, count);
  const SourceRows<T> high = source_rows(plane, height, step * width, first + apart, 1, count);
  return {low.p, high.p, step * width, low.inside, high.inside, lanes_inside<T>(0, width)};
}

template <int Taps, int Step, int K, int I, int R, class W, class T>
PYCONV_UNROLLED void add_twin(const W& w, Vec<T> v, Vec<T> (&s)[twin_rows]) {
  if constexpr (K >= R * Step && K < R * Step + Taps)
    s[R] = fma(weight_at<(K - R * Step) * Taps + I, T>(w), v, s[R]);
  if constexpr (R + 1 < twin_rows) add_twin<Taps, Step, K, I, R + 1>(w, v, s);
}
template <int Taps, int Step, int K, int I, class W, class T>
PYCONV_UNROLLED void add_picks(const W& w, Vec<T> a, Vec<T> b,
                               const Picks<T> (&picks)[Taps], Vec<T> (&s)[twin_rows]) {
  Vec<T> v = pick(a, b, picks[I]);
  hold(v);
  add_twin<Taps, Step, K, I, 0>(w, v, s);
  if constexpr (I + 1 < Taps) add_picks<Taps, Step, K, I + 1>(w, a, b, picks, s);
}
template <int Taps, int Step, int K, class W, class T>
PYCONV_UNROLLED void add_twins(W& w, TwinRows<T>& rows,
                               const Picks<T> (&picks)[Taps], Vec<T> (&s)[twin_rows]) {
  Vec<T> a, b;
  rows.template next<K>(a, b);
  if constexpr (Taps > 3) hold(w);  // else what this row reads is kept, in memory, for the next
  add_picks<Taps, Step, K, 0>(w, a, b, picks, s);
  if constexpr (K + 1 < (twin_rows - 1) * Step + Taps)
    add_twins<Taps, Step, K + 1>(w, rows, picks, s);
}

template <class T>
PYCONV_UNROLLED void store_half(Vec<T> v, bool accumulate, int columns, T* out) {
  if (accumulate) v = add(v, Vec<T>::load_n(out, columns));
  v.store_n(out, columns);
}

// Vector K of a block of `rows` rows, and those behind it.
template <int K, class T>
PYCONV_UNROLLED void store_twins(const Vec<T> (&s)[twin_rows], bool accumulate, int columns,
                                 int64_t rows, ptrdiff_t out_row, T* out) {
  constexpr int half = Vec<T>::lanes / 2;
  if (K < rows) store_half(s[K], accumulate, columns, out + K * out_row);
  if (K + twin_rows < rows)
    store_half(slide<half>(s[K], s[K]), accumulate, columns, out + (K + twin_rows) * out_row);
  if constexpr (K + 1 < twin_rows)
    store_twins<K + 1>(s, accumulate, columns, rows, out_row, out);
}

// With a turned filter (a data gradient) all is read and written upside down, and the columns of
// taps from the last: then the weights come in the order of memory.
template <int Taps, int Step, class T>
DepthwiseArgs<T> turn_back(DepthwiseArgs<T> a) {
  TapRun &rows = a.row_taps, &columns = a.column_taps[0];
  a.weights += rows.weight + columns.weight;
  if (columns.weight_step > 0) return a;
  a.weights -= Taps * Taps - 1;
  a.source += (a.height - 1) * a.width;
  a.out += (a.rows - 1) * a.out_row;
  a.out_row = -a.out_row;
  rows.first = a.height - 1 - (a.rows - 1) * Step - rows.first - (Taps - 1);
  rows.step = -1;
  columns.first += (Taps - 1) * columns.step;
  columns.step = -columns.step;
  return a;
}

// Rows y .. y + 2 twin_rows - 1 of all planes.
template <int Taps, int Step, class T>
void twin_block(const DepthwiseArgs<T>& a, int64_t y) {
  constexpr int count = (twin_rows - 1) * Step + Taps;
  Picks<T> picks[Taps];
  set_picks<Step>(a.column_taps[0], a.width, a.columns, picks);
  const TwinRows<T> all =
      twin_rows_at(a.source, a.height, a.width, a.row_taps.step, y * Step + a.row_taps.first,
                   twin_rows * Step, count);
  const T *weights = a.weights, *biases = a.bias;
  T* out = a.out + y * a.out_row;
  const int64_t rows = a.rows - y, out_row = a.out_row;
  const int columns = static_cast<int>(a.columns);
  const bool accumulate = a.accumulate, relu = a.relu;
  const Vec<T> zero = Vec<T>::zero();
  for (int64_t i = 0; i < a.planes; ++i) {
    TwinRows<T> r = all.from(i * a.source_plane);
    const Vec<T> bias = biases ? Vec<T>::set(biases[i]) : zero;
    Vec<T> s[twin_rows] = {bias, bias, bias, bias};
    if constexpr (Taps == 3) {
      Vec<T> w[9];
      set_column(weights, 1, w);
      add_twins<Taps, Step, 0>(w, r, picks, s);
    } else {
      const T* w = weights;
      add_twins<Taps, Step, 0>(w, r, picks, s);
    }
    for (Vec<T>& v : s) {
      if (relu) v = select(le(v, zero), zero, v);
      hold(v);
    }
    store_twins<0>(s, accumulate, columns, rows, out_row, out);
    weights += a.weight_plane;
    out += a.out_plane;
  }
}

template <int Taps, int Step, class T>
void depthwise_twins(const DepthwiseArgs<T>& args) {
  const DepthwiseArgs<T> a = turn_back<Taps, Step>(args);
  for (int64_t y = 0; y < a.rows; y += 2 * twin_rows) twin_block<Taps, Step>(a, y);
}

// Not for two columns, and not where code is kept short for its compiler.
template <class T>
constexpr bool has_twins = Vec<T>::lanes >= 8 && depthwise_rows > 2;

// Whether two rows of results fit a vector, and the filter is a whole one of `row_taps.count`.
template <class T, class Args>
bool twins_fit(const Args& a, const TapRun& columns) {
  const TapRun& rows = a.row_taps;
  return 2 * a.columns <= Vec<T>::lanes && a.width <= Vec<T>::lanes && a.row_group == 1 &&
         rows.step == 1 && a.row_step == (a.mode == Columns::strided ? 2 : 1) &&
         rows.count == columns.count && (rows.count == 3 || rows.count == 5) &&
         rows.weight_step == columns.weight_step * rows.count &&
         (columns.weight_step == 1 || columns.weight_step == -1);
}

// The kernel for two rows at a time, or null where they do not fit a vector.
template <class T>
auto twins_function(const DepthwiseArgs<T>& a) -> void (*)(const DepthwiseArgs<T>&) {
  if constexpr (has_twins<T>) {
    const bool three = a.row_taps.count == 3;
    if (!twins_fit<T>(a, a.column_taps[0])) return nullptr;
    if (a.mode == Columns::dense) return three ? depthwise_twins<3, 1, T> : depthwise_twins<5, 1, T>;
    if (a.mode == Columns::strided)
      return three ? depthwise_twins<3, 2, T> : depthwise_twins<5, 2, T>;
  }
  return nullptr;
}

}  // namespace
