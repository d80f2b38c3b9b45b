// Windows of 2x2 at stride 2 that all lie inside the image: rows at their full width, in the order
// of memory. (Strips down a plane read from the third cache at 85 GB/s, whole rows at 105.)
#pragma once
#include "kernels/pool_rows.hpp"
#include "kernels/source_rows.hpp"
#include "kernels/transpose.hpp"

namespace {

template <class T>
struct WideRows {
  static constexpr int lanes = Vec<T>::lanes;

  static bool fits(const PoolProblem& p) {
    return p.pad_lo[0] == 0 && p.pad_lo[1] == 0 && 2 * p.output[0] <= p.input[0] &&
           2 * p.output[1] <= p.input[1];
  }

  // Even and odd columns of the windows of a vector.
  static PYCONV_UNROLLED void split(Vec<T> a, Vec<T> b, Vec<T>& even, Vec<T>& odd) {
    hold(a);
    hold(b);
    even = even_lanes(a, b);
    odd = odd_lanes(a, b);
  }
  static PYCONV_UNROLLED void read(const T* p, Whole, Vec<T>& even, Vec<T>& odd) {
    split(Vec<T>::load(p), Vec<T>::load(p + lanes), even, odd);
  }
  static PYCONV_UNROLLED void read(const T* p, Part part, Vec<T>& even, Vec<T>& odd) {
    const int n = 2 * part.n;
    split(Vec<T>::load_n(p, n < lanes ? n : lanes),
          Vec<T>::load_n(p + lanes, n < lanes ? 0 : n - lanes), even, odd);
  }
  template <class Windows, class P>
  static PYCONV_UNROLLED void join(const Windows& w, const T* top, int64_t width, int64_t at,
                                   P part) {
    Vec<T> even, odd;
    read(top, part, even, odd);
    const auto upper = w.across(w.of(even, 0), odd, 1);
    read(top + width, part, even, odd);
    w.finish(w.down(upper, w.across(w.of(even), odd, 1), 1), at, part);
  }

  template <class Windows>
  static void run(const PoolArgs<T>& a) {
    const PoolProblem& p = *a.problem;
    const int64_t width = p.input[1], height = p.input[0], windows = p.output[1];
    Windows w_(a);
    w_.know(Vec<T>::set(Windows::known(a, 0, 0)));
    const Windows w = w_;
    // What is not in the second cache is asked for 4 KB before its turn.
    const bool far = exceeds<T>(p, 1 << 20);
    constexpr int64_t ahead = 4096 / sizeof(T);
    // Rows of results that follow each other in memory.
    const bool whole = a.rows == p.output[0];
    int64_t left = whole ? a.planes * a.rows : a.rows;
    for (int64_t plane = 0; plane < a.planes; ++plane) {
      const T* top = a.in + (plane * height + 2 * a.row) * width;
      int64_t at = (plane * p.output[0] + a.row) * windows;
      if (!whole) left = a.rows;
      for (int64_t y = 0; y < a.rows; ++y, top += 2 * width, at += windows) {
        if (far) bring_near(top + ahead, 2 * width);
        if (windows >= lanes) {
          over_row<T>(windows, [&](int64_t x, auto part) {
            join(w, top + 2 * x, width, at + x, part);
          });
        } else if (left-- * windows >= lanes) {
          // What is read and written past this row belongs to later ones, whose turn comes after.
          join(w, top, width, at, Whole{});
        } else {
          join(w, top, width, at, Part{static_cast<int>(windows)});
        }
      }
    }
  }
};

}  // namespace
