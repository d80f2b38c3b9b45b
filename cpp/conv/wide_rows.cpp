// Forward convolution of wide images with few channels: first layers.
//
//   y[filter, line, x] = sum over p of w[filter, p] * band(p, line, x),   p = (channel, tap)
//
// A task owns some output lines of one image. Their padded input is copied once, split by column
// modulo stride, so that every tap of every stride is a run of neighbours; nothing is gathered once
// per tap. Tiles lie along one output line and are stored where they belong; filters are the outer
// loop, so that eight long runs are written at a time instead of one short one in every channel.
#include <algorithm>

#include "conv/list.hpp"
#include "core/parallel.hpp"
#include "core/scratch.hpp"

namespace pyconv {
namespace {

int64_t extent(const ConvProblem& p, int i) { return (p.kernel[i] - 1) * p.dilation[i] + 1; }
int64_t columns_of(const ConvProblem& p) { return (p.output[2] - 1) * p.stride[2] + extent(p, 2); }
int64_t band_rows(const ConvProblem& p, int64_t lines) {
  return (lines - 1) * p.stride[1] + extent(p, 1);
}

// Elements of one padded row of all residues: whole vectors, and one more where they alternate.
int64_t row_size(const ConvProblem& p, int64_t lanes) {
  const int64_t step = p.stride[2];
  return ceil_div(ceil_div(columns_of(p), step), lanes) * lanes + (step > 1 ? lanes : 0);
}

// A band of 32 KB leaves room for the weights in a first-level cache of 48 KB.
constexpr int64_t band_bytes = 32 << 10;

template <class T>
void plan_blocks(ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const int64_t taps = taps_of(p), channels = std::max<int64_t>(1, p.c / p.groups);
  const int64_t limit = depth_limit<T>(int64_t{k.lanes} * k.tile_vectors);
  const int64_t blocks = ceil_div(channels, std::max<int64_t>(1, limit / taps));
  const int64_t of_block = ceil_div(channels, blocks);
  ConvPhase phase{};
  phase.depth = p.c / p.groups * taps;
  phase.pitch = row_size(p, k.lanes) * p.stride[2];
  const int64_t rows = band_bytes / (static_cast<int64_t>(sizeof(T)) * phase.pitch * of_block);
  const int64_t lines = (rows - extent(p, 1)) / p.stride[1] + 1;
  plan.row_block = std::clamp<int64_t>(lines, 1, ceil_div(p.output[1], 4));
  plan.row_blocks = ceil_div(p.output[1], plan.row_block);
  phase.band_rows = band_rows(p, plan.row_block);
  plan.depth_block = of_block * taps;
  for (int64_t c = 0; c < of_block; ++c)
    for (int64_t h = 0; h < p.kernel[1]; ++h)
      for (int64_t w = 0; w < p.kernel[2]; ++w) {
        const int64_t y = h * p.dilation[1], x = w * p.dilation[2];
        phase.b_rows.push_back((c * phase.band_rows + y) * phase.pitch +
                               x % p.stride[2] * row_size(p, k.lanes) + x / p.stride[2]);
      }
  plan.left = {offsets(k.tile_rows, phase.depth), offsets(plan.depth_block, 1)};
  plan.tasks = p.n * p.groups * plan.row_blocks;
  plan.task_bytes = static_cast<std::size_t>(of_block * phase.band_rows * phase.pitch) * sizeof(T);
  plan.phases.push_back(std::move(phase));
}

void plan_wide_rows(ConvPlan& plan) {
  if (plan.type == ElementType::f32) {
    plan_blocks<float>(plan);
  } else {
    plan_blocks<double>(plan);
  }
}

template <class T>
class LineTask {
 public:
  LineTask(const ConvPlan& plan, const ConvArgs& args, int64_t task)
      : plan_(plan), p_(plan.problem), phase_(plan.phases[0]), k_(kernels_of<T>(*plan.isa)),
        args_(args), filters_(p_.k / p_.groups), area_(p_.output[1] * p_.output[2]) {
    line_ = task % plan.row_blocks * plan.row_block;
    lines_ = std::min(plan.row_block, p_.output[1] - line_);
    task /= plan.row_blocks;
    group_ = task % p_.groups;
    image_ = task / p_.groups;
  }

  void run() const {
    T* band = static_cast<T*>(task_scratch(plan_.task_bytes));
    int64_t at = 0;
    // At least once: without any product the result is still the bias, or zero.
    do {
      const int64_t depth = std::min(plan_.depth_block, phase_.depth - at);
      fill_band(band, at, depth);
      for (int64_t i = 0; i < filters_; i += k_.tile_rows) multiply(band, i, at, depth);
      at += depth;
    } while (at < phase_.depth);
  }

