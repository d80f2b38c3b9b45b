#include "conv/fallback.hpp"

#include <algorithm>

namespace pyconv {

void plan_fallback(ConvPlan& plan) {
  ConvProblem part = plan.problem;
  if (plan.direction != Direction::weight) part.n = 1;
  plan.fallback = make_plan(part, plan.direction, plan.taken, Precision::highest, false,
                            "implicit_gemm");
  plan.task_bytes = std::max(plan.task_bytes, plan.fallback->task_bytes);
  plan.shared_bytes = std::max(plan.shared_bytes, plan.fallback->shared_bytes);
}

void run_fallback(const ConvPlan& plan, const ConvArgs& args, int64_t image) {
  const ConvProblem& p = plan.problem;
  const bool forward = plan.direction == Direction::forward;
  const int64_t in = p.c * pixels(p.input), out = p.k * pixels(p.output);
  const int64_t bytes = static_cast<int64_t>(item_bytes(plan.taken)) * image;
  ConvArgs one = args;
  one.packed = nullptr;
  one.source = static_cast<const char*>(args.source) + bytes * (forward ? in : out);
  one.out = static_cast<char*>(args.out) + bytes * (forward ? out : in);
  run_plan(*plan.fallback, one);
}

void run_forbidden(const ConvPlan& plan, const ConvArgs& args, const ForbiddenImages& images) {
  for (std::size_t image = 0; image < images.size(); ++image)
    if (images[image].load()) run_fallback(plan, args, static_cast<int64_t>(image));
}

}  // namespace pyconv
