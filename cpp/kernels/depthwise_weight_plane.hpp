// What the weight gradients of planes share: the plane, and how lanes of sums are kept and added.
#pragma once
#include "kernels/lane_sums.hpp"
#include "kernels/source_rows.hpp"

namespace {

template <class T>
struct WeightPlane {
  const T *source, *grad;
  T* sums;
};

template <int I = 0, class T, int R>
PYCONV_UNROLLED void load_rows(const T* p, ptrdiff_t step, int n, Vec<T> (&g)[R]) {
  g[I] = Vec<T>::load_n(p + I * step, n);
  hold(g[I]);
  if constexpr (I + 1 < R) load_rows<I + 1>(p, step, n, g);
}

template <int I = 0, class T, int Taps>
PYCONV_UNROLLED void add_to_totals(const Vec<T> (&s)[Taps], T* totals) {
  add(Vec<T>::load(totals + I * Vec<T>::lanes), s[I]).store(totals + I * Vec<T>::lanes);
  if constexpr (I + 1 < Taps) add_to_totals<I + 1>(s, totals);
}

}  // namespace
