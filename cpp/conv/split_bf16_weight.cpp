// Weight gradient as products of split numbers, in pairs of neighbouring pixels.
//
//   dw[(channel, tap), filter] = sum over pixels of x[channel, pixel + tap] * dy[filter, pixel]
//
// Pixels run along the padded rows of a band of x, as in the forward pass; dy has zeros where they
// lie in the border. A tap shifts x by any number of pixels: pairs may begin at any of them. dy is
// split along its rows and its words turned into panels of filters.
#include <algorithm>
#include <atomic>

#include "conv/fallback.hpp"
#include "conv/list.hpp"
#include "conv/split_bf16.hpp"
#include "conv/weight_shares.hpp"
#include "core/parallel.hpp"

namespace pyconv {
namespace {

constexpr int64_t pixels_of_step = 2 * pair_steps;

// Pixels that are split at a time, the rows that they touch, and the words of a filter of dy.
int64_t band_of(const ConvPlan& plan, const SplitPlan& split) {
  return split.chunk * plan.depth_block;
}
int64_t lines_of(const ConvPlan& plan, const SplitPlan& split, const SplitPhase& s) {
  return (band_of(plan, split) - 1) / s.pitch + 2;
}
int64_t grad_words(const ConvPlan& plan, const SplitPlan& split, const SplitPhase& s) {
  return lines_of(plan, split, s) * s.pitch / 2 + pair_steps;
}

struct WeightMemory {
  uint32_t *band, *lines, *panels;
  float* sums;  // [channel][tap][filter]
  WeightMemory(const ConvPlan& plan, Arena& arena) {
    const SplitPlan& split = *plan.split;
    const SplitPhase& s = split.phases[0];
    const int64_t taps = taps_of(plan.problem), rows = ceil_div(plan.row_block, 32) * 32;
    band = arena.take<uint32_t>(split.terms * rows * s.pair_words);
    lines = arena.take<uint32_t>(split.terms * plan.column_block * grad_words(plan, split, s));
    panels = arena.take<uint32_t>(split.terms * plan.depth_block / 2 * plan.column_block);
    sums = arena.take<float>(plan.row_block * taps * plan.column_block);
  }
};

// Filters and channels of a task: sums that stay in a second-level cache, and enough of both that
// splitting the other operand is small beside the products. Pixels are split where tasks are few.
void choose_weight_blocks(ConvPlan& plan, SplitPlan& split, const SplitPhase& s) {
  const ConvProblem& p = plan.problem;
  const int64_t width = plan.isa->pairs.columns, taps = taps_of(p);
  const int64_t filters = std::max<int64_t>(1, p.k / p.groups);
  const int64_t channels = std::max<int64_t>(1, p.c / p.groups);
  // A panel of dy and the rows of x beside it, in a first-level cache.
  const int64_t limit = 256 / split.terms / pixels_of_step * pixels_of_step;
  plan.depth_block =
      ceil_div(ceil_div(s.columns, ceil_div(s.columns, limit)), pixels_of_step) * pixels_of_step;
  const int64_t wide = ceil_div(filters, width);
  plan.column_block = ceil_div(wide, ceil_div(wide, 96 / width)) * width;
  const int64_t most = std::max<int64_t>(1, 576 / taps / 32) * 32;
  plan.row_block = ceil_div(channels, ceil_div(channels, most));
  plan.row_blocks = ceil_div(channels, plan.row_block);
  const int64_t blocks = plan.row_blocks * p.groups * ceil_div(filters, plan.column_block);
  // Split a few panels' pixels at a time, because every band repeats some rows of the one before.
  const int64_t panels = ceil_div(s.columns, plan.depth_block), images = p.n * s.segments;
  const int64_t few = std::min(panels, ceil_div(4, std::max<int64_t>(1, blocks * images)));
  split.chunk = ceil_div(panels, std::max(ceil_div(panels, 4), few));
  const int64_t bands = images * ceil_div(panels, split.chunk);
  plan.splits = std::clamp<int64_t>(ceil_div(8, blocks), 1, std::max<int64_t>(1, bands));
  plan.tasks = blocks * plan.splits;
}

// Parts of sums, and those that have to be rounded, do not fit the result.
bool sums_apart(const ConvPlan& plan) {
  return plan.splits > 1 || plan.taken != ElementType::f32;
}

void plan_weight(ConvPlan& plan, int products) {
  const ConvProblem& p = plan.problem;
  auto split = std::make_shared<SplitPlan>();
  split->products = products;
  split->terms = terms_of(products);
  ConvPhase phase{};
  for (int i = 0; i < 3; ++i) phase.grid[i] = p.output[i];
  for (int64_t h = 0; h < p.kernel[1]; ++h)
    for (int64_t w = 0; w < p.kernel[2]; ++w)
      phase.taps.push_back({0, h * p.dilation[1] - p.pad_lo[1], w * p.dilation[2] - p.pad_lo[2]});
  SplitPhase s = measure_split(plan, phase);
  choose_weight_blocks(plan, *split, s);
  s.band_rows = lines_of(plan, *split, s) + s.reach;
  s.plane_words = s.band_rows * s.pitch / 2 + ceil_div(s.tail, 2) + pair_steps;
  const int64_t lines = ceil_div(static_cast<int64_t>(s.planes.size()) * s.plane_words, 16);
  s.pair_words = (lines | 1) * 16;  // an odd number of cache lines, as in the forward pass
  s.taps = place_taps(phase, s, 2 * s.plane_words, s.pitch);
  s.steps = offsets(plan.depth_block / pixels_of_step, pair_steps * plan.isa->pairs.columns);
  split->phases.push_back(std::move(s));
  plan.split = split;
  const int64_t elements = p.k * (p.c / p.groups) * taps_of(p);
  if (sums_apart(plan))
    plan.shared_bytes = static_cast<std::size_t>(plan.splits * elements) * sizeof(float);
  Arena arena;
  WeightMemory counted(plan, arena);
  plan.task_bytes = arena.used();
  plan_fallback(plan);
}

class WeightTask {
 public:
  WeightTask(const ConvPlan& plan, const ConvArgs& args, int64_t task)
      : plan_(plan), p_(plan.problem), s_(*plan.split), phase_(plan.split->phases[0]),
        k_(plan.isa->pairs), args_(args), taps_(taps_of(plan.problem)),
        split_rows_(plan.taken == ElementType::bf16 ? k_.join_rows : k_.split_rows) {
    split_ = task % plan.splits;
    task /= plan.splits;
    channel_ = task % plan.row_blocks * plan.row_block;
    channels_ = std::min(plan.row_block, p_.c / p_.groups - channel_);
    task /= plan.row_blocks;
    group_ = task % p_.groups;
    filter_ = task / p_.groups * plan.column_block;
    filters_ = std::min(plan.column_block, p_.k / p_.groups - filter_);
  }

