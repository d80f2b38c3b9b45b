// The gradient of maxima over windows of 2x2 or 3x3 at a stride of 1 or 2: every element of the
// image adds up the windows that found their maximum in it, so each is written once and no order
// can show: columns of taps from the last on, in each the windows from the top down.
//
// Places are counted from the padding on: tap k of window w is at w * Step + k. So a row or column
// at residue Q modulo Step is reached by the taps Q, Q + Step, ... only.
#pragma once
#include <string.h>

#include "kernels/pool_rows.hpp"

namespace {

// The numbers of all taps, as bytes to compare positions with.
template <class T, int K>
struct TapNumbers {
  typename Vec<T>::Bytes of[K * K];
  TapNumbers() {
    for (int i = 0; i < K * K; ++i) of[i] = Vec<T>::set_bytes(static_cast<uint8_t>(i));
  }
};

// The rows of windows that reach a row of the image at residue R, from the top one on. Those that
// do not exist have positions that are none.
template <class T, int K, int Step, int R>
struct WindowRows {
  static constexpr int count = (K - 1 - R) / Step + 1;
  static constexpr int tap(int i) { return R + (count - 1 - i) * Step; }
  const T* grad[count];
  const uint8_t* positions[count];
  WindowRows(const PoolProblem& p, const T* grads, const uint8_t* all, const uint8_t* none,
             int64_t place) {
    for (int i = 0; i < count; ++i) {
      const int64_t y = (place - tap(i)) / Step;
      const bool exists = place >= tap(i) && y < p.output[0];
      grad[i] = grads + (exists ? y : 0) * p.output[1];
      positions[i] = exists ? all + y * p.output[1] : none;
    }
  }
};

// Of a vector of windows: what each column of taps passes to one row of the image.
template <class T, int K>
struct TapSums {
  Vec<T> tap[K];
};
template <class T, int K>
inline TapSums<T, K> no_sums() {
  TapSums<T, K> none;
  for (int k = 0; k < K; ++k) none.tap[k] = Vec<T>::zero();
  return none;
}

// Those of the `left` windows from w on, at most a vector of them.
template <class T, int K, int Step, int R>
inline TapSums<T, K> sums_at(const WindowRows<T, K, Step, R>& rows, const TapNumbers<T, K>& tap,
                             int64_t w, int64_t left) {
  TapSums<T, K> sums = no_sums<T, K>();
  const auto take_row = [&](int i, Vec<T> grad, typename Vec<T>::Bytes at) {
    for (int k = 0; k < K; ++k)
      sums.tap[k] = add_where(Vec<T>::equal(at, tap.of[rows.tap(i) * K + k]), sums.tap[k], grad);
  };
  if (left >= Vec<T>::lanes) {
    for (int i = 0; i < rows.count; ++i)
      take_row(i, Vec<T>::load(rows.grad[i] + w), Vec<T>::load_bytes(rows.positions[i] + w));
  } else if (left > 0) {
    // Windows past the last have gradients that are zero, whatever their positions.
    const int n = static_cast<int>(left);
    for (int i = 0; i < rows.count; ++i)
      take_row(i, Vec<T>::load_n(rows.grad[i] + w, n),
               Vec<T>::load_bytes_n(rows.positions[i] + w, n));
  }
  return sums;
}

// Three neighbouring vectors of windows.
template <class T, int K>
struct Neighbours {
  TapSums<T, K> left, here, right;
  // Tap k of the windows `By` to the right of those here.
  template <int By>
  Vec<T> tap(int k) const {
    if constexpr (By > 0) return slide<By>(here.tap[k], right.tap[k]);
    if constexpr (By < 0) return slide<Vec<T>::lanes + By>(left.tap[k], here.tap[k]);
    return here.tap[k];
  }
};

template <int Pad, class T, int K>
inline Vec<T> joined(const Neighbours<T, K>& n) {
  Vec<T> sum = add(n.template tap<Pad - (K - 1)>(K - 1), n.template tap<Pad - (K - 2)>(K - 2));
  if constexpr (K == 3) sum = add(sum, n.template tap<Pad>(0));
  return sum;
}

// The elements of even and odd columns. With a padding of 1 the even columns are at odd places.
template <int Pad, class T, int K>
inline void joined(const Neighbours<T, K>& n, Vec<T>& even, Vec<T>& odd) {
  Vec<T> sum = n.template tap<Pad>(0);
  if constexpr (K == 3) sum = add(n.template tap<Pad - 1>(2), sum);
  even = Pad ? n.here.tap[1] : sum;
  odd = Pad ? sum : n.here.tap[1];
}

template <int Pad, class T, int K, int Step, int R>
void gather_row(const PoolProblem& p, const WindowRows<T, K, Step, R>& rows,
                const TapNumbers<T, K>& tap, T* out) {
  constexpr int lanes = Vec<T>::lanes;
  const int64_t windows = p.output[1], width = p.input[1];
  Neighbours<T, K> n{no_sums<T, K>(), sums_at(rows, tap, 0, windows), no_sums<T, K>()};
  for (int64_t x = 0, w = lanes; x < width; x += Step * lanes, w += lanes) {
    n.right = sums_at(rows, tap, w, windows - w);
    const int64_t left = width - x;
    if constexpr (Step == 1) {
      const Vec<T> sum = joined<Pad>(n);
      left < lanes ? sum.store_n(out + x, static_cast<int>(left)) : sum.store(out + x);
    } else {
      Vec<T> even, odd;
      joined<Pad>(n, even, odd);
      store_merged(even, odd, out + x, left);
    }
    n.left = n.here;
    n.here = n.right;
  }
}

template <class T, int K, int Step, int Pad>
void gather_planes(const PoolArgs<T>& a) {
  const PoolProblem& p = *a.problem;
  const int64_t size = p.input[0] * p.input[1], windows = p.output[0] * p.output[1];
  const TapNumbers<T, K> tap;
  uint8_t* none = reinterpret_cast<uint8_t*>(a.scratch);
  memset(none, 255, static_cast<size_t>(p.output[1]));
  for (int64_t plane = 0; plane < a.planes; ++plane) {
    const T* grad = a.in + plane * windows;
    const uint8_t* positions = a.offsets + plane * windows;
    for (int64_t y = a.row; y < a.row + a.rows; ++y) {
      const int64_t place = y + p.pad_lo[0];
      T* out = a.out + plane * size + y * p.input[1];
      if (place % Step == 0) {
        const WindowRows<T, K, Step, 0> rows(p, grad, positions, none, place);
        gather_row<Pad>(p, rows, tap, out);
      } else {
        const WindowRows<T, K, Step, Step - 1> rows(p, grad, positions, none, place);
        gather_row<Pad>(p, rows, tap, out);
      }
    }
  }
}

// What a vector of windows of 2x2 passes to `lines` rows of the image, the first at the residue.
template <class T>
inline void pass_pairs(const TapNumbers<T, 2>& tap, Vec<T> grad, typename Vec<T>::Bytes at,
                       int residue, int64_t lines, int64_t width, T* out, int64_t rest) {
  const Vec<T> zero = Vec<T>::zero();
  if (residue == 0) {
    store_merged(add_where(Vec<T>::equal(at, tap.of[0]), zero, grad),
                 add_where(Vec<T>::equal(at, tap.of[1]), zero, grad), out, rest);
    if (lines < 2) return;
    out += width;
  }
  store_merged(add_where(Vec<T>::equal(at, tap.of[2]), zero, grad),
               add_where(Vec<T>::equal(at, tap.of[3]), zero, grad), out, rest);
}

// 2x2 at a stride of 2 without padding: an element belongs to one window, and two rows of the image
// to one row of windows. (512x14x14: 23 us above, 17 here.)
template <class T>
void pass_planes(const PoolArgs<T>& a) {
  constexpr int lanes = Vec<T>::lanes;
  const PoolProblem& p = *a.problem;
  const int64_t height = p.input[0], width = p.input[1], windows = p.output[1];
  const TapNumbers<T, 2> tap;
  for (int64_t plane = 0; plane < a.planes; ++plane) {
    const int64_t first = plane * p.output[0] * windows, end = a.row + a.rows;
    T* out = a.out + plane * height * width;
    int64_t y = a.row, lines;
    for (; y < end && y / 2 < p.output[0]; y += lines) {
      lines = y % 2 == 0 && y + 1 < end ? 2 : 1;
      const T* grad = a.in + first + y / 2 * windows;
      const uint8_t* positions = a.offsets + first + y / 2 * windows;
      for (int64_t x = 0, w = 0; x < width; x += 2 * lanes, w += lanes) {
        T* to = out + y * width + x;
        const int residue = static_cast<int>(y % 2);
        if (windows - w >= lanes) {
          pass_pairs(tap, Vec<T>::load(grad + w), Vec<T>::load_bytes(positions + w), residue, lines,
                     width, to, width - x);
        } else {
          const int n = windows < w ? 0 : static_cast<int>(windows - w);
          pass_pairs(tap, Vec<T>::load_n(grad + w, n), Vec<T>::load_bytes_n(positions + w, n),
                     residue, lines, width, to, width - x);
        }
      }
    }
    fill_values(out + y * width, (end - y) * width, T(0));
  }
}

template <class T, int K, int Step>
void max_gather(const PoolArgs<T>& a) {
  if constexpr (K == 2 && Step == 2)
    if (a.problem->pad_lo[0] == 0 && a.problem->pad_lo[1] == 0) return pass_planes(a);
  a.problem->pad_lo[1] ? gather_planes<T, K, Step, 1>(a) : gather_planes<T, K, Step, 0>(a);
}

}  // namespace
