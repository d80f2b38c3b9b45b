// What planning, packing and running a Winograd convolution share: sizes and the memory of a task.
#pragma once
#include <algorithm>

#include "conv/list.hpp"
#include "core/scratch.hpp"

namespace pyconv {

struct WinogradView {
  bool forward;
  int64_t rows, channels;  // per group: of the result, of the source
  const int64_t *source, *result;
  int64_t pad[3];
  explicit WinogradView(const ConvPlan& plan) {
    const ConvProblem& p = plan.problem;
    forward = plan.direction == Direction::forward;
    rows = (forward ? p.k : p.c) / p.groups;
    channels = (forward ? p.c : p.k) / p.groups;
    source = forward ? p.input : p.output;
    result = forward ? p.output : p.input;
    for (int i = 0; i < 3; ++i) pad[i] = forward ? p.pad_lo[i] : 2 - p.pad_lo[i];
  }
  int64_t source_plane() const { return source[1] * source[2]; }
  int64_t result_plane() const { return result[1] * result[2]; }
};

inline bool small_tiles(const ConvPlan& plan) { return plan.algorithm->precision == Precision::highest; }

template <class T>
const WinogradKernels<T>& winograd_kernels(const ConvPlan& plan) {
  return kernels_of<T>(*plan.isa).winograd[small_tiles(plan) ? 0 : 1];
}

inline int64_t common_multiple(int64_t a, int64_t b) {
  int64_t m = a;
  while (m % b) m += a;
  return m;
}

// The tiles of an image; how many a panel of tiles and a panel of filters hold.
template <class T>
struct WinogradGrid {
  int64_t m, points, across, count;  // outputs a side, N^2, tiles a row, tiles
  int64_t lanes, width, filters, filter_panels;
  explicit WinogradGrid(const ConvPlan& plan) {
    const WinogradView v(plan);
    const Kernels<T>& k = kernels_of<T>(*plan.isa);
    m = winograd_kernels<T>(plan).tile;
    points = (m + 2) * (m + 2);
    across = ceil_div(v.result[2], m);
    count = across * ceil_div(v.result[1], m);
    lanes = k.lanes;
    width = lanes * k.tile_vectors;
    filters = common_multiple(lanes, k.tile_rows);
    filter_panels = ceil_div(v.rows, filters);
  }
};

template <class T>
struct WinogradMemory {
  T *strip, *tiles, *products;
  int64_t strip_row;  // of one residue, with a vector of slack
  WinogradMemory(const ConvPlan& plan, Arena& arena) {
    const WinogradGrid<T> g(plan);
    strip_row = ceil_div(std::min(g.width, g.across) + 1 + g.lanes, g.lanes) * g.lanes;
    strip = arena.take<T>((g.m + 2) * g.m * strip_row);
    tiles = arena.take<T>(g.points * WinogradView(plan).channels * plan.column_block);
    products = arena.take<T>(g.points * plan.row_block * plan.column_block);
  }
};

const char* winograd_refuses(const ConvPlan& plan);
void plan_winograd(ConvPlan& plan);  // winograd_plan.cpp
void pack_winograd(const ConvPlan& plan, const void* weight, void* out);  // winograd_filters.cpp

}  // namespace pyconv
