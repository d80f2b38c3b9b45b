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

// acc += a * b over all p. `masked`: the last vector of b is read only up to the last valid column.
template <bool masked, class T, int R, int V>
inline void multiply(const TileArgs<T>& t, Vec<T> (&acc)[R][V]) {
  constexpr int lanes = Vec<T>::lanes;
  const int tail = t.columns - (V - 1) * lanes;
  const T* a[R];
  for (int i = 0; i < R; ++i) a[i] = t.a + t.a_rows[i];
  const ptrdiff_t* const a_cols = t.a_cols;
  const ptrdiff_t* const b_rows = t.b_rows;
  const int64_t depth = t.depth;
  for (int64_t p = 0; p < depth; ++p) {
    const T* b = t.b + b_rows[p];
    const ptrdiff_t at = a_cols[p];
    Vec<T> column[V];
    for (int j = 0; j < V - 1; ++j) column[j] = Vec<T>::load(b + j * lanes);
    const T* last = b + (V - 1) * lanes;
    column[V - 1] = masked ? Vec<T>::load_n(last, tail) : Vec<T>::load(last);
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
      const Vec<T> row = Vec<T>::set(a[i][at]);
      for (int j = 0; j < V; ++j) acc[i][j] = fma(row, column[j], acc[i][j]);
    }
  }
}

template <class T, int V>
inline void finish_row(const TileArgs<T>& t, int i, const Vec<T> (&acc)[V]) {
  constexpr int lanes = Vec<T>::lanes;
  T* c = t.c + i * t.c_row;
  for (int j = 0; j < V; ++j, c += lanes) {
    const int n = j == V - 1 ? t.columns - j * lanes : lanes;
    Vec<T> s = acc[j];
    if (t.accumulate) s = add(Vec<T>::load_n(c, n), s);
    if (t.row_bias) s = add(s, Vec<T>::set(t.row_bias[i]));
    if (t.column_bias) s = add(s, Vec<T>::load_n(t.column_bias + j * lanes, n));
    if (t.relu) s = select(le(s, Vec<T>::zero()), Vec<T>::zero(), s);
    s.store_n(c, n);
  }
}

// Columns past `columns` must be readable in b except in the last vector, which is masked.
template <class T, int R, int V>
void gemm_tile(const TileArgs<T>& t) {
  constexpr int lanes = Vec<T>::lanes;
  const bool whole = t.columns == V * lanes;
  Vec<T> acc[R][V] = {};
  if (whole) {
    multiply<false>(t, acc);
  } else {
    multiply<true>(t, acc);
  }
  // The sums are copied out behind hold(), and the loops over rows unrolled by name: GCC otherwise
  // keeps them in memory, where finish_row reads them, and stores them at every step above.
  Vec<T> sums[R][V];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
    for (int j = 0; j < V; ++j) {
      Vec<T> sum = acc[i][j];
      hold(sum);
      sums[i][j] = sum;
    }
  if (whole && !t.row_bias && !t.column_bias && !t.relu) {
    for (int i = 0; i < R; ++i)
      for (int j = 0; j < V; ++j) {
        T* c = t.c + i * t.c_row + j * lanes;
        (t.accumulate ? add(Vec<T>::load(c), sums[i][j]) : sums[i][j]).store(c);
      }
    return;
  }
  for (int i = 0; i < R; ++i) finish_row<T, V>(t, i, sums[i]);
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
