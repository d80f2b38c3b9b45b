#include "conv/gemm_plan.hpp"

namespace pyconv {
namespace {

// Columns of a direct phase run over padded rows; taps become offsets into the band.
void measure_band(ConvPhase& phase) {
  int64_t high[3] = {0, 0, 0};
  for (std::size_t t = 0; t < phase.taps.size(); ++t) {
    const int64_t at[3] = {phase.taps[t].d, phase.taps[t].h, phase.taps[t].w};
    for (int i = 0; i < 3; ++i) {
      phase.low[i] = t ? std::min(phase.low[i], at[i]) : at[i];
      high[i] = t ? std::max(high[i], at[i]) : at[i];
    }
  }
  phase.pitch = phase.grid[2] + high[2] - phase.low[2];
  phase.band_rows = high[1] - phase.low[1];  // and the rows of a block of columns
  phase.columns = (phase.grid[1] - 1) * phase.pitch + phase.grid[2];
}

// The taps that reach positions `origin` modulo stride, and where they read. Forward: all of them.
ConvPhase make_phase(const ConvPlan& plan, const int64_t (&origin)[3]) {
  const ConvProblem& p = plan.problem;
  const bool forward = plan.direction == Direction::forward;
  ConvPhase phase{};
  int64_t index = 0, at[3];
  for (at[0] = 0; at[0] < p.kernel[0]; ++at[0])
    for (at[1] = 0; at[1] < p.kernel[1]; ++at[1])
      for (at[2] = 0; at[2] < p.kernel[2]; ++at[2], ++index) {
        int64_t offset[3];
        bool reaches = true;
        for (int i = 0; i < 3; ++i) {
          const int64_t shift = at[i] * p.dilation[i] - p.pad_lo[i];
          offset[i] = forward ? shift : (origin[i] - shift) / p.stride[i];
          if (!forward) reaches = reaches && (origin[i] - shift) % p.stride[i] == 0;
        }
        if (!reaches) continue;
        phase.taps.push_back({offset[0], offset[1], offset[2]});
        phase.filter_tap.push_back(index);
      }
  const Sizes s = sizes_of(plan);
  const bool one = forward || reads_image_in_place(plan);  // phase, of the whole result
  for (int i = 0; i < 3; ++i) {
    phase.origin[i] = origin[i];
    phase.grid[i] = one ? s.result[i] : ceil_div(s.result[i] - origin[i], p.stride[i]);
  }
  phase.columns = pixels(phase.grid);
  if (reads_band(plan)) measure_band(phase);
  phase.depth = s.channels * static_cast<int64_t>(phase.taps.size());
  return phase;
}

// Depth: a panel fills most of a 48 KB first-level cache; a band, whole channels of it.
template <class T>
void choose_depth(ConvPlan& plan) {
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const int64_t width = int64_t{k.lanes} * k.tile_vectors;
  const int64_t limit = depth_limit<T>(width);
  const int64_t channels = std::max<int64_t>(1, sizes_of(plan).channels);
  for (ConvPhase& phase : plan.phases) {
    const auto taps = static_cast<int64_t>(phase.taps.size());
    if (reads_band(plan) && taps) {
      const int64_t blocks = ceil_div(channels, std::max<int64_t>(1, limit / taps));
      phase.depth_block = ceil_div(channels, blocks) * taps;
    } else {
      const int64_t depth = std::max<int64_t>(1, phase.depth);
      phase.depth_block = ceil_div(depth, ceil_div(depth, limit));
    }
    plan.depth_block = std::max(plan.depth_block, phase.depth_block);
  }
}

// Where the tile finds row p of a depth block.
template <class T>
void place_rows(const ConvPlan& plan, ConvPhase& phase) {
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const int64_t* source = sizes_of(plan).source;
  const bool in_place = reads_image_in_place(plan);
  const int64_t step = in_place ? source[0] * source[1] * source[2]
                                : int64_t{k.lanes} * k.tile_vectors;
  const int64_t rows = std::min(phase.depth_block, phase.depth);
  const auto taps = static_cast<int64_t>(phase.taps.size());
  if (!reads_band(plan)) phase.b_rows = offsets(rows, step);
  for (int64_t p = 0; p < rows && reads_band(plan); ++p) {
    const Tap& tap = phase.taps[static_cast<std::size_t>(p % taps)];
    phase.b_rows.push_back((p / taps * phase.band_rows + tap.h - phase.low[1]) * phase.pitch +
                           tap.w - phase.low[2]);
  }
}

// Step p = (filter, tap) of a data gradient in the weight [filter][channel][tap].
void place_weights(const ConvProblem& p, ConvPhase& phase) {
  const int64_t filter = p.c / p.groups * taps_of(p);
  for (int64_t f = 0; f < p.k / p.groups; ++f)
    for (int64_t tap : phase.filter_tap) phase.raw_cols.push_back(f * filter + tap);
}

// About twelve tasks an image, or one a thread, or 48 in all where `images` are many (a task starts
// with a band or a gathered panel of its own), but no task over 8 panels; an even number where one
// is near, because halves are the commonest share.
int64_t panels_of_task(int64_t panels, int64_t images) {
  const int64_t best = std::max(ceil_div(panels, tasks_wanted(12)),
                                std::min(panels, panels * images / 48));
  if (best >= 8) return 8;
  for (int64_t tried : {best, best + 1, best - 1})
    if (tried > 0 && ceil_div(panels, tried) % 2 == 0) return tried;
  return best;
}

// Rows are split only where columns alone give too few tasks: every row block gathers again.
// An image in place is only read again: 128 rows hide that, 64 lost 5 % (14x14 and 7x7 maps).
int64_t row_blocks_of(const ConvPlan& plan, int64_t column_blocks, int64_t rows) {
  const ConvProblem& p = plan.problem;
  if (reads_image_in_place(plan)) {
    const int64_t others = std::max<int64_t>(1, column_blocks * p.groups * p.n);
    return std::clamp<int64_t>(ceil_div(tasks_wanted(8), others), 1, ceil_div(rows, 128));
  }
  const int64_t others = column_blocks * p.groups * static_cast<int64_t>(plan.phases.size());
  return few_row_blocks(others, rows);
}

// Columns: several panels reuse a block of weights from the second-level cache.
template <class T>
void plan_blocks(ConvPlan& plan) {
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const int64_t width = int64_t{k.lanes} * k.tile_vectors;
  const Sizes s = sizes_of(plan);
  const ConvProblem& p = plan.problem;
  int64_t columns = 0;
  if (reads_image_in_place(plan)) {
    plan.phases[0].tail = tail_of(k, plan.phases[0].columns);
    plan.phases[0].columns -= plan.phases[0].tail;
  }
  for (const ConvPhase& phase : plan.phases) columns = std::max(columns, phase.columns);
  choose_depth<T>(plan);
  plan.column_block = panels_of_task(ceil_div(columns, width), p.n * p.groups) * width;
  const int64_t column_blocks = ceil_div(columns, plan.column_block);
  const int64_t rows = std::max<int64_t>(1, s.rows);
  const int64_t wanted = row_blocks_of(plan, column_blocks, rows);
  plan.row_block = ceil_div(ceil_div(rows, wanted), k.tile_rows) * k.tile_rows;
  plan.row_blocks = ceil_div(rows, plan.row_block);
  plan.tasks = 0;
  for (ConvPhase& phase : plan.phases) {
    phase.column_blocks = ceil_div(phase.columns, plan.column_block);
    phase.first_task = plan.tasks;
    if (reads_band(plan))
      phase.band_rows += std::min(phase.grid[1], ceil_div(plan.column_block - 1, phase.pitch) + 1);
    plan.tasks += p.groups * plan.row_blocks * phase.column_blocks;
    place_rows<T>(plan, phase);
    if (plan.direction == Direction::input) place_weights(p, phase);
  }
  plan.image_tasks = plan.tasks;
  plan.tasks *= p.n;
  if (reads_image_in_place(plan) && turns_weights(plan)) {
    plan.packed_elements = turned_elements(plan);
    plan.left = {1, offsets(plan.depth_block, k.tile_rows)};
  } else if (plan.direction == Direction::forward) {
    plan.left = {plan.phases[0].depth, offsets(plan.depth_block, 1)};
  } else {
    plan.left = {taps_of(p), {}};
  }
  Arena arena, shared;
  TaskMemory<T> counted(plan, arena);
  SharedMemory<T> counted_too(plan, shared);
  plan.task_bytes = arena.used();
  plan.shared_bytes = shared.used();
}

}  // namespace

void make_phases(ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const bool forward = plan.direction == Direction::forward;
  int64_t end[3], o[3];
  const bool one = forward || reads_image_in_place(plan);
  for (int i = 0; i < 3; ++i) end[i] = one ? 1 : std::min(p.stride[i], p.input[i]);
  for (o[0] = 0; o[0] < end[0]; ++o[0])
    for (o[1] = 0; o[1] < end[1]; ++o[1])
      for (o[2] = 0; o[2] < end[2]; ++o[2]) plan.phases.push_back(make_phase(plan, o));
}

void plan_gemm(ConvPlan& plan) {
  make_phases(plan);
  with_type(plan.type, [&](auto tag) { plan_blocks<decltype(tag)>(plan); });
}

}  // namespace pyconv