  int64_t split() const { return split_; }

  // False: there is a value that cannot be split, and nothing of the result is right.
  bool run(float* out) {
    Arena arena(task_scratch(plan_.task_bytes));
    const WeightMemory memory(plan_, arena);
    const int64_t band = band_of(plan_, s_);
    const int64_t per_segment = ceil_div(phase_.columns, band);
    const int64_t per_image = per_segment * phase_.segments, bands = p_.n * per_image;
    const auto [first, last] = part_of(bands, split_, plan_.splits);
    std::fill_n(memory.sums, channels_ * taps_ * plan_.column_block, 0.0f);
    k_.begin(pair_steps);
    bool fits = true;
    for (int64_t i = first; fits && i < last; ++i) {
      image_ = i / per_image;
      segment_ = i % per_image / per_segment * phase_.segment;
      column_ = i % per_segment * band;
      const ValueRange x = fill_band(memory.band);
      fits = splits_exactly(x, fill_lines(memory.lines));
      const int64_t end = std::min(band, phase_.columns - column_);
      for (int64_t j = 0; fits && j < end; j += plan_.depth_block) {
        fill_panels(memory, column_ % phase_.pitch + j);
        multiply(memory, column_ % phase_.pitch + j);
      }
    }
    k_.end();
    const int64_t rows = p_.c / p_.groups * taps_;
    out += (group_ * (p_.k / p_.groups) + filter_) * rows + channel_ * taps_;
    if (fits)
      plan_.isa->f32.transpose(memory.sums, plan_.column_block, channels_ * taps_, filters_, out,
                               rows, channels_ * taps_);
    return fits;
  }

