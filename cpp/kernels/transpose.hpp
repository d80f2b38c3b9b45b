// Matrix transposition into panels, by blocks of lanes x lanes held in registers.
//
// Rows lie far apart, so that no hardware foresees them: what follows in each is asked for half a
// kilobyte ahead, the depth of a float32 panel.
#pragma once
#include "kernels/table.hpp"

namespace {

template <class T>
void bring_near(const T* from, int64_t count) {
  constexpr int64_t line = 64 / sizeof(T);
  for (int64_t i = 0; i < count; i += line) prefetch(from + i);
  if (count) prefetch(from + count - 1);
}

// Rows of three without a gap: a block of whole vectors would be empty but for three columns.
template <class T>
void transpose_threes(const T* in, int64_t rows, T* out, ptrdiff_t out_row, int64_t width) {
  constexpr int lanes = Vec<T>::lanes;
  Picks<T> pair[3], last[3];
  for (int t = 0; t < 3; ++t) {
    int32_t low[lanes], high[lanes];
    for (int i = 0; i < lanes; ++i) {
      const int from = 3 * i + t;
      low[i] = from < 2 * lanes ? from : -1;
      high[i] = from < 2 * lanes ? i : from - lanes;
    }
    pair[t] = Picks<T>::of(low);
    last[t] = Picks<T>::of(high);
  }
  for (int64_t i = 0; i < width; i += lanes) {
    const int wide = width - i < lanes ? static_cast<int>(width - i) : lanes;
    Vec<T> v[3];
    for (int t = 0; t < 3; ++t) {
      const int64_t left = 3 * (rows - i) - t * lanes;
      v[t] = left >= lanes ? Vec<T>::load(in + 3 * i + t * lanes)
             : left > 0    ? Vec<T>::load_n(in + 3 * i + t * lanes, static_cast<int>(left))
                           : Vec<T>::zero();
    }
    for (int t = 0; t < 3; ++t)
      pick(pick(v[0], v[1], pair[t]), v[2], last[t]).store_n(out + t * out_row + i, wide);
  }
}

template <class T>
void transpose_matrix(const T* in, ptrdiff_t in_row, int64_t rows, int64_t depth, T* out,
                      ptrdiff_t out_row, int64_t width) {
  constexpr int lanes = Vec<T>::lanes;
  if (in_row == 3 && depth == 3) return transpose_threes(in, rows, out, out_row, width);
  for (int64_t i = 0; i < width; i += lanes) {
    const int wide = width - i < lanes ? static_cast<int>(width - i) : lanes;
    const int high = rows - i < lanes ? static_cast<int>(rows - i) : lanes;
    for (int64_t p = 0; p < depth; p += lanes) {
      const int deep = depth - p < lanes ? static_cast<int>(depth - p) : lanes;
      Vec<T> block[lanes];
      for (int r = 0; r < lanes; ++r) {
        if (r < high) prefetch(in + (i + r) * in_row + p + 512 / sizeof(T));
        block[r] = r < high ? Vec<T>::load_n(in + (i + r) * in_row + p, deep) : Vec<T>::zero();
      }
      transpose(block);
      for (int r = 0; r < deep; ++r) block[r].store_n(out + (p + r) * out_row + i, wide);
    }
  }
}

}  // namespace
