// Filters larger than 3x3 as sums of parts of 3x3. In one dimension part q > 0 holds the taps
// 2 q + 1 and 2 q + 2 behind a zero. It lies 2 q pixels, q tiles of F(2, 3), further on: it reads
// the transformed input of another tile, and the sum of all parts is one longer sum of channels.
// The zero makes one of four points vanish, so 5 taps take 4 + 3 products for two results instead
// of 10, and 7 taps 4 + 3 + 3 instead of 14.
#pragma once
#include "conv/winograd.hpp"

namespace pyconv {

// How many parts of a filter of `taps` taps have a product at point i of F(2, 3).
inline int64_t parts_at(int64_t taps, int64_t i) {
  return i == 0 ? 1 : i == 3 ? (taps - 1) / 2 : taps / 2;
}

// Where the parts of all filters go: point p of a group of channels begins at first[p], part by
// part and channel by channel.
struct PartPoints {
  int64_t rows[16], columns[16];  // parts of rows and of columns at a point
  int64_t first[17];              // parts of all points before
  explicit PartPoints(const ConvProblem& p) {
    first[0] = 0;
    for (int64_t i = 0; i < 16; ++i) {
      rows[i] = parts_at(p.kernel[1], i / 4);
      columns[i] = parts_at(p.kernel[2], i % 4);
      first[i + 1] = first[i] + parts(i);
    }
  }
  int64_t parts(int64_t point) const { return rows[point] * columns[point]; }
};

// Tiles in bands of columns and blocks of rows. Those of a channel and point lie in lines of a
// pitch that holds what the last part reads, so any part of a block is one run that begins later;
// products between the end of a line and the next are computed and dropped.
template <class T>
struct PartsGrid {
  PartPoints at;
  int64_t high, wide;            // parts of rows and columns
  int64_t across, down;          // tiles
  int64_t bands, pitch;
  int64_t lanes, width, filters, filter_panels;
  int64_t filter_panel;          // elements: a line after each point, see WinogradMemory
  explicit PartsGrid(const ConvPlan& plan) : at(plan.problem) {
    const WinogradView v(plan);
    const Kernels<T>& k = kernels_of<T>(*plan.isa);
    high = plan.problem.kernel[1] / 2;
    wide = plan.problem.kernel[2] / 2;
    across = ceil_div(v.result[2], 2);
    down = ceil_div(v.result[1], 2);
    bands = std::max<int64_t>(1, ceil_div(across, 32));
    pitch = ceil_div(across, bands) + wide - 1;
    lanes = k.lanes;
    width = lanes * k.tile_vectors;
    filters = panel_filters(k);
    filter_panels = ceil_div(v.rows, filters);
    filter_panel = filter_point(v, 16);
  }
  int64_t filter_point(const WinogradView& v, int64_t point) const {
    return at.first[point] * v.channels * filters + point * lanes;
  }
};

// A task's tiles and a block of their products.
template <class T>
struct PartsMemory {
  T *strip, *tiles, *products;
  int64_t strip_row, tiles_row, tiles_point, products_row, products_point;
  PartsMemory(const ConvPlan& plan, const PartsGrid<T>& g, Arena& arena) {
    const int64_t rows = plan.column_block + g.high - 1;  // of tiles
    strip_row = ceil_div(g.pitch + 1 + g.lanes, g.lanes) * g.lanes;
    strip = arena.take<T>((rows * 2 + 2) * 2 * strip_row);
    // An odd number of lines: powers of two would put all channels into few sets of a cache.
    tiles_row = (ceil_div(rows * g.pitch, g.lanes) | 1) * g.lanes;
    tiles_point = WinogradView(plan).channels * tiles_row + g.lanes;
    tiles = arena.take<T>(16 * tiles_point + g.lanes);
    products_row = ceil_div(plan.column_block * g.pitch, g.lanes) * g.lanes;
    products_point = plan.row_block * products_row + g.lanes;
    products = arena.take<T>(16 * products_point);
  }
};

const char* parts_refuse(const ConvPlan& plan);
void plan_parts(ConvPlan& plan);  // winograd_parts_plan.cpp
void pack_parts(const ConvPlan& plan, const void* weight, void* out);

}  // namespace pyconv
