// Filters of any size and stride as sums of parts of 3x3, for F(2x2, 3x3).
//
// A stride s makes an image s images in each dimension (its phases: pixels s apart), each with its
// own taps, at stride 1. In one dimension of a phase part q > 0 holds the taps 2 q + 1 and 2 q + 2
// behind a zero. It lies 2 q pixels, q tiles of F(2, 3), further on: it reads the transformed input
// of another tile, and the sum of all parts of all phases is one longer sum of channels. The zero
// makes one of four points vanish, so 5 taps take 4 + 3 products for two results instead of 10, and
// 7 taps 4 + 3 + 3 instead of 14. A single tap between two zeros makes two points vanish: 3 taps at
// stride 2 take 3 + 2 products instead of 6.
#pragma once
#include <algorithm>
#include <vector>

#include "conv/plan.hpp"

namespace pyconv {

struct LinePart {
  int64_t phase, tile, tap[3];  // of the filter, or -1
  bool has(int64_t point) const {
    if (point == 0) return tap[0] >= 0;
    if (point == 3) return tap[2] >= 0;
    return tap[0] >= 0 || tap[1] >= 0 || tap[2] >= 0;
  }
};

// The parts of one dimension. The tiles of a phase with a single tap begin `lead` pixels of the
// phase before those of the others.
struct PartLine {
  int64_t stride, phases, lead = 0;
  int64_t tiles = 1;      // that the parts of a phase reach over
  int64_t at[4] = {};     // how many have a product at a point
  std::vector<LinePart> parts;

  PartLine(int64_t taps, int64_t step) : stride(step), phases(std::min(step, taps)), taps_(taps) {
    for (int64_t phase = 0; phase < phases; ++phase) {
      const int64_t count = ceil_div(taps - phase, stride), reach = std::max<int64_t>(1, count / 2);
      if (single(phase)) lead = 1;
      tiles = std::max(tiles, reach);
      for (int64_t q = 0; q < reach; ++q) add(phase, q, count);
    }
  }

  bool single(int64_t phase) const { return phase + stride >= taps_; }

  // The first pixel of a phase's first tile, counted from `lead` pixels of a phase before the image.
  int64_t begin(int64_t phase) const { return phase + (single(phase) ? 0 : lead * stride); }

 private:
  void add(int64_t phase, int64_t q, int64_t count) {
    LinePart part{phase, q, {-1, -1, -1}};
    for (int64_t j = q > 0; j < 3; ++j) {
      const int64_t i = 2 * q + j - single(phase);
      if (i >= 0 && i < count) part.tap[j] = phase + i * stride;
    }
    parts.push_back(part);
    for (int64_t point = 0; point < 4; ++point) at[point] += part.has(point);
  }

  int64_t taps_;
};

// Those of both dimensions; where the parts of all filters go: point p of a group of channels begins
// at first[p], part by part and channel by channel.
struct PartPoints {
  PartLine rows, columns;
  int64_t first[17];  // parts of all points before
  explicit PartPoints(const ConvProblem& p)
      : rows(p.kernel[1], p.stride[1]), columns(p.kernel[2], p.stride[2]) {
    first[0] = 0;
    for (int64_t i = 0; i < 16; ++i) first[i + 1] = first[i] + parts(i);
  }
  int64_t parts(int64_t point) const { return rows.at[point / 4] * columns.at[point % 4]; }
  int64_t phases() const { return rows.phases * columns.phases; }
};

inline bool is_strided(const ConvProblem& p) { return p.stride[1] != 1 || p.stride[2] != 1; }

// Whether parts take about half the products, as at stride 2 those of 5x5, 7x7 and 9x9 do, of 4x4 and
// 3x3 not. Lines of pixels are parted quickly where the stride is a power of two.
inline bool halves_products(const ConvProblem& p) {
  const auto power = [](int64_t i) { return (i & (i - 1)) == 0; };
  return power(p.stride[2]) && 100 * PartPoints(p).first[16] <= 53 * 4 * taps_of(p);
}

}  // namespace pyconv
