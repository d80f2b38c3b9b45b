// Forward and data gradient as products of split numbers; split_bf16.hpp has the idea.
//
// What a split cannot hold (infinity, NaN, what is so small that its terms or products would be
// flushed, so large that they would overflow) is found while it is split: that image, or all of
// them if it is in the weight, is then done in float32. So these algorithms differ from the others
// by their rounding only.
#include <algorithm>

#include "conv/fallback.hpp"
#include "conv/list.hpp"
#include "conv/packed_weight.hpp"
#include "conv/split_bf16.hpp"
#include "core/convert.hpp"

namespace pyconv {
namespace {

class SplitTask {
 public:
  SplitTask(const ConvPlan& plan, const ConvArgs& args, const uint32_t* packed, int64_t task)
      : plan_(plan), p_(plan.problem), s_(*plan.split), k_(plan.isa->pairs), args_(args),
        image_(task / plan.image_tasks), phase_(find_phase(s_, task % plan.image_tasks)),
        packed_(packed) {
    task = task % plan.image_tasks - phase_.first_task;
    column_ = task % phase_.column_blocks * plan.column_block;
    columns_ = std::min(plan.column_block, phase_.columns - column_);
    task /= phase_.column_blocks;
    segment_ = task % phase_.segments * phase_.segment;
    task /= phase_.segments;
    row_ = task % plan.row_blocks * plan.row_block;
    rows_ = std::min(plan.row_block, s_.rows - row_);
    group_ = task / plan.row_blocks;
    const bool forward = plan.direction == Direction::forward;
    source_ = forward ? p_.input : p_.output;
    result_ = forward ? p_.output : p_.input;
  }

  int64_t image() const { return image_; }

  // False: the band has a value that cannot be split, and nothing of the result is right.
  bool run() const {
    Arena arena(task_scratch(plan_.task_bytes));
    const SplitMemory memory(plan_, arena);
    const ValueRange weights{packed_[0], packed_[1]};
    const int64_t groups = phase_.filter_tap.empty() ? 0 : s_.groups;
    k_.begin(static_cast<int>(s_.pairs));
    bool fits = true;
    int64_t g = 0;
    // At least once: without any product the result is still the bias, or zero.
    do {
      const int64_t count = std::min(s_.chunk, groups - g);
      fits = splits_exactly(fill_band(memory.band, g, count), weights);
      if (fits) multiply(memory, g, count, g + count == groups);
      g += count;
    } while (fits && g < groups);
    k_.end();
    if (fits && !stores_in_place(plan_, phase_)) scatter(memory.result);
    return fits;
  }

 private:
  static const SplitPhase& find_phase(const SplitPlan& s, int64_t task) {
    std::size_t i = 0;
    while (i + 1 < s.phases.size() && s.phases[i + 1].first_task <= task) ++i;
    return s.phases[i];
  }

  ValueRange fill_band(uint32_t* band, int64_t first_group, int64_t groups) const {
    const int64_t area = source_[1] * source_[2], line = column_ / phase_.pitch;
    const int64_t lines = (column_ + columns_ - 1) / phase_.pitch - line + 1;
    const auto item = static_cast<int64_t>(item_bytes(plan_.taken));
    const auto split = plan_.taken == ElementType::bf16 ? k_.join_rows : k_.split_rows;
    const char* image = static_cast<const char*>(args_.source) +
                        (image_ * p_.groups + group_) * s_.channels * area * item;
    SplitRowsArgs a{};
    a.height = source_[1];
    a.width = source_[2];
    a.row_step = phase_.step[0];
    a.rows = lines + phase_.reach;
    a.column_step = phase_.step[1];
    a.columns = phase_.pitch;
    a.tail = phase_.tail;
    a.out_term = s_.chunk * s_.pairs * phase_.pair_words;
    a.terms = s_.terms;
    ValueRange range = no_values;
    for (int64_t q = 0; q < groups * s_.pairs; ++q) {
      const int64_t channel = 2 * (first_group * s_.pairs + q);
      a.first = channel < s_.channels ? image + channel * area * item : nullptr;
      a.second = channel + 1 < s_.channels ? image + (channel + 1) * area * item : nullptr;
      a.out = band + q * phase_.pair_words;
      for (const SplitPlane& plane : phase_.planes) {
        a.row = phase_.low[0] + plane.row + line * a.row_step;
        a.column = phase_.low[1] + plane.column + segment_ * a.column_step;
        range = joined(range, split(a));
        a.out += phase_.plane_words;
      }
    }
    return range;
  }

