// Winograd convolution of images with few tiles: filters are lanes of the product, tiles its rows.
//
//   point p:  products[tile, filter] = sum over c of tiles[p][tile, c] * filters[p][c, filter]
//
// Every vector of the transformed filters is loaded once for all tiles of a register tile; with tiles
// as lanes 7x7 maps, 16 tiles, would fill one vector and every product would need a broadcast of its
// own. Either all tiles of some images are made by all tasks, for all (winograd_few_tiles.cpp), or
// each task makes those of its part of an image for itself (winograd_own_tiles.cpp).
//
// Filters of 3x3 at stride 2 are done here alone, with transforms of their own (minimal.hpp): 25
// products for 2x2 results or for a 4x4 tile of a data gradient, instead of 36.
#pragma once
#include <algorithm>

#include "conv/pixel_rows.hpp"
#include "conv/winograd.hpp"

namespace pyconv {

// Of a plane: [point][chain of channels][tile][channel].
template <class T>
struct TileLayout {
  int64_t count;                // of an image, or of its largest part
  int64_t chain, chains;        // channels of a chain
  int64_t block, point, plane;  // from one chain, point, group and image to the next
  TileLayout(const ConvPlan& plan, const WinogradGrid<T>& g, int64_t tiles) : count(tiles) {
    const WinogradView v(plan);
    chain = chain_length(plan, v.channels);
    chains = ceil_div(std::max<int64_t>(1, v.channels), chain);
    block = count * chain;
    point = chains * block + g.lanes;  // see WinogradMemory
    plane = g.points * point;
  }
  int64_t vectors(int64_t lanes) const { return chains * ceil_div(chain, lanes); }  // of channels
};

// What tiles from .. to - 1 cover of a padded image: whole rows of it, or a piece of a line.
template <class T>
struct TileWindow {
  int64_t from, to;
  int64_t y, x, height, width;
  TileWindow(const ConvPlan& plan, const WinogradGrid<T>& g, int64_t first, int64_t end)
      : from(first), to(end) {
    const WinogradView v(plan);
    const bool line = g.unit == 1 && g.lines == 1;
    const bool all = to - from == g.tiles();
    const int64_t across = line ? to - from : g.across;
    const int64_t down = all ? g.down : line ? 1 : ceil_div(to - from, g.across);
    y = all || line ? 0 : from / g.across * g.step[1];
    x = line ? from * g.step[2] : 0;
    height = ((down - 1) * g.step[1] + g.reach[1]) * v.dilation[1];
    width = ((across - 1) * g.step[2] + g.reach[2]) * v.dilation[2];
  }
  int64_t elements(int64_t lanes) const { return height * width * lanes; }  // of a strip
};

template <class T>
int64_t largest_part(const ConvPlan& plan, const WinogradGrid<T>& g) {
  return ceil_div(g.tiles() / g.unit, plan.splits) * g.unit;
}

template <class T>
struct PanelMemory {
  T *filters, *taps, *products, *pixels;
  int64_t filters_point, products_point;
  PanelMemory(const ConvPlan& plan, const WinogradGrid<T>& g, Arena& arena) {
    const bool ready = plan.packed || plan.own_tiles;
    filters_point = ready ? g.filter_point : plan.depth_block * g.filters + g.lanes;
    filters = arena.take<T>(ready ? 0 : g.filter_points * filters_point);
    taps = arena.take<T>(ready ? 0 : filter_taps(plan, g.filters));
    products_point = plan.column_block * g.filters + g.lanes;
    products = arena.take<T>(g.points * products_point);
    const WinogradView v(plan);
    const int64_t most = largest_part(plan, g) * g.m[1] * g.m[2];
    pixels = arena.take<T>((plan.splits > 1 ? most : v.result_plane()) * g.filters);
  }
};

// Tiles of an image: part i of plan.splits, and what it makes of a plane of the result. Residues of
// a dilated image lie between each other, so that one task has them all.
template <class T>
struct TilePart {
  int64_t from, to, tiles;
  int64_t pixel, pixels;  // the first, how many
  TilePart(const ConvPlan& plan, const WinogradGrid<T>& g, int64_t i) {
    const Range units = part_of(g.tiles() / g.unit, i, plan.splits);
    from = units.from * g.unit;
    to = units.to * g.unit;
    tiles = to - from;
    const WinogradView v(plan);
    pixel = i ? first_pixel(g, v, from) : 0;
    pixels = (i + 1 < plan.splits ? first_pixel(g, v, to) : v.result_plane()) - pixel;
  }
  static int64_t first_pixel(const WinogradGrid<T>& g, const WinogradView& v, int64_t tile) {
    return tile / g.across * g.m[1] * v.result[2] + tile % g.across * g.m[2];
  }
};

// Calls body(tile, count, y, x) with the first output of every run of tiles from .. to - 1 in a line.
template <class T, class Body>
void for_runs(const WinogradGrid<T>& g, const WinogradView& v, int64_t from, int64_t to,
               const Body& body) {
  const int64_t high = v.dilation[1], wide = v.dilation[2];
  for (int64_t tile = from; tile < to;) {
    const int64_t line = tile / g.across, end = std::min(to, (line + 1) * g.across);
    const int64_t row = line / wide, y = row / g.down + row % g.down * g.m[1] * high;
    body(tile, end - tile, y, line % wide + tile % g.across * g.m[2] * wide);
    tile = end;
  }
}

// Vector i of the channels, no vector in two chains: the tiles of a window of an image and group.
template <class T>
void transform_tiles(const ConvPlan& plan, const WinogradGrid<T>& g, const TileLayout<T>& s,
                     const TileWindow<T>& window, const T* source, int64_t i, T* strip, T* tiles) {
  const WinogradView v(plan);
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const WinogradKernels<T>& w = winograd_kernels<T>(plan);
  const auto& size = v.forward ? plan.problem.input : plan.problem.output;
  const int64_t vectors = ceil_div(s.chain, g.lanes), in_chain = i % vectors * g.lanes;
  const int64_t channel = i / vectors * s.chain + in_chain;
  const int64_t count = std::min({g.lanes, s.chain - in_chain, v.channels - channel});
  if (count <= 0) return;
  for (int64_t y = 0; y < window.height; ++y)
    lay_row(k, source + channel * v.source_plane(), size, size[2], window.y + y - v.pad[1],
            window.x - v.pad[2], window.width, count, g.lanes, strip + y * window.width * g.lanes);
  const int64_t pixel = v.dilation[2] * g.lanes;
  WinogradInputArgs<T> t{nullptr, v.dilation[1] * window.width * g.lanes, pixel, g.step[2] * pixel,
                         count, nullptr, s.point, 1, g.step[2] * pixel, s.chain};
  for_runs(g, v, window.from, window.to, [&](int64_t tile, int64_t run, int64_t y, int64_t x) {
    const int64_t row = y * g.step[1] / g.m[1] - window.y;
    t.tiles = run;
    t.strip = strip + (row * window.width + x * g.step[2] / g.m[2] - window.x) * g.lanes;
    t.points = tiles + i / vectors * s.block + (tile - window.from) * s.chain + in_chain;
    w.input(t);
  });
}

// A panel of filters of one group with a part of some images.
template <class T>
class PanelTask {
 public:
  struct Place {
    int64_t image, images, group, panel, part;
    int64_t first;  // of the tiles in memory, of each image
  };
  PanelTask(const ConvPlan& plan, const ConvArgs& args, const WinogradGrid<T>& g,
            const TileLayout<T>& s, const PanelMemory<T>& memory, const Place& at)
      : plan_(plan), args_(args), v_(plan), g_(g), s_(s), k_(kernels_of<T>(*plan.isa)),
        w_(winograd_kernels<T>(plan)), memory_(memory), image_(at.image), images_(at.images),
        group_(at.group), panel_(at.panel), part_(plan, g_, at.part),
        first_(at.first) {
    filters_ = std::min(g_.filters, v_.rows - panel_ * g_.filters);
    vectors_ = ceil_div(filters_, g_.lanes);
  }

