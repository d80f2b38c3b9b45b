// A register tile of one vector of columns and as many rows as there are general registers for.
//
// With one vector a step has as many broadcasts as multiply-adds, so that R of the one take as long
// as R of the other, and eight chains of four cycles are just enough for two a cycle. Twelve hide
// what lies between. An address a row leaves no register for the tables and the prefetch of
// gemm_tile: rows of b are even, `b_row` apart, and whole vectors of them must be readable.
#pragma once
#include "kernels/tile.hpp"

namespace {

template <class T, int R>
void tall_tile(const TileArgs<T>& t) {
  Vec<T> acc[R][1] = {};
  const T* a[R];
  row_starts(t, a);
  const T* b = t.b;
  const ptrdiff_t b_row = t.b_row;
  const ptrdiff_t* const end = t.a_cols + t.depth;
  for (const ptrdiff_t* at = t.a_cols; at != end; ++at, b += b_row) {
    const ptrdiff_t column = *at;
    const Vec<T> v = Vec<T>::load(b);
#pragma GCC unroll 12
    for (int i = 0; i < R; ++i) acc[i][0] = fma(Vec<T>::set(a[i][column]), v, acc[i][0]);
  }
  finish_tile(t, acc);
}

}  // namespace
