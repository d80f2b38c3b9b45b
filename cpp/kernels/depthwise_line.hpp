// One filter on planes of one row: results of neighbouring columns instead of rows are held in
// registers, so that none waits for its own multiply-adds.
//
// A load that crosses a cache line takes a whole cycle on Zen 5, a vector moved over from two in
// registers half a cycle, on other ports. Where a vector is as long as a line (all loads but one of
// sixteen cross) taps are fetched by turns in one way and the other.
#pragma once
#include "kernels/depthwise_plane.hpp"

namespace {

// A row under the first of some results, and the weights from the first tap on.
template <class T>
struct LineTaps {
  const T* row;
  int64_t at, width, step;  // column of the first tap, from one tap to the next
  const T* weights;
  ptrdiff_t weight_step;
  int64_t count;
};

template <bool Border, class T>
PYCONV_UNROLLED Vec<T> load_inside(const LineTaps<T>& t, int64_t at) {
  if (!Border) return Vec<T>::load(t.row + at);
  return Vec<T>::load(t.row + at, lanes_inside<T>(at, t.width));
}

// Neighbouring taps from number J of a vector's lanes on; `a`: the vectors under the first of them.
template <int J, bool Border, class T, int V>
PYCONV_UNROLLED void add_near(const LineTaps<T>& t, int64_t at, int64_t count,
                              const Vec<T> (&a)[V + 1], Vec<T> (&s)[V]) {
  constexpr int lanes = Vec<T>::lanes;
  constexpr bool slides = Border || (lanes * sizeof(T) == 64 && J % 2 == 1);
  if (J >= count) return;
  const Vec<T> weight = Vec<T>::set(t.weights[J * t.weight_step]);
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) {
    if constexpr (J == 0) {
      s[v] = fma(weight, a[v], s[v]);
    } else if constexpr (slides) {
      s[v] = fma(weight, slide<J>(a[v], a[v + 1]), s[v]);
    } else {
      s[v] = fma(weight, Vec<T>::load(t.row + at + J + v * lanes), s[v]);
    }
  }
  if constexpr (J + 1 < lanes) add_near<J + 1, Border>(t, at, count, a, s);
}

template <bool Border, class T, int V>
PYCONV_UNROLLED void add_line(LineTaps<T> t, Vec<T> (&s)[V]) {
  constexpr int lanes = Vec<T>::lanes;
  if (t.step == 1) {
    for (; t.count > 0; t.count -= lanes, t.at += lanes, t.weights += lanes * t.weight_step) {
      Vec<T> a[V + 1];
#pragma GCC unroll 5
      for (int v = 0; v <= V; ++v) a[v] = load_inside<Border>(t, t.at + v * lanes);
      add_near<0, Border>(t, t.at, t.count, a, s);
    }
    return;
  }
  for (; t.count > 0; --t.count, t.at += t.step, t.weights += t.weight_step) {
    const Vec<T> weight = Vec<T>::set(*t.weights);
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v)
      s[v] = fma(weight, load_inside<Border>(t, t.at + v * lanes), s[v]);
  }
}

// Results x .. x + V vectors, as far as there are.
template <bool Border, int V, class T>
void line_block(const DepthwiseArgs<T>& a, const LineTaps<T>& taps, T bias, int64_t x, T* out) {
  constexpr int lanes = Vec<T>::lanes;
  const int64_t left = a.columns - x;
  Vec<T> s[V];
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v)
    s[v] = a.accumulate ? Vec<T>::load_n(out + x + v * lanes, clamp_to_lanes(left - v * lanes, lanes))
                        : Vec<T>::set(bias);
  LineTaps<T> t = taps;
  t.at += x;
  add_line<Border>(t, s);
#pragma GCC unroll 4
  for (int v = 0; v < V; ++v) store_result(s[v], a.relu, out + x + v * lanes, left - v * lanes);
}

template <class T>
void depthwise_line(const DepthwiseArgs<T>& a, const DepthwisePlane<T>& plane) {
  constexpr int lanes = Vec<T>::lanes, most = 4;
  const TapRun& run = a.column_taps[0];
  const int64_t row = a.row_taps.first;
  LineTaps<T> t{plane.source + row * a.width, run.first, a.width, run.step,
                plane.weights + a.row_taps.weight + run.weight, run.weight_step, run.count};
  if (row < 0 || row >= a.height) t.count = 0;
  // Whole vectors are read, one more than there are results.
  const int64_t reach = (t.count - 1) * t.step + (most + 1) * lanes;
  for (int64_t x = 0; x < a.columns; x += most * lanes) {
    const int64_t left = a.columns - x;
    if (left >= most * lanes && t.at + x >= 0 && t.at + x + reach <= t.width) {
      line_block<false, most>(a, t, plane.bias, x, plane.out);
    } else if (left > 2 * lanes) {
      line_block<true, most>(a, t, plane.bias, x, plane.out);
    } else if (left > lanes) {
      line_block<true, 2>(a, t, plane.bias, x, plane.out);
    } else {
      line_block<true, 1>(a, t, plane.bias, x, plane.out);
    }
  }
}

}  // namespace