  // Tiles of the group, and transformed filters of all groups, or null: they are raw.
  void multiply(const T* tiles, const T* packed) const {
    if (packed) {
      const int64_t panel = group_ * g_.filter_panels + panel_;
      multiply_channels(tiles, packed + panel * g_.filter_points * g_.filter_point, 0, v_.channels);
      return;
    }
    int64_t from = 0;
    do {
      const int64_t to = std::min(from + plan_.depth_block, v_.channels);
      transform_panel(plan_, static_cast<const T*>(args_.other), group_, panel_, from, to,
                      memory_.filters, memory_.filters_point, memory_.taps);
      multiply_channels(tiles, memory_.filters, from, to);
      from = to;
    } while (from < v_.channels);
  }

  // Image i of these images; false if a result is not finite.
  bool finish(int64_t i) const {
    const int64_t first = panel_ * g_.filters, all = v_.result_plane();
    const int64_t high = v_.dilation[1], wide = v_.dilation[2], row = v_.result[2] * g_.filters;
    const T* bias = static_cast<const T*>(args_.bias);
    WinogradPixelArgs<T> t{};
    t.point = memory_.products_point;
    t.lanes = vectors_ * g_.lanes;
    t.filters = filters_;
    t.out_row = high * row;
    t.out_step = wide * g_.filters;
    t.bias = bias ? bias + group_ * v_.rows + first : nullptr;
    t.relu = args_.relu;
    bool finite = true;
    t.next = g_.filters;
    for_runs(g_, v_, part_.from, part_.to, [&](int64_t tile, int64_t n, int64_t y, int64_t x) {
      if (y >= v_.result[1] || x >= v_.result[2]) return;  // of a residue smaller than the largest
      t.points = memory_.products + (i * part_.tiles + tile - part_.from) * g_.filters;
      t.out = memory_.pixels + (y * v_.result[2] + x - part_.pixel) * g_.filters;
      t.rows = ceil_div(v_.result[1] - y, high);
      t.columns = ceil_div(v_.result[2] - x, wide);
      t.tiles = std::min(n, ceil_div(t.columns, g_.m[2]));
      finite &= w_.pixels(t);
    });
    T* out = static_cast<T*>(args_.out) +
             (((image_ + i) * plan_.problem.groups + group_) * v_.rows + first) * all +
             part_.pixel;
    k_.transpose(memory_.pixels, g_.filters, part_.pixels, filters_, out, all, part_.pixels);
    return finite;
  }