 private:
  void fill_band(T* band, int64_t at, int64_t depth) const {
    const int64_t taps = taps_of(p_), plane = p_.input[1] * p_.input[2];
    PadArgs<T> a{};
    a.plane = static_cast<const T*>(args_.source) +
              ((image_ * p_.groups + group_) * (p_.c / p_.groups) + at / taps) * plane;
    a.height = p_.input[1];
    a.width = p_.input[2];
    a.first_row = line_ * p_.stride[1] - p_.pad_lo[1];
    a.first_column = -p_.pad_lo[2];
    a.rows = band_rows(p_, lines_);
    a.columns = columns_of(p_);
    a.step = p_.stride[2];
    a.row_size = row_size(p_, k_.lanes);
    a.out = band;
    for (int64_t c = 0; c < depth / taps; ++c) {
      k_.pad(a);
      a.plane += plane;
      a.out += phase_.band_rows * phase_.pitch;
    }
  }

  // Tiles of a line as even as they come: seven vectors are 3 + 2 + 2, because a tile of a single
  // vector is bound by its loads.
  void multiply(const T* band, int64_t i, int64_t at, int64_t depth) const {
    const bool last = at + depth == phase_.depth;
    const int64_t filter = group_ * filters_ + i;
    TileArgs<T> t{};
    t.a = static_cast<const T*>(args_.other) + filter * phase_.depth + at;
    t.a_rows = plan_.left.rows.data();
    t.a_cols = plan_.left.cols.data();
    t.b_rows = phase_.b_rows.data();
    t.c_row = area_;
    t.depth = depth;
    t.accumulate = at > 0;
    t.relu = last && args_.relu;
    t.row_bias = last && args_.bias ? static_cast<const T*>(args_.bias) + filter : nullptr;
    const auto high = static_cast<std::size_t>(std::min<int64_t>(k_.tile_rows, filters_ - i)) - 1;
    T* out = static_cast<T*>(args_.out) + (image_ * p_.k + filter) * area_ + line_ * p_.output[2];
    const int64_t vectors = ceil_div(p_.output[2], k_.lanes);
    const int64_t panels = ceil_div(vectors, k_.tile_vectors);
    for (int64_t y = 0; y < lines_; ++y)
      for (int64_t panel = 0; panel < panels; ++panel) {
        const int64_t first = vectors * panel / panels, end = vectors * (panel + 1) / panels;
        const int64_t x = first * k_.lanes;
        t.columns = static_cast<int>(std::min(end * k_.lanes, p_.output[2]) - x);
        t.b = band + y * p_.stride[1] * phase_.pitch + x;
        t.c = out + y * p_.output[2] + x;
        k_.tile[high][end - first - 1](t);
      }
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const ConvPhase& phase_;
  const Kernels<T>& k_;
  const ConvArgs& args_;
  const int64_t filters_, area_;
  int64_t line_ = 0, lines_ = 0, group_ = 0, image_ = 0;
};

template <class T>
void run_typed(const ConvPlan& plan, const ConvArgs& args) {
  parallel_for(plan.tasks, conv_work(plan.problem) / 2,
               [&](int64_t task) { LineTask<T>(plan, args, task).run(); });
}

void run_wide_rows(const ConvPlan& plan, const ConvArgs& args) {
  if (plan.type == ElementType::f32) {
    run_typed<float>(plan, args);
  } else {
    run_typed<double>(plan, args);
  }
}

const char* refuses(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  if (p.input[0] != 1 || p.output[0] != 1 || p.kernel[0] != 1) return "it is three-dimensional";
  const double channels = std::max(1.0, 128.0 / static_cast<double>(taps_of(p)));
  const double rows = static_cast<double>(extent(p, 1)) + static_cast<double>(p.stride[1]);
  const double row = static_cast<double>(row_size(p, 16)) * static_cast<double>(p.stride[2]);
  if (rows * row * channels > 4 << 20) return "the padded band of a task would be over 32 MB";
  return nullptr;
}

bool prefers(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  return taps_of(p) > 1 && p.c / p.groups <= 4 && p.output[1] >= 8 && p.output[2] >= 96;
}

}  // namespace

const ConvAlgorithm wide_rows_forward{
    "wide_rows", Direction::forward, Precision::highest, refuses, prefers,
    plan_wide_rows, run_wide_rows};

}  // namespace pyconv
