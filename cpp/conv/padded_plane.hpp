// A strip of one image plane with its zero border, split by column stride, so that every filter
// tap is a contiguous run of reads:  [row][residue of the column modulo step][column / step].
#pragma once
#include <algorithm>

#include "conv/plan.hpp"

namespace pyconv {

template <class T>
struct PaddedPlane {
  const Kernels<T>* kernels;
  int64_t rows, row_size, step;  // row_size: elements of one residue, with a vector of slack
  T* data;

  // first_row, first_column: image coordinates of the strip's corner, negative in the border.
  void fill(const T* plane, const int64_t (&size)[3], int64_t first_row, int64_t first_column,
            int64_t columns) const {
    const int64_t lo = std::clamp<int64_t>(-first_column, 0, columns);
    const int64_t hi = std::clamp<int64_t>(size[2] - first_column, lo, columns);
    for (int64_t r = 0; r < rows; ++r) {
      T* out = data + r * row_size * step;
      const int64_t y = first_row + r;
      const bool inside = y >= 0 && y < size[1] && lo < hi;
      if (!inside) {
        std::fill_n(out, row_size * step, T(0));
        continue;
      }
      const T* in = plane + y * size[2] + first_column;
      if (step == 1) {
        std::fill_n(out, lo, T(0));
        std::copy(in + lo, in + hi, out + lo);
        std::fill_n(out + hi, columns - hi, T(0));
        continue;
      }
      // Whole groups of `step` inside the image are split by vectors, the rest one by one.
      const int64_t from = std::min(hi, ceil_div(lo, step) * step);
      for (int64_t x = 0; x < from; ++x) put(out, x, x >= lo ? in[x] : T(0));
      if (hi > from) kernels->split_row(in + from, hi - from, step, out + from / step, row_size);
      for (int64_t x = hi; x < columns; ++x) put(out, x, T(0));
    }
  }

  // The element under output (0, 0) for a tap at (row, column) of the strip.
  const T* at(int64_t row, int64_t column) const {
    return data + (row * step + column % step) * row_size + column / step;
  }
  int64_t row_stride() const { return row_size * step; }

 private:
  void put(T* out, int64_t x, T value) const { out[x % step * row_size + x / step] = value; }
};

}  // namespace pyconv
