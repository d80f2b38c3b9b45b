// Products of bfloat16 pairs on small maps: what their files share.
//
//   block[pixel, filter] = sum over steps of band(pixel, step) * weight[step, filter]
//
// Filters are the vector and pixels are broadcast. A step is 16 pairs of channels at one tap. The
// band holds the whole map of an image, a pixel's pairs side by side, [16 pairs of channels][row]
// [column][pair]: a tile's rows are pixels of one line, so that no column of a border is computed,
// and any stride or dilation costs the same. Weights are filters across, [panel][chunk][tap][step]
// [pair][filter]; a task's block is turned as it is stored.
#pragma once
#include <algorithm>

#include "conv/dense_view.hpp"
#include "conv/split_bf16.hpp"

namespace pyconv {

constexpr int64_t small_lanes = 16, small_step = pair_steps * small_lanes;  // filters; words
// Steps of a tap at a time: a panel of 48 filters fills half of a 48 KB cache.
constexpr int64_t small_chunk = 8;

struct SmallMap {
  DenseView view;
  int64_t taps, groups, vectors, panels;  // of pairs; of filters, padded
  int64_t lines, pitch;                   // of the band, in pixels
  bool bare;                              // the band is the image
  explicit SmallMap(const ConvPlan& plan)
      : view(plan.problem, plan.direction), taps(taps_of(plan.problem)) {
    const ConvProblem& p = plan.problem;
    groups = ceil_div(std::max<int64_t>(1, view.channels), 2 * pair_steps);
    vectors = ceil_div(std::max<int64_t>(1, view.columns), small_lanes);
    panels = ceil_div(vectors, plan.isa->pairs.columns / small_lanes);
    lines = (view.result[1] - 1) * view.step[1] + extent(p, 1);
    pitch = view.pitch;
    bare = taps == 1 && view.step[1] == 1 && lines == view.source[1] &&
           pitch == view.source[2] && !view.pad[1] && !view.pad[2];
  }
  // Panels as even as they come: 16 vectors are 3, 3, 3, 3, 2 and 2.
  int64_t first_vector(int64_t panel) const { return vectors * panel / panels; }
  int64_t words() const { return groups * taps * vectors * small_step; }
  // In the packed weights: steps of a panel from `first` on.
  int64_t place(int64_t group, int64_t panel, int64_t first) const {
    const int64_t wide = first_vector(panel + 1) - first_vector(panel);
    return group * words() + (first_vector(panel) * groups + wide * first) * taps * small_step;
  }
};

// Puts panels of the weight into that form; `scratch` is of scratch_words().
class PanelPacker {
 public:
  PanelPacker(const ConvPlan& plan, const SmallMap& map, const void* weight, ElementType type)
      : m_(map), k_(plan.isa->pairs), f32_(plan.isa->f32),
        weight_(static_cast<const char*>(weight)), item_(static_cast<int64_t>(item_bytes(type))),
        half_(type != ElementType::f32) {}

  static int64_t scratch_words(const SmallMap& m) {
    return small_step * std::max(m.taps, m.taps == 1 ? small_chunk : 1);
  }

  // Steps first .. first + count - 1 of a tap of a panel, to [tap][step][pair][filter].
  ValueRange pack(int64_t group, int64_t panel, int64_t first, int64_t count, float* scratch,
                  uint32_t* out) const;

 private:
  struct Piece {
    int64_t group, first, count, width;  // width: filters of the panel
    float* scratch;
  };
  int64_t columns(int64_t from, int64_t wide) const {
    return std::min(wide, m_.view.columns - from);
  }
  ValueRange turn_filters(const Piece& o, int64_t column, uint32_t* out) const;
  ValueRange turn_rows(const Piece& o, int64_t column, uint32_t* out) const;
  ValueRange turn_channels(const Piece& o, int64_t column, int64_t wide, uint32_t* out) const;

  const SmallMap& m_;
  const PairKernels& k_;
  const Kernels<float>& f32_;
  const char* weight_;
  const int64_t item_;
  const bool half_;
};

// All of them, and their range before them.
void pack_small_map(const ConvPlan& plan, const void* weight, ElementType type, void* out);

}  // namespace pyconv
