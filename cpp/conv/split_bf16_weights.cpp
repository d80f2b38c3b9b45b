// Weights for the products of split numbers: [group][phase][16 rows][term][step][row][16 pairs].
#include <algorithm>
#include <cstring>

#include "conv/split_bf16.hpp"
#include "core/parallel.hpp"

namespace pyconv {
namespace {

class RowPacker {
 public:
  RowPacker(const ConvPlan& plan, const void* weight, ElementType type, uint32_t* out)
      : plan_(plan), s_(*plan.split), taps_(taps_of(plan.problem)), weight_(weight), type_(type),
        out_(out) {
    const bool forward = plan.direction == Direction::forward;
    const int64_t channels = plan.problem.c / plan.problem.groups;
    row_step_ = forward ? channels * taps_ : taps_;
    channel_step_ = forward ? taps_ : channels * taps_;
    // A run is 32 numbers, whatever the pairs of a step.
    width_ = ceil_div((s_.groups - 1) * s_.pairs * 2 + 2 * pair_steps, 64) * 64;
  }

  ValueRange pack_block(int64_t group, int64_t block) const {
    const int64_t count = std::min<int64_t>(pair_rows, s_.rows - block * pair_rows);
    if (plan_.direction == Direction::forward && taps_ > 1) return pack_filters(group, block);
    // Rows of a data gradient are neighbours in memory: turned all at once.
    const int64_t together = plan_.direction == Direction::forward ? 1 : count;
    const int64_t elements = std::max<int64_t>(1, together * taps_ * width_);
    const int64_t lines = type_ == ElementType::f32 ? 0 : together * taps_ * s_.channels;
    float* turned = static_cast<float*>(
        task_scratch(static_cast<std::size_t>(elements + lines) * sizeof(float)));
    ValueRange range = no_values;
    for (int64_t row = 0; row < count; row += together) {
      const int64_t at = group * plan_.problem.k / plan_.problem.groups * filter_size() +
                         (block * pair_rows + row) * row_step_;
      const float* in = turned;
      if (type_ != ElementType::f32) {
        turn_bfloat16(at, together * taps_, turned + elements, turned);
      } else if (readable_in_place(at)) {
        in = static_cast<const float*>(weight_) + at;
      } else {
        plan_.isa->f32.transpose(static_cast<const float*>(weight_) + at, channel_step_,
                                 s_.channels, together * taps_, turned, width_, width_);
      }
      for (int64_t i = 0; i < together; ++i)
        for (const SplitPhase& phase : s_.phases)
          range = joined(range, pack_row(phase, in + i * taps_ * width_, group, block, row + i));
    }
    for (int64_t row = count; row < pair_rows; ++row)
      for (const SplitPhase& phase : s_.phases) clear_row(phase, group, block, row);
    return range;
  }

 private:
  // `count` numbers of every channel, to float32 before they are turned.
  void turn_bfloat16(int64_t at, int64_t count, float* lines, float* turned) const {
    const auto* weight = static_cast<const uint16_t*>(weight_) + at;
    const auto widen = plan_.isa->bfloat16.widen;
    if (channel_step_ == 1) {
      widen(weight, s_.channels, turned);
      std::fill_n(turned + s_.channels, width_ - s_.channels, 0.0f);
      return;
    }
    for (int64_t c = 0; c < s_.channels; ++c) {
      if (c + pages_ahead < s_.channels)
        plan_.isa->f32.bring_near(
            reinterpret_cast<const float*>(weight + (c + pages_ahead) * channel_step_), count / 2);
      widen(weight + c * channel_step_, count, lines + c * count);
    }
    plan_.isa->f32.transpose(lines, count, s_.channels, count, turned, width_, width_);
  }

  // A 1x1 filter lies as its runs want it. What follows the last channel is another filter's, and
  // meets zeros in the band.
  bool readable_in_place(int64_t at) const {
    return channel_step_ == 1 &&
           at + (s_.groups - 1) * s_.pairs * 2 + 2 * pair_steps <= plan_.problem.k * filter_size();
  }
  int64_t filter_size() const { return plan_.problem.c / plan_.problem.groups * taps_; }
  int64_t steps(const SplitPhase& phase) const {
    return s_.groups * static_cast<int64_t>(phase.filter_tap.size());
  }
  uint32_t* place(const SplitPhase& phase, int64_t group, int64_t block, int64_t row) const {
    return out_ + group * s_.group_words + phase.packed_at +
           block * s_.terms * steps(phase) * pair_block + row * pair_steps;
  }

