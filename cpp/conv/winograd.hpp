// What planning, packing and running a Winograd convolution share: sizes and the memory of a task.
#pragma once
#include <algorithm>

#include "conv/fallback.hpp"
#include "conv/list.hpp"
#include "core/scratch.hpp"

namespace pyconv {

// A single tap is not apart from itself.
inline int64_t winograd_dilation(const ConvProblem& p, int i) {
  return p.kernel[i] == 1 ? 1 : p.dilation[i];
}

struct WinogradView {
  bool forward;
  int64_t rows, channels;  // per group: of the result, of the source
  const int64_t *source, *result;
  int64_t pad[3], dilation[3];
  explicit WinogradView(const ConvPlan& plan) {
    const ConvProblem& p = plan.problem;
    forward = plan.direction == Direction::forward;
    rows = (forward ? p.k : p.c) / p.groups;
    channels = (forward ? p.c : p.k) / p.groups;
    source = forward ? p.input : p.output;
    result = forward ? p.output : p.input;
    for (int i = 0; i < 3; ++i) {
      dilation[i] = winograd_dilation(p, i);
      pad[i] = forward ? p.pad_lo[i] : p.stride[i] == 1 ? extent(p, i) - 1 - p.pad_lo[i]
                                                        : (1 - p.pad_lo[i]) / 2;
    }
  }
  int64_t source_plane() const { return source[1] * source[2]; }
  int64_t result_plane() const { return result[1] * result[2]; }
};

inline bool small_tiles(const ConvPlan& plan) { return plan.algorithm->precision == Precision::highest; }

// Filters of one row of taps have tiles of one row, likewise columns; `m`: outputs in the other.
inline bool one_row(const ConvProblem& p) { return p.kernel[1] == 1; }
inline bool one_column(const ConvProblem& p) { return p.kernel[2] == 1; }
inline bool one_line(const ConvProblem& p) { return one_row(p) || one_column(p); }

// 3x3 taps at stride 2 have tiles of their own, but for winograd_parts.
template <class T>
const WinogradKernels<T>& stride_2_kernels(const ConvPlan& plan) {
  const bool forward = plan.direction == Direction::forward;
  return kernels_of<T>(*plan.isa).winograd_stride[forward ? 0 : 1];
}

template <class T>
const WinogradKernels<T>& winograd_kernels(const ConvPlan& plan, int64_t m) {
  const int shape = one_row(plan.problem) ? 1 : one_column(plan.problem) ? 2 : 0;
  return kernels_of<T>(*plan.isa).winograd[m == 2 ? 0 : 1][shape];
}

template <class T>
const WinogradKernels<T>& winograd_kernels(const ConvPlan& plan) {
  const ConvAlgorithm* const a = plan.algorithm;
  if (plan.problem.stride[2] == 2 && (a == &winograd_2x2_forward || a == &winograd_2x2_input))
    return stride_2_kernels<T>(plan);
  return winograd_kernels<T>(plan, small_tiles(plan) ? 2 : 4);
}

// Channels added in one chain: shorter ones round less and cost a store and a load of the products.
// With these F(2x2) rounds 2.9e-7 to 3.5e-7 of the largest result on 64 to 512 channels, as the direct
// sums do, and F(4x4) 2.3e-6; with 256 twice as much for 2 to 5 % of the time (Zen 5, November 2026).
// F(2, 3) of a line adds up fewer points and rounds as the direct sums do with 64 always.
inline int64_t longest_chain(const ConvPlan& plan, int64_t channels) {
  return !small_tiles(plan) ? 128 : channels < 128 && !one_line(plan.problem) ? 32 : 64;
}

inline int64_t common_multiple(int64_t a, int64_t b) {
  int64_t m = a;
  while (m % b) m += a;
  return m;
}

template <class T>
int64_t panel_filters(const Kernels<T>& k) {
  return common_multiple(k.lanes, k.tile_rows);
}

// Filters are the lanes of the products where the transformed tiles of an image are at most so many
// bytes: they are read from the third-level cache by all tasks. From 64 channels on also of larger
// images, where tasks make their own tiles (1.02 to 1.1 times, one thread of Zen 5, November 2026).
constexpr int64_t most_tile_bytes = 8 << 20, most_own_tile_bytes = 32 << 20;

// So many tiles at least are a task, as every task reads, or transforms, its filters for itself.
constexpr int64_t least_tiles = 24;

// Vectors of a panel of filters then: all panels full if possible, and two of them where tiles are
// not split into tasks.
inline int64_t panel_vectors(int64_t vectors, bool split, int64_t most) {
  if (!split) most = std::min(most, ceil_div(vectors, 2));
  for (int64_t v = most; v > 1; --v)
    if (vectors % v == 0) return v;
  return most;
}

// The tiles of an image, in bands of columns so that the tiles of a task share rows of the image; how
// many a panel of tiles and a panel of filters hold.
//
// Dilation makes an image so many interleaved images (residues of rows and columns), each convolved
// without it. All have the tiles of the largest. Tiles are counted along lines: those of a residue
// of columns; then the residues of columns; then the rows of tiles; then the residues of rows.
template <class T>
struct WinogradGrid {
  int64_t m[3], side[3], points;    // of a tile: outputs and points in each dimension, all points
  int64_t reach[3], step[3];        // pixels under a tile, and from one tile to the next
  int64_t filter_side[3], filter_points;  // of a filter
  int64_t across, down;             // tiles a row, rows of tiles: of a residue
  int64_t rows, lines;              // of tiles: of all residues of rows; and of columns
  int64_t unit;                     // tiles that are not parted where few are: one of a line alone
  int64_t bands, band, narrowest;   // the most and the fewest tiles in a row of one
  bool few;                         // tiles: see winograd_few_tiles.cpp
  int64_t lanes, width, filters, filter_panels;  // filters: of a panel
  int64_t filter_point;  // from one point to the next in a panel of filters: see WinogradMemory
  explicit WinogradGrid(const ConvPlan& plan)
      : WinogradGrid(plan, winograd_kernels<T>(plan)) {}
  WinogradGrid(const ConvPlan& plan, const WinogradKernels<T>& w) {
    const WinogradView v(plan);
    const Kernels<T>& k = kernels_of<T>(*plan.isa);
    std::copy(w.tile, w.tile + 3, m);
    std::copy(w.side, w.side + 3, side);
    std::copy(w.reach, w.reach + 3, reach);
    std::copy(w.step, w.step + 3, step);
    std::copy(w.filter_side, w.filter_side + 3, filter_side);
    points = side[1] * side[2];
    filter_points = filter_side[1] * filter_side[2];
    across = ceil_div(ceil_div(v.result[2], v.dilation[2]), m[2]);
    down = ceil_div(ceil_div(v.result[1], v.dilation[1]), m[1]);
    rows = down * v.dilation[1];
    lines = rows * v.dilation[2];
    unit = v.result[1] == 1 ? 1 : across;
    lanes = k.lanes;
    width = lanes * k.tile_vectors;
    bands = ceil_div(across, 64);
    band = 0;
    narrowest = across;
    for (int64_t i = 0; i < bands; ++i) {
      band = std::max(band, edge(i + 1) - edge(i));
      narrowest = std::min(narrowest, edge(i + 1) - edge(i));
    }
    const int64_t vectors = ceil_div(v.rows, lanes);
    // With a single vector of filters, or few channels, tiles are the better lanes, and are no
    // matter of all threads then.
    const bool many_filters = w.filter_lanes || std::min(v.rows, v.channels) >= 32;
    few = vectors > 1 && many_filters && tile_bytes(v) <= most_tile_bytes;
    if (vectors > 1 && v.channels >= 64 && v.dilation[1] * v.dilation[2] == 1)
      few |= many_filters && tile_bytes(v) <= most_own_tile_bytes && outweighs(v, 25);
    const bool split = v.dilation[1] * v.dilation[2] == 1 && tiles() >= 2 * least_tiles;
    filters = few ? panel_vectors(vectors, split, k.tile_vectors) * lanes : panel_filters(k);
    filter_panels = ceil_div(v.rows, filters);
    filter_point = v.channels * filters + lanes;
  }
  int64_t tiles() const { return lines * across; }  // of an image
  int64_t tile_bytes(const WinogradView& v) const {
    return points * tiles() * v.channels * int64_t{sizeof(T)};
  }
  // Whether the tiles of `images` take so many tenths of the memory of the filters.
  bool outweighs(const WinogradView& v, int64_t tenths, int64_t images = 1) const {
    return 10 * images * points * tiles() >= tenths * filter_points * v.rows;
  }
  // The point of the filters that a point of the tiles meets.
  int64_t filter_of(int64_t i) const {
    return std::min(i / side[2], filter_side[1] - 1) * filter_side[2] +
           std::min(i % side[2], filter_side[2] - 1);
  }
  // Where band i begins: whole vectors, as even as they come.
  int64_t edge(int64_t i) const {
    return std::min(across, ceil_div(across, lanes) * i / bands * lanes);
  }
};

// Filters are read in blocks of so many channels: in a data gradient the filters of one channel lie
// far apart, but next to those of the next panel.
constexpr int64_t filter_channels = 16;

inline int64_t filter_taps(const ConvPlan& plan, int64_t filters) {  // [channel][tap][filter]
  return taps_of(plan.problem) * filters * filter_channels;
}

template <class T>
struct WinogradMemory {
  T *strip, *tiles, *products;
  int64_t strip_row;  // of one residue, with a vector of slack
  // From one point to the next: a line more than it holds, because a tile is written to all points
  // in turn, and a multiple of 4 KB would put them all into one set of the first-level cache.
  int64_t tiles_point, products_point;
  WinogradMemory(const ConvPlan& plan, Arena& arena) {
    const WinogradGrid<T> g(plan);
    strip_row = ceil_div(g.band + 1 + g.lanes, g.lanes) * g.lanes;
    const WinogradView v(plan);
    const int64_t row = g.narrowest * v.dilation[2];  // tiles
    const int64_t rows = std::min(g.rows, (plan.column_block - 1) / row + 2);
    const int64_t residues = ceil_div(rows - 1, g.down) + 1;
    const int64_t shared = g.side[1] - g.m[1];
    strip = arena.take<T>((rows * g.m[1] + residues * shared) * g.m[2] * v.dilation[2] * strip_row);
    tiles_point = v.channels * plan.column_block + g.lanes;
    products_point = plan.row_block * plan.column_block + g.lanes;
    tiles = arena.take<T>(g.points * tiles_point);
    products = arena.take<T>(g.points * products_point);
  }
};

// Pixels under the tiles of a result.
inline int64_t covered_pixels(const ConvProblem& p, const int64_t (&result)[3], int64_t m) {
  int64_t covered = 1;
  for (int i = 1; i < 3; ++i) {
    const int64_t step = winograd_dilation(p, i), side = p.kernel[i] == 1 ? 1 : m;
    covered *= ceil_div(ceil_div(result[i], step), side) * side * step;
  }
  return covered;
}

// Whether tiles lie over the result well enough to gain: not over half as many pixels as it has.
inline bool tiles_fit(const ConvProblem& p, const int64_t (&result)[3], int64_t m) {
  return 2 * covered_pixels(p, result, m) <= 3 * pixels(result);
}

// Channels of one chain, all about as long.
inline int64_t chain_length(const ConvPlan& plan, int64_t channels) {
  channels = std::max<int64_t>(1, channels);
  return ceil_div(channels, ceil_div(channels, longest_chain(plan, channels)));
}

// Tiles times the first `filters` of a panel of `all`: t lacks a, c goes on to the next rows. The last
// of all bring `next` near, row by row of what comes after.
template <class T>
void multiply_filters(const Kernels<T>& k, TileArgs<T>& t, const T* panel, int64_t all,
                      int64_t filters, const T* next) {
  const auto vectors = static_cast<std::size_t>((t.columns - 1) / k.lanes);
  for (int64_t i = 0; i < filters; i += k.tile_rows, t.c += k.tile_rows * t.c_row) {
    t.a = panel + i;
    t.ahead = i + k.tile_rows >= all ? next : nullptr;
    k.tile[std::min<int64_t>(k.tile_rows, filters - i) - 1][vectors](t);
  }
}

const char* winograd_refuses(const ConvPlan& plan);
const char* winograd_2x2_refuses(const ConvPlan& plan);  // not at stride 2, on small maps
void plan_winograd(ConvPlan& plan);  // winograd_plan.cpp
// winograd_few_tiles.cpp
template <class T>
void plan_few_tiles(ConvPlan& plan);
template <class T>
void run_few_tiles(const ConvPlan& plan, const ConvArgs& args, ForbiddenImages& again);
// winograd_filters.cpp
void pack_winograd(const ConvPlan& plan, const void* weight, void* out);

// A panel of filters of a group, channels from .. to - 1, [point][channel][filter of the panel]
// with points `point` elements apart; zeros where the panel is not full. `taps` is scratch.
template <class T>
void transform_panel(const ConvPlan& plan, const T* weight, int64_t group, int64_t panel,
                     int64_t from, int64_t to, T* points, int64_t point, T* taps);

// Likewise of filters of any size, as so many parts of 3x3: where their taps lie in those of a
// channel, and where the points of the first channel go (see WinogradFilterArgs). A panel has
// `filters` filters.
struct FilterPart {
  ptrdiff_t taps[9], points[36];
};
template <class T>
void transform_parts(const ConvPlan& plan, const T* weight, int64_t filters, int64_t group,
                     int64_t panel, int64_t from, int64_t to, T* points, const FilterPart* parts,
                     int64_t count, T* taps);

}  // namespace pyconv
