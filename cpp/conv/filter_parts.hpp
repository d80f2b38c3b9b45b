// Filters of any size and stride as sums of parts of 3x3, for F(2x2, 3x3); filters of one row or column
// as sums of parts of 3 taps, for F(2, 3): nothing is saved, or changed, in a dimension of one tap.
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
#include <utility>
#include <vector>

#include "conv/residue_taps.hpp"

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
  int64_t taps, points, outputs;  // of a part, of a tile
  int64_t stride, phases, lead = 0;
  int64_t tiles = 1;      // that the parts of a phase reach over
  int64_t at[4] = {};     // how many have a product at a point
  std::vector<LinePart> parts;

  PartLine(int64_t all, int64_t step)
      : taps(all > 1 ? 3 : 1), points(all > 1 ? 4 : 1), outputs(all > 1 ? 2 : 1), stride(step),
        phases(std::min(step, all)), all_(all) {
    if (all == 1) {
      parts.push_back({0, 0, {0, -1, -1}});
      at[0] = 1;
      return;
    }
    for (int64_t phase = 0; phase < phases; ++phase) {
      const int64_t count = ceil_div(all - phase, stride), reach = std::max<int64_t>(1, count / 2);
      if (single(phase)) lead = 1;
      tiles = std::max(tiles, reach);
      for (int64_t q = 0; q < reach; ++q) add(phase, q, count);
    }
  }

  // Taps that lie next to each other, -1: none.
  explicit PartLine(const std::vector<int64_t>& line)
      : PartLine(static_cast<int64_t>(line.size()), 1) {
    for (LinePart& part : parts)
      for (int64_t& tap : part.tap)
        if (tap >= 0) tap = line[static_cast<std::size_t>(tap)];
    const auto none = [](const LinePart& part) { return part.tap[0] < 0 && !part.has(1); };
    parts.erase(std::remove_if(parts.begin(), parts.end(), none), parts.end());
    for (int64_t point = 0; point < points; ++point) {
      at[point] = 0;
      for (const LinePart& part : parts) at[point] += part.has(point);
    }
  }

  bool single(int64_t phase) const { return all_ > 1 && phase + stride >= all_; }

  int64_t most() const { return at[points > 1]; }  // parts with a product at one point: all

  // Pixels of the image under so many tiles in a line.
  int64_t pixels(int64_t count) const {
    return (count * outputs + points - outputs + lead) * stride;
  }
  // Pixels from one tile to the next.
  int64_t step() const { return outputs * stride; }

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

  int64_t all_;
};

// Those of both dimensions; where the parts of all filters go: point p of a group of channels begins
// at first[p], part by part and channel by channel.
struct PartPoints {
  PartLine rows, columns;
  int64_t first[17];  // parts of all points before
  explicit PartPoints(const ConvProblem& p)
      : PartPoints(PartLine(p.kernel[1], p.stride[1]), PartLine(p.kernel[2], p.stride[2])) {}
  PartPoints(PartLine of_rows, PartLine of_columns)
      : rows(std::move(of_rows)), columns(std::move(of_columns)) {
    first[0] = 0;
    for (int64_t i = 0; i < points(); ++i) first[i + 1] = first[i] + parts(i);
  }
  int64_t points() const { return rows.points * columns.points; }
  int64_t row_of(int64_t point) const { return point / columns.points; }
  int64_t column_of(int64_t point) const { return point % columns.points; }
  int64_t parts(int64_t point) const { return rows.at[row_of(point)] * columns.at[column_of(point)]; }
  bool has(const LinePart& y, const LinePart& x, int64_t point) const {
    return y.has(row_of(point)) && x.has(column_of(point));
  }
  int64_t products() const { return first[points()]; }  // of a tile, a channel and a filter
  int64_t taps() const { return rows.taps * columns.taps; }  // of a part
  int64_t outputs() const { return rows.outputs * columns.outputs; }
  int64_t phases() const { return rows.phases * columns.phases; }
};

// A data gradient in one dimension: each residue is a convolution of dy with its taps turned, at
// stride 1. All begin `low` pixels of dy after their first position.
struct GradientLines {
  int64_t low;
  std::vector<PartLine> residues;
  GradientLines(const ConvProblem& p, int i) {
    const Reach reach(p, i);
    low = reach.low;
    const int64_t size = std::max<int64_t>(p.kernel[i] > 1 ? 2 : 1, reach.border + 1);
    for (int64_t residue = 0; residue < residues_of(p, i); ++residue) {
      std::vector<int64_t> line(static_cast<std::size_t>(size), -1);
      for_taps(p, i, residue, [&](int64_t tap, int64_t offset) {
        line[static_cast<std::size_t>(offset - low)] = tap;
      });
      residues.emplace_back(line);
    }
  }
};

inline bool is_strided(const ConvProblem& p) { return p.stride[1] != 1 || p.stride[2] != 1; }

// Products that parts take, in percent of those of the definition.
inline int64_t products_percent(const ConvProblem& p) {
  const PartPoints at(p);
  return 100 * at.products() / (at.outputs() * taps_of(p));
}

// Lines of pixels are parted quickly where the stride is a power of two.
inline bool parts_quickly(const ConvProblem& p) {
  return (p.stride[2] & (p.stride[2] - 1)) == 0;
}

// Whether parts take about half the products, as at stride 2 those of 5x5, 7x7 and 9x9 do, of 4x4 and
// 3x3 not.
inline bool halves_products(const ConvProblem& p) {
  return parts_quickly(p) && products_percent(p) <= 53;
}

}  // namespace pyconv
