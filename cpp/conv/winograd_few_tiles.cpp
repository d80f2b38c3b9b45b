// Winograd convolution of images with few tiles: filters are lanes of the product, tiles its rows.
//
//   point p:  products[tile, filter] = sum over c of tiles[p][tile, c] * filters[p][c, filter]
//
// Here the transformed filters are the larger operand and stream from the third-level cache. Every
// vector of them is loaded once for all tiles of a register tile; with tiles as lanes 7x7 maps, 16
// tiles, would fill one vector and every product would need a broadcast of its own.
//
// Filters of 3x3 at stride 2 are done here alone, with transforms of their own (minimal.hpp): 25
// products for 2x2 results or for a 4x4 tile of a data gradient, instead of 36.
//
// First all tiles of some images are transformed into memory that all tasks share, channels as
// lanes. Then a task owns a panel of filters and those images. Raw filters are transformed in it,
// some channels at a time, just before use. Every result is the same sum as in winograd.cpp.
#include "conv/packed_weight.hpp"
#include "conv/pixel_rows.hpp"
#include "conv/winograd.hpp"
#include "core/parallel.hpp"

namespace pyconv {
namespace {

// Raw filters transformed at a time lie in a second-level cache. The products of a task may leave
// it, as those of a point are made together; the tiles of all images lie in the third.
constexpr int64_t filter_bytes = 256 << 10, product_bytes = 1 << 20;
constexpr int64_t images_bytes = 2 << 20;  // of tiles, where that is more than one image

// [image][group][point][chain of channels][tile][channel].
template <class T>
struct Tiles {
  int64_t count;                // of an image
  int64_t chain, chains;        // channels of a chain
  int64_t block, point, plane;  // from one chain, point, group and image to the next
  int64_t height, width;        // of a padded image, with all that tiles cover
  Tiles(const ConvPlan& plan, const WinogradGrid<T>& g) {
    const WinogradView v(plan);
    count = g.tiles();
    chain = chain_length(plan, v.channels);
    chains = ceil_div(std::max<int64_t>(1, v.channels), chain);
    block = count * chain;
    point = chains * block + g.lanes;  // see WinogradMemory
    plane = g.points * point;
    height = ((g.down - 1) * g.step[1] + g.reach[1]) * v.dilation[1];
    width = ((g.across - 1) * g.step[2] + g.reach[2]) * v.dilation[2];
  }
};

template <class T>
int64_t largest_part(const ConvPlan& plan, const WinogradGrid<T>& g) {
  return ceil_div(g.tiles() / g.unit, plan.splits) * g.unit;
}

template <class T>
struct TaskMemory {
  T *filters, *taps, *products, *pixels;
  int64_t filters_point, products_point;
  TaskMemory(const ConvPlan& plan, const WinogradGrid<T>& g, Arena& arena) {
    filters_point = plan.packed ? g.filter_point : plan.depth_block * g.filters + g.lanes;
    filters = arena.take<T>(plan.packed ? 0 : g.filter_points * filters_point);
    taps = arena.take<T>(plan.packed ? 0 : filter_taps(plan, g.filters));
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
struct Part {
  int64_t from, to, tiles;
  int64_t pixel, pixels;  // the first, how many
  Part(const ConvPlan& plan, const WinogradGrid<T>& g, int64_t i) {
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

template <class T>
int64_t images_at_once(const ConvPlan& plan, const WinogradGrid<T>& g) {
  return plan.column_block / largest_part(plan, g);
}

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

// One vector of channels of a chain, all tiles of an image and group.
template <class T>
void transform_tiles(const ConvPlan& plan, const T* source, int64_t channel, int64_t count,
                     T* tiles) {
  const WinogradView v(plan);
  const WinogradGrid<T> g(plan);
  const Tiles<T> s(plan, g);
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const WinogradKernels<T>& w = winograd_kernels<T>(plan);
  const auto& size = v.forward ? plan.problem.input : plan.problem.output;
  T* strip = static_cast<T*>(task_scratch(plan.task_bytes));
  for (int64_t y = 0; y < s.height; ++y)
    lay_row(k, source + channel * v.source_plane(), size, size[2], y - v.pad[1], -v.pad[2], s.width,
            count, g.lanes, strip + y * s.width * g.lanes);
  const int64_t pixel = v.dilation[2] * g.lanes;
  WinogradInputArgs<T> t{nullptr, v.dilation[1] * s.width * g.lanes, pixel, g.step[2] * pixel, count,
                         nullptr, s.point, 1, g.step[2] * pixel, s.chain};
  for_runs(g, v, 0, g.tiles(), [&](int64_t tile, int64_t run, int64_t y, int64_t x) {
    t.tiles = run;
    t.strip = strip + (y * g.step[1] / g.m[1] * s.width + x * g.step[2] / g.m[2]) * g.lanes;
    t.points = tiles + channel / s.chain * s.block + tile * s.chain + channel % s.chain;
    w.input(t);
  });
}

// A panel of filters of one group with a part of some images.
template <class T>
class PanelTask {
 public:
  PanelTask(const ConvPlan& plan, const ConvArgs& args, int64_t task, int64_t image, int64_t images)
      : plan_(plan), args_(args), v_(plan), g_(plan), s_(plan, g_), k_(kernels_of<T>(*plan.isa)),
        w_(winograd_kernels<T>(plan)), arena_(task_scratch(plan.task_bytes)),
        memory_(plan, g_, arena_), image_(image),
        images_(images), group_(task / plan.splits / g_.filter_panels),
        panel_(task / plan.splits % g_.filter_panels), part_(plan, g_, task % plan.splits) {
    filters_ = std::min(g_.filters, v_.rows - panel_ * g_.filters);
    vectors_ = ceil_div(filters_, g_.lanes);
  }

  // Tiles and packed filters of all groups, or null: they are raw.
  void multiply(const T* tiles, const T* packed) const {
    tiles += group_ * s_.plane;
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
                       at / s_.chain * s_.block + part_.from * s_.chain;
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
  const WinogradGrid<T> g_;
  const Tiles<T> s_;
  const Kernels<T>& k_;
  const WinogradKernels<T>& w_;
  Arena arena_;
  const TaskMemory<T> memory_;
  const int64_t image_, images_, group_, panel_;
  const Part<T> part_;
  int64_t filters_ = 0, vectors_ = 0;
};

}  // namespace

template <class T>
void plan_few_tiles(ConvPlan& plan) {
  const WinogradView v(plan);
  const WinogradGrid<T> g(plan);
  const Tiles<T> s(plan, g);
  const int64_t size = sizeof(T), groups = plan.problem.groups;
  const int64_t tile = g.points * g.filters * size;  // of products
  if (v.dilation[1] == 1 && v.dilation[2] == 1) {
    const int64_t wanted = ceil_div(tasks_wanted(plan.packed ? 8 : 4), groups * g.filter_panels);
    const int64_t parts = std::clamp<int64_t>(s.count / least_tiles, 1, wanted);
    const int64_t most = g.tiles() / g.unit;
    plan.splits = std::min(most, std::max(parts, ceil_div(s.count * tile, product_bytes)));
  }
  const int64_t tiles = largest_part(plan, g);
  const int64_t fit = std::min(images_bytes / (groups * s.plane * size),
                               product_bytes / (tiles * tile));
  const int64_t images = std::max<int64_t>(1, std::min(plan.problem.n, fit));
  plan.column_block = images * tiles;
  const int64_t chains = filter_bytes / (g.points * g.filters * size * s.chain);
  plan.depth_block = std::clamp<int64_t>(chains, 1, s.chains) * s.chain;
  plan.row_block = g.filters;
  plan.row_blocks = g.filter_panels;
  plan.left = {s.chain, offsets(s.chain, 1)};
  plan.phases.emplace_back();
  plan.phases[0].depth = v.channels;
  plan.phases[0].column_blocks = 1;
  plan.phases[0].b_rows = offsets(s.chain, g.filters);
  plan.tasks = groups * g.filter_panels * plan.splits;
  plan.shared_bytes = static_cast<std::size_t>(images * groups * s.plane * size);
  Arena arena;
  TaskMemory<T> counted(plan, g, arena);
  plan.task_bytes = std::max(arena.used(),
                             static_cast<std::size_t>(s.height * s.width * g.lanes * size));
}

template <class T>
void run_few_tiles(const ConvPlan& plan, const ConvArgs& args, ForbiddenImages& again) {
  const WinogradView v(plan);
  const WinogradGrid<T> g(plan);
  const Tiles<T> s(plan, g);
  const int64_t groups = plan.problem.groups, most = images_at_once(plan, g);
  const int64_t vectors = ceil_div(s.chain, g.lanes), parts = s.chains * vectors;
  const T* filters = nullptr;
  if (args.packed) filters = static_cast<const T*>(args.packed->pack_for(plan));
  T* tiles = static_cast<T*>(call_scratch(plan.shared_bytes));
  for (int64_t first = 0; first < plan.problem.n; first += most) {
    const int64_t images = std::min(most, plan.problem.n - first);
    const double part = static_cast<double>(images) / static_cast<double>(plan.problem.n);
    parallel_for(images * groups * parts, 2.0 * static_cast<double>(plan.shared_bytes),
                 [&](int64_t task) {
      const int64_t plane = task / parts, in_chain = task % vectors * g.lanes;
      const int64_t channel = task % parts / vectors * s.chain + in_chain;
      const int64_t count = std::min({g.lanes, s.chain - in_chain, v.channels - channel});
      if (count > 0)
        transform_tiles(plan, static_cast<const T*>(args.source) +
                                  (first * groups + plane) * v.channels * v.source_plane(),
                        channel, count, tiles + plane * s.plane);
    });
    parallel_for(plan.tasks, part * conv_work(plan.problem) / 4, [&](int64_t i) {
      const PanelTask<T> task(plan, args, i, first, images);
      task.multiply(tiles, filters);
      for (int64_t n = 0; n < images; ++n)
        if (!task.finish(n)) again[static_cast<std::size_t>(first + n)] = true;
    });
  }
}

template void plan_few_tiles<float>(ConvPlan&);
template void plan_few_tiles<double>(ConvPlan&);
template void run_few_tiles<float>(const ConvPlan&, const ConvArgs&, ForbiddenImages&);
template void run_few_tiles<double>(const ConvPlan&, const ConvArgs&, ForbiddenImages&);

}  // namespace pyconv
