// Sums of products of lines: the register tile of a weight gradient that is not transposed.
//
//   c[i][j] (+)= sum over lines y, columns x of a_i[y][x] * b_j[y][x]
//
// Both operands are vectors of neighbouring columns, so nothing is broadcast: per step R + V loads
// for R * V multiply-adds, and one sum across lanes for each of the R * V results at the end.
#pragma once
#include "kernels/table.hpp"

namespace {

// Columns 0 .. n - 1 of each of a line's pairs; `masked` reads no further.
template <bool masked, class T, int R, int V>
inline void dot_step(const T* const (&a)[R], const T* const (&b)[V], ptrdiff_t at_a, ptrdiff_t at_b,
                     int n, Vec<T> (&acc)[R][V]) {
  Vec<T> column[V];
  for (int j = 0; j < V; ++j)
    column[j] = masked ? Vec<T>::load_n(b[j] + at_b, n) : Vec<T>::load(b[j] + at_b);
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i) {
    Vec<T> row = masked ? Vec<T>::load_n(a[i] + at_a, n) : Vec<T>::load(a[i] + at_a);
    hold(row);
    for (int j = 0; j < V; ++j) acc[i][j] = fma(row, column[j], acc[i][j]);
  }
}

template <class T, int R, int V>
void dot_tile(const DotArgs<T>& d) {
  constexpr int lanes = Vec<T>::lanes;
  const int64_t whole = d.columns / lanes * lanes;
  const int tail = static_cast<int>(d.columns - whole);
  const T *a[R], *b[V];
  for (int i = 0; i < R; ++i) a[i] = d.a + i * d.a_row;
  for (int j = 0; j < V; ++j) b[j] = d.b + d.b_rows[j];
  Vec<T> acc[R][V] = {};
  // Two running offsets and fixed pointers: nothing is worked out anew for a line.
  const ptrdiff_t skip_a = d.a_line - whole, skip_b = d.b_line - whole;
  ptrdiff_t at_a = 0, at_b = 0;
  for (int64_t y = 0; y < d.lines; ++y, at_a += skip_a, at_b += skip_b) {
    for (int64_t x = 0; x < whole; x += lanes, at_a += lanes, at_b += lanes)
      dot_step<false>(a, b, at_a, at_b, lanes, acc);
    if (tail) dot_step<true>(a, b, at_a, at_b, tail, acc);
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
    for (int j = 0; j < V; ++j) {
      T* c = d.c + i * d.c_row + j;
      const T sum = acc[i][j].sum();
      *c = d.accumulate ? *c + sum : sum;
    }
}

}  // namespace