  void multiply(const SplitMemory& memory, int64_t group, int64_t groups, bool last) const {
    const auto taps = static_cast<int64_t>(phase_.filter_tap.size());
    const int64_t plane = result_[0] * result_[1] * result_[2];
    PairTileArgs t{};
    t.a_row = 2 * pair_steps;
    t.a_step = 2 * pair_block;
    t.a_term = s_.groups * taps * t.a_step;
    t.a_block = s_.terms * t.a_term;
    t.b_steps = phase_.steps.data();
    t.b_pair = phase_.pair_words;
    t.b_term = s_.chunk * s_.pairs * phase_.pair_words;
    t.steps = groups * taps;
    t.pairs = static_cast<int>(s_.pairs);
    t.products = s_.products;
    t.accumulate = group > 0;
    t.relu = last && args_.relu;
    const bool in_place = stores_in_place(plan_, phase_);
    t.c_row = in_place ? plane : plan_.column_block;
    float* c = in_place ? static_cast<float*>(args_.out) +
                              ((image_ * p_.groups + group_) * s_.rows + row_) * plane + column_
                        : memory.result;
    const float* bias = static_cast<const float*>(last ? args_.bias : nullptr);
    const auto* weights = reinterpret_cast<const uint16_t*>(
        packed_ + packed_header + group_ * s_.group_words + phase_.packed_at +
        group * taps * pair_block);
    // Panels as even as they come: 64 columns are two of 32.
    const int64_t panels = ceil_div(columns_, k_.columns);
    const int64_t width = ceil_div(ceil_div(columns_, panels), 16) * 16;
    for (int64_t j = 0; j < columns_; j += width) {
      t.columns = static_cast<int>(std::min(width, columns_ - j));
      t.b = memory.band + column_ % phase_.pitch + j;
      for (int64_t i = 0; i < rows_; i += k_.rows) {
        const int64_t row = row_ + i;
        t.rows = static_cast<int>(std::min<int64_t>(k_.rows, rows_ - i));
        t.a = weights + row / pair_rows * t.a_block + row % pair_rows * t.a_row;
        t.c = c + i * t.c_row + j;
        t.row_bias = bias ? bias + group_ * s_.rows + row : nullptr;
        k_.tile(t);
      }
    }
  }

  // Writes the phase's positions, stride apart, into the result; the border of a band is dropped.
  void scatter(const float* block) const {
    const int64_t plane = result_[0] * result_[1] * result_[2];
    const bool forward = plan_.direction == Direction::forward;
    const int64_t by_row = forward ? 1 : p_.stride[1], by = forward ? 1 : p_.stride[2];
    const int64_t wide = std::min(phase_.segment, phase_.grid[1] - segment_);
    const int64_t first = ((image_ * p_.groups + group_) * s_.rows + row_) * plane;
    if (plan_.taken == ElementType::bf16) return scatter_bfloat16(block, first, plane);
    float* out = static_cast<float*>(args_.out) + first;
    for (int64_t i = 0; i < rows_; ++i, block += plan_.column_block, out += plane)
      for (int64_t done = 0; done < columns_;) {
        const int64_t y = (column_ + done) / phase_.pitch, x = (column_ + done) % phase_.pitch;
        const int64_t n = std::min(wide - x, columns_ - done);
        float* line = out + (phase_.origin[0] + y * by_row) * result_[2] + phase_.origin[1] +
                      (segment_ + x) * by;
        if (by == 1) {
          if (n > 0) std::copy_n(block + done, n, line);
        } else {
          for (int64_t c = 0; c < n; ++c) line[c * by] = block[done + c];
        }
        done += std::min(phase_.pitch - x, columns_ - done);
      }
  }

