// Sums over the lanes of several vectors at once: three instructions halve the lanes of two.
#pragma once
#include "kernels/source_rows.hpp"

namespace {

template <int I = 0, class T, int Taps>
PYCONV_UNROLLED void clear(Vec<T> (&s)[Taps]) {
  s[I] = Vec<T>::zero();
  if constexpr (I + 1 < Taps) clear<I + 1>(s);
}

// Neighbouring lanes added: `Count` vectors of `lanes` values become half as many. The last of an
// odd number is its own neighbour, and what that makes is not used.
template <int Count, int I = 0, class T, int N>
PYCONV_UNROLLED void add_neighbours(Vec<T> (&v)[N]) {
  const Vec<T> a = v[2 * I], b = v[2 * I + 1 < Count ? 2 * I + 1 : 2 * I];
  v[I] = add(even_lanes(a, b), odd_lanes(a, b));
  if constexpr (2 * I + 2 < Count) add_neighbours<Count, I + 1>(v);
}
template <int Count, int Width, class T, int N>
PYCONV_UNROLLED void add_lanes(Vec<T> (&v)[N]) {
  if constexpr (Width > 1) {
    add_neighbours<Count>(v);
    add_lanes<(Count + 1) / 2, Width / 2>(v);
  }
}

template <int N, int I, int Count, class T>
PYCONV_UNROLLED void take_vectors(const Vec<T> (&from)[N], Vec<T> (&to)[Count]) {
  constexpr int lanes = Vec<T>::lanes;
  to[I % lanes] = from[I];
  if constexpr (I % lanes + 1 < Count) take_vectors<N, I + 1>(from, to);
}

// sums[i] = the sum of v[i]; whole vectors of `sums` are written.
template <int First = 0, int N, class T>
PYCONV_UNROLLED void lane_sums(const Vec<T> (&v)[N], T* sums) {
  constexpr int lanes = Vec<T>::lanes, count = N - First < lanes ? N - First : lanes;
  Vec<T> some[count];
  take_vectors<N, First>(v, some);
  add_lanes<count, lanes>(some);
  some[0].store(sums + First);
  if constexpr (First + lanes < N) lane_sums<First + lanes>(v, sums);
}
template <class T>
constexpr int lane_sums_size(int count) {
  return (count + Vec<T>::lanes - 1) / Vec<T>::lanes * Vec<T>::lanes;
}

}  // namespace
