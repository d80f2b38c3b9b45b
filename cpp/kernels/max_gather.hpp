// The gradient of maxima over windows of 2x2 or 3x3 at a stride of 1 or 2: every element of the
// image adds up the windows that found their maximum in it, row by row of windows and from left to
// right, so each is written once and no order can show.
#pragma once
#include <string.h>

#include "kernels/pool_rows.hpp"

namespace {

// Positions of some rows of windows, with bytes around them that are no position.
class Positions {
 public:
  static constexpr int64_t lead = 8;
  static constexpr int none = 255;
  Positions(void* memory, int64_t windows, int64_t pitch)
      : at_(static_cast<uint8_t*>(memory) + lead), windows_(windows), pitch_(pitch) {}
  void fill(const uint8_t* from, int64_t first, int64_t rows) {
    first_ = first;
    if (rows <= 0) return;
    memset(at_ - lead, none, static_cast<size_t>(rows * pitch_));
    for (int64_t i = 0; i < rows; ++i)
      memcpy(at_ + i * pitch_, from + (first + i) * windows_, static_cast<size_t>(windows_));
  }
  const uint8_t* row(int64_t y) const { return at_ + (y - first_) * pitch_; }

 private:
  uint8_t* at_;
  int64_t windows_, pitch_, first_ = 0;
};

// Adds to `sum` the windows of one row for columns c, c + Step, ... (counted from the padding on),
// c being of residue Q modulo Step.
template <class T, int K, int Step, int Q, bool Whole>
inline void gather_taps(const T* grad, const uint8_t* positions, int row_tap, int64_t c,
                        Vec<T>& sum) {
  constexpr int last = K - 1 - (K - 1 - Q) % Step;
  for (int k = last; k >= 0; k -= Step) {
    const int64_t w = (c - k) / Step;
    const auto here = Vec<T>::equal_bytes(positions + w, row_tap + k);
    const Vec<T> g = Whole ? Vec<T>::load(grad + w) : Vec<T>::load_where(here, grad + w);
    sum = add_where(here, sum, g);
  }
}

// The rows of windows that hold a row of the image.
struct WindowRows {
  int64_t first, last;
  WindowRows(const PoolProblem& p, int64_t y) {
    const int64_t low = y + p.pad_lo[0] - p.kernel[0] + 1;
    first = low <= 0 ? 0 : (low + p.stride[0] - 1) / p.stride[0];
    last = (y + p.pad_lo[0]) / p.stride[0];
    if (last >= p.output[0]) last = p.output[0] - 1;
  }
};

// One row of the image, x a multiple of what a step writes but for the last.
template <class T, int K, bool Whole>
inline void gather_step1(const PoolProblem& p, const T* grad, const Positions& positions,
                         int64_t y, int64_t x, Vec<T>& sum) {
  const WindowRows rows(p, y);
  sum = Vec<T>::zero();
  for (int64_t r = rows.first; r <= rows.last; ++r) {
    const int row_tap = static_cast<int>(y + p.pad_lo[0] - r) * K;
    gather_taps<T, K, 1, 0, Whole>(grad + r * p.output[1], positions.row(r), row_tap,
                                   x + p.pad_lo[1], sum);
  }
}

// Even and odd columns from column x on, x even. With a padding of 1 their residues swap.
template <class T, int K, bool Whole>
inline void gather_step2(const PoolProblem& p, const T* grad, const Positions& positions,
                         int64_t y, int64_t x, Vec<T>& low, Vec<T>& high) {
  const WindowRows rows(p, y);
  const int64_t pad = p.pad_lo[1];
  Vec<T> even = Vec<T>::zero(), odd = Vec<T>::zero();
  for (int64_t r = rows.first; r <= rows.last; ++r) {
    const int row_tap = static_cast<int>(y + p.pad_lo[0] - 2 * r) * K;
    const T* g = grad + r * p.output[1];
    const uint8_t* at = positions.row(r);
    gather_taps<T, K, 2, 0, Whole>(g, at, row_tap, x + 2 * pad, even);
    gather_taps<T, K, 2, 1, Whole>(g, at, row_tap, x + 1, odd);
  }
  pad ? interleave(odd, even, low, high) : interleave(even, odd, low, high);
}

template <class T, int K, int Step>
void gather_row(const PoolProblem& p, const T* grad, const Positions& positions, int64_t y,
                T* out) {
  constexpr int lanes = Vec<T>::lanes;
  const int64_t width = p.input[1], windows = p.output[1], pad = p.pad_lo[1];
  if constexpr (Step == 1) {
    over_row<T>(width, [&](int64_t x, auto part) {
      Vec<T> sum;
      x + pad >= K - 1 && x + pad + lanes <= windows
          ? gather_step1<T, K, true>(p, grad, positions, y, x, sum)
          : gather_step1<T, K, false>(p, grad, positions, y, x, sum);
      store(sum, out + x, part);
    });
  } else {
    for (int64_t x = 0; x < width; x += 2 * lanes) {
      Vec<T> low, high;
      x + 2 * pad >= (K - 1) / 2 * 2 && x / 2 + pad + lanes <= windows
          ? gather_step2<T, K, true>(p, grad, positions, y, x, low, high)
          : gather_step2<T, K, false>(p, grad, positions, y, x, low, high);
      const int64_t left = width - x;
      if (left >= 2 * lanes) {
        low.store(out + x);
        high.store(out + x + lanes);
      } else if (left <= lanes) {
        low.store_n(out + x, static_cast<int>(left));
      } else {
        low.store(out + x);
        high.store_n(out + x + lanes, static_cast<int>(left) - lanes);
      }
    }
  }
}

template <class T, int K, int Step>
void max_gather(const PoolArgs<T>& a) {
  const PoolProblem& p = *a.problem;
  const int64_t size = p.input[0] * p.input[1], windows = p.output[0] * p.output[1];
  Positions positions(a.scratch, p.output[1], a.offsets_pitch);
  const int64_t first = WindowRows(p, a.row).first, last = WindowRows(p, a.row + a.rows - 1).last;
  for (int64_t plane = 0; plane < a.planes; ++plane) {
    positions.fill(a.offsets + plane * windows, first, last - first + 1);
    for (int64_t y = a.row; y < a.row + a.rows; ++y)
      gather_row<T, K, Step>(p, a.in + plane * windows, positions, y,
                             a.out + plane * size + y * p.input[1]);
  }
}

}  // namespace
