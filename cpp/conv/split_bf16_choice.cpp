// Where products of bfloat16 pairs are expected to be faster than everything in float32.
//
// Matrix units: from the rates of their instructions and a prototype, not timed; half a million
// products an image pay for the splitting. Vectors have twice the products a second of float32, so
// that one product a number pays and three do not. Figures: layers of benchmarks/, Zen 5, November
// 2026.
#include <algorithm>

#include "conv/list.hpp"
#include "conv/split_bf16.hpp"

namespace pyconv {
namespace {

struct Shape {
  bool forward, bfloat16;  // bfloat16: arrays that are not split
  int64_t rows, channels;  // per group: of the result, of the source
  int64_t area, taps;
  explicit Shape(const ConvPlan& plan)
      : forward(plan.direction == Direction::forward),
        bfloat16(plan.stored == ElementType::bf16), taps(taps_of(plan.problem)) {
    const ConvProblem& p = plan.problem;
    const bool input = plan.direction == Direction::input;
    rows = (input ? p.c : p.k) / p.groups;
    channels = (input ? p.k : p.c) / p.groups;
    area = pixels(input ? p.input : p.output);
  }
  int64_t least() const { return std::min(rows, channels); }
};

bool tiles_pay(const Shape& s) {
  const int64_t least = s.taps == 1 ? 64 : 16;
  const double work =
      static_cast<double>(s.rows * s.channels) * static_cast<double>(s.area * s.taps);
  return s.least() >= least && s.area >= 32 && work >= 5e5;
}

// F(4, 3) of 1x3 and 3x1 filters is ahead of pairs on signals, 1.2 times on 900 samples, but not on
// maps, 0.86 on 64x56x56. Arrays of bfloat16 have to become float32 first.
bool winograd_pays_on_line(const ConvPlan& plan, const ConvAlgorithm& four) {
  const ConvProblem& p = plan.problem;
  return p.output[1] == 1 && plan.stored != ElementType::bf16 && would_run(four, plan);
}

// F(4x4) saves three products of four, F(2x2) more than half: against pairs 1.1 to 2.3 and 1.1 to 1.5
// times (raw and packed weights, 32 to 512 channels, 9x9 to 56x56 pixels). At stride 2 it saves too
// little.
bool winograd_pays(const ConvPlan& plan, const Shape& s) {
  const ConvAlgorithm& four = s.forward ? winograd_4x4_forward : winograd_4x4_input;
  if (plan.problem.stride[2] != 1) return false;
  if (s.taps == 3) return winograd_pays_on_line(plan, four);
  if (would_run(four, plan)) return !s.bfloat16 || s.area >= 400 || s.least() >= 128;
  return !s.bfloat16 && s.area >= 81 && s.least() >= 128 &&
         would_run(s.forward ? winograd_2x2_forward : winograd_2x2_input, plan);
}

// The sums of a weight gradient run over pixels, of which small maps have few: pairs are as fast as
// F(2x2) there from 128 channels on, with 64 half as fast. Large maps (224x224) are read as they lie
// where they are of bfloat16.
bool winograd_pays_weight(const ConvPlan& plan, const Shape& s) {
  if (s.taps == 3) return winograd_pays_on_line(plan, winograd_4x4_weight);
  if (would_run(winograd_4x4_weight, plan)) return !s.bfloat16 || s.area <= 10000;
  return s.least() < 128 && would_run(winograd_2x2_weight, plan);
}

}  // namespace

// Arrays of bfloat16: few channels pay as well and, where the weight is read in order, small maps.
// Others not where splitting takes as long as the products: weights for small maps, images for 1x1
// filters with few rows, columns more than 2 apart.
template <int Products>
bool pairs_pay(const ConvPlan& plan) {
  const Shape s(plan);
  if (plan.isa->pairs.tiles) return tiles_pay(s);
  if (Products > 1 || winograd_pays(plan, s)) return false;
  if (is_small_map(plan)) return true;
  const bool in_order = s.forward || plan.packed, near = plan.problem.stride[2] <= 2;
  return s.area >= (s.bfloat16 && in_order ? 49 : 100) && s.channels >= 3 &&
         s.rows >= (s.taps == 1 ? 32 : 3) &&
         (!s.forward || near || (s.bfloat16 && s.channels <= 4));
}

// Arrays of float32: where a filter has taps that share the split rows, the stride is 1 and maps and
// channels are not small, one product is 1.1 to 2.7 times as fast; 1x1 filters are not. Arrays of
// bfloat16: 1x1 filters, strides and few channels pay as well, and smaller maps of many channels.
template <int Products>
bool pairs_pay_weight(const ConvPlan& plan) {
  const Shape s(plan);
  const ConvProblem& p = plan.problem;
  if (plan.isa->pairs.tiles) return tiles_pay(s);
  if (Products > 1 || winograd_pays_weight(plan, s)) return false;
  const bool shared = s.taps > 1 && p.stride[1] == 1 && p.stride[2] == 1;
  if (s.area < (shared && s.least() >= 128 ? 81 : s.bfloat16 ? 196 : 100)) return false;
  if (s.bfloat16) return s.channels >= 3 && s.rows >= 16;
  return shared && s.channels >= 8 && s.rows >= 4;
}

template bool pairs_pay<1>(const ConvPlan&);
template bool pairs_pay<3>(const ConvPlan&);
template bool pairs_pay<6>(const ConvPlan&);
template bool pairs_pay_weight<1>(const ConvPlan&);
template bool pairs_pay_weight<3>(const ConvPlan&);
template bool pairs_pay_weight<6>(const ConvPlan&);

}  // namespace pyconv
