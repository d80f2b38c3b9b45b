// Dense float32 products from numbers split into one to three bfloat16.
#pragma once
#include <vector>

#include "linear/product.hpp"

namespace pyconv {

ProductNeeds split_needs(const Product&, const KernelTable&, int products);

// Writes all but the rows whose numbers, with those of b, cannot be split, and returns which.
std::vector<bool> multiply_split(const Product&, const KernelTable&, int products);

}  // namespace pyconv
