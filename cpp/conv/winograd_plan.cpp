// How a Winograd convolution is cut into tasks.
#include "conv/fallback.hpp"
#include "conv/winograd.hpp"

namespace pyconv {
namespace {

// Bytes of a task's transformed tiles and of a block of products: together they stay in a
// second-level cache of 1 MB beside the filters that stream through.
constexpr int64_t tile_bytes = 640 << 10, product_bytes = 256 << 10;

// Filters transformed for a block of channels and their products, beside tiles that stream through.
constexpr int64_t shared_block_bytes = 800 << 10;
constexpr int64_t shared_channels = 128;

// Few tiles an image (49 on 14x14 by F(2x2), on 28x28 by F(4x4)), and those of all images in the
// third-level cache. Every image transforms raw filters again.
template <class T>
bool small_map(const ConvPlan& plan, const WinogradGrid<T>& g, int64_t panels,
               int64_t panel_bytes) {
  const int64_t images = plan.problem.n * plan.problem.groups;
  if (plan.problem.n > 1 && !plan.packed) return false;
  return panels * g.width <= 96 && g.filter_panels >= 4 &&
         images * panels * panel_bytes * WinogradView(plan).channels <= 8 << 20;
}

// See shares_tiles.
template <class T>
void plan_small_map(ConvPlan& plan, const WinogradGrid<T>& g, int64_t vectors) {
  const WinogradView v(plan);
  ConvPhase& phase = plan.phases[0];
  const int64_t chain = chain_length(plan, v.channels);
  plan.depth_block = std::min(std::max<int64_t>(1, v.channels),
                              std::max<int64_t>(1, shared_channels / chain) * chain);
  const int64_t row_bytes = g.points * (vectors * g.lanes + plan.depth_block) * int64_t{sizeof(T)};
  const int64_t fit = shared_block_bytes / row_bytes / g.filters;
  const int64_t panels = std::clamp<int64_t>(g.filter_panels / 4, 1, std::max<int64_t>(1, fit));
  plan.row_block = phase.grid[0] = panels * g.filters;
  plan.row_blocks = ceil_div(v.rows, plan.row_block);
  plan.tasks = plan.problem.groups * plan.row_blocks;
}

// See WinogradTask.
template <class T>
void plan_large_map(ConvPlan& plan, const WinogradGrid<T>& g, int64_t vectors, int64_t panels,
                    int64_t held, int64_t panel_bytes) {
  const WinogradView v(plan);
  ConvPhase& phase = plan.phases[0];
  phase.column_blocks = std::max(ceil_div(panels, held), std::min(panels, ceil_div(8, g.bands)));
  phase.column_blocks += g.bands * phase.column_blocks % 2 && phase.column_blocks < vectors;
  // Rows are split only where tiles alone give too few tasks: every part transforms them again.
  const int64_t wanted = ceil_div(4, g.bands * phase.column_blocks * plan.problem.groups);
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
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const int64_t vectors = ceil_div(g.lines * g.band, g.lanes);  // of a band
  const int64_t panels = ceil_div(vectors, k.tile_vectors);
  const int64_t panel_bytes = g.points * g.width * static_cast<int64_t>(sizeof(T));
  const bool small = small_map(plan, g, panels, panel_bytes);
  const int64_t fit = tile_bytes / (panel_bytes * std::max<int64_t>(1, v.channels));
  const int64_t held = small ? panels : std::clamp<int64_t>(fit, 1, panels);
  plan.column_block = held * g.width;
  plan.left = {offsets(k.tile_rows, 1), offsets(v.channels, g.filters)};
  plan.phases.emplace_back();
  ConvPhase& phase = plan.phases[0];
  phase.depth = v.channels;
  phase.column_blocks = 1;
  phase.b_rows = offsets(v.channels, g.width);
  plan.packed_elements = plan.problem.groups * g.filter_panels * g.points * g.filter_point;
  int64_t shared = plan.packed_elements;
  if (small) {
    plan_small_map(plan, g, vectors);
    shared = plan.problem.n * plan.problem.groups * shared_tiles(plan, g);
  } else {
    plan_large_map(plan, g, vectors, panels, held, panel_bytes);
  }
  plan.shared_bytes = static_cast<std::size_t>(shared) * sizeof(T);
  Arena arena;
  WinogradMemory<T> counted(plan, arena);
  plan.task_bytes = arena.used();
}

}  // namespace

const char* winograd_refuses(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  if (p.input[0] != 1 || p.output[0] != 1 || p.kernel[0] != 1) return "it is three-dimensional";
  if (p.kernel[1] != 3 || p.kernel[2] != 3) return "the kernel is not 3x3";
  for (int i = 1; i < 3; ++i) {
    if (p.stride[i] != 1) return "the stride is larger than 1";
    if (p.dilation[i] > std::max<int64_t>(1, std::min(p.input[i], p.output[i])))
      return "the dilation is larger than the image";
  }
  return nullptr;
}

void plan_winograd(ConvPlan& plan) {
  if (plan.type == ElementType::f32) {
    plan_blocks<float>(plan);
  } else {
    plan_blocks<double>(plan);
  }
  plan_fallback(plan);
}

}  // namespace pyconv
