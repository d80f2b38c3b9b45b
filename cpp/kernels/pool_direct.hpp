// Windows of 2x2 or 3x3 at a stride of 1 or 2, straight from the image: no row is copied.
//
// A vector of windows walks down a band of rows. Each image row below it is joined across once, and
// stays in registers for all rows of windows that it belongs to. Across first, then down: ties and
// NaN are then settled in the order of the taps, as the definition does.
#pragma once
#include "kernels/max_position.hpp"
#include "kernels/pool_short.hpp"
#include "kernels/pool_wide.hpp"

namespace {

inline int clamp_lane(int64_t n, int lanes) {
  return n < 0 ? 0 : n > lanes ? lanes : static_cast<int>(n);
}

// The columns of the image below a vector of windows; `inside` if all exist.
template <class T, int K, int Step>
struct Strip {
  static constexpr int lanes = Vec<T>::lanes, reads = Step == 1 ? K : 2 * (K - 1);
  int64_t column;  // of the first tap of the first window
  bool inside;
  typename Vec<T>::Mask exist[reads];

  static constexpr int64_t place(int read) {
    return Step == 1 ? read : read % 2 * lanes + read / 2 * 2;
  }
  Strip(int64_t first, int64_t width) : column(first) {
    inside = first >= 0 && first + place(reads - 1) + lanes <= width;
    for (int i = 0; i < reads; ++i) {
      const int64_t at = first + place(i);
      exist[i] = Vec<T>::range(clamp_lane(-at, lanes), clamp_lane(width - at, lanes));
    }
  }
  template <bool Inside>
  Vec<T> read(const T* row, int i, Vec<T> outside) const {
    const T* p = row + (column + place(i));
    return Inside ? Vec<T>::load(p) : Vec<T>::load_or(exist[i], p, outside);
  }
  // Tap k of the windows; `outside` where there is none.
  template <bool Inside>
  Vec<T> tap(const T* row, int k, Vec<T> outside) const {
    if constexpr (Step == 1) {
      return read<Inside>(row, k, outside);
    } else {
      // Of tap 2 only the last lane is new: another pair of loads would cross as many lines again.
      if (Inside && k == 2) {
        const Vec<T> next = Vec<T>::set(row[column + 2 * lanes]);
        return slide<1>(tap<true>(row, 0, outside), next);
      }
      const int at = k / 2 * 2;
      const Vec<T> a = read<Inside>(row, at, outside), b = read<Inside>(row, at + 1, outside);
      return k % 2 ? odd_lanes(a, b) : even_lanes(a, b);
    }
  }
};

// The least finite number.
constexpr float lowest(float) { return -0x1.fffffep127f; }
constexpr double lowest(double) { return -0x1.fffffffffffffp1023; }

// What windows make of their taps. at() tells which plane and vector of windows, a Cell is what is
// kept of them: of tap 0 of a row, or of no row at all. across() joins tap k to it, down() the row
// below, which is row r of the windows, and put() stores the result at a place in the plane.
// On short maps know() tells instead what known() is for each window of a vector, of() which row
// it is, and finish() stores.
template <class T, int K>
struct MaxNumbers;

template <class T, int K>
struct MaxValues {
  using Finite = MaxNumbers<T, K>;
  using Cell = Vec<T>;
  T* out;
  Vec<T> none;
  explicit MaxValues(const PoolArgs<T>& a) : out(a.out), none(Vec<T>::set(a.fill)) {}
  void at(const PoolArgs<T>& a, int64_t plane, int64_t) { out = a.out + plane; }
  static T known(const PoolArgs<T>&, int64_t, int64_t) { return T(0); }
  void know(Vec<T>) {}
  void watch(int, Vec<T>, Vec<T>) {}
  bool fine() const { return true; }
  Cell of(Vec<T> tap, int = 1) const { return tap; }
  Cell outside() const { return none; }
  Cell across(Cell held, Vec<T> tap, int) const { return max_or_nan(held, tap); }
  Cell down(Cell held, Cell row, int) const { return max_or_nan(held, row); }
  template <class P>
  void put(Cell best, int64_t at, int64_t, P part) const {
    store(best, out + at, part);
  }
  template <class P>
  void finish(Cell best, int64_t at, P part) const {
    store(best, out + at, part);
  }
};

// Finite numbers need no test for NaN at each step, which takes as long as the maximum itself.
template <class T, int K>
struct MaxNumbers : MaxValues<T, K> {
  Vec<T> seen[2] = {Vec<T>::zero(), Vec<T>::zero()};  // a NaN after one, and after infinity
  explicit MaxNumbers(const PoolArgs<T>& a) : MaxValues<T, K>(a) {
    this->none = Vec<T>::set(lowest(T(0)));
  }
  Vec<T> across(Vec<T> held, Vec<T> tap, int) const { return max_of(held, tap); }
  Vec<T> down(Vec<T> held, Vec<T> row, int) const { return max_of(held, row); }
  void watch(int row, Vec<T> u, Vec<T> v) {
    const Vec<T> zero = Vec<T>::zero();
    seen[row % 2] = add(seen[row % 2], fma(u, zero, mul(v, zero)));
  }
  bool fine() const {
    const Vec<T> zero = Vec<T>::zero();
    return Vec<T>::to_bits(le(add(seen[0], seen[1]), zero)) == Vec<T>::to_bits(le(zero, zero));
  }
};

// Tap 0 needs no comparison: where it is outside the image the position is already that of the
// first tap inside, and the value -inf. (Padding is 1 at most, so that is tap 1.)
template <class T, int K>
struct MaxPositions {
  using Finite = MaxPositions;
  using Cell = Position<T>;
  T* out;
  uint8_t* offsets;
  Vec<T> none, leftmost, first, top;
  explicit MaxPositions(const PoolArgs<T>& a)
      : out(a.out), offsets(a.offsets), none(Vec<T>::set(a.fill)) {
    const T tap = static_cast<T>(a.problem->pad_lo[1]);
    leftmost = Vec<T>::load_n(&tap, 1);
  }
  void at(const PoolArgs<T>& a, int64_t plane, int64_t x) {
    out = a.out + plane;
    offsets = a.offsets + plane;
    first = x == 0 ? leftmost : Vec<T>::zero();
  }
  static T known(const PoolArgs<T>& a, int64_t y, int64_t x) {
    const bool above = y == 0 && a.problem->pad_lo[0] > 0;
    return static_cast<T>(x == 0 ? a.problem->pad_lo[1] : 0) + static_cast<T>(above ? K : 0);
  }
  void know(Vec<T> tap) {
    const Vec<T> row = Vec<T>::set(T(K));
    top = tap;
    first = select(le(row, tap), sub(tap, row), tap);
  }
  void watch(int, Vec<T>, Vec<T>) {}
  bool fine() const { return true; }
  Cell of(Vec<T> tap, int row = 1) const { return {tap, row ? first : top}; }
  Cell outside() const { return {none, add(first, Vec<T>::set(T(K)))}; }
  Cell across(Cell held, Vec<T> tap, int k) const {
    take(tap, Vec<T>::set(static_cast<T>(k)), held);
    return held;
  }
  Cell down(Cell held, Cell row, int r) const {
    take(row.best, add(row.tap, Vec<T>::set(static_cast<T>(r * K))), held);
    return held;
  }
  template <class P>
  void put(const Cell& held, int64_t at, int64_t, P part) const {
    store(held, out + at, offsets + at, part);
  }
  template <class P>
  void finish(const Cell& held, int64_t at, P part) const {
    store(held, out + at, offsets + at, part);
  }
};

template <class T, int K>
struct Means {
  using Finite = Means;
  using Cell = Vec<T>;
  T* out;
  const T* rows;
  Vec<T> none, columns;
  explicit Means(const PoolArgs<T>& a) : out(a.out), rows(a.row_value), none(Vec<T>::zero()) {}
  void at(const PoolArgs<T>& a, int64_t plane, int64_t x) {
    out = a.out + plane;
    columns = Vec<T>::load(a.column_value + x);
  }
  static T known(const PoolArgs<T>& a, int64_t y, int64_t x) {
    return a.column_value[x] * a.row_value[y];
  }
  void know(Vec<T> divisors) { columns = divisors; }
  void watch(int, Vec<T>, Vec<T>) {}
  bool fine() const { return true; }
  Cell of(Vec<T> tap, int = 1) const { return tap; }
  Cell outside() const { return none; }
  Cell across(Cell held, Vec<T> tap, int) const { return add(held, tap); }
  Cell down(Cell held, Cell row, int) const { return add(held, row); }
  template <class P>
  void put(Cell sum, int64_t at, int64_t y, P part) const {
    store(div(sum, mul(columns, Vec<T>::set(rows[y]))), out + at, part);
  }
  template <class P>
  void finish(Cell sum, int64_t at, P part) const {
    store(div(sum, columns), out + at, part);
  }
};

// `count` rows of windows from row y on, below one strip. (Copies, because what is read through a
// reference is read again in every row.)
template <bool Inside, class T, class Windows, int K, int Step, class P>
void walk_down(const Strip<T, K, Step>& strip_, const Windows& w_, const PoolProblem& p,
               const T* image, int64_t y, int64_t count, int64_t x, P part) {
  const Strip<T, K, Step> strip = strip_;
  const Windows w = w_;
  const int64_t height = p.input[0], width = p.input[1], windows = p.output[1];
  // Columns of what comes from memory are asked for 8 rows before their turn: 1.3 to 1.5 times as
  // fast on 8x64x112x112, no gain on one such image, which the third cache holds.
  const int64_t ahead = exceeds<T>(p, 8 << 20) ? 8 * width + strip.column : 0;
  const auto row = [&](int64_t at) {
    if (at < 0 || at >= height) return w.outside();
    const T* in = image + at * width;
    if (ahead) {
      prefetch(in + ahead);
      if constexpr (Step == 2) prefetch(in + ahead + Vec<T>::lanes);
    }
    auto cell = w.across(w.of(strip.template tap<Inside>(in, 0, w.none)),
                         strip.template tap<Inside>(in, 1, w.none), 1);
    if constexpr (K == 3) cell = w.across(cell, strip.template tap<Inside>(in, 2, w.none), 2);
    return cell;
  };
  int64_t top = y * Step - p.pad_lo[0], at = y * windows + x;
  auto a = row(top), b = a;
  if constexpr (K - Step > 1) b = row(top + 1);
  for (int64_t end = y + count; y < end; ++y, top += Step, at += windows) {
    if constexpr (K == Step) a = row(top);
    if constexpr (K - Step < 2) b = row(top + 1);
    const auto both = w.down(a, b, 1);
    if constexpr (K == 2) {
      w.put(both, at, y, part);
    } else {
      const auto c = row(top + 2);
      w.put(w.down(both, c, 2), at, y, part);
      a = Step == 1 ? b : c;
      b = c;
    }
  }
}

template <class T, template <class, int> class Windows, int K, int Step>
void pool_direct(const PoolArgs<T>& a) {
  const PoolProblem& p = *a.problem;
  const int64_t windows = p.output[1];
  if (ShortRows<T, K, Step>::fits(a)) {
    using All = Windows<T, K>;
    const ShortRows<T, K, Step> rows(a, All::known);
    if (!rows.template run<typename All::Finite>()) rows.template run<All>();
    return;
  }
  if constexpr (K == 2 && Step == 2)
    if (WideRows<T>::fits(p)) return WideRows<T>::template run<Windows<T, K>>(a);
  // The strips are the same for every band.
  static_assert(sizeof(Strip<T, K, Step>) <= pool_strip_bytes, "the driver's scratch");
  auto* strips = reinterpret_cast<Strip<T, K, Step>*>(a.scratch);
  over_row<T>(windows, [&](int64_t x, auto) {
    *strips++ = Strip<T, K, Step>(x * Step - p.pad_lo[1], p.input[1]);
  });
  Windows<T, K> w(a);
  // The rows below a band stay in a near cache from strip to strip.
  const int64_t fitting = 65536 / (p.input[1] * Step * static_cast<int64_t>(sizeof(T)));
  const int64_t band = fitting < 4 ? 4 : fitting;
  for (int64_t plane = 0; plane < a.planes; ++plane) {
    const T* image = a.in + plane * p.input[0] * p.input[1];
    for (int64_t y = a.row, end = a.row + a.rows; y < end; y += band) {
      const int64_t count = end - y < band ? end - y : band;
      const auto* strip = reinterpret_cast<const Strip<T, K, Step>*>(a.scratch);
      over_row<T>(windows, [&](int64_t x, auto part) {
        w.at(a, plane * p.output[0] * windows, x);
        strip->inside ? walk_down<true>(*strip, w, p, image, y, count, x, part)
                      : walk_down<false>(*strip, w, p, image, y, count, x, part);
        ++strip;
      });
    }
  }
}

}  // namespace
