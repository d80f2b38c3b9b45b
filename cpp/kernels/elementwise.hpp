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

// Elements in turn, as many as make whole vectors and whole bytes of bits.
template <class T>
constexpr int bit_run = Vec<T>::lanes < 8 ? 8 : Vec<T>::lanes;

// Also one bit an element, the first of a byte the lowest: whether the gradient passes.
template <class T>
void relu_bits(const T* in, int64_t count, T* out, uint8_t* bits) {
  constexpr int lanes = Vec<T>::lanes, run = bit_run<T>;
  const Vec<T> zero = Vec<T>::zero();
  int64_t i = 0;
  for (; i + run <= count; i += run) {
    unsigned stops = 0;
    for (int j = 0; j < run; j += lanes) {
      const Vec<T> v = Vec<T>::load(in + i + j);
      const auto stop = le(v, zero);
      stops |= Vec<T>::to_bits(stop) << j;
      select(stop, zero, v).store(out + i + j);
    }
    for (int j = 0; j < run; j += 8) bits[(i + j) / 8] = static_cast<uint8_t>(~stops >> j);
  }
  for (int64_t j = i; j < count; j += 8) bits[j / 8] = 0;
  for (; i < count; ++i) {
    const bool stop = in[i] <= T(0);
    if (!stop) bits[i / 8] = static_cast<uint8_t>(bits[i / 8] | 1u << (i % 8));
    out[i] = stop ? T(0) : in[i];
  }
}

template <class T>
void relu_bits_backward(const T* grad, const uint8_t* bits, int64_t count, T* out) {
  constexpr int lanes = Vec<T>::lanes, run = bit_run<T>;
  const Vec<T> zero = Vec<T>::zero();
  int64_t i = 0;
  for (; i + run <= count; i += run) {
    unsigned passes = 0;
    for (int j = 0; j < run; j += 8) passes |= static_cast<unsigned>(bits[(i + j) / 8]) << j;
    for (int j = 0; j < run; j += lanes) {
      const auto pass = Vec<T>::from_bits(passes >> j);
      select(pass, Vec<T>::load(grad + i + j), zero).store(out + i + j);
    }
  }
  for (; i < count; ++i) out[i] = bits[i / 8] >> (i % 8) & 1 ? grad[i] : T(0);
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
