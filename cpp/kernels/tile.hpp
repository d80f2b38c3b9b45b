// The register tile of every matrix product: R rows (broadcast) times V vectors of columns.
//
//            b: V vectors of row p
//          +--------+--------+--------+
//   a[i,p] | acc i0 | acc i1 | acc i2 |   i = 0 .. R-1, all accumulators in registers over p
//          +--------+--------+--------+
//
// Per p: V loads of b, R broadcasts of a, R * V fused multiply-adds. On AVX-512 with R = 8, V = 3
// that is 24 FMA in 12 cycles against 11 loads in 5.5: bound by arithmetic. Both operands are
// read through tables of offsets (one more load a step), so few of them need packing.
#pragma once
#include "kernels/table.hpp"

namespace {

template <class T, int R, int V>
void finish_tile(const TileArgs<T>& t, Vec<T> (&acc)[R][V]) {
  constexpr int lanes = Vec<T>::lanes;
  const int tail = t.columns - (V - 1) * lanes;
  const Vec<T> zero = Vec<T>::zero();
  for (int i = 0; i < R; ++i) {
    T* c = t.c + i * t.c_row;
    const Vec<T> bias = t.row_bias ? Vec<T>::set(t.row_bias[i]) : zero;
    for (int j = 0; j < V; ++j) {
      const int n = j == V - 1 ? tail : lanes;
      Vec<T> s = acc[i][j];
      if (t.accumulate) s = add(Vec<T>::load_n(c + j * lanes, n), s);
      if (t.row_bias) s = add(s, bias);
      if (t.column_bias) s = add(s, Vec<T>::load_n(t.column_bias + j * lanes, n));
      if (t.relu) s = select(le(s, zero), zero, s);
      if (n == lanes) {
        s.store(c + j * lanes);
      } else {
        s.store_n(c + j * lanes, n);
      }
    }
  }
}

// Unrolled by order, and the sums handed on as a copy: GCC 12 else leaves the accumulators in memory
// and, because a masked load might read them for all that it knows, stores them in every step of a
// tail.
// Columns past `columns` must be readable in b except in the last vector, which is masked.
template <class T, int R, int V>
void gemm_tile(const TileArgs<T>& t) {
  constexpr int lanes = Vec<T>::lanes;
  const int tail = t.columns - (V - 1) * lanes;
  const T* a[R];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) a[i] = t.a + t.a_rows[i];
  const ptrdiff_t* const a_cols = t.a_cols;
  const ptrdiff_t* const b_rows = t.b_rows;
  const T* ahead = t.ahead ? t.ahead : t.a;
  const ptrdiff_t ahead_step = t.ahead ? t.ahead_step : 0;
  Vec<T> acc[R][V];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < V; ++j) acc[i][j] = Vec<T>::zero();
  const auto step = [&](int64_t p, Vec<T> last) {
    const T* b = t.b + b_rows[p];
    const ptrdiff_t at = a_cols[p];
    prefetch(ahead);
    ahead += ahead_step;
    Vec<T> column[V];
#pragma GCC unroll 8
    for (int j = 0; j < V - 1; ++j) column[j] = Vec<T>::load(b + j * lanes);
    column[V - 1] = last;
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
      const Vec<T> row = Vec<T>::set(a[i][at]);
#pragma GCC unroll 8
      for (int j = 0; j < V; ++j) acc[i][j] = fma(row, column[j], acc[i][j]);
    }
  };
  const T* last = t.b + (V - 1) * lanes;
  if (tail == lanes) {
    for (int64_t p = 0; p < t.depth; ++p) step(p, Vec<T>::load(last + b_rows[p]));
  } else {
    for (int64_t p = 0; p < t.depth; ++p) step(p, Vec<T>::load_n(last + b_rows[p], tail));
  }
  Vec<T> sums[R][V];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < V; ++j) sums[i][j] = acc[i][j];
  finish_tile<T, R, V>(t, sums);
}

// The most this core can do: enough independent chains to cover the latency, no memory at all.
template <class T>
T fma_chains(int64_t steps) {
  constexpr int chains = 12;
  Vec<T> s[chains];
  for (int i = 0; i < chains; ++i) s[i] = Vec<T>::set(T(i));
  const Vec<T> a = Vec<T>::set(T(0.5)), b = Vec<T>::set(T(1));
  for (int64_t step = 0; step < steps; ++step)
    for (int i = 0; i < chains; ++i) s[i] = fma(s[i], a, b);
  Vec<T> total = Vec<T>::zero();
  for (int i = 0; i < chains; ++i) total = add(total, s[i]);
  return total.sum();
}

}  // namespace
