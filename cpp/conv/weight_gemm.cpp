// Weight gradient as a matrix product that is never transposed where it is large.
//
//   dw^T[(channel, tap), filter] = sum over pixels of gathered x[(channel, tap), pixel] * dy[filter, pixel]
//
// The broadcast side reads x as it is: from a padded band of the image, every row a shifted read of
// it (direct), or from gathered rows (implicit_gemm, for what has no small band). Only dy, which is
// `taps` times smaller, is transposed into column panels. A task owns a block of dw; where that gives too few tasks the
// pixels are split as well, and the partial results are added in a fixed order.
#include <algorithm>

#include "conv/list.hpp"
#include "conv/weight_shares.hpp"
#include "core/panel_tile.hpp"
#include "core/parallel.hpp"
#include "core/scratch.hpp"

namespace pyconv {
namespace {

int64_t rows_of(const ConvProblem& p) { return p.c / p.groups * taps_of(p); }
int64_t filters_of(const ConvProblem& p) { return p.k / p.groups; }

template <class T>
int64_t tile_width(const ConvPlan& plan) {
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  return int64_t{k.lanes} * k.tile_vectors;
}

int64_t pitch_of(const ConvProblem& p) { return (p.output[2] - 1) * p.stride[2] + extent(p, 2); }

bool reads_band(const ConvPlan& plan) { return plan.algorithm == &direct_weight; }

// Rows of the band under `depth` pixels, and the channels that `rows` rows of dw touch.
int64_t band_rows(const ConvProblem& p, int64_t depth) {
  const int64_t lines = std::min(p.output[1], ceil_div(depth - 1, p.output[2]) + 1);
  return (lines - 1) * p.stride[1] + extent(p, 1);
}
int64_t band_channels(const ConvProblem& p, int64_t rows) {
  return std::min(p.c / p.groups, ceil_div(rows - 1, taps_of(p)) + 1);
}

template <class T>
struct TaskMemory {
  T *source, *panels, *sums;     // source: the band, or gathered rows
  ptrdiff_t *rows, *pixels;      // of the band
  TaskMemory(const ConvPlan& plan, Arena& arena) {
    const ConvProblem& p = plan.problem;
    const bool band = reads_band(plan);
    source = arena.take<T>(band ? band_channels(p, plan.row_block) *
                                          band_rows(p, plan.depth_block) * pitch_of(p) +
                                      kernels_of<T>(*plan.isa).lanes
                                : plan.row_block * plan.depth_block);
    rows = arena.take<ptrdiff_t>(band ? plan.row_block : 0);
    pixels = arena.take<ptrdiff_t>(band ? plan.depth_block : 0);
    panels = arena.take<T>(plan.depth_block * plan.column_block);
    sums = arena.take<T>(plan.row_block * plan.column_block);
  }
};

template <class T>
void plan_blocks(ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const int64_t width = tile_width<T>(plan);
  const int64_t rows = std::max<int64_t>(1, rows_of(p)), area = pixels(p.output);
  const int64_t limit = depth_limit<T>(width);
  plan.depth_block = ceil_div(area, ceil_div(area, limit));
  plan.column_block = std::min<int64_t>(ceil_div(std::max<int64_t>(1, filters_of(p)), width), 4) * width;
  const int64_t column_blocks = ceil_div(std::max<int64_t>(1, filters_of(p)), plan.column_block);
  // Rows per task: large enough that transposing dy is small beside the products. Where that gives
  // few tasks the pixels are split, which repeats nothing, and only then the rows.
  const int64_t others = p.groups * column_blocks;
  const int64_t chunks = p.n * ceil_div(area, plan.depth_block);
  int64_t blocks = ceil_div(rows, 288);
  plan.splits = std::clamp<int64_t>(ceil_div(8, blocks * others), 1, std::max<int64_t>(1, chunks / 4));
  if (blocks * others * plan.splits < 4)
    blocks = std::min(ceil_div(4, others * plan.splits), ceil_div(rows, 96));
  plan.row_block = ceil_div(ceil_div(rows, blocks), k.tile_rows) * k.tile_rows;
  plan.row_blocks = ceil_div(rows, plan.row_block);
  const int64_t outputs = plan.row_blocks * others;
  plan.tasks = outputs * plan.splits;
  plan.left = {plan.depth_block, offsets(plan.depth_block, 1)};
  plan.phases[0].b_rows = offsets(plan.depth_block, width);
  Arena arena;
  TaskMemory<T> counted(plan, arena);
  plan.task_bytes = arena.used();
  if (plan.splits > 1)
    plan.shared_bytes = static_cast<std::size_t>(plan.splits * p.groups * rows * filters_of(p)) * sizeof(T);
}

void plan_weight(ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  ConvPhase phase{};
  for (int64_t d = 0; d < p.kernel[0]; ++d)
    for (int64_t h = 0; h < p.kernel[1]; ++h)
      for (int64_t w = 0; w < p.kernel[2]; ++w)
        phase.taps.push_back({d * p.dilation[0] - p.pad_lo[0], h * p.dilation[1] - p.pad_lo[1],
                              w * p.dilation[2] - p.pad_lo[2]});
  plan.phases.push_back(phase);
  with_type(plan.type, [&](auto tag) { plan_blocks<decltype(tag)>(plan); });
}

template <class T>
class WeightTask {
 public:
  WeightTask(const ConvPlan& plan, const ConvArgs& args, int64_t task)
      : plan_(plan), p_(plan.problem), k_(kernels_of<T>(*plan.isa)), args_(args),
        area_(pixels(p_.output)) {
    split_ = task % plan.splits;
    task /= plan.splits;
    row_ = task % plan.row_blocks * plan.row_block;
    rows_ = std::min(plan.row_block, rows_of(p_) - row_);
    task /= plan.row_blocks;
    group_ = task % p_.groups;
    filter_ = task / p_.groups * plan.column_block;
    filters_ = std::min(plan.column_block, filters_of(p_) - filter_);
  }

