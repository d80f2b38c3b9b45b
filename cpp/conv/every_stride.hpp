// The pixels of a strided image that filters of one tap reach, side by side for the whole batch:
// what is left is a product of images as they lie.
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

// Gradients of those pixels to where they belong, with the zeros between.
template <class T>
void spread_plane(const ConvProblem& p, const Kernels<T>& k, const T* in, T* out) {
  const int64_t height = p.input[1], width = p.input[2];
  for (int64_t z = 0; z < p.input[0]; ++z)
    for (int64_t y = 0; y < height; ++y, out += width) {
      if (z % p.stride[0] || y % p.stride[1]) {
        std::fill_n(out, width, T(0));
      } else {
        k.spread(in, p.stride[2], width, out);
        in += p.output[2];
      }
    }
}

template <class T>
void spread_every_stride(const ConvPlan& plan, const T* in, T* out) {
  const ConvProblem& p = plan.problem;
  const int64_t planes = p.n * p.c, plane = pixels(p.input), area = pixels(p.output);
  constexpr int64_t at_once = 32;
  parallel_for(ceil_div(planes, at_once), 4.0 * static_cast<double>(planes * plane),
               [&](int64_t task) {
    const int64_t last = std::min(planes, (task + 1) * at_once);
    for (int64_t i = task * at_once; i < last; ++i)
      spread_plane(p, kernels_of<T>(*plan.isa), in + i * area, out + i * plane);
  });
}

}  // namespace pyconv