 private:
  SplitRowsArgs rows_of(int64_t lines) const {
    SplitRowsArgs a{};
    a.along = true;
    a.rows = lines;
    a.columns = phase_.pitch;
    a.terms = s_.terms;
    return a;
  }

  ValueRange fill_band(uint32_t* band) const {
    const int64_t area = p_.input[1] * p_.input[2], line = column_ / phase_.pitch;
    SplitRowsArgs a = rows_of(phase_.band_rows);
    a.height = p_.input[1];
    a.width = p_.input[2];
    a.row_step = phase_.step[0];
    a.column_step = phase_.step[1];
    a.tail = ceil_div(phase_.tail, 2);
    a.out_term = plan_.row_block * phase_.pair_words;
    const auto item = static_cast<int64_t>(item_bytes(plan_.taken));
    const char* x = static_cast<const char*>(args_.source) +
                    ((image_ * p_.groups + group_) * (p_.c / p_.groups) + channel_) * area * item;
    ValueRange range = no_values;
    for (int64_t c = 0; c < channels_; ++c) {
      a.first = x + c * area * item;
      a.out = band + c * phase_.pair_words;
      for (const SplitPlane& plane : phase_.planes) {
        a.row = phase_.low[0] + plane.row + line * a.row_step;
        a.column = phase_.low[1] + plane.column + segment_ * a.column_step;
        range = joined(range, split_rows_(a));
        a.out += phase_.plane_words;
      }
    }
    return range;
  }

  // dy of this band, [term][filter][row][column]. Border columns and rows past the last are zeros.
  ValueRange fill_lines(uint32_t* lines) const {
    const int64_t area = p_.output[1] * p_.output[2], words = grad_words(plan_, s_, phase_);
    SplitRowsArgs a = rows_of(lines_of(plan_, s_, phase_));
    a.height = p_.output[1];
    a.row_step = a.column_step = 1;
    a.row = column_ / phase_.pitch;
    a.out_term = plan_.column_block * words;
    ValueRange range = no_values;
    const auto item = static_cast<int64_t>(item_bytes(plan_.taken));
    const char* grad =
        static_cast<const char*>(args_.other) +
        (((image_ * p_.groups + group_) * (p_.k / p_.groups) + filter_) * area + segment_) * item;
    for (int64_t f = 0; f < filters_; ++f)
      range = joined(range, split_grad(a, grad + f * area * item, lines + f * words));
    return range;
  }

  // From element `at` of the lines: [term][panel][pair][filter]. Words move as floats do.
  void fill_panels(const WeightMemory& memory, int64_t at) const {
    const int64_t pairs = plan_.depth_block / 2, width = k_.columns;
    const int64_t words = grad_words(plan_, s_, phase_);
    for (int64_t term = 0; term < s_.terms; ++term)
      for (int64_t f = 0; f < filters_; f += width) {
        const uint32_t* in = memory.lines + (term * plan_.column_block + f) * words + at / 2;
        uint32_t* out = memory.panels + (term * plan_.column_block + f) * pairs;
        plan_.isa->f32.transpose(reinterpret_cast<const float*>(in), words,
                                 std::min(width, filters_ - f), pairs,
                                 reinterpret_cast<float*>(out), width, width);
      }
  }

  // Rows of a plane of dy, of which those past the segment are another's.
  ValueRange split_grad(SplitRowsArgs a, const char* plane, uint32_t* out) const {
    const int64_t wide = std::min(phase_.segment, p_.output[2] - segment_);
    a.out = out;
    if (wide == p_.output[2]) {
      a.first = plane;
      a.width = wide;
      return split_rows_(a);
    }
    ValueRange range = no_values;
    const int64_t rows = a.rows, first = a.row;
    a.rows = 1;
    a.row = 0;
    a.width = wide;
    for (int64_t y = first; y < first + rows; ++y, a.out += phase_.pitch / 2) {
      const auto item = static_cast<int64_t>(item_bytes(plan_.taken));
      a.first = y < a.height ? plane + y * p_.output[2] * item : nullptr;
      range = joined(range, split_rows_(a));
    }
    return range;
  }

