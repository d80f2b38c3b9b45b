// Arrays of 16 bits through algorithms that read and write float32.
#include "conv/packed_weight.hpp"
#include "core/convert.hpp"
#include "core/scratch.hpp"

namespace pyconv {
namespace {

struct Counts {
  int64_t source, other, out;
};

Counts counts_of(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const int64_t x = p.n * p.c * pixels(p.input), y = p.n * p.k * pixels(p.output);
  const int64_t w = p.k * (p.c / p.groups) * taps_of(p);
  switch (plan.direction) {
    case Direction::forward: return {x, w, y};
    case Direction::input: return {y, w, x};
    default: return {x, y, w};
  }
}

// The float32 images of the operands of a call, and room for its result.
struct Widened {
  float *source, *other, *bias, *out;
  Widened(const ConvPlan& plan, const ConvArgs& args, Arena& arena) {
    const Counts count = counts_of(plan);
    source = arena.take<float>(count.source);
    other = args.packed ? nullptr : arena.take<float>(count.other);
    bias = args.bias ? arena.take<float>(plan.problem.k) : nullptr;
    out = arena.take<float>(count.out);
  }
};

}  // namespace

void run_plan(const ConvPlan& plan, const ConvArgs& args) {
  const ConvAlgorithm& algorithm = *plan.algorithm;
  if (plan.taken == plan.stored) return algorithm.run(plan, args);
  Arena counted;
  Widened(plan, args, counted);
  Arena arena(widened_scratch(counted.used()));
  const Widened memory(plan, args, arena);
  const Counts count = counts_of(plan);
  widen(plan.stored, args.source, count.source, memory.source);
  ConvArgs wide = args;
  wide.source = memory.source;
  wide.out = memory.out;
  if (!args.packed) {
    widen(plan.stored, args.other, count.other, memory.other);
    wide.other = memory.other;
  }
  if (args.bias) {
    widen(plan.stored, args.bias, plan.problem.k, memory.bias);
    wide.bias = memory.bias;
  }
  algorithm.run(plan, wide);
  narrow(plan.stored, memory.out, count.out, args.out);
}

}  // namespace pyconv
