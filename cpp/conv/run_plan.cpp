// Arrays of 16 bits through algorithms that read and write float32: whole, or a few groups at a time
// that stay in a second-level cache.
#include <algorithm>
#include <stdexcept>

#include "conv/packed_weight.hpp"
#include "core/convert.hpp"
#include "core/cpu.hpp"
#include "core/parallel.hpp"
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

Widened widened(const ConvPlan& plan, const ConvArgs& args) {
  Arena counted;
  Widened(plan, args, counted);
  Arena arena(widened_scratch(counted.used()));
  return Widened(plan, args, arena);
}

void run_whole(const ConvPlan& plan, const ConvArgs& args) {
  const Widened memory = widened(plan, args);
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
  plan.algorithm->run(plan, wide);
  narrow(plan.stored, memory.out, count.out, args.out);
}

// Some groups of an image, or of all images for the gradient of their weight.
class Slice {
 public:
  Slice(const ConvPlan& whole, const ConvPlan& part, int64_t image, int64_t group)
      : whole_(whole), part_(part), image_(image), group_(group),
        k_(half_kernels(*whole.isa, whole.stored)) {}

  void run(const ConvArgs& args) const {
    ConvArgs given = args;
    given.packed = nullptr;
    const Widened memory = widened(part_, given);
    const bool forward = whole_.direction != Direction::input;
    fill(args.source, forward, memory.source);
    given.source = memory.source;
    if (whole_.direction == Direction::weight) {
      fill(args.other, false, memory.other);
    } else if (args.packed) {
      const float* weight = static_cast<const float*>(args.packed->data()) + weight_at();
      std::copy_n(weight, weights(), memory.other);
    } else {
      k_.widen(halves(args.other) + weight_at(), weights(), memory.other);
    }
    given.other = memory.other;
    if (args.bias) {
      k_.widen(halves(args.bias) + group_ * rows(false), part_.problem.k, memory.bias);
      given.bias = memory.bias;
    }
    given.out = memory.out;
    part_.algorithm->run(part_, given);
    auto* out = static_cast<uint16_t*>(args.out);
    if (whole_.direction == Direction::weight) {
      k_.narrow(memory.out, weights(), out + weight_at());
    } else {
      const int64_t count = part_planes(!forward) * area(!forward);
      k_.narrow(memory.out, count, out + plane_at(!forward, image_) * area(!forward));
    }
  }

 private:
  static const uint16_t* halves(const void* data) { return static_cast<const uint16_t*>(data); }
  // Of the input or of the output: channels of a group, pixels, channels of this slice, its place.
  int64_t rows(bool input) const {
    return (input ? whole_.problem.c : whole_.problem.k) / whole_.problem.groups;
  }
  int64_t area(bool input) const {
    return pixels(input ? whole_.problem.input : whole_.problem.output);
  }
  int64_t part_planes(bool input) const { return rows(input) * part_.problem.groups; }
  int64_t plane_at(bool input, int64_t image) const {
    return image * (input ? whole_.problem.c : whole_.problem.k) + group_ * rows(input);
  }
  int64_t filter() const { return rows(true) * taps_of(whole_.problem); }
  int64_t weight_at() const { return group_ * rows(false) * filter(); }
  int64_t weights() const { return part_.problem.k * filter(); }

  void fill(const void* in, bool input, float* out) const {
    const int64_t count = part_planes(input) * area(input);
    for (int64_t i = 0; i < part_.problem.n; ++i)
      k_.widen(halves(in) + plane_at(input, image_ + i) * area(input), count, out + i * count);
  }

  const ConvPlan &whole_, &part_;
  const int64_t image_, group_;
  const HalfKernels& k_;
};

void run_sliced(const ConvPlan& plan, const ConvArgs& args) {
  const int64_t together = plan.slice->problem.groups, images = plan.slice->problem.n;
  const int64_t slices = ceil_div(plan.problem.groups, together);
  const int64_t tasks = plan.problem.n / images * slices;
  parallel_for(tasks, conv_work(plan.problem), [&](int64_t task) {
    const int64_t group = task % slices * together;
    const bool full = group + together <= plan.problem.groups;
    Slice(plan, full ? *plan.slice : *plan.last_slice, task / slices * images, group).run(args);
  });
}

}  // namespace

void run_plan(const ConvPlan& plan, const ConvArgs& args) {
  if (plan.taken == plan.stored) return plan.algorithm->run(plan, args);
  if (plan.slice) return run_sliced(plan, args);
  run_whole(plan, args);
}

void plan_slices(ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  constexpr int64_t elements = 49152, channels = 16;
  if (plan.taken == plan.stored || p.n == 0 || p.c > channels * p.groups ||
      p.k > channels * p.groups)
    return;
  ConvProblem part = p;
  if (plan.direction != Direction::weight) part.n = 1;
  const int64_t group = part.n * (p.c * pixels(p.input) + p.k * pixels(p.output)) / p.groups;
  part.groups = std::max<int64_t>(1, elements / std::max<int64_t>(1, group));
  if (part.groups * 2 > p.groups) return;
  const auto planned = [&](int64_t groups) {
    part.groups = groups;
    part.c = p.c / p.groups * groups;
    part.k = p.k / p.groups * groups;
    return make_plan(part, plan.direction, plan.type, plan.precision, false, plan.algorithm->name);
  };
  const int64_t together = part.groups, rest = p.groups % together;
  try {
    const auto slice = planned(together), last = rest ? planned(rest) : nullptr;
    plan.slice = slice;
    plan.last_slice = last;
  } catch (const std::invalid_argument&) {
    // The algorithm takes all groups or none.
  }
}

}  // namespace pyconv
