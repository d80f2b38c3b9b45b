// Numbers as sums of bfloat16: how many terms, and which numbers may be split.
#pragma once
#include "kernels/table.hpp"

namespace pyconv {

inline int terms_of(int products) { return products == 1 ? 1 : products == 3 ? 2 : 3; }

inline ValueRange joined(ValueRange a, ValueRange b) {
  return {a.least < b.least ? a.least : b.least, a.most > b.most ? a.most : b.most};
}
constexpr ValueRange no_values{~0u, 0};

// Whether products of numbers in these ranges lose nothing to flushing or overflow.
bool splits_exactly(ValueRange source, ValueRange weights);

}  // namespace pyconv
