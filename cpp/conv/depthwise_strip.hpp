// What the three depthwise passes share: when they apply and how a plane is cut into strips.
#pragma once
#include <algorithm>

#include "conv/padded_plane.hpp"
#include "conv/plan.hpp"
#include "core/scratch.hpp"

namespace pyconv {


// One input channel per group, two spatial dimensions, and a filter extent whose strip is small.
inline const char* strip_refuses(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  if (p.c != p.groups || p.c == 0) return "a group has not exactly one input channel";
  if (p.kernel[0] != 1 || p.output[0] != 1 || p.input[0] != 1) return "it is three-dimensional";
  const double row = static_cast<double>(p.input[2] + p.pad_lo[2] + p.pad_hi[2] + p.stride[2]);
  const double rows = static_cast<double>(extent(p, 1) + p.stride[1]);
  if ((row + 64) * rows > 1 << 20) return "a strip under one row of outputs is over 8 MB";
  return nullptr;
}

// Each filter walks the plane again: past 16 filters a channel the matrix product catches up.
inline bool depthwise_prefers(const ConvPlan& plan) {
  return plan.problem.k / plan.problem.groups <= 16;
}

// How many rows, of `row_elements` elements each, a strip holds so that it stays in L2.
inline int64_t strip_rows(int64_t rows, int64_t step, int64_t extent, int64_t row_elements,
                          int64_t element) {
  const int64_t budget = (int64_t{256} << 10) / std::max<int64_t>(1, row_elements * element);
  return std::clamp<int64_t>((budget - extent) / step, 1, std::max<int64_t>(1, rows));
}

// Output positions and the strip of source that they need.
struct StripShape {
  int64_t rows, source_rows, columns, row_size;
};

// A row with a vector of slack, in whole vectors so that every row starts aligned.
inline int64_t padded_row(int64_t columns, int lanes) {
  return ceil_div(columns + lanes, lanes) * lanes;
}

// Source rows and columns under `rows` x `columns` outputs of a filter of the given extent.
inline StripShape strip_shape(int64_t out_rows, int64_t out_columns, int64_t row_step,
                              int64_t column_step, int64_t row_extent, int64_t column_extent,
                              int lanes, int64_t element) {
  StripShape s{};
  s.columns = (out_columns - 1) * column_step + column_extent;
  s.row_size = padded_row(ceil_div(s.columns, column_step), lanes);
  s.rows = strip_rows(out_rows, row_step, row_extent, s.row_size * column_step, element);
  s.source_rows = (s.rows - 1) * row_step + row_extent;
  return s;
}

}  // namespace pyconv
