// Forward and data gradient as matrix products whose right operand is never stored whole.
//
//   out[row, column] = sum over p of weight[row, p] * source(p, column),   p = (channel, tap)
//
// A task owns some rows and some columns of one image and group. For each block of depth the tile
// finds its right operand in one of three places:
//   implicit_gemm  a gathered panel of columns (depth_block x a tile's width, in the first cache)
//   direct         (data gradient) a padded band of the image, every tap a shifted read of it:
//                  nothing is copied once per tap, but columns run over whole padded rows
//   pointwise      the image itself, or every stride-th pixel of it, copied beforehand
// Weights are read where they lie, but for those that turned_weights.hpp is about: packing others
// measured no faster. The data gradient of stride s is s^2 dense stride-1 products (phases), one per
// residue of the output position: no zeros multiplied.
#include <algorithm>

#include "conv/every_stride.hpp"
#include "conv/gemm_plan.hpp"
#include "conv/list.hpp"
#include "conv/packed_weight.hpp"
#include "core/parallel.hpp"
#include "core/scratch.hpp"

namespace pyconv {
namespace {

template <class T>
class GemmTask {
 public:
  GemmTask(const ConvPlan& plan, const ConvArgs& args, const T* turned, int64_t task)
      : plan_(plan), p_(plan.problem), k_(kernels_of<T>(*plan.isa)), s_(sizes_of(plan)),
        args_(args), turned_(turned), image_(task / plan.image_tasks),
        phase_(find_phase(plan, task % plan.image_tasks)) {
    int64_t rest = task % plan.image_tasks - phase_.first_task;
    // Rows first: two threads at neighbouring columns would take the line between them from each
    // other, row after row, and each would read all weights.
    row_ = rest % plan.row_blocks * plan.row_block;
    rows_ = std::min(plan.row_block, s_.rows - row_);
    rest /= plan.row_blocks;
    column_ = first_column(phase_, k_, rest % phase_.column_blocks);
    columns_ = first_column(phase_, k_, rest % phase_.column_blocks + 1) - column_;
    if (phase_.tail) share_tail(rest % phase_.column_blocks);
    rest /= phase_.column_blocks;
    group_ = rest;
  }

  void run() {
    Arena arena(task_scratch(plan_.task_bytes));
    const TaskMemory<T> memory(plan_, arena);
    const int64_t width = int64_t{k_.lanes} * k_.tile_vectors;
    int64_t p0 = 0;
    const bool tail = tail_rows_ > 0;
    const bool forward = plan_.direction == Direction::forward;
    // At least once: without any product the result is still the bias, or zero.
    do {
      depth_at_ = p0;
      depth_ = std::min(phase_.depth_block, phase_.depth - p0);
      if (depth_ && reads_band(plan_)) fill_band(memory.panel);
      for (int64_t j = 0; j < columns_; j += width)
        run_panel(memory, j, std::min(width, columns_ - j));
      if (tail && !forward) run_input_tail(memory.tail);
      p0 += depth_;
    } while (p0 < phase_.depth);
    depth_at_ = 0;  // all weights of the rows, which are near by now
    if (tail && forward) run_forward_tail(memory.tail);
    if (memory.result) scatter(memory.result);
  }

 private:
  static const ConvPhase& find_phase(const ConvPlan& plan, int64_t task) {
    std::size_t i = 0;
    while (i + 1 < plan.phases.size() && plan.phases[i + 1].first_task <= task) ++i;
    return plan.phases[i];
  }

  // The tail of a block of rows, shared out among the tasks that read its weights in any case.
  void share_tail(int64_t part) {
    const Range r = part_of(ceil_div(rows_, k_.lanes), part, phase_.column_blocks);
    tail_row_ = r.from * k_.lanes;
    tail_rows_ = std::min(rows_, r.to * k_.lanes) - tail_row_;
  }

  const T* source() const {
    const int64_t plane = s_.source[0] * s_.source[1] * s_.source[2];
    return static_cast<const T*>(args_.source) +
           (image_ * p_.groups + group_) * s_.channels * plane;
  }

  T* result() const {
    const int64_t plane = s_.result[0] * s_.result[1] * s_.result[2];
    return static_cast<T*>(args_.out) +
           ((image_ * p_.groups + group_) * s_.rows + row_) * plane;
  }

