// What the passes of the depthwise convolution that reads planes as they lie in memory share.
#pragma once
#include <algorithm>

#include "conv/depthwise_strip.hpp"

namespace pyconv {

inline ptrdiff_t weight_step(const ConvProblem& p, int i) { return i == 1 ? p.kernel[2] : 1; }

// Forward: tap t of result x reads source x * stride + t * dilation - padding.
inline TapRun forward_taps(const ConvProblem& p, int i) {
  return {p.kernel[i], -p.pad_lo[i], p.kernel[i] == 1 ? 1 : p.dilation[i], 0, weight_step(p, i)};
}

// Planes to a task, so that a task is worth handing out; all of one image.
inline int64_t planes_per_task(const ConvProblem& p) {
  const int64_t products = pixels(p.output) * taps_of(p) * std::max<int64_t>(1, p.k / p.groups);
  return std::clamp<int64_t>((int64_t{1} << 17) / std::max<int64_t>(1, products), 1, p.c);
}

struct PlaneRange {
  int64_t image, channel, count;
};

inline PlaneRange planes_of(const ConvProblem& p, int64_t task) {
  const int64_t each = planes_per_task(p), tasks = ceil_div(p.c, each);
  const int64_t channel = task % tasks * each;
  return {task / tasks, channel, std::min(each, p.c - channel)};
}

// Results whose taps fall on the same source rows, `tap_step` rows apart, lie a group apart; within
// a group, `rows_apart` taps separate one result from the next.
inline int64_t row_group(int64_t row_step, int64_t tap_step) {
  return row_step % tap_step == 0 ? 1 : tap_step % row_step == 0 ? tap_step / row_step : tap_step;
}
inline int64_t rows_apart(int64_t row_step, int64_t tap_step) {
  return row_group(row_step, tap_step) * row_step / tap_step;
}

}  // namespace pyconv