  void multiply(const WeightMemory& memory, int64_t at) const {
    const int64_t pairs = plan_.depth_block / 2, width = k_.columns;
    PairTileArgs t{};
    t.a_row = 2 * phase_.pair_words;
    t.a_step = pixels_of_step;
    t.a_block = pair_rows * t.a_row;
    t.a_term = plan_.row_block * t.a_row;
    t.b_steps = phase_.steps.data();
    t.b_pair = width;
    t.b_term = plan_.column_block * pairs;
    t.steps = plan_.depth_block / pixels_of_step;
    t.pairs = pair_steps;
    t.products = s_.products;
    t.c_row = taps_ * plan_.column_block;
    t.accumulate = true;
    const auto* band = reinterpret_cast<const uint16_t*>(memory.band) + at;
    for (int64_t f = 0; f < filters_; f += width) {
      t.b = memory.panels + f * pairs;
      t.columns = static_cast<int>(std::min(width, filters_ - f));
      for (int64_t tap = 0; tap < taps_; ++tap)
        for (int64_t c = 0; c < channels_; c += k_.rows) {
          t.rows = static_cast<int>(std::min<int64_t>(k_.rows, channels_ - c));
          t.a = band + c * t.a_row + phase_.taps[static_cast<std::size_t>(tap)];
          t.c = memory.sums + (c * taps_ + tap) * plan_.column_block + f;
          k_.tile(t);
        }
    }
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const SplitPlan& s_;
  const SplitPhase& phase_;
  const PairKernels& k_;
  const ConvArgs& args_;
  const int64_t taps_;
  ValueRange (*const split_rows_)(const SplitRowsArgs&);
  int64_t split_, channel_, channels_, group_, filter_, filters_;
  int64_t image_ = 0, segment_ = 0, column_ = 0;
};

void run_weight(const ConvPlan& plan, const ConvArgs& args) {
  const int64_t elements = plan.problem.k * (plan.problem.c / plan.problem.groups) *
                           taps_of(plan.problem);
  const bool apart = sums_apart(plan);
  float* sums = static_cast<float*>(apart ? call_scratch(plan.shared_bytes) : args.out);
  std::atomic<bool> failed{false};
  parallel_for(plan.tasks, conv_work(plan.problem) * plan.split->products / 4, [&](int64_t task) {
    WeightTask one(plan, args, task);
    if (!failed.load(std::memory_order_relaxed) && !one.run(sums + one.split() * elements))
      failed.store(true);
  });
  if (failed.load()) return run_fallback(plan, args);
  if (!apart) return;
  constexpr int64_t block = 4096;
  parallel_for(ceil_div(elements, block), static_cast<double>(elements * plan.splits),
               [&](int64_t task) {
    const int64_t first = task * block, end = std::min(first + block, elements);
    add_shares(sums + first, end - first, plan.splits, elements, sums + first);
    if (plan.taken == ElementType::bf16) {
      auto* out = static_cast<uint16_t*>(args.out);
      plan.isa->bfloat16.narrow(sums + first, end - first, out + first);
    } else {
      std::copy(sums + first, sums + end, static_cast<float*>(args.out) + first);
    }
  });
}

template <int Products>
void plan_products(ConvPlan& plan) {
  plan_weight(plan, Products);
}

}  // namespace

const ConvAlgorithm bf16x1_weight{
    "bf16x1", Direction::weight, Precision::medium, split_refuses, pairs_pay_weight<1>,
    plan_products<1>, run_weight, nullptr, 1, false, true};
const ConvAlgorithm bf16x3_weight{
    "bf16x3", Direction::weight, Precision::high, split_refuses, pairs_pay_weight<3>,
    plan_products<3>, run_weight};
const ConvAlgorithm bf16x6_weight{
    "bf16x6", Direction::weight, Precision::highest, split_refuses, pairs_pay_weight<6>,
    plan_products<6>, run_weight};

}  // namespace pyconv
