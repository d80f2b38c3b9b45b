// What the depthwise kernels of planes share: the plane, and how vectors of results are stored.
#pragma once
#include "kernels/source_rows.hpp"

namespace {

// Some of DepthwiseArgs for one plane.
template <class T>
struct DepthwisePlane {
  const T *source, *weights;
  T bias;
  T* out;
};

template <class T, int Taps, int I = 0>
PYCONV_UNROLLED void set_column(const T* weights, ptrdiff_t step, Vec<T> (&w)[Taps]) {
  w[I] = Vec<T>::set(weights[I * step]);
  hold(w[I]);
  if constexpr (I + 1 < Taps) set_column<T, Taps, I + 1>(weights, step, w);
}

// The weights of a filter of Taps x Taps, read as they are used; nine fit into registers.
template <int Taps, class T>
struct TapWeights {
  const T* w;
  PYCONV_UNROLLED void set(const T* from) { w = from; }
  template <int At>
  PYCONV_UNROLLED Vec<T> at() const { return Vec<T>::set(w[At]); }
  PYCONV_UNROLLED void forget() { hold(w); }  // else all are kept, in memory, for the next row
};
template <class T>
struct TapWeights<3, T> {
  Vec<T> w[9];
  PYCONV_UNROLLED void set(const T* from) { set_column(from, 1, w); }
  template <int At>
  PYCONV_UNROLLED Vec<T> at() const { return w[At]; }
  PYCONV_UNROLLED void forget() {}
};

template <class T>
inline void store_result(Vec<T> s, bool relu, T* out, int64_t left) {
  constexpr int lanes = Vec<T>::lanes;
  const Vec<T> zero = Vec<T>::zero();
  if (relu) s = select(le(s, zero), zero, s);
  if (left >= lanes) {
    s.store(out);
  } else {
    s.store_n(out, clamp_to_lanes(left, lanes));
  }
}

// Results of even and odd columns in turn, `left` of them or as many as there are.
template <class T>
inline void store_pairs(Vec<T> even, Vec<T> odd, bool accumulate, T* out, int64_t left) {
  constexpr int lanes = Vec<T>::lanes;
  Vec<T> low, high;
  interleave(even, odd, low, high);
  if (accumulate) {
    low = add(low, Vec<T>::load_n(out, clamp_to_lanes(left, lanes)));
    high = add(high, Vec<T>::load_n(out + lanes, clamp_to_lanes(left - lanes, lanes)));
  }
  store_result(low, false, out, left);
  if (left > lanes) store_result(high, false, out + lanes, left - lanes);
}

}  // namespace