  void run(T* partials) {
    Arena arena(task_scratch(plan_.task_bytes));
    const TaskMemory<T> memory(plan_, arena);
    const int64_t per_image = ceil_div(area_, plan_.depth_block), chunks = p_.n * per_image;
    const auto [first, last] = part_of(chunks, split_, plan_.splits);
    for (int64_t i = 0; first == last && i < rows_ * plan_.column_block; ++i) memory.sums[i] = T(0);
    if (reads_band(plan_)) place_rows(memory.rows);
    for (int64_t chunk = first; chunk < last; ++chunk) {
      image_ = chunk / per_image;
      pixel_ = chunk % per_image * plan_.depth_block;
      depth_ = std::min(plan_.depth_block, area_ - pixel_);
      if (reads_band(plan_)) {
        fill_band(memory);
      } else {
        gather_rows(memory.source);
      }
      transpose_grad(memory.panels);
      multiply(memory, chunk > first);
    }
    if (partials) {
      store_partial(memory.sums, partials);
    } else {
      T* out = static_cast<T*>(args_.out) + (group_ * filters_of(p_) + filter_) * rows_of(p_) + row_;
      k_.transpose(memory.sums, plan_.column_block, rows_, filters_, out, rows_of(p_), rows_);
    }
  }

 private:
  // Row (channel, tap) of dw in the band of this task's channels.
  void place_rows(ptrdiff_t* rows) const {
    const int64_t taps = taps_of(p_), first = row_ / taps, height = band_rows(p_, plan_.depth_block);
    for (int64_t i = 0; i < rows_; ++i) {
      const int64_t tap = (row_ + i) % taps, channel = (row_ + i) / taps - first;
      rows[i] = (channel * height + tap / p_.kernel[2] * p_.dilation[1]) * pitch_of(p_) +
                tap % p_.kernel[2] * p_.dilation[2];
    }
  }

  // In order: a row may be written past its end, over the start of the next.
  void fill_band(const TaskMemory<T>& memory) const {
    const int64_t taps = taps_of(p_), plane = pixels(p_.input), pitch = pitch_of(p_);
    const int64_t first = row_ / taps, last = (row_ + rows_ - 1) / taps;
    const int64_t line = pixel_ / p_.output[2];
    PadArgs<T> a{};
    a.plane = static_cast<const T*>(args_.source) +
              ((image_ * p_.groups + group_) * (p_.c / p_.groups) + first) * plane;
    a.height = p_.input[1];
    a.width = p_.input[2];
    a.first_row = line * p_.stride[1] - p_.pad_lo[1];
    a.first_column = -p_.pad_lo[2];
    a.rows = band_rows(p_, plan_.depth_block);
    a.columns = a.row_size = pitch;
    a.step = 1;
    a.out = memory.source;
    for (int64_t c = first; c <= last; ++c, a.plane += plane, a.out += a.rows * pitch) k_.pad(a);
    for (int64_t i = 0; i < depth_; ++i) {
      const int64_t y = (pixel_ + i) / p_.output[2] - line, x = (pixel_ + i) % p_.output[2];
      memory.pixels[i] = y * p_.stride[1] * pitch + x * p_.stride[2];
    }
  }

  void gather_rows(T* out) const {
    GatherArgs<T> g{};
    g.channel_stride = pixels(p_.input);
    g.image = static_cast<const T*>(args_.source) +
              (image_ * p_.groups + group_) * (p_.c / p_.groups) * g.channel_stride;
    for (int i = 0; i < 3; ++i) {
      g.size[i] = p_.input[i];
      g.grid[i] = p_.output[i];
      g.step[i] = p_.stride[i];
    }
    g.taps = plan_.phases[0].taps.data();
    g.tap_count = static_cast<int64_t>(plan_.phases[0].taps.size());
    g.row = row_;
    g.rows = rows_;
    g.column = pixel_;
    g.columns = g.width = depth_;
    g.out = out;
    g.out_row = plan_.depth_block;
    k_.gather(g);
  }

