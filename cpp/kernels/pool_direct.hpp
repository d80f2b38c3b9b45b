// Windows of 2x2 or 3x3 at a stride of 1 or 2, straight from the image: no row is copied.
//
// A vector of windows walks down a band of rows. Each image row below it is joined across once, and
// stays in registers for all rows of windows that it belongs to. Across first, then down: ties and
// NaN are then settled in the order of the taps, as the definition does.
#pragma once
#include "kernels/max_position.hpp"

namespace {

inline int clamp_lane(int64_t n, int lanes) {
  return n < 0 ? 0 : n > lanes ? lanes : static_cast<int>(n);
}

// The columns of the image below a vector of windows; `whole` if all lie inside.
template <class T, int K, int Step>
struct Strip {
  static constexpr int lanes = Vec<T>::lanes, reads = Step == 1 ? K : 2 * (K - 1);
  int64_t column;  // of the first tap of the first window
  bool whole;
  int low[reads], high[reads];  // of each read: the lanes inside the image
  Vec<T> fill;

  static constexpr int64_t place(int read) {
    return Step == 1 ? read : read % 2 * lanes + read / 2 * 2;
  }
  Strip(int64_t first, int64_t width, T outside) : column(first), fill(Vec<T>::set(outside)) {
    whole = first >= 0 && first + place(reads - 1) + lanes <= width;
    for (int i = 0; i < reads; ++i) {
      const int64_t at = first + place(i);
      low[i] = clamp_lane(-at, lanes);
      high[i] = clamp_lane(width - at, lanes);
      if (high[i] < low[i]) high[i] = low[i];
    }
  }
  template <bool Inside>
  void taps(const T* row, Vec<T> (&tap)[K]) const {
    Vec<T> in[reads];
    for (int i = 0; i < reads; ++i) {
      const T* p = row + (column + place(i));
      in[i] = Inside ? Vec<T>::load(p) : Vec<T>::load_range_or(p, low[i], high[i], fill);
    }
    for (int k = 0; k < K; ++k) {
      if constexpr (Step == 1) {
        tap[k] = in[k];
      } else {
        const Vec<T> a = in[k / 2 * 2], b = in[k / 2 * 2 + 1];
        tap[k] = k % 2 ? odd_lanes(a, b) : even_lanes(a, b);
      }
    }
  }
};

// What a vector of windows, the first of them at x, makes of the taps. A Cell is what is kept of
// them: across() makes it of one row of the image, outside() of none, down() joins those of a row
// of windows, and put() stores the result at a place in the plane.
template <class T, int K>
struct MaxValues {
  using Cell = Vec<T>;
  T fill;
  T* out;
  MaxValues(const PoolArgs<T>& a, int64_t plane, int64_t) : fill(a.fill), out(a.out + plane) {}
  Cell across(const Vec<T> (&tap)[K]) const { return down(tap); }
  Cell outside() const { return Vec<T>::set(fill); }
  Cell down(const Cell (&row)[K]) const {
    Cell best = row[0];
    for (int r = 1; r < K; ++r) best = max_or_nan(best, row[r]);
    return best;
  }
  template <class P>
  void put(Cell best, int64_t at, int64_t, P part) const {
    store(best, out + at, part);
  }
};

// Tap 0 needs no comparison: where it is outside the image the position is already that of the
// first tap inside, and the value -inf. (Padding is 1 at most, so that is tap 1.)
template <class T, int K>
struct MaxPositions {
  using Cell = Position<T>;
  T fill;
  T* out;
  uint8_t* offsets;
  Vec<T> first;
  MaxPositions(const PoolArgs<T>& a, int64_t plane, int64_t x)
      : fill(a.fill), out(a.out + plane), offsets(a.offsets + plane), first(Vec<T>::zero()) {
    const T one = T(1);
    if (x == 0 && a.problem->pad_lo[1] > 0) first = Vec<T>::load_n(&one, 1);
  }
  Cell across(const Vec<T> (&tap)[K]) const {
    Cell held{tap[0], first};
    for (int k = 1; k < K; ++k) take(tap[k], Vec<T>::set(static_cast<T>(k)), held);
    return held;
  }
  Cell outside() const { return {Vec<T>::set(fill), add(first, Vec<T>::set(T(K)))}; }
  Cell down(const Cell (&row)[K]) const {
    Cell held = row[0];
    for (int r = 1; r < K; ++r)
      take(row[r].best, add(row[r].tap, Vec<T>::set(static_cast<T>(r * K))), held);
    return held;
  }
  template <class P>
  void put(const Cell& held, int64_t at, int64_t, P part) const {
    store(held, out + at, offsets + at, part);
  }
};

template <class T, int K>
struct Means {
  using Cell = Vec<T>;
  T* out;
  const T* rows;
  Vec<T> columns;
  Means(const PoolArgs<T>& a, int64_t plane, int64_t x)
      : out(a.out + plane), rows(a.row_value), columns(Vec<T>::load(a.column_value + x)) {}
  Cell across(const Vec<T> (&tap)[K]) const { return down(tap); }
  Cell outside() const { return Vec<T>::zero(); }
  Cell down(const Cell (&row)[K]) const {
    Cell sum = row[0];
    for (int r = 1; r < K; ++r) sum = add(sum, row[r]);
    return sum;
  }
  template <class P>
  void put(Cell sum, int64_t at, int64_t y, P part) const {
    store(div(sum, mul(columns, Vec<T>::set(rows[y]))), out + at, part);
  }
};

// `count` rows of windows from row y on, below one strip.
template <bool Inside, class T, class Windows, int K, int Step, class P>
void walk_down(const Strip<T, K, Step>& strip, const Windows& w, const PoolProblem& p,
               const T* image, int64_t y, int64_t count, int64_t x, P part) {
  const auto row = [&](int64_t at) {
    if (at < 0 || at >= p.input[0]) return w.outside();
    Vec<T> tap[K];
    strip.template taps<Inside>(image + at * p.input[1], tap);
    return w.across(tap);
  };
  constexpr int kept = K - Step;
  typename Windows::Cell cell[K];
  int64_t top = y * Step - p.pad_lo[0];
  for (int r = 0; r < kept; ++r) cell[r] = row(top + r);
  for (int64_t end = y + count; y < end; ++y, top += Step) {
    for (int r = kept; r < K; ++r) cell[r] = row(top + r);
    w.put(w.down(cell), y * p.output[1] + x, y, part);
    for (int r = 0; r < kept; ++r) cell[r] = cell[r + Step];
  }
}

template <class T, template <class, int> class Windows, int K, int Step>
void pool_direct(const PoolArgs<T>& a) {
  const PoolProblem& p = *a.problem;
  // The rows below a band stay in the first-level cache from strip to strip.
  const int64_t fitting = 16384 / (p.input[1] * Step * static_cast<int64_t>(sizeof(T)));
  const int64_t band = fitting < 4 ? 4 : fitting;
  for (int64_t plane = 0; plane < a.planes; ++plane) {
    const T* image = a.in + plane * p.input[0] * p.input[1];
    for (int64_t y = a.row, end = a.row + a.rows; y < end; y += band) {
      const int64_t count = end - y < band ? end - y : band;
      over_row<T>(p.output[1], [&](int64_t x, auto part) {
        const Strip<T, K, Step> strip(x * Step - p.pad_lo[1], p.input[1], a.fill);
        const Windows<T, K> w(a, plane * p.output[0] * p.output[1], x);
        strip.whole ? walk_down<true>(strip, w, p, image, y, count, x, part)
                    : walk_down<false>(strip, w, p, image, y, count, x, part);
      });
    }
  }
}

}  // namespace
