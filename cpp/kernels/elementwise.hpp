// Runs of independent elements: bound by memory, so one vector at a time is enough.
#pragma once
#include "kernels/table.hpp"

namespace {

// NaN stays NaN: only what compares at most zero is replaced.
template <class T>
void relu(const T* in, int64_t count, T* out) {
  constexpr int lanes = Vec<T>::lanes;
  const Vec<T> zero = Vec<T>::zero();
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    const Vec<T> v = Vec<T>::load(in + i);
    select(le(v, zero), zero, v).store(out + i);
  }
  const int tail = static_cast<int>(count - i);
  if (tail > 0) {
    const Vec<T> v = Vec<T>::load_n(in + i, tail);
    select(le(v, zero), zero, v).store_n(out + i, tail);
  }
}

template <class T>
void relu_backward(const T* grad, const T* output, int64_t count, T* out) {
  constexpr int lanes = Vec<T>::lanes;
  const Vec<T> zero = Vec<T>::zero();
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    select(le(Vec<T>::load(output + i), zero), zero, Vec<T>::load(grad + i)).store(out + i);
  const int tail = static_cast<int>(count - i);
  if (tail > 0) {
    const Vec<T> y = Vec<T>::load_n(output + i, tail), g = Vec<T>::load_n(grad + i, tail);
    select(le(y, zero), zero, g).store_n(out + i, tail);
  }
}

}  // namespace