  // Filters as they lie, sixteen side by side so that blocks are written from end to end: a forward
  // pass has one phase, with all taps in order.
  ValueRange pack_filters(int64_t group, int64_t block) const {
    const SplitPhase& phase = s_.phases[0];
    const int64_t count = std::min<int64_t>(pair_rows, s_.rows - block * pair_rows);
    const auto item = static_cast<int64_t>(item_bytes(type_));
    const char* filter = static_cast<const char*>(weight_) +
                         (group * s_.rows + block * pair_rows) * filter_size() * item;
    const PairKernels& k = plan_.isa->pairs;
    const auto split = type_ == ElementType::f32 ? k.split_filter : k.join_filter;
    SplitFilterArgs a{};
    a.in_step = a.taps = taps_;
    a.pairs = s_.pairs;
    a.out_step = pair_block;
    a.out_term = steps(phase) * pair_block;
    a.terms = s_.terms;
    ValueRange range = no_values;
    for (int64_t g = 0; g < s_.groups; ++g)
      for (int64_t row = 0; row < count; ++row) {
        a.in = filter + (row * filter_size() + g * 2 * s_.pairs * taps_) * item;
        a.channels = s_.channels - g * 2 * s_.pairs;
        a.out = place(phase, group, block, row) + g * taps_ * pair_block;
        range = joined(range, split(a));
      }
    for (int64_t row = count; row < pair_rows; ++row) clear_row(phase, group, block, row);
    return range;
  }

  ValueRange pack_row(const SplitPhase& phase, const float* turned, int64_t group, int64_t block,
                      int64_t row) const {
    ValueRange range = no_values;
    SplitRunsArgs a{};
    a.in_step = 2 * s_.pairs;
    a.groups = s_.groups;
    a.out = place(phase, group, block, row);
    a.out_step = static_cast<ptrdiff_t>(phase.filter_tap.size()) * pair_block;
    a.out_term = steps(phase) * pair_block;
    a.terms = s_.terms;
    for (int64_t tap : phase.filter_tap) {
      a.in = turned + tap * width_;
      range = joined(range, plan_.isa->pairs.split_runs(a));
      a.out += pair_block;
    }
    return range;
  }

  void clear_row(const SplitPhase& phase, int64_t group, int64_t block, int64_t row) const {
    uint32_t* out = place(phase, group, block, row);
    for (int64_t i = 0; i < s_.terms * steps(phase); ++i)
      std::memset(out + i * pair_block, 0, pair_steps * sizeof *out);
  }

  const ConvPlan& plan_;
  const SplitPlan& s_;
  const int64_t taps_;
  const void* weight_;
  const ElementType type_;
  uint32_t* out_;
  int64_t row_step_, channel_step_, width_;
};

}  // namespace

std::size_t packed_bytes(const ConvPlan& plan) {
  return static_cast<std::size_t>(packed_header + plan.problem.groups * plan.split->group_words) *
         sizeof(uint32_t);
}

void pack_split(const ConvPlan& plan, const void* weight, ElementType type, void* out) {
  const int64_t blocks = ceil_div(plan.split->rows, pair_rows);
  auto* words = static_cast<uint32_t*>(out);
  const RowPacker packer(plan, weight, type, words + packed_header);
  std::vector<ValueRange> ranges(static_cast<std::size_t>(plan.problem.groups * blocks));
  parallel_for(plan.problem.groups * blocks, static_cast<double>(packed_bytes(plan)),
               [&](int64_t task) {
    ranges[static_cast<std::size_t>(task)] = packer.pack_block(task / blocks, task % blocks);
  });
  ValueRange range = no_values;
  for (const ValueRange& r : ranges) range = joined(range, r);
  words[0] = range.least;
  words[1] = range.most;
}

}  // namespace pyconv
