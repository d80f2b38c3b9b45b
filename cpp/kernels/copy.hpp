// A run of values read `step` apart, written together.
#pragma once
#include "kernels/table.hpp"

namespace {

// Every step-th value from whole vectors, while a value past them is still part of the run: nothing
// behind in[(count - 1) * step] is read. Returns how many were copied.
template <class T>
int64_t copy_vectors(const T* in, int64_t step, int64_t count, T* out) {
  constexpr int lanes = Vec<T>::lanes;
  int64_t i = 0;
  for (; step == 1 && i + lanes <= count; i += lanes) Vec<T>::load(in + i).store(out + i);
  for (; step == 2 && i + lanes < count; i += lanes)
    even_lanes(Vec<T>::load(in + 2 * i), Vec<T>::load(in + 2 * i + lanes)).store(out + i);
  for (; step == 4 && i + lanes < count; i += lanes) {
    const T* p = in + 4 * i;
    const Vec<T> a = even_lanes(Vec<T>::load(p), Vec<T>::load(p + lanes));
    const Vec<T> b = even_lanes(Vec<T>::load(p + 2 * lanes), Vec<T>::load(p + 3 * lanes));
    even_lanes(a, b).store(out + i);
  }
  return i;
}

template <class T>
void copy_run(const T* in, int64_t step, int64_t count, T* out) {
  constexpr int lanes = Vec<T>::lanes;
  int64_t i = copy_vectors(in, step, count, out);
  if (i == count) return;
  const int n = static_cast<int>(count - i);
  if (step == 1) {
    Vec<T>::load_n(in + i, n).store_n(out + i, n);
  } else if (step == 2 && n <= lanes) {
    const int reads = 2 * n - 1;
    const T* p = in + 2 * i;
    const Vec<T> a = Vec<T>::load_n(p, reads < lanes ? reads : lanes);
    const Vec<T> b = reads > lanes ? Vec<T>::load_n(p + lanes, reads - lanes) : Vec<T>::zero();
    even_lanes(a, b).store_n(out + i, n);
  } else {
    for (; i < count; ++i) out[i] = in[i * step];
  }
}

// out[2 i] = even[i], out[2 i + 1] = odd[i]: the residues of a stride-2 row back in place.
template <class T>
void merge_rows(const T* even, const T* odd, int64_t pairs, T* out) {
  constexpr int lanes = Vec<T>::lanes;
  int64_t i = 0;
  for (; i + lanes <= pairs; i += lanes) {
    Vec<T> low, high;
    interleave(Vec<T>::load(even + i), Vec<T>::load(odd + i), low, high);
    low.store(out + 2 * i);
    high.store(out + 2 * i + lanes);
  }
  for (; i < pairs; ++i) {
    out[2 * i] = even[i];
    out[2 * i + 1] = odd[i];
  }
}

// Two vectors of which the even lanes come from in[0 .. n / 2], the odd ones are zero.
template <class T>
inline void spread_by_two(const T* in, int n, T* out) {
  constexpr int lanes = Vec<T>::lanes;
  Vec<T> low, high;
  interleave(Vec<T>::load_n(in, (n + 1) / 2), Vec<T>::zero(), low, high);
  low.store_n(out, n < lanes ? n : lanes);
  if (n > lanes) high.store_n(out + lanes, n - lanes);
}

// out[i] = in[i / step] where step divides i, zero elsewhere, for i < count.
template <class T>
void spread(const T* in, int64_t step, int64_t count, T* out) {
  constexpr int64_t pair = 2 * Vec<T>::lanes;
  int64_t i = 0;
  for (; step == 2 && i < count; i += pair)
    spread_by_two(in + i / 2, static_cast<int>(count - i < pair ? count - i : pair), out + i);
  for (; i < count; ++i) out[i] = i % step ? T(0) : in[i / step];
}

}  // namespace
