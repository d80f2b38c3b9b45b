// Winograd convolution of images with few tiles (winograd_few_tiles.hpp), where all tasks share them:
// the transformed filters are the larger operand and stream from the third-level cache.
//
// First all tiles of some images are transformed, channels as lanes. Then a task owns a panel of
// filters and a part of those images. Raw filters are transformed in it, some channels at a time,
// just before use. Every result is the same sum as in winograd.cpp.
#include "conv/winograd_few_tiles.hpp"

#include "conv/packed_weight.hpp"
#include "core/parallel.hpp"

namespace pyconv {
namespace {

// Raw filters transformed at a time lie in a second-level cache. The products of a task may leave
// it, as those of a point are made together; the tiles of all images lie in the third.
constexpr int64_t filter_bytes = 256 << 10, product_bytes = 1 << 20;
constexpr int64_t images_bytes = 2 << 20;  // of tiles, where that is more than one image

template <class T>
int64_t images_at_once(const ConvPlan& plan, const WinogradGrid<T>& g) {
  return plan.column_block / largest_part(plan, g);
}

template <class T>
void plan_parts_of_images(ConvPlan& plan, const WinogradGrid<T>& g) {
  const WinogradView v(plan);
  const TileLayout<T> s(plan, g, g.tiles());
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
  plan.tasks = groups * g.filter_panels * plan.splits;
  plan.shared_bytes = static_cast<std::size_t>(images * groups * s.plane * size);
}

// A vector of channels of an image and group.
template <class T>
void transform_plane(const ConvPlan& plan, const WinogradGrid<T>& g, const TileLayout<T>& s,
                     const T* source, int64_t vector, T* tiles) {
  const TileWindow<T> window(plan, g, 0, g.tiles());
  T* strip = static_cast<T*>(task_scratch(plan.task_bytes));
  transform_tiles(plan, g, s, window, source, vector, strip, tiles);
}

// Part i of the images from `first` on, which have `tiles`; false for those that are not finite.
template <class T>
void run_part(const ConvPlan& plan, const ConvArgs& args, const WinogradGrid<T>& g,
              const TileLayout<T>& s, int64_t i, int64_t first, int64_t images, const T* tiles,
              const T* filters, ForbiddenImages& again) {
  Arena arena(task_scratch(plan.task_bytes));
  const PanelMemory<T> memory(plan, g, arena);
  const int64_t panel = i / plan.splits, group = panel / g.filter_panels;
  const PanelTask<T> task(plan, args, g, s, memory,
                          {first, images, group, panel % g.filter_panels, i % plan.splits, 0});
  task.multiply(tiles + group * s.plane, filters);
  for (int64_t n = 0; n < images; ++n)
    if (!task.finish(n)) again[static_cast<std::size_t>(first + n)] = true;
}

}  // namespace

template <class T>
void plan_few_tiles(ConvPlan& plan) {
  const WinogradGrid<T> g(plan);
  plan.own_tiles = owns_tiles<T>(plan);
  if (plan.own_tiles) return plan_own_tiles<T>(plan);
  plan_parts_of_images(plan, g);
  plan_panels(plan, g);
  Arena arena, strip;
  PanelMemory<T> counted(plan, g, arena);
  strip.take<T>(TileWindow<T>(plan, g, 0, g.tiles()).elements(g.lanes));
  plan.task_bytes = std::max(arena.used(), strip.used());
}

template <class T>
void run_few_tiles(const ConvPlan& plan, const ConvArgs& args, ForbiddenImages& again) {
  if (plan.own_tiles) return run_own_tiles<T>(plan, args, again);
  const WinogradView v(plan);
  const WinogradGrid<T> g(plan);
  const TileLayout<T> s(plan, g, g.tiles());
  const int64_t groups = plan.problem.groups, most = images_at_once(plan, g);
  const int64_t vectors = s.vectors(g.lanes), plane_size = v.channels * v.source_plane();
  const T* filters = nullptr;
  if (args.packed) filters = static_cast<const T*>(args.packed->pack_for(plan));
  T* tiles = static_cast<T*>(call_scratch(plan.shared_bytes));
  for (int64_t first = 0; first < plan.problem.n; first += most) {
    const int64_t images = std::min(most, plan.problem.n - first);
    const double part = static_cast<double>(images) / static_cast<double>(plan.problem.n);
    const T* source = static_cast<const T*>(args.source) + first * groups * plane_size;
    parallel_for(images * groups * vectors, 2.0 * static_cast<double>(plan.shared_bytes),
                 [&](int64_t task) {
      const int64_t plane = task / vectors;
      transform_plane(plan, g, s, source + plane * plane_size, task % vectors,
                      tiles + plane * s.plane);
    });
    parallel_for(plan.tasks, part * conv_work(plan.problem) / 4, [&](int64_t i) {
      run_part<T>(plan, args, g, s, i, first, images, tiles, filters, again);
    });
  }
}

template void plan_few_tiles<float>(ConvPlan&);
template void plan_few_tiles<double>(ConvPlan&);
template void run_few_tiles<float>(const ConvPlan&, const ConvArgs&, ForbiddenImages&);
template void run_few_tiles<double>(const ConvPlan&, const ConvArgs&, ForbiddenImages&);

}  // namespace pyconv
