// Arrays of 16 bits through algorithms that read and write float32: some images at a time that stay in
// a third-level cache, or a few groups that stay in a second-level one.
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

// The operands of a plan as float32, and room for its result.
struct Widened {
  float *source, *other, *bias, *out;
  Widened(const ConvPlan& plan, bool packed, bool with_bias, Arena& arena) {
    const Counts count = counts_of(plan);
    source = arena.take<float>(count.source);
    other = packed ? nullptr : arena.take<float>(count.other);
    bias = with_bias ? arena.take<float>(plan.problem.k) : nullptr;
    out = arena.take<float>(count.out);
  }
};

std::size_t widened_bytes(const ConvPlan& plan, bool packed, bool bias) {
  Arena counted;
  Widened(plan, packed, bias, counted);
  return counted.used();
}

Widened widened(const ConvPlan& plan, const ConvArgs& args) {
  const bool packed = args.packed != nullptr, bias = args.bias != nullptr;
  Arena arena(widened_scratch(widened_bytes(plan, packed, bias)));
  return Widened(plan, packed, bias, arena);
}

void run_images(const ConvPlan& plan, const ConvArgs& args) {
  const ConvPlan& most = plan.slice ? *plan.slice : plan;
  const Widened memory = widened(most, args);
  ConvArgs wide = args;
  wide.source = memory.source;
  wide.out = memory.out;
  if (!args.packed) {
    widen(plan.stored, args.other, counts_of(plan).other, memory.other);
    wide.other = memory.other;
  }
  if (args.bias) {
    widen(plan.stored, args.bias, plan.problem.k, memory.bias);
    wide.bias = memory.bias;
  }
  const auto* source = static_cast<const uint16_t*>(args.source);
  auto* out = static_cast<uint16_t*>(args.out);
  int64_t left = plan.problem.n;
  do {  // at least once: the gradient of the weight of no images is zero
    const ConvPlan& part = left < most.problem.n ? *plan.last_slice : most;
    const Counts count = counts_of(part);
    widen(plan.stored, source, count.source, memory.source);
    plan.algorithm->run(part, wide);
    narrow(plan.stored, memory.out, count.out, out);
    source += count.source;
    out += count.out;
    left -= part.problem.n;
  } while (left > 0);
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

// The plan of as many groups or images as `part` has, by the same algorithm.
std::shared_ptr<const ConvPlan> plan_part(const ConvPlan& plan, const ConvProblem& part, bool packed) {
  return make_plan(part, plan.direction, plan.type, plan.precision, packed, plan.algorithm->name);
}

// False where there are few groups.
bool plan_group_slices(ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  constexpr int64_t elements = 49152, channels = 16;
  if (p.c > channels * p.groups || p.k > channels * p.groups) return false;
  ConvProblem part = p;
  if (plan.direction != Direction::weight) part.n = 1;
  const int64_t group = part.n * (p.c * pixels(p.input) + p.k * pixels(p.output)) / p.groups;
  part.groups = std::max<int64_t>(1, elements / std::max<int64_t>(1, group));
  if (part.groups * 2 > p.groups) return false;
  const auto planned = [&](int64_t groups) {
    part.groups = groups;
    part.c = p.c / p.groups * groups;
    part.k = p.k / p.groups * groups;
    return plan_part(plan, part, false);
  };
  const int64_t together = part.groups, rest = p.groups % together;
  try {
    const auto slice = planned(together), last = rest ? planned(rest) : nullptr;
    plan.slice = slice;
    plan.last_slice = last;
  } catch (const std::invalid_argument&) {
    return false;  // the algorithm takes all groups or none
  }
  return true;
}

bool has_group_slices(const ConvPlan& plan) {
  return plan.slice && plan.slice->problem.groups < plan.problem.groups;
}

// Some 8 MB of images. The images of a weight's gradient are terms of one sum and stay together.
void plan_image_slices(ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  if (plan.direction == Direction::weight) return;
  constexpr int64_t elements = 2 << 20;
  const int64_t image = p.c * pixels(p.input) + p.k * pixels(p.output);
  const int64_t most = std::max<int64_t>(1, elements / std::max<int64_t>(1, image));
  if (most >= p.n) return;
  ConvProblem part = p;
  part.n = ceil_div(p.n, ceil_div(p.n, most));
  plan.slice = plan_part(plan, part, plan.packed);
  part.n = p.n % part.n;
  if (part.n) plan.last_slice = plan_part(plan, part, plan.packed);
}

}  // namespace

void run_plan(const ConvPlan& plan, const ConvArgs& args) {
  if (plan.taken == plan.stored) return plan.algorithm->run(plan, args);
  if (has_group_slices(plan)) return run_sliced(plan, args);
  run_images(plan, args);
}

void plan_slices(ConvPlan& plan) {
  if (plan.taken == plan.stored || plan.problem.n == 0) return;
  if (!plan_group_slices(plan)) plan_image_slices(plan);
}

ConvNeeds needs_of(const ConvPlan& plan) {
  if (plan.taken == plan.stored) return {plan.tasks, plan.task_bytes, plan.shared_bytes};
  const ConvPlan& part = plan.slice ? *plan.slice : plan;
  if (!has_group_slices(plan)) {
    const bool bias = plan.direction == Direction::forward;
    return {part.tasks, part.task_bytes,
            part.shared_bytes + widened_bytes(part, plan.packed, bias)};
  }
  const int64_t parts = ceil_div(plan.problem.groups, part.problem.groups);
  return {plan.problem.n / part.problem.n * parts,
          part.task_bytes + part.shared_bytes + widened_bytes(part, false, false), 0};
}

}  // namespace pyconv
