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
#include "kernels/unrolled.hpp"

namespace {

// Vector j of V in a row of which the last one is `masked` down to `tail` columns.
template <bool masked, int V, class T>
inline Vec<T> load_column(const T* row, int j, int tail) {
  const T* at = row + j * Vec<T>::lanes;
  return masked && j == V - 1 ? Vec<T>::load_n(at, tail) : Vec<T>::load(at);
}

// Of rows of a `row` bytes apart, number i from pointers to those 0 and 3: each lies none, one, two
// or four distances from one of them, or as far as they do. A pointer a row would leave no register
// for the rest of the loop.
template <class T>
PYCONV_UNROLLED const T* even_row(const char* first, const char* third, ptrdiff_t row,
                                  ptrdiff_t three, int i) {
  const char* const at[] = {first,           first + row,     first + 2 * row, first + three,
                            first + 4 * row, third + 2 * row, third + three,   third + 4 * row};
  return reinterpret_cast<const T*>(at[i]);
}

template <class T, int R>
PYCONV_UNROLLED void row_starts(const TileArgs<T>& t, const T* (&a)[R]) {
  for (int i = 0; i < R; ++i) a[i] = t.a + (t.a_rows ? t.a_rows[i] : i * t.a_row);
}

// acc += a * b over all p. Loops over rows are unrolled by name here and below: GCC otherwise keeps
// the sums in memory and stores all of them at every step.
template <bool masked, bool even, class T, int R, int V>
PYCONV_UNROLLED void multiply(const TileArgs<T>& t, int tail, Vec<T> (&acc)[R][V]) {
  const T* a[R];
  if (!even) row_starts(t, a);
  const ptrdiff_t row = t.a_row * static_cast<ptrdiff_t>(sizeof(T)), three = 3 * row;
  const ptrdiff_t* const a_cols = t.a_cols;
  const ptrdiff_t* const b_rows = t.b_rows;
  const int64_t depth = t.depth;
  const T* ahead = t.ahead ? t.ahead : t.a;
  const ptrdiff_t ahead_step = t.ahead ? t.ahead_step : 0;
  for (int64_t p = 0; p < depth; ++p) {
    const T* b = t.b + b_rows[p];
    const ptrdiff_t at = a_cols[p];
    const char* const first = reinterpret_cast<const char*>(t.a + at);
    const char* const third = first + three;
    prefetch(ahead);
    ahead += ahead_step;
    Vec<T> column[V];
    for (int j = 0; j < V; ++j) column[j] = load_column<masked, V>(b, j, tail);
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i) {
      const T* const one = even ? even_row<T>(first, third, row, three, i) : a[i] + at;
      const Vec<T> left = Vec<T>::set(*one);
      for (int j = 0; j < V; ++j) acc[i][j] = fma(left, column[j], acc[i][j]);
    }
  }
}

// What is added to the sums, the clamp, and the store.
template <bool masked, class T, int R, int V>
inline void finish(const TileArgs<T>& t, int tail, Vec<T> (&acc)[R][V]) {
  // Read once: for all the compiler knows, each store changes `t`.
  T* const result = t.c;
  const ptrdiff_t row = t.c_row;
  if (t.accumulate) {
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i)
      for (int j = 0; j < V; ++j)
        acc[i][j] = add(load_column<masked, V>(result + i * row, j, tail), acc[i][j]);
  }
  if (t.row_bias) {
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i)
      for (int j = 0; j < V; ++j) acc[i][j] = add(acc[i][j], Vec<T>::set(t.row_bias[i]));
  }
  if (t.column_bias) {
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i)
      for (int j = 0; j < V; ++j)
        acc[i][j] = add(acc[i][j], load_column<masked, V>(t.column_bias, j, tail));
  }
  if (t.relu) {
    const Vec<T> zero = Vec<T>::zero();
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i)
      for (int j = 0; j < V; ++j) acc[i][j] = select(le(acc[i][j], zero), zero, acc[i][j]);
  }
#pragma GCC unroll 12
  for (int i = 0; i < R; ++i)
    for (int j = 0; j < V; ++j) {
      T* c = result + i * row + j * Vec<T>::lanes;
      if (masked && j == V - 1) {
        acc[i][j].store_n(c, tail);
      } else {
        acc[i][j].store(c);
      }
    }
}

// For sums made otherwise.
template <class T, int R, int V>
inline void finish_tile(const TileArgs<T>& t, Vec<T> (&acc)[R][V]) {
  const int tail = t.columns - (V - 1) * Vec<T>::lanes;
  if (tail == Vec<T>::lanes) {
    finish<false>(t, tail, acc);
  } else {
    finish<true>(t, tail, acc);
  }
}

template <bool masked, class T, int R, int V>
inline void run_tile(const TileArgs<T>& t) {
  constexpr int lanes = Vec<T>::lanes;
  const int tail = t.columns - (V - 1) * lanes;
  Vec<T> acc[R][V] = {};
  // Few rows have registers enough.
  if (R > 5 && !t.a_rows) {
    multiply<masked, true>(t, tail, acc);
  } else {
    multiply<masked, false>(t, tail, acc);
  }
  finish<masked>(t, tail, acc);
}

// Columns past `columns` must be readable in b except in the last vector, which is masked.
template <class T, int R, int V>
void gemm_tile(const TileArgs<T>& t) {
  if (t.columns == V * Vec<T>::lanes) {
    run_tile<false, T, R, V>(t);
  } else {
    run_tile<true, T, R, V>(t);
  }
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