  void gather_panel(T* panel, int64_t j, int64_t n, int64_t width) const {
    GatherArgs<T> g{};
    g.image = source();
    g.channel_stride = s_.source[0] * s_.source[1] * s_.source[2];
    for (int i = 0; i < 3; ++i) {
      g.size[i] = s_.source[i];
      g.grid[i] = phase_.grid[i];
      g.step[i] = plan_.direction == Direction::forward ? p_.stride[i] : 1;
    }
    g.taps = phase_.taps.data();
    g.tap_count = static_cast<int64_t>(phase_.taps.size());
    g.row = depth_at_;
    g.rows = depth_;
    g.column = column_ + j;
    g.columns = n;
    g.out = panel;
    g.out_row = width;
    g.width = ceil_div(n, k_.lanes) * k_.lanes;
    k_.gather(g);
  }

  // The image under this task's columns with its zero border, for the channels of this depth block.
  // In order: a row may be written past its end, over the start of the next.
  void fill_band(T* band) const {
    const int64_t plane = s_.source[0] * s_.source[1] * s_.source[2];
    const auto taps = static_cast<int64_t>(phase_.taps.size());
    PadArgs<T> a{};
    a.height = s_.source[1];
    a.width = s_.source[2];
    a.first_row = column_ / phase_.pitch + phase_.low[1];
    a.first_column = phase_.low[2];
    a.rows = phase_.band_rows;
    a.columns = a.row_size = phase_.pitch;
    a.step = 1;
    for (int64_t c = 0; c < depth_ / taps; ++c) {
      a.plane = source() + (depth_at_ / taps + c) * plane;
      a.out = band + c * phase_.band_rows * phase_.pitch;
      k_.pad(a);
    }
  }

  void run_panel(const TaskMemory<T>& memory, int64_t j, int64_t n) const {
    const int64_t width = int64_t{k_.lanes} * k_.tile_vectors;
    const int64_t plane = s_.source[0] * s_.source[1] * s_.source[2];
    TileArgs<T> t{};
    if (reads_band(plan_)) {
      t.b = memory.panel + column_ % phase_.pitch + j;
    } else if (reads_image_in_place(plan_)) {
      t.b = source() + depth_at_ * plane + column_ + j;
    } else {
      if (depth_) gather_panel(memory.panel, j, n, width);
      t.b = memory.panel;
    }
    t.a_row = plan_.left.row;
    t.a_cols = reads_filters() ? phase_.raw_cols.data() + depth_at_ : plan_.left.cols.data();
    t.b_rows = phase_.b_rows.data();
    t.depth = depth_;
    t.columns = static_cast<int>(n);
    t.accumulate = depth_at_ > 0;
    const bool last = depth_at_ + depth_ == phase_.depth;
    t.relu = last && args_.relu;
    t.c_row = memory.result ? plan_.column_block : s_.result[0] * s_.result[1] * s_.result[2];
    T* c = memory.result ? memory.result + j : result() + column_ + j;
    const T* bias = static_cast<const T*>(last ? args_.bias : nullptr);
    const auto vectors = static_cast<std::size_t>(ceil_div(n, k_.lanes)) - 1;
    const Span next = next_span(j + width);
    t.ahead_step = next_step();
    for (int64_t i = 0; i < rows_; i += k_.tile_rows) {
      const int64_t high = std::min<int64_t>(k_.tile_rows, rows_ - i);
      const int64_t line = i / k_.tile_rows * cache_elements;
      t.ahead = line < next.count ? next.first + line : nullptr;
      if (looks_ahead() && j == 0) t.ahead = weights_after(i);
      if (turned_) t.ahead = turned(row_ + (i + k_.tile_rows < rows_ ? i + k_.tile_rows : 0));
      t.a = turned_ ? turned(row_ + i) : weights(row_ + i);
      t.c = c + i * t.c_row;
      t.row_bias = bias ? bias + group_ * s_.rows + row_ + i : nullptr;
      k_.tile[high - 1][vectors](t);
    }
  }

  // A data gradient finds each step's weights in another filter.
  bool reads_filters() const { return plan_.direction == Direction::input && !turned_; }
  // Those are mostly in another page, where no hardware looks ahead.
  bool looks_ahead() const {
    return reads_image_in_place(plan_) && reads_filters() && depth_ > 0;
  }
  // Those of two tiles on, in this block of depth or the next.
  const T* weights_after(int64_t i) const {
    int64_t row = i + 2 * k_.tile_rows, at = depth_at_;
    if (row >= rows_) {
      row -= ceil_div(rows_, k_.tile_rows) * k_.tile_rows;
      at += depth_;
    }
    if (row < 0 || row >= rows_ || at >= phase_.depth) return nullptr;
    return weights(row_ + row) + phase_.raw_cols[static_cast<std::size_t>(at)];
  }
  int64_t next_step() const {
    if (turned_) return k_.tile_rows;
    return looks_ahead() ? s_.rows : s_.source[0] * s_.source[1] * s_.source[2];
  }

