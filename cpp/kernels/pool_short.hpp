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
  uint32_t whole = 0;              // a bit a pair: all of its rows exist
  bool alike = true;               // all pairs know the same

  static bool inside(const PoolProblem& p) {
    return p.pad_lo[1] == 0 && (p.output[1] - 1) * Step + K <= p.input[1];
  }
  // Columns outside are read from the last lane, which no column may have then.
  static bool fits(const PoolArgs<T>& a) {
    const PoolProblem& p = *a.problem;
    const int64_t windows = p.output[1], width = p.input[1], rows = p.output[0];
    return a.rows == rows && 2 * windows <= lanes && width < lanes + inside(p) &&
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
      bool exist = true;
      for (int half = 0; half < 2; ++half) exist &= place(pair[j], half, 2 * j + half, known);
      whole |= static_cast<uint32_t>(exist) << j;
      for (int i = 0; i < lanes; ++i) alike = alike && pair[j].known[i] == pair[0].known[i];
    }
  }

  template <class Known>
  bool place(RowPair<T, K>& to, int half, int64_t row, const Known& known) const {
    const int64_t plane = row / p.output[0], y = row % p.output[0];
    bool all = true;
    for (int r = 0; r < K; ++r) {
      const int64_t at = y * Step - p.pad_lo[0] + r;
      const bool exists = at >= 0 && at < p.input[0];
      to.row[2 * r + half] = (plane * p.input[0] + (exists ? at : 0)) * p.input[1];
      to.exist[2 * r + half] = Vec<T>::range(0, exists ? static_cast<int>(p.input[1]) : 0);
      all = all && exists;
    }
    for (int64_t x = 0; x < windows; ++x)
      to.known[half * windows + x] = known(a, y, x);
    return all;
  }

  // False where the result is no good, because `Windows` takes finite numbers only.
  template <class Windows>
  bool run() const {
    Walk<Windows> walk(*this);
    const int64_t plane = p.input[0] * p.input[1], step = 2 * windows, count = pairs;
    const Part both{static_cast<int>(step)};
    const T* image = a.in;
    int64_t left = a.planes, at = 0;
    if (walk.dense(*this)) {
      const int64_t periods = left / period, end = periods * count * step;
      for (; at < end; at += step) walk.join_dense(at, both);
      left -= periods * period;
      image += periods * period * plane;
    }
    for (; left >= period; left -= period, image += period * plane)
      for (int64_t j = 0; j < count; ++j, at += step) walk.join(pair[j], j, image, at, both);
    if (left == 0) return walk.w.fine();
    int64_t j = 0;
    for (; 2 * j + 1 < p.output[0]; ++j, at += step) walk.join(pair[j], j, image, at, both);
    RowPair<T, K> last = pair[j];
    for (int r = 0; r < K; ++r) last.exist[2 * r + 1] = Vec<T>::range(0, 0);
    walk.whole = 0;
    walk.join(last, j, image, at, Part{static_cast<int>(windows)});
    return walk.w.fine();
  }

 private:
  struct Taps {
    Picks<T> of[K];
  };
  Taps tap;
  RowPair<T, K> pair[most];

  // What stays in registers: a copy, because stores of results might change what it is copied from.
  // Loads, most of them across lines, are what all this takes: with masks, offsets and divisors
  // read for every pair, means of 2x2 on 512x14x14 took 6.5 us, 3.9 without.
  template <class Windows>
  struct Walk {
    const Taps taps;
    Windows w;
    const typename Vec<T>::Mask columns;
    const typename Vec<T>::Lanes filled;  // the same for loads of zeros, which cost less
    const int64_t width;
    uint32_t whole;
    const bool alike;
    const int64_t rows, down, over;  // of windows in a plane; to the next one, from the last one
    const T* first;                  // where the next row of windows begins
    int64_t y;                       // which one that is

    explicit Walk(const ShortRows& r)
        : taps(r.tap), w(r.a),
          columns(Vec<T>::range(0, static_cast<int>(r.p.input[1]))),
          filled(Vec<T>::between(0, static_cast<int>(r.p.input[1]))), width(r.p.input[1]),
          whole(r.whole), alike(r.alike), rows(r.p.output[0]), down(Step * width),
          over(r.p.input[0] * width - (rows - 1) * down), first(r.a.in - r.p.pad_lo[0] * width),
          y(0) {
      w.know(Vec<T>::load(r.pair[0].known));
    }
    const T* next() {
      const T* here = first;
      const bool last = ++y == rows;
      first += last ? over : down;
      y = last ? 0 : y;
      return here;
    }
    // Rows of all planes an equal way apart, nothing outside, and nothing to learn: one loop
    // without a branch.
    bool dense(const ShortRows& r) const {
      return over == down && alike && whole == ~uint32_t{0} >> (32 - r.pairs) && inside(r.p);
    }
    PYCONV_UNROLLED void join_dense(int64_t at, Part part) {
      const T* u = first;
      first += 2 * down;
      finish(at, part, [&](int r, int half) {
        return Vec<T>::load(u + half * down + r * width, filled);
      });
    }
    PYCONV_UNROLLED void join(const RowPair<T, K>& of, int64_t j, const T* image, int64_t at,
                              Part part) {
      if (!alike) w.know(Vec<T>::load(of.known));
      const T* u = next();
      const T* v = next();
      if (PYCONV_LIKELY(whole >> j & 1u)) {
        finish(at, part, [&](int r, int half) {
          return Vec<T>::load_or(columns, (half ? v : u) + r * width, w.none);
        });
      } else {
        finish(at, part, [&](int r, int half) {
          const int i = 2 * r + half;
          return Vec<T>::load_or(of.exist[i], image + of.row[i], w.none);
        });
      }
    }
    template <class Read>
    PYCONV_UNROLLED void finish(int64_t at, Part part, const Read& read) {
      auto cell = w.down(across(0, read), across(1, read), 1);
      if constexpr (K == 3) cell = w.down(cell, across(2, read), 2);
      w.finish(cell, at, part);
    }
    template <class Read>
    PYCONV_UNROLLED auto across(int r, const Read& read) {
      Vec<T> u = read(r, 0), v = read(r, 1);
      hold(u);
      hold(v);
      w.watch(r, u, v);
      auto cell = w.across(w.of(pick(u, v, taps.of[0]), r), pick(u, v, taps.of[1]), 1);
      if constexpr (K == 3) cell = w.across(cell, pick(u, v, taps.of[2]), 2);
      return cell;
    }
  };
};

}  // namespace
