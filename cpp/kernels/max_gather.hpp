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

// The windows that reach a band of the image, in rows of whole vectors: windows that do not exist
// have a position that is none, so that no element needs a border case.
template <class T>
class GatherBand {
 public:
  GatherBand(const PoolArgs<T>& a, int64_t rows)
      : problem_(*a.problem),
        pitch_(a.gather_pitch),
        grad_(a.scratch),
        position_(reinterpret_cast<uint8_t*>(a.scratch + rows * pitch_)) {
    memset(position_, none, static_cast<size_t>(rows * pitch_));
  }
  // Windows of rows first .. last of a plane.
  void fill(const T* grad, const uint8_t* positions, int64_t first, int64_t last) {
    first_ = first;
    const int64_t windows = problem_.output[1];
    for (int64_t y = first; y <= last; ++y) {
      const int64_t to = (y - first) * pitch_, from = y * windows;
      if (y < 0 || y >= problem_.output[0]) {
        memset(position_ + to, none, static_cast<size_t>(windows));
      } else {
        copy_run(grad + from, 1, windows, grad_ + to);
        memcpy(position_ + to, positions + from, static_cast<size_t>(windows));
      }
    }
  }
  const T* grad(int64_t y) const { return grad_ + (y - first_) * pitch_; }
  const uint8_t* positions(int64_t y) const { return position_ + (y - first_) * pitch_; }

 private:
  static constexpr int none = 255;
  const PoolProblem& problem_;
  int64_t pitch_, first_ = 0;
  T* grad_;
  uint8_t* position_;
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

// Those of windows w, w + 1, ... for row y of residue R.
template <class T, int K, int Step, int R>
inline TapSums<T, K> sums_at(const GatherBand<T>& band, int64_t y, int64_t w) {
  constexpr int bottom = R + (K - 1 - R) / Step * Step;
  TapSums<T, K> sums = no_sums<T, K>();
  for (int r = bottom; r >= 0; r -= Step) {
    const Vec<T> grad = Vec<T>::load(band.grad((y - r) / Step) + w);
    const uint8_t* positions = band.positions((y - r) / Step) + w;
    for (int k = 0; k < K; ++k)
      sums.tap[k] = add_where(Vec<T>::equal_bytes(positions, r * K + k), sums.tap[k], grad);
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

// Row y, of residue R.
template <class T, int K, int Step, int Pad, int R>
void gather_row(const PoolProblem& p, const GatherBand<T>& band, int64_t y, T* out) {
  constexpr int lanes = Vec<T>::lanes;
  const int64_t windows = p.output[1], width = p.input[1];
  Neighbours<T, K> n{no_sums<T, K>(), sums_at<T, K, Step, R>(band, y, 0), no_sums<T, K>()};
  for (int64_t x = 0, w = lanes; x < width; x += Step * lanes, w += lanes) {
    n.right = w < windows ? sums_at<T, K, Step, R>(band, y, w) : no_sums<T, K>();
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
  GatherBand<T> band(a, a.gather_rows + K);
  const int64_t rows = a.gather_rows * Step, top = a.row + p.pad_lo[0], end = top + a.rows;
  for (int64_t plane = 0; plane < a.planes; ++plane) {
    for (int64_t from = top; from < end; from += rows) {
      const int64_t to = end - from < rows ? end : from + rows;
      band.fill(a.in + plane * windows, a.offsets + plane * windows, (from - K + 1) / Step,
                (to - 1) / Step);
      T* out = a.out + plane * size - p.pad_lo[0] * p.input[1];
      for (int64_t y = from; y < to; ++y) {
        if (y % Step == 0) {
          gather_row<T, K, Step, Pad, 0>(p, band, y, out + y * p.input[1]);
        } else {
          gather_row<T, K, Step, Pad, Step - 1>(p, band, y, out + y * p.input[1]);
        }
      }
    }
  }
}

template <class T, int K, int Step>
void max_gather(const PoolArgs<T>& a) {
  a.problem->pad_lo[1] ? gather_planes<T, K, Step, 1>(a) : gather_planes<T, K, Step, 0>(a);
}

}  // namespace
