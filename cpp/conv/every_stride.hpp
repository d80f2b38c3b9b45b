// The pixels of a strided image that filters of one tap read, side by side for the whole batch: what
// is left is a product on an image as it lies.
#pragma once
#include <algorithm>

#include "conv/plan.hpp"
#include "core/parallel.hpp"

namespace pyconv {

template <class T>
void gather_every_stride(const ConvPlan& plan, const T* source, T* out) {
  const ConvProblem& p = plan.problem;
  const int64_t planes = p.n * p.c, plane = pixels(p.input), area = pixels(p.output);
  constexpr int64_t at_once = 32;
  const Tap only{0, 0, 0};
  const auto copy = [&](int64_t task) {
    GatherArgs<T> g{};
    g.image = source + task * at_once * plane;
    g.channel_stride = plane;
    for (int i = 0; i < 3; ++i) {
      g.size[i] = p.input[i];
      g.grid[i] = p.output[i];
      g.step[i] = p.stride[i];
    }
    g.taps = &only;
    g.tap_count = 1;
    g.rows = std::min(at_once, planes - task * at_once);
    g.columns = g.width = g.out_row = area;
    g.out = out + task * at_once * area;
    kernels_of<T>(*plan.isa).gather(g);
  };
  parallel_for(ceil_div(planes, at_once), 4.0 * static_cast<double>(planes * area), copy);
}

}  // namespace pyconv