  // Likewise, rounded.
  void scatter_bfloat16(const float* block, int64_t first, int64_t plane) const {
    const auto narrow = plan_.isa->bfloat16.narrow;
    const bool forward = plan_.direction == Direction::forward;
    const int64_t by_row = forward ? 1 : p_.stride[1], by = forward ? 1 : p_.stride[2];
    const int64_t wide = std::min(phase_.segment, phase_.grid[1] - segment_);
    uint16_t* out = static_cast<uint16_t*>(args_.out) + first;
    for (int64_t i = 0; i < rows_; ++i, block += plan_.column_block, out += plane) {
      if (columns_are_results(plan_, phase_)) {
        narrow(block, columns_, out + column_);
        continue;
      }
      for (int64_t done = 0; done < columns_;) {
        const int64_t y = (column_ + done) / phase_.pitch, x = (column_ + done) % phase_.pitch;
        const int64_t n = std::min(wide - x, columns_ - done);
        uint16_t* line = out + (phase_.origin[0] + y * by_row) * result_[2] + phase_.origin[1] +
                         (segment_ + x) * by;
        if (by == 1 && n > 0) narrow(block + done, n, line);
        if (by > 1 && n > 0) {
          uint16_t values[longest_segment];
          narrow(block + done, n, values);
          for (int64_t c = 0; c < n; ++c) line[c * by] = values[c];
        }
        done += std::min(phase_.pitch - x, columns_ - done);
      }
    }
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const SplitPlan& s_;
  const PairKernels& k_;
  const ConvArgs& args_;
  const int64_t image_;
  const SplitPhase& phase_;
  const uint32_t* packed_;
  const int64_t *source_, *result_;
  int64_t column_, columns_, segment_, row_, rows_, group_;
};

const uint32_t* packed_weights(const ConvPlan& plan, const ConvArgs& args) {
  const std::size_t bytes = packed_bytes(plan);
  if (!args.packed) {
    void* shared = call_scratch(bytes);
    pack_split(plan, args.other, plan.taken, shared);
    return static_cast<const uint32_t*>(shared);
  }
  const ConvProblem& p = plan.problem;
  std::vector<int64_t> key{static_cast<int64_t>(plan.direction), plan.split->products, p.groups,
                           p.c, p.kernel[1], p.kernel[2]};
  // Which taps a phase of a data gradient has depends on these.
  for (int i = 1; i < 3 && plan.direction == Direction::input; ++i)
    key.insert(key.end(), {std::min(p.stride[i], p.input[i]), p.stride[i], p.dilation[i],
                           p.pad_lo[i]});
  const auto make = [&](void* out) { 
    pack_split(plan, args.packed->data(), ElementType::f32, out);
  };
  return static_cast<const uint32_t*>(args.packed->pack_for(std::move(key), bytes, make));
}

void run_split(const ConvPlan& plan, const ConvArgs& args) {
  ConvArgs wide = args;
  std::vector<float> bias;
  if (args.bias && plan.taken == ElementType::bf16) {
    bias.resize(static_cast<std::size_t>(plan.problem.k));
    widen(plan.taken, args.bias, plan.problem.k, bias.data());
    wide.bias = bias.data();
  }
  if (!plan.split) return run_small_map(plan, args, wide);
  const uint32_t* packed = packed_weights(plan, args);
  run_or_fall_back(plan, args, conv_work(plan.problem) * plan.split->products / 4,
                   [&](int64_t task) { return SplitTask(plan, wide, packed, task); });
}

template <int Products>
void plan_products(ConvPlan& plan) {
  if (Products == 1 && is_small_map(plan)) return plan_small_map(plan);
  plan_split(plan, Products);
}

}  // namespace

const ConvAlgorithm bf16x1_forward{
    "bf16x1", Direction::forward, Precision::medium, split_refuses, pairs_pay<1>,
    plan_products<1>, run_split, nullptr, 1, false, true};
const ConvAlgorithm bf16x3_forward{
    "bf16x3", Direction::forward, Precision::high, split_refuses, pairs_pay<3>,
    plan_products<3>, run_split};
const ConvAlgorithm bf16x6_forward{
    "bf16x6", Direction::forward, Precision::highest, split_refuses, pairs_pay<6>,
    plan_products<6>, run_split};
const ConvAlgorithm bf16x1_input{
    "bf16x1", Direction::input, Precision::medium, split_refuses, pairs_pay<1>,
    plan_products<1>, run_split, nullptr, 1, false, true};
const ConvAlgorithm bf16x3_input{
    "bf16x3", Direction::input, Precision::high, split_refuses, pairs_pay<3>,
    plan_products<3>, run_split};
const ConvAlgorithm bf16x6_input{
    "bf16x6", Direction::input, Precision::highest, split_refuses, pairs_pay<6>,
    plan_products<6>, run_split};

}  // namespace pyconv
