// Windows of 2x2 or 3x3 on maps with rows shorter than a vector: two rows of windows share one, and
// the rows of all planes are one list of such pairs, whose places repeat after one or two planes.
// (7x7 windows of 3x3 from 14x14 took 37 cycles a row in pool_direct.hpp, more than their memory.)
#pragma once
#include "kernels/pool_rows.hpp"
#include "kernels/source_rows.hpp"

namespace {

// Two rows of windows: the image rows below them, row r of the first window at 2 * r, of the second
// at 2 * r + 1, and what the windows know beforehand.
template <class T, int K>
struct RowPair {
  ptrdiff_t row[2 * K];
  typename Vec<T>::Mask exist[2 * K];  // nothing, or the columns of the image
  T known[Vec<T>::lanes];
};

template <class T, int K, int Step>
struct ShortRows {
  static constexpr int lanes = Vec<T>::lanes;
  static constexpr int64_t most = 32;  // pairs until their places repeat
  const PoolArgs<T>& a;
  const PoolProblem& p;
  int64_t windows, period, pairs;  // of a row; in planes and in pairs

  // Columns outside are read from the last lane, which no column may have then.
  static bool fits(const PoolArgs<T>& a) {
    const PoolProblem& p = *a.problem;
    const int64_t windows = p.output[1], width = p.input[1], rows = p.output[0];
    const bool inside = p.pad_lo[1] == 0 && (windows - 1) * Step + K <= width;
    return a.rows == rows && 2 * windows <= lanes && width < lanes + inside &&
           (rows % 2 ? rows : rows / 2) <= most;
  }

  template <class Known>
  ShortRows(const PoolArgs<T>& args, const Known& known)
      : a(args), p(*a.problem), windows(p.output[1]), period(1 + p.output[0] % 2),
        pairs(p.output[0] * period / 2) {
    for (int k = 0; k < K; ++k) {
      int32_t from[lanes];
      for (int i = 0; i < lanes; ++i) {
        const int64_t half = i >= windows, column = (i - half * windows) * Step - p.pad_lo[1] + k;
        const bool exists = column >= 0 && column < p.input[1] && i < 2 * windows;
        from[i] = static_cast<int32_t>(exists ? half * lanes + column : lanes - 1);
      }
      tap.of[k] = Picks<T>::of(from);
    }
    for (int64_t j = 0; j < pairs; ++j) {
      for (T& value : pair[j].known) value = T(1);
      for (int half = 0; half < 2; ++half) place(pair[j], half, 2 * j + half, known);
    }
  }

  template <class Known>
  void place(RowPair<T, K>& to, int half, int64_t row, const Known& known) const {
    const int64_t plane = row / p.output[0], y = row % p.output[0];
    for (int r = 0; r < K; ++r) {
      const int64_t at = y * Step - p.pad_lo[0] + r;
      const bool exists = at >= 0 && at < p.input[0];
      to.row[2 * r + half] = (plane * p.input[0] + (exists ? at : 0)) * p.input[1];
      to.exist[2 * r + half] = Vec<T>::range(0, exists ? static_cast<int>(p.input[1]) : 0);
    }
    for (int64_t x = 0; x < windows; ++x)
      to.known[half * windows + x] = known(a, y, x);
  }

  // False where the result is no good, because `Windows` takes finite numbers only.
  template <class Windows>
  bool run() const {
    Windows w(a);
    // Copies stay in registers: stores of results might change what `this` points to.
    const Taps taps = tap;
    const int64_t plane = p.input[0] * p.input[1], step = 2 * windows, count = pairs;
    const Part both{static_cast<int>(step)};
    const T* image = a.in;
    int64_t left = a.planes, at = 0;
    for (; left >= period; left -= period, image += period * plane)
      for (int64_t j = 0; j < count; ++j, at += step) join(pair[j], taps, w, image, at, both);
    if (left == 0) return w.fine();
    int64_t j = 0;
    for (; 2 * j + 1 < p.output[0]; ++j, at += step) join(pair[j], taps, w, image, at, both);
    RowPair<T, K> last = pair[j];
    for (int r = 0; r < K; ++r) last.exist[2 * r + 1] = Vec<T>::range(0, 0);
    join(last, taps, w, image, at, Part{static_cast<int>(windows)});
    return w.fine();
  }

 private:
  struct Taps {
    Picks<T> of[K];
  };
  Taps tap;
  RowPair<T, K> pair[most];

  template <class Windows>
  static PYCONV_UNROLLED void join(const RowPair<T, K>& rows, const Taps& taps, Windows& w,
                                   const T* image, int64_t at, Part part) {
    w.know(Vec<T>::load(rows.known));
    const auto row = [&](int r) {
      const Vec<T> u = Vec<T>::load_or(rows.exist[2 * r], image + rows.row[2 * r], w.none);
      const Vec<T> v = Vec<T>::load_or(rows.exist[2 * r + 1], image + rows.row[2 * r + 1], w.none);
      w.watch(u, v);
      auto cell = w.across(w.of(pick(u, v, taps.of[0]), r), pick(u, v, taps.of[1]), 1);
      if constexpr (K == 3) cell = w.across(cell, pick(u, v, taps.of[2]), 2);
      return cell;
    };
    auto cell = w.down(row(0), row(1), 1);
    if constexpr (K == 3) cell = w.down(cell, row(2), 2);
    w.finish(cell, at, part);
  }
};

}  // namespace
