// Winograd convolution of images with few tiles (winograd_few_tiles.hpp), where a task makes the tiles
// that it multiplies: those of a part of an image, with all filters of its group. Nothing that one
// thread writes another reads, but raw filters transformed beforehand: where cores share no cache, and
// a line that another has written comes from far, 1.1 to 2 times as fast as tiles for all, else 1.0 to
// 1.1 (benchmarks/notes.md). Every result is the same sum.
#include "conv/packed_weight.hpp"
#include "conv/winograd_few_tiles.hpp"
#include "core/parallel.hpp"

namespace pyconv {
namespace {

// About so many bytes, which stay in the second-level cache of the task, but no fewer tiles: every
// task reads all filters.
constexpr int64_t own_bytes = 384 << 10, least_own = 48;

// Of an image, and evenly shared by two or four threads.
template <class T>
int64_t parts_of(const ConvPlan& plan, const WinogradGrid<T>& g) {
  const WinogradView v(plan);
  const int64_t planes = plan.problem.n * plan.problem.groups;
  const int64_t tile = g.points * std::max<int64_t>(1, v.channels) * int64_t{sizeof(T)};
  const int64_t fit = std::max(least_own, own_bytes / tile);
  const int64_t wanted = ceil_div(tasks_wanted(4), std::max<int64_t>(1, planes));
  int64_t parts = std::max(ceil_div(g.tiles(), fit), std::min(g.tiles() / least_own, wanted));
  if (parts > 1 && planes % 4) parts = std::max<int64_t>(4, (parts + 1) / 4 * 4);
  return std::max<int64_t>(1, std::min(parts, g.tiles() / g.unit));
}

template <class T>
struct OwnMemory {
  T *tiles, *strip;  // the strip lies where products come to lie
  std::size_t bytes;
  OwnMemory(const ConvPlan& plan, const WinogradGrid<T>& g, const TileLayout<T>& s, Arena& arena) {
    tiles = arena.take<T>(s.plane);
    Arena later = arena;
    strip = later.take<T>(TileWindow<T>(plan, g, 0, s.count).elements(g.lanes));
    bytes = later.used();
  }
};

// Part of plane: false if a result is not finite.
template <class T>
bool run_task(const ConvPlan& plan, const ConvArgs& args, const WinogradGrid<T>& g, int64_t task,
              const T* filters) {
  const WinogradView v(plan);
  const TileLayout<T> s(plan, g, largest_part(plan, g));
  Arena arena(task_scratch(plan.task_bytes));
  const OwnMemory<T> own(plan, g, s, arena);
  const int64_t plane = task / plan.splits, groups = plan.problem.groups;
  const TilePart<T> part(plan, g, task % plan.splits);
  const TileWindow<T> window(plan, g, part.from, part.to);
  const T* source = static_cast<const T*>(args.source) + plane * v.channels * v.source_plane();
  for (int64_t i = 0; i < s.vectors(g.lanes); ++i)
    transform_tiles(plan, g, s, window, source, i, own.strip, own.tiles);
  const PanelMemory<T> memory(plan, g, arena);
  bool finite = true;
  for (int64_t panel = 0; panel < g.filter_panels; ++panel) {
    const PanelTask<T> one(
        plan, args, g, s, memory,
        {plane / groups, 1, plane % groups, panel, task % plan.splits, part.from});
    one.multiply(own.tiles, filters);
    finite &= one.finish(0);
  }
  return finite;
}

}  // namespace

// Where they outweigh the filters: transformed ones are read by all tasks, raw ones are transformed
// for all beforehand. Residues of a dilated image lie between each other, so one task has them all.
template <class T>
bool owns_tiles(const ConvPlan& plan) {
  const WinogradView v(plan);
  const WinogradGrid<T> g(plan);
  const int64_t parts = parts_of(plan, g), n = plan.problem.n;
  if (v.dilation[1] * v.dilation[2] > 1 && parts > 1) return false;
  return n * plan.problem.groups * parts >= tasks_wanted(4) &&
         g.outweighs(v, plan.packed ? 7 : 25, n);
}

template <class T>
void plan_own_tiles(ConvPlan& plan) {
  const WinogradGrid<T> g(plan);
  plan.splits = parts_of(plan, g);
  plan.column_block = largest_part(plan, g);
  plan.tasks = plan.problem.n * plan.problem.groups * plan.splits;
  plan.image_tasks = plan.problem.groups * plan.splits;
  if (!plan.packed)
    plan.shared_bytes = static_cast<std::size_t>(plan.packed_elements) * sizeof(T);
  plan_panels(plan, g);
  Arena arena;
  const OwnMemory<T> own(plan, g, TileLayout<T>(plan, g, plan.column_block), arena);
  PanelMemory<T> counted(plan, g, arena);
  plan.task_bytes = std::max(arena.used(), own.bytes);
}

template <class T>
void run_own_tiles(const ConvPlan& plan, const ConvArgs& args, ForbiddenImages& again) {
  const WinogradGrid<T> g(plan);
  const T* const filters = static_cast<const T*>(packed_for_call(plan, args));
  parallel_for(plan.tasks, conv_work(plan.problem) / 4, [&](int64_t task) {
    if (!run_task(plan, args, g, task, filters))
      again[static_cast<std::size_t>(task / plan.image_tasks)] = true;
  });
}

template bool owns_tiles<float>(const ConvPlan&);
template bool owns_tiles<double>(const ConvPlan&);
template void plan_own_tiles<float>(ConvPlan&);
template void plan_own_tiles<double>(ConvPlan&);
template void run_own_tiles<float>(const ConvPlan&, const ConvArgs&, ForbiddenImages&);
template void run_own_tiles<double>(const ConvPlan&, const ConvArgs&, ForbiddenImages&);

}  // namespace pyconv
