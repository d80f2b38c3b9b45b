// A forward pass, or a data gradient of stride 1 seen as one: what is read and what is written.
#pragma once
#include "conv/plan.hpp"

namespace pyconv {

struct DenseView {
  bool forward;
  int64_t channels, columns;       // per group: of the source, of the result
  const int64_t *source, *result;  // spatial sizes
  int64_t step[3], pad[3], pitch;  // pitch: columns of the padded source that are read
  DenseView(const ConvProblem& p, Direction direction) {
    forward = direction == Direction::forward;
    channels = (forward ? p.c : p.k) / p.groups;
    columns = (forward ? p.k : p.c) / p.groups;
    source = forward ? p.input : p.output;
    result = forward ? p.output : p.input;
    for (int i = 0; i < 3; ++i) {
      step[i] = forward ? p.stride[i] : 1;
      pad[i] = forward ? p.pad_lo[i] : extent(p, i) - 1 - p.pad_lo[i];
    }
    pitch = (result[2] - 1) * step[2] + extent(p, 2);
  }
  int64_t area() const { return result[1] * result[2]; }
  int64_t plane() const { return source[1] * source[2]; }
  // Where a tap of the filter reads, in rows and columns of the padded source. The gradient meets
  // the filter turned by 180 degrees.
  int64_t tap_row(const ConvProblem& p, int64_t h) const {
    return (forward ? h : p.kernel[1] - 1 - h) * p.dilation[1];
  }
  int64_t tap_column(const ConvProblem& p, int64_t w) const {
    return (forward ? w : p.kernel[2] - 1 - w) * p.dilation[2];
  }
};

}  // namespace pyconv
