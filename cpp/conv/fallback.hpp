// What algorithms share that the data can forbid: the call, or the images that hold such data, by
// the gathered product, whose sums are those of the definition.
#pragma once
#include <atomic>
#include <vector>

#include "conv/plan.hpp"
#include "core/parallel.hpp"

namespace pyconv {

// Last in planning: the memory of a plan is also that of its fallback.
void plan_fallback(ConvPlan& plan);

// All of a weight gradient, else one image.
void run_fallback(const ConvPlan& plan, const ConvArgs& args, int64_t image = 0);

using ForbiddenImages = std::vector<std::atomic<bool>>;  // by tasks, images in any order

void run_forbidden(const ConvPlan& plan, const ConvArgs& args, const ForbiddenImages& images);

// Runs what `make` makes of each task: image() says whose it is, run() whether its results hold.
template <class Make>
void run_or_fall_back(const ConvPlan& plan, const ConvArgs& args, double work, const Make& make) {
  ForbiddenImages forbidden(static_cast<std::size_t>(plan.problem.n));
  parallel_for(plan.tasks, work, [&](int64_t task) {
    const auto one = make(task);
    std::atomic<bool>& flag = forbidden[static_cast<std::size_t>(one.image())];
    if (!flag.load(std::memory_order_relaxed) && !one.run())
      flag.store(true, std::memory_order_relaxed);
  });
  run_forbidden(plan, args, forbidden);
}

}  // namespace pyconv
