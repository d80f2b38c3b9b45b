// The weights of a pointwise data gradient, in panels of a tile's rows: [group][panel][filter][row].
//
// Where they lie, each step of a product reads another filter: a whole number of pages further on
// where channels are a power of two, so that all steps share a few places of the first-level cache.
#pragma once
#include "conv/plan.hpp"
#include "core/scratch.hpp"

namespace pyconv {

// Elements of a panel: a line more than it needs, for the same reason.
template <class T>
int64_t turned_panel(int64_t filters, int64_t rows) {
  return filters * rows + static_cast<int64_t>(cache_line / sizeof(T));
}

bool turns_weights(const ConvPlan&);  // of an algorithm that reads the image in place
int64_t turned_elements(const ConvPlan&);
void turn_weights(const ConvPlan&, const void* weight, void* out);

}  // namespace pyconv
