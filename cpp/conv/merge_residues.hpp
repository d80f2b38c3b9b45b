// Columns of the result of a strided data gradient, which are computed apart modulo the stride.
#pragma once
#include <algorithm>

#include "conv/plan.hpp"

namespace pyconv {

// `columns` of a line from its residues, `apart` elements from one to the next. Halves are merged
// until two residues are left, or an odd number; `levels` hold a line each where there are over two.
template <class T>
void merge_residues(const Kernels<T>& k, const T* in, int64_t apart, int64_t residues,
                    int64_t columns, T* const (&levels)[2], T* out) {
  int64_t width = ceil_div(columns, residues);
  for (int level = 0; residues > 2 && residues % 2 == 0; level = 1 - level, width *= 2) {
    residues /= 2;
    T* const to = levels[level];
    for (int64_t w = 0; w < residues; ++w)
      k.merge_rows(in + w * apart, in + (w + residues) * apart, width, to + w * 2 * width);
    in = to;
    apart = 2 * width;
  }
  if (residues == 1) {
    std::copy_n(in, columns, out);
  } else if (residues == 2) {
    k.merge_rows(in, in + apart, columns / 2, out);
    if (columns % 2) out[columns - 1] = in[columns / 2];
  } else {
    for (int64_t w = 0; w < residues; ++w, in += apart)
      for (int64_t x = 0; x * residues + w < columns; ++x) out[x * residues + w] = in[x];
  }
}

}  // namespace pyconv
