// A strip of one image plane with its zero border, split by column stride, so that every filter
// tap is a contiguous run of reads:  [row][residue of the column modulo step][column / step].
#pragma once
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
    kernels->pad({plane, size[1], size[2], first_row, first_column, rows, columns, step, 0, data,
                  row_size, 0});
  }

  // The element under output (0, 0) for a tap at (row, column) of the strip.
  const T* at(int64_t row, int64_t column) const {
    return data + (row * step + column % step) * row_size + column / step;
  }
  int64_t row_stride() const { return row_size * step; }
};

}  // namespace pyconv
