// How a Winograd convolution is cut into tasks.
#include "conv/fallback.hpp"
#include "conv/winograd.hpp"
#include "core/parallel.hpp"

namespace pyconv {
namespace {

// Bytes of a task's transformed tiles and of a block of products: together they stay in a
// second-level cache of 1 MB beside the filters that stream through.
constexpr int64_t tile_bytes = 640 << 10, product_bytes = 256 << 10;

// See WinogradTask.
template <class T>
void plan_tasks(ConvPlan& plan, const WinogradGrid<T>& g, int64_t vectors, int64_t panels,
                int64_t held, int64_t panel_bytes) {
  const WinogradView v(plan);
  ConvPhase& phase = plan.phases[0];
  phase.column_blocks =
      std::max(ceil_div(panels, held), std::min(panels, ceil_div(tasks_wanted(8), g.bands)));
  phase.column_blocks += g.bands * phase.column_blocks % 2 && phase.column_blocks < vectors;
  // Rows are split only where tiles alone give too few tasks: every part transforms them again.
  const int64_t others = g.bands * phase.column_blocks * plan.problem.groups;
  const int64_t wanted = ceil_div(tasks_wanted(4), others);
  const int64_t parts = std::max<int64_t>(1, std::min(wanted, ceil_div(v.rows, 64)));
  phase.grid[0] = std::max<int64_t>(1, ceil_div(g.filter_panels, parts)) * g.filters;  // of a task
  plan.row_blocks = ceil_div(std::max<int64_t>(1, v.rows), phase.grid[0]);
  const int64_t block = product_bytes / (panel_bytes * held) / g.filters * g.filters;
  plan.row_block = std::clamp<int64_t>(block, g.filters, phase.grid[0]);
  plan.tasks = plan.problem.n * plan.problem.groups * plan.row_blocks * g.bands *
               phase.column_blocks;
}

template <class T>
void plan_blocks(ConvPlan& plan) {
  const WinogradView v(plan);
  const WinogradGrid<T> g(plan);
  plan.packed_panel = g.filters;
  plan.packed_elements = plan.problem.groups * g.filter_panels * g.filter_points * g.filter_point;
  if (g.few) return plan_few_tiles<T>(plan);
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const int64_t vectors = ceil_div(g.lines * g.band, g.lanes);  // of a band
  const int64_t panels = ceil_div(vectors, k.tile_vectors);
  const int64_t panel_bytes = g.points * g.width * static_cast<int64_t>(sizeof(T));
  const int64_t fit = tile_bytes / (panel_bytes * std::max<int64_t>(1, v.channels));
  const int64_t held = std::clamp<int64_t>(fit, 1, panels);
  plan.column_block = held * g.width;
  plan.left = {1, offsets(v.channels, g.filters)};
  plan.phases.emplace_back();
  ConvPhase& phase = plan.phases[0];
  phase.depth = v.channels;
  phase.b_rows = offsets(v.channels, g.width);
  plan_tasks(plan, g, vectors, panels, held, panel_bytes);
  plan.shared_bytes = static_cast<std::size_t>(plan.packed_elements) * sizeof(T);
  Arena arena;
  WinogradMemory<T> counted(plan, arena);
  plan.task_bytes = arena.used();
}

}  // namespace

const char* winograd_refuses(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  if (p.input[0] != 1 || p.output[0] != 1 || p.kernel[0] != 1) return "it is three-dimensional";
  const auto fits = [](int64_t taps) { return taps == 1 || taps == 3; };
  if (!fits(p.kernel[1]) || !fits(p.kernel[2]) || p.kernel[1] * p.kernel[2] == 1)
    return "the kernel is not 3x3, 1x3 or 3x1";
  for (int i = 1; i < 3; ++i) {
    if (p.stride[i] != 1) return "the stride is larger than 1";
    if (winograd_dilation(p, i) > std::max<int64_t>(1, std::min(p.input[i], p.output[i])))
      return "the dilation is larger than the image";
  }
  return nullptr;
}

const char* winograd_2x2_refuses(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  if (p.stride[1] == 1 && p.stride[2] == 1) return winograd_refuses(plan);
  if (p.input[0] != 1 || p.output[0] != 1 || p.kernel[0] != 1) return "it is three-dimensional";
  for (int i = 1; i < 3; ++i) {
    if (p.kernel[i] != 3) return "the kernel is not 3x3";
    if (p.stride[i] != 2) return "the stride is neither 1 nor 2 in both directions";
    if (p.dilation[i] != 1) return "it is dilated and has a stride";
    if (plan.direction == Direction::input && p.pad_lo[i] % 2 == 0)
      return "the padding before is even";
  }
  const bool few = with_type(plan.type, [&](auto tag) {
    using T = decltype(tag);
    return WinogradGrid<T>(plan, stride_2_kernels<T>(plan)).few;
  });
  return few ? nullptr : "it has a stride, and tiles of over 8 MB or few filters";
}

void plan_winograd(ConvPlan& plan) {
  with_type(plan.type, [&](auto tag) { plan_blocks<decltype(tag)>(plan); });
  plan_fallback(plan);
}

}  // namespace pyconv
