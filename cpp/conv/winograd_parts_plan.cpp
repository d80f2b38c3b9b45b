// How a convolution by parts is cut into tasks, and its filters: [group][panel][point][part]
// [channel][filter of the panel].
#include "conv/fallback.hpp"
#include "conv/winograd_parts.hpp"
#include "core/parallel.hpp"

namespace pyconv {
namespace {

constexpr int64_t product_bytes = 256 << 10;  // of a block of products

// A list for each number of parts: phase 3 * row + column, of point 0, 1 (and 2), 3.
template <class T>
void list_parts(const WinogradView& v, const PartsGrid<T>& g, const PartsMemory<T>& memory,
                const PartPoints& of, std::size_t kind, ConvPhase& phase) {
  constexpr int64_t points[] = {0, 1, 3};
  for (const LinePart& y : of.rows.parts) {
    for (const LinePart& x : of.columns.parts) {
      if (!y.has(points[kind / 3]) || !x.has(points[kind % 3])) continue;
      const int64_t image = (y.phase * of.columns.phases + x.phase) * v.channels;
      for (int64_t c = 0; c < v.channels; ++c)
        phase.b_rows.push_back((image + c) * memory.tiles_row + y.tile * g.pitch + x.tile);
    }
  }
  phase.depth = static_cast<int64_t>(phase.b_rows.size());
}

template <class T>
void plan_blocks(ConvPlan& plan) {
  const WinogradView v(plan);
  const PartsGrid<T> g(plan);
  const int64_t channels = std::max<int64_t>(1, v.channels) * g.at().phases();
  const int64_t line_bytes = g.at().points() * g.pitch * static_cast<int64_t>(sizeof(T));  // of one channel
  // At least a full panel, though 256 channels of it on 14x14 are 1.2 MB (181 to 199 GFLOP/s).
  const int64_t fit = std::max(std::min(part_tile_bytes / (line_bytes * channels) - g.at().rows.tiles + 1,
                                        product_bytes / (line_bytes * g.filters)),
                               ceil_div(g.width + g.at().columns.tiles - 1, g.pitch));
  const int64_t outputs = g.bands * plan.problem.groups;
  const int64_t tasks = tasks_wanted(4);
  int64_t blocks = std::max(ceil_div(g.down, fit), std::min(ceil_div(tasks, outputs), g.down / 4));
  blocks = std::max<int64_t>(1, blocks);
  plan.column_block = ceil_div(g.down, blocks);  // rows of tiles
  // Rows of results are split only where tiles alone give too few tasks: each part transforms all.
  const int64_t wanted = ceil_div(tasks, outputs * blocks);
  const int64_t parts = std::max<int64_t>(1, std::min(wanted, ceil_div(v.rows, 64)));
  plan.phases.resize(9 * g.of.size());
  ConvPhase& first = plan.phases[0];
  first.column_blocks = blocks;
  first.grid[0] = std::max<int64_t>(1, ceil_div(g.filter_panels, parts)) * g.filters;  // of a task
  plan.row_blocks = ceil_div(std::max<int64_t>(1, v.rows), first.grid[0]);
  const int64_t block = product_bytes / (line_bytes * plan.column_block) / g.filters * g.filters;
  plan.row_block = std::clamp<int64_t>(block, g.filters, first.grid[0]);
  plan.tasks = plan.problem.n * outputs * plan.row_blocks * blocks;
  // What the parts of a data gradient depend on beside the stride: which taps reach which residue.
  for (int i = 1; i < 3 && !v.forward; ++i) {
    const int64_t phase = plan.problem.pad_lo[i] % g.stride[i];
    plan.packed_panel = (plan.packed_panel * most_stride + phase) * (most_stride + 1) + g.residues[i];
  }
  plan.packed_elements = plan.problem.groups * g.filter_panels * g.filter_panel;
  plan.shared_bytes = static_cast<std::size_t>(plan.packed_elements) * sizeof(T);
  Arena arena;
  const PartsMemory<T> memory(plan, g, arena);
  plan.task_bytes = arena.used();
  int64_t most = 0;
  for (const PartPoints& one : g.of) most = std::max(most, one.rows.most() * one.columns.most());
  plan.left = {1, offsets(most * v.channels, g.filters)};
  for (std::size_t i = 0; i < plan.phases.size(); ++i)
    list_parts(v, g, memory, g.of[i / 9], i % 9, plan.phases[i]);
}

// Of all residues.
template <class T>
std::vector<FilterPart> filter_parts(const ConvPlan& plan, const PartsGrid<T>& g) {
  const WinogradView v(plan);
  std::vector<FilterPart> parts;
  for (std::size_t residue = 0; residue < g.of.size(); ++residue) {
    const PartPoints& of = g.of[residue];
    int64_t before[16] = {};
    for (const LinePart& y : of.rows.parts) {
      for (const LinePart& x : of.columns.parts) {
        FilterPart part;
        for (int64_t i = 0; i < of.taps(); ++i) {
          const int64_t row = y.tap[i / of.columns.taps], column = x.tap[i % of.columns.taps];
          const bool none = row < 0 || column < 0;
          part.taps[i] = none ? -1 : (row * plan.problem.kernel[2] + column) * g.filters;
        }
        for (int64_t i = 0; i < of.points(); ++i)
          part.points[i] = of.has(y, x, i)
                               ? g.start[residue] + g.filter_point(v, of, i) +
                                     before[i]++ * v.channels * g.filters
                               : -1;
        parts.push_back(part);
      }
    }
  }
  return parts;
}

template <class T>
void transform_filters(const ConvPlan& plan, const T* weight, T* out) {
  const WinogradView v(plan);
  const PartsGrid<T> g(plan);
  const std::vector<FilterPart> parts = filter_parts(plan, g);
  const int64_t chunks = ceil_div(v.channels, filter_channels);
  const std::size_t bytes = static_cast<std::size_t>(filter_taps(plan, g.filters)) * sizeof(T);
  parallel_for(plan.problem.groups * chunks * g.filter_panels,
               2.0 * static_cast<double>(plan.packed_elements), [&](int64_t task) {
    const int64_t panel = task % g.filter_panels, group = task / g.filter_panels / chunks;
    const int64_t from = task / g.filter_panels % chunks * filter_channels;
    T* taps = static_cast<T*>(task_scratch(bytes));
    T* points = out + (group * g.filter_panels + panel) * g.filter_panel;
    transform_parts(plan, weight, g.filters, group, panel, from,
                    std::min(v.channels, from + filter_channels), points + from * g.filters,
                    parts.data(), static_cast<int64_t>(parts.size()), taps);
  });
}

}  // namespace

const char* parts_refuse(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  if (p.input[0] != 1 || p.output[0] != 1 || p.kernel[0] != 1) return "it is three-dimensional";
  if (taps_of(p) == 1) return "the kernel is a single tap";
  if ((p.kernel[1] == 3 || one_row(p)) && (p.kernel[2] == 3 || one_column(p)) && !is_strided(p))
    return "the kernel has three taps in a row or column";
  for (int i = 1; i < 3; ++i) {
    if (p.stride[i] > most_stride) return "the stride is larger than 8";
    if (winograd_dilation(p, i) != 1) return "the kernel is dilated";
  }
  return nullptr;
}

void plan_parts(ConvPlan& plan) {
  with_type(plan.type, [&](auto tag) { plan_blocks<decltype(tag)>(plan); });
  plan_fallback(plan);
}

void pack_parts(const ConvPlan& plan, const void* weight, void* out) {
  with_type(plan.type, [&](auto tag) {
    using T = decltype(tag);
    transform_filters(plan, static_cast<const T*>(weight), static_cast<T*>(out));
  });
}

}  // namespace pyconv