 private:
  // Channels from .. to - 1, those of `filters`, added to the products of those before.
  void multiply_channels(const T* tiles, const T* filters, int64_t from, int64_t to) const {
    const int64_t count = part_.tiles, rows = ceil_div(count, ceil_div(count, k_.tile_rows));
    TileArgs<T> t{};
    t.a_row = plan_.left.row;
    t.a_cols = plan_.left.cols.data();
    t.b_rows = plan_.phases[0].b_rows.data();
    t.c_row = g_.filters;
    t.columns = static_cast<int>(vectors_ * g_.lanes);
    const auto* const kernels = k_.tile;
    const auto vectors = static_cast<std::size_t>(vectors_) - 1;
    for (int64_t point = 0; point < g_.points; ++point) {
      const T* const panel = filters + g_.filter_of(point) * memory_.filters_point;
      const int64_t later = point + 1 < g_.points ? g_.filter_of(point + 1) : g_.filter_points;
      const T* const after = filters + later * memory_.filters_point;
      int64_t at = from;
      do {  // at least once: without channels the products are zero
        t.depth = std::min(s_.chain, to - at);
        t.accumulate = at > 0;
        t.b = panel + (at - from) * g_.filters;
        const T* next = at + t.depth >= to ? after : t.b + t.depth * g_.filters;
        for (int64_t i = 0; i < images_; ++i) {
          const T* a = tiles + i * plan_.problem.groups * s_.plane + point * s_.point +
                       at / s_.chain * s_.block + (part_.from - first_) * s_.chain;
          for (int64_t j = 0; j < count; j += rows) {
            // The next filters come near with the last tiles, a vector of each row with each tile;
            // before that, the next tiles.
            const int64_t more = (count - j - 1) / rows;
            const bool bring = i + 1 == images_ && more < vectors_;
            t.a = a + j * s_.chain;
            t.ahead = bring ? next + more * g_.lanes : t.a + rows * s_.chain;
            t.ahead_step = bring ? g_.filters : rows;
            t.c = memory_.products + point * memory_.products_point +
                  (i * count + j) * g_.filters;
            kernels[std::min(rows, count - j) - 1][vectors](t);
          }
        }
        at += t.depth;
      } while (at < to);
    }
  }

  const ConvPlan& plan_;
  const ConvArgs& args_;
  const WinogradView v_;
  const WinogradGrid<T>& g_;
  const TileLayout<T>& s_;
  const Kernels<T>& k_;
  const WinogradKernels<T>& w_;
  const PanelMemory<T>& memory_;
  const int64_t image_, images_, group_, panel_;
  const TilePart<T> part_;
  const int64_t first_;
  int64_t filters_ = 0, vectors_ = 0;
};

// What both kinds of tasks need.
template <class T>
void plan_panels(ConvPlan& plan, const WinogradGrid<T>& g) {
  const WinogradView v(plan);
  const int64_t chain = chain_length(plan, v.channels);
  plan.row_block = g.filters;
  plan.row_blocks = g.filter_panels;
  plan.left = {chain, offsets(chain, 1)};
  plan.phases.emplace_back();
  plan.phases[0].depth = v.channels;
  plan.phases[0].column_blocks = 1;
  plan.phases[0].b_rows = offsets(chain, g.filters);
}

// winograd_own_tiles.cpp
template <class T>
bool owns_tiles(const ConvPlan& plan);
template <class T>
void plan_own_tiles(ConvPlan& plan);
template <class T>
void run_own_tiles(const ConvPlan& plan, const ConvArgs& args, ForbiddenImages& again);

}  // namespace pyconv