  // What a single tap reads of each channel for the next panel: a line of it is brought near with
  // every tile of this one, else the gather waits for each channel's page in turn.
  struct Span {
    const T* first;
    int64_t count;
  };
  static constexpr int64_t cache_elements = 64 / static_cast<int64_t>(sizeof(T));
  Span next_span(int64_t j) const {
    if (reads_image_in_place(plan_) || phase_.taps.size() != 1 || j >= columns_) return {};
    const int64_t width = int64_t{k_.lanes} * k_.tile_vectors;
    const int64_t first = std::max<int64_t>(0, source_offset(column_ + j));
    const int64_t last = source_offset(column_ + std::min(j + width, columns_) - 1);
    const int64_t plane = s_.source[0] * s_.source[1] * s_.source[2];
    return {source() + depth_at_ * plane + first, last - first + 1};
  }
  int64_t source_offset(int64_t column) const {
    const int64_t line = column / phase_.grid[2];
    const int64_t at[3] = {line / phase_.grid[1], line % phase_.grid[1], column % phase_.grid[2]};
    const Tap& tap = phase_.taps[0];
    const int64_t(&step)[3] = p_.stride;
    const bool dense = plan_.direction == Direction::input;
    const int64_t d = at[0] * (dense ? 1 : step[0]) + tap.d;
    const int64_t h = at[1] * (dense ? 1 : step[1]) + tap.h;
    const int64_t w = at[2] * (dense ? 1 : step[2]) + tap.w;
    return (d * s_.source[1] + h) * s_.source[2] + w;
  }

  TailArgs<T> tail_args(T* scratch) const {
    TailArgs<T> t{};
    t.source = source() + phase_.columns;
    t.plane = s_.source[0] * s_.source[1] * s_.source[2];
    t.out = result() + tail_row_ * t.plane + phase_.columns;
    t.weights = weights(row_ + tail_row_);
    t.rows = tail_rows_;
    t.scratch = scratch;
    return t;
  }
  void run_forward_tail(T* scratch) const {
    TailArgs<T> t = tail_args(scratch);
    if (args_.bias) t.bias = static_cast<const T*>(args_.bias) + group_ * s_.rows + row_ + tail_row_;
    t.relu = args_.relu;
    forward_tail(k_, phase_, t);
  }
  void run_input_tail(T* scratch) const {
    const TailArgs<T> t = tail_args(scratch);
    add_input_tail(k_, phase_, t, depth_at_, depth_);
    if (depth_at_ + depth_ == phase_.depth) store_input_tail(phase_, t);
  }

  // The weights of one row of the result, from this block of depth on.
  const T* weights(int64_t row) const {
    const T* w = static_cast<const T*>(args_.other);
    if (plan_.direction == Direction::forward)
      return w + (group_ * s_.rows + row) * phase_.depth + depth_at_;
    return w + (group_ * s_.channels * s_.rows + row) * taps_of(p_);
  }

  const T* turned(int64_t row) const {
    const int64_t panels = ceil_div(s_.rows, k_.tile_rows), depth = s_.channels;
    return turned_ + (group_ * panels + row / k_.tile_rows) * turned_panel<T>(depth, k_.tile_rows) +
           depth_at_ * k_.tile_rows;
  }

  // Writes the phase's positions, stride apart, into the result; the border of a band is dropped.
  void scatter(const T* block) const {
    const int64_t step = p_.stride[2], pitch = reads_band(plan_) ? phase_.pitch : phase_.grid[2];
    const int64_t plane = s_.result[0] * s_.result[1] * s_.result[2];
    for (int64_t i = 0; i < rows_; ++i, block += plan_.column_block) {
      T* out = result() + i * plane;
      for (int64_t done = 0; done < columns_;) {
        const int64_t row = (column_ + done) / pitch, w = (column_ + done) % pitch;
        const int64_t n = std::min(phase_.grid[2] - w, columns_ - done);
        T* line = out + line_offset(row) + w * step;
        if (step == 1) {
          if (n > 0) std::copy_n(block + done, n, line);
        } else {
          for (int64_t x = 0; x < n; ++x) line[x * step] = block[done + x];
        }
        done += std::min(pitch - w, columns_ - done);
      }
    }
  }

