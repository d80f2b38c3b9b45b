// How a convolution is cut into matrix products: phases, blocks, and the memory of a task.
#pragma once
#include <algorithm>

#include "conv/list.hpp"
#include "conv/pointwise_tail.hpp"
#include "conv/turned_weights.hpp"
#include "core/parallel.hpp"
#include "core/scratch.hpp"

namespace pyconv {

struct Sizes {
  int64_t rows, channels;  // per group: of the result, of the source
  const int64_t* source;   // spatial size
  const int64_t* result;
};

inline bool reads_image_in_place(const ConvPlan& plan) {
  return plan.algorithm == &pointwise_forward || plan.algorithm == &pointwise_input;
}

inline Sizes sizes_of(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const int64_t* image = reads_image_in_place(plan) ? p.output : p.input;  // every_stride.hpp
  if (plan.direction == Direction::forward)
    return {p.k / p.groups, p.c / p.groups, image, p.output};
  return {p.c / p.groups, p.k / p.groups, p.output, image};
}

inline bool strided_result(const ConvPlan& plan) {
  const int64_t(&s)[3] = plan.problem.stride;
  return plan.direction == Direction::input && !reads_image_in_place(plan) &&
         (s[0] > 1 || s[1] > 1 || s[2] > 1);
}

inline bool reads_band(const ConvPlan& plan) {
  return plan.algorithm == &direct_input;
}

inline int64_t channels_of_block(const ConvPhase& phase) {
  return phase.depth_block / static_cast<int64_t>(phase.taps.size());
}

// Panels are dealt out as evenly as they come.
template <class T>
int64_t first_column(const ConvPhase& phase, const Kernels<T>& k, int64_t block) {
  const int64_t width = int64_t{k.lanes} * k.tile_vectors, panels = ceil_div(phase.columns, width);
  return std::min(phase.columns, panels * block / phase.column_blocks * width);
}

template <class T>
struct TaskMemory {
  T* panel;   // gathered columns, or the padded band
  T* result;  // where the columns do not lie next to each other in the result
  T* tail;    // for the columns that are computed apart
  TaskMemory(const ConvPlan& plan, Arena& arena) {
    const Kernels<T>& k = kernels_of<T>(*plan.isa);
    int64_t elements = reads_image_in_place(plan) ? 0 : plan.depth_block * k.lanes * k.tile_vectors;
    if (reads_band(plan)) {
      elements = 0;
      for (const ConvPhase& p : plan.phases)
        if (!p.taps.empty()) elements = std::max(elements, channels_of_block(p) * p.band_rows * p.pitch);
      // A tile's last vectors and the border's whole vectors reach past the last row.
      elements += int64_t{k.lanes} * (k.tile_vectors + 1);
    }
    panel = arena.take<T>(elements);
    const bool apart = strided_result(plan) || reads_band(plan);
    result = apart ? arena.take<T>(plan.row_block * plan.column_block) : nullptr;
    tail = arena.take<T>(tail_scratch<T>(plan.phases[0], plan.row_block));
  }
};

// What all tasks of a call share: the pixels that a stride reaches, and weights turned.
template <class T>
struct SharedMemory {
  T *dense, *turned;
  SharedMemory(const ConvPlan& plan, Arena& arena) {
    const ConvProblem& p = plan.problem;
    const bool strided = reads_image_in_place(plan) && pixels(p.input) != pixels(p.output);
    dense = strided ? arena.take<T>(p.n * p.c * pixels(p.output)) : nullptr;
    turned = plan.packed_elements && !plan.packed ? arena.take<T>(plan.packed_elements) : nullptr;
  }
};

// The phases of a plan: one forward, one per residue modulo stride of a data gradient.
void make_phases(ConvPlan& plan);

// Fills in the phases, blocks, tasks and bytes of a plan whose algorithm is chosen.
void plan_gemm(ConvPlan& plan);

// Blocks of rows where columns give only `others` tasks: every block gathers for itself.
inline int64_t few_row_blocks(int64_t others, int64_t rows) {
  const int64_t wanted = ceil_div(tasks_wanted(4), std::max<int64_t>(1, others));
  return std::min(std::max<int64_t>(wanted, others < 4 ? 4 : 1), ceil_div(rows, 64));
}

}  // namespace pyconv