  void transpose_grad(T* panels) const {
    const int64_t width = tile_width<T>(plan_);
    const T* grad = static_cast<const T*>(args_.other) +
                    ((image_ * p_.groups + group_) * filters_of(p_) + filter_) * area_ + pixel_;
    for (int64_t j = 0; j < filters_; j += width) {
      const int64_t n = std::min(width, filters_ - j);
      k_.transpose(grad + j * area_, area_, n, depth_, panels + j * plan_.depth_block, width,
                   ceil_div(n, k_.lanes) * k_.lanes);
    }
  }

  void multiply(const TaskMemory<T>& memory, bool accumulate) const {
    const int64_t width = tile_width<T>(plan_);
    TileArgs<T> t{};
    t.a_cols = reads_band(plan_) ? memory.pixels : plan_.left.cols.data();
    t.b_rows = plan_.phases[0].b_rows.data();
    t.b_row = width;
    t.c_row = plan_.column_block;
    t.depth = depth_;
    t.accumulate = accumulate;
    for (int64_t j = 0; j < filters_; j += width) {
      const int64_t n = std::min(width, filters_ - j);
      t.columns = static_cast<int>(n);
      t.b = memory.panels + j * plan_.depth_block;
      const int64_t high = even_tile_rows(k_, rows_, n);
      for (int64_t i = 0; i < rows_; i += high) {
        t.a = reads_band(plan_) ? memory.source : memory.source + i * plan_.depth_block;
        t.a_row = plan_.left.row;
        t.a_rows = reads_band(plan_) ? memory.rows + i : nullptr;
        t.c = memory.sums + i * plan_.column_block + j;
        run_panel_tile(k_, std::min(high, rows_ - i), t);
      }
    }
  }

  // partials: [split][group][row][filter]
  void store_partial(const T* sums, T* partials) const {
    T* out = partials + ((split_ * p_.groups + group_) * rows_of(p_) + row_) * filters_of(p_) + filter_;
    for (int64_t i = 0; i < rows_; ++i)
      std::copy_n(sums + i * plan_.column_block, filters_, out + i * filters_of(p_));
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const Kernels<T>& k_;
  const ConvArgs& args_;
  const int64_t area_;
  int64_t split_ = 0, row_ = 0, rows_ = 0, group_ = 0, filter_ = 0, filters_ = 0;
  int64_t image_ = 0, pixel_ = 0, depth_ = 0;
};

// Adds the splits in order, in place of the first, and turns each group's sum into dw.
template <class T>
void add_partials(const ConvPlan& plan, T* partials, T* out) {
  const ConvProblem& p = plan.problem;
  const int64_t rows = rows_of(p), filters = filters_of(p), size = p.groups * rows * filters;
  add_shares(partials, size, plan.splits, size, partials);
  for (int64_t g = 0; g < p.groups; ++g)
    kernels_of<T>(*plan.isa).transpose(partials + g * rows * filters, filters, rows, filters,
                                       out + g * rows * filters, rows, rows);
}

template <class T>
void run_typed(const ConvPlan& plan, const ConvArgs& args) {
  if (rows_of(plan.problem) == 0 || plan.problem.k == 0) return;
  T* partials = plan.splits > 1 ? static_cast<T*>(call_scratch(plan.shared_bytes)) : nullptr;
  parallel_for(plan.tasks, conv_work(plan.problem) / 2,
               [&](int64_t task) { WeightTask<T>(plan, args, task).run(partials); });
  if (partials) add_partials(plan, partials, static_cast<T*>(args.out));
}

void run_weight(const ConvPlan& plan, const ConvArgs& args) {
  with_type(plan.type, [&](auto tag) { run_typed<decltype(tag)>(plan, args); });
}

const char* never_refuses(const ConvPlan&) { return nullptr; }
bool always(const ConvPlan&) { return true; }

const char* direct_refuses(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  if (p.input[0] != 1 || p.output[0] != 1 || p.kernel[0] != 1) return "it is three-dimensional";
  const double lines = 384.0 / static_cast<double>(p.output[2]) + 2;
  const double rows = lines * static_cast<double>(p.stride[1]) + static_cast<double>(extent(p, 1));
  const double channels = std::max(2.0, 288.0 / static_cast<double>(taps_of(p)) + 2);
  if (rows * static_cast<double>(pitch_of(p)) * channels > 4 << 20)
    return "the padded band of a task would be over 32 MB";
  return nullptr;
}

// A 1x1 filter reads every pixel once: copying them side by side serves the cache better.
bool direct_prefers(const ConvPlan& plan) { return taps_of(plan.problem) > 1; }

}  // namespace

const ConvAlgorithm direct_weight{
    "direct", Direction::weight, Precision::highest, direct_refuses, direct_prefers,
    plan_weight, run_weight};
const ConvAlgorithm implicit_gemm_weight{
    "implicit_gemm", Direction::weight, Precision::highest, never_refuses, always,
    plan_weight, run_weight};

}  // namespace pyconv
