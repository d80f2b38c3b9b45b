// What planning, packing and running a convolution by parts (filter_parts.hpp) share: its tiles and
// the memory of a task.
#pragma once
#include <vector>

#include "conv/filter_parts.hpp"
#include "conv/winograd.hpp"

namespace pyconv {

// Bytes of a task's transformed tiles: see winograd_plan.cpp.
constexpr int64_t part_tile_bytes = 640 << 10;

// Tiles in bands of columns and blocks of rows. Those of a channel and point lie in lines of a
// pitch that holds what the last part reads, so any part of a block is one run that begins later;
// products between the end of a line and the next are computed and dropped.
//
// A line alone (signals, 1xW) has bands of whole tiles of the product, few enough for the cache.
template <class T>
struct PartsGrid {
  std::vector<PartPoints> of;    // each residue of the result: one, but of a strided data gradient
  int64_t residues[3], stride[3];  // of the result
  int64_t pad[3];                // before the source
  int64_t width_of_result, across, down;  // of a residue; tiles
  int64_t bands, pitch, unit;    // a band begins at a multiple of `unit`
  int64_t lanes, width, filters, filter_panels;
  std::vector<int64_t> start;    // of each residue's filters in a panel
  int64_t filter_panel;          // elements: a line after each point, see WinogradMemory
  explicit PartsGrid(const ConvPlan& plan) {
    const WinogradView v(plan);
    const Kernels<T>& k = kernels_of<T>(*plan.isa);
    lanes = k.lanes;
    width = lanes * k.tile_vectors;
    filters = panel_filters(k);
    filter_panels = ceil_div(v.rows, filters);
    list_residues(plan.problem, v);
    const PartLine &rows = at().rows, &columns = at().columns;
    width_of_result = ceil_div(v.result[2], stride[2]);
    across = ceil_div(width_of_result, columns.outputs);
    down = ceil_div(ceil_div(v.result[1], stride[1]), rows.outputs);
    unit = down == 1 && rows.points == 1 ? width : 1;
    bands = std::max<int64_t>(1, ceil_div(across, unit > 1 ? line_band(v) : 32));
    pitch = ceil_div(ceil_div(across, unit), bands) * unit + columns.tiles - 1;
    filter_panel = 0;
    for (const PartPoints& one : of) {
      start.push_back(filter_panel);
      filter_panel += filter_point(v, one, at().points());
    }
  }
  const PartPoints& at() const { return of[0]; }  // what all have in common
  int64_t edge(int64_t band) const {
    return std::min(across, ceil_div(across, unit) * band / bands * unit);
  }
  int64_t line_band(const WinogradView& v) const {
    const int64_t depth = std::max<int64_t>(1, v.channels) * at().phases() * at().points();
    const int64_t fit = part_tile_bytes / (depth * static_cast<int64_t>(sizeof(T)));
    return std::clamp<int64_t>(fit / width, 1, 4) * width;
  }
  // Where a point of a residue's filters begins.
  int64_t filter_point(const WinogradView& v, const PartPoints& one, int64_t point) const {
    return one.first[point] * v.channels * filters + point * lanes;
  }

 private:
  void list_residues(const ConvProblem& p, const WinogradView& v) {
    std::copy(v.pad, v.pad + 3, pad);
    for (int i = 0; i < 3; ++i) residues[i] = stride[i] = 1;
    if (v.forward) {
      of.emplace_back(p);
      return;
    }
    const GradientLines rows(p, 1), columns(p, 2);
    pad[1] = -rows.low;
    pad[2] = -columns.low;
    for (const PartLine& y : rows.residues)
      for (const PartLine& x : columns.residues) of.emplace_back(y, x);
    residues[1] = static_cast<int64_t>(rows.residues.size());
    residues[2] = static_cast<int64_t>(columns.residues.size());
    std::copy(p.stride + 1, p.stride + 3, stride + 1);
  }
};

// A task's tiles and a block of their products.
template <class T>
struct PartsMemory {
  T *strip, *tiles, *products;
  T *results, *merged[2];  // of all residues of columns, which lie between each other
  int64_t result_row, result_plane, result_residue;
  int64_t strip_row, tiles_row, tiles_point, products_row, products_point;
  PartsMemory(const ConvPlan& plan, const PartsGrid<T>& g, Arena& arena) {
    const PartLine &down = g.at().rows, &along = g.at().columns;
    const int64_t rows = plan.column_block + down.tiles - 1;  // of tiles
    strip_row = ceil_div(g.pitch + 1 + g.lanes, g.lanes) * g.lanes;
    strip = arena.take<T>(down.pixels(rows) * along.step() * strip_row);
    // An odd number of lines: powers of two would put all channels into few sets of a cache.
    tiles_row = (ceil_div(rows * g.pitch, g.lanes) | 1) * g.lanes;
    tiles_point = g.at().phases() * WinogradView(plan).channels * tiles_row + g.lanes;
    tiles = arena.take<T>(g.at().points() * tiles_point + g.lanes);
    products_row = ceil_div(plan.column_block * g.pitch, g.lanes) * g.lanes;
    products_point = plan.row_block * products_row + g.lanes;
    products = arena.take<T>(g.at().points() * products_point);
    const bool apart = g.residues[2] > 1;
    result_row = ceil_div(g.pitch * along.outputs, g.lanes) * g.lanes;
    result_plane = plan.column_block * down.outputs * result_row;
    result_residue = plan.row_block * result_plane;
    results = arena.take<T>(apart ? g.residues[2] * result_residue : 0);
    const int64_t merged_row = g.residues[2] > 2 ? g.residues[2] * result_row : 0;
    for (T*& level : merged) level = arena.take<T>(merged_row);
  }
};

// Taps of larger strides are too few for parts of three.
constexpr int64_t most_stride = 8;

const char* parts_refuse(const ConvPlan& plan);
bool prefers_parts(const ConvPlan& plan);  // winograd_parts_choice.cpp
void plan_parts(ConvPlan& plan);  // winograd_parts_plan.cpp
void pack_parts(const ConvPlan& plan, const void* weight, void* out);

}  // namespace pyconv