  // Of the first position of a row of the phase's grid, in a plane of the result.
  int64_t line_offset(int64_t row) const {
    const int64_t d = row / phase_.grid[1], h = row % phase_.grid[1];
    return ((phase_.origin[0] + d * p_.stride[0]) * s_.result[1] + phase_.origin[1] +
            h * p_.stride[1]) * s_.result[2] + phase_.origin[2];
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const Kernels<T>& k_;
  const Sizes s_;
  const ConvArgs& args_;
  const T* const turned_;  // or null: the weights as they lie
  const int64_t image_;
  const ConvPhase& phase_;
  int64_t column_ = 0, columns_ = 0, row_ = 0, rows_ = 0, group_ = 0;
  int64_t tail_row_ = 0, tail_rows_ = 0;  // of rows_
  int64_t depth_at_ = 0, depth_ = 0;
};

template <class T>
void run_typed(const ConvPlan& plan, const ConvArgs& given) {
  const bool forward = plan.direction == Direction::forward;
  ConvArgs args = given;
  Arena arena(plan.shared_bytes ? call_scratch(plan.shared_bytes) : nullptr);
  const SharedMemory<T> shared(plan, arena);
  const T* turned = shared.turned;
  if (turned) turn_weights(plan, given.other, shared.turned);
  if (plan.packed_elements && given.packed)
    turned = static_cast<const T*>(given.packed->pack_for(plan));
  if (shared.dense && forward) {
    gather_every_stride(plan, static_cast<const T*>(given.source), shared.dense);
    args.source = shared.dense;
  } else if (shared.dense) {
    args.out = shared.dense;
  }
  parallel_for(plan.tasks, conv_work(plan.problem) / 2,
               [&](int64_t task) { GemmTask<T>(plan, args, turned, task).run(); });
  if (shared.dense && !forward)
    spread_every_stride(plan, shared.dense, static_cast<T*>(given.out));
}

void run_gemm(const ConvPlan& plan, const ConvArgs& args) {
  with_type(plan.type, [&](auto tag) { run_typed<decltype(tag)>(plan, args); });
}

const char* never_refuses(const ConvPlan&) { return nullptr; }
bool always(const ConvPlan&) { return true; }

const char* pointwise_refuses(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  for (int i = 0; i < 3; ++i) {
    if (p.kernel[i] != 1) return "the kernel is larger than 1";
    if (p.pad_lo[i] || p.pad_hi[i]) return "there is padding";
  }
  return nullptr;
}

// What a stride reads is copied side by side for the whole batch. On large maps a task does better
// to copy its own share just before use (28x28: 1050 us instead of 1100, 14x14: 1210 and 1090).
bool pointwise_prefers(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const bool forward = plan.direction == Direction::forward;
  return !forward || pixels(p.input) == pixels(p.output) || pixels(p.output) <= 256;
}

const char* direct_refuses(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  if (p.input[0] != 1 || p.output[0] != 1 || p.kernel[0] != 1) return "it is three-dimensional";
  const double rows = static_cast<double>((p.kernel[1] - 1) * p.dilation[1]) + 64;
  const double row = static_cast<double>(p.input[2]) +
                     static_cast<double>((p.kernel[2] - 1) * p.dilation[2]);
  const double channels = std::max(1.0, 384.0 / static_cast<double>(taps_of(p)));
  if (rows * row * channels > 4 << 20) return "the padded band of a task would be over 32 MB";
  return nullptr;
}

// Loads that straddle cache lines cost about as much as gathering once more than a few rows share
// a gathered panel: measured on 3x3 layers of 4 to 512 channels, Zen 5, November 2026.
bool direct_prefers(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const int64_t width = ceil_div(p.input[2], p.stride[2]);
  const int64_t border = (p.kernel[2] - 1) * p.dilation[2] / p.stride[2];
  return taps_of(p) > 1 && p.c / p.groups <= 8 && 2 * border <= width;
}

}  // namespace

const ConvAlgorithm direct_input{
    "direct", Direction::input, Precision::highest, direct_refuses, direct_prefers,
    plan_gemm, run_gemm};
const ConvAlgorithm implicit_gemm_forward{
    "implicit_gemm", Direction::forward, Precision::highest, never_refuses, always,
    plan_gemm, run_gemm};
const ConvAlgorithm implicit_gemm_input{
    "implicit_gemm", Direction::input, Precision::highest, never_refuses, always,
    plan_gemm, run_gemm};
const ConvAlgorithm pointwise_forward{
    "pointwise", Direction::forward, Precision::highest, pointwise_refuses, pointwise_prefers,
    plan_gemm, run_gemm};
const ConvAlgorithm pointwise_input{
    "pointwise", Direction::input, Precision::highest, pointwise_refuses, always,
    plan_gemm, run_gemm, turn_weights};

}  // namespace pyconv
