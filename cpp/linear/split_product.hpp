// Dense float32 products from numbers split into one to three bfloat16.
#pragma once
#include "core/cpu.hpp"
#include "linear/product.hpp"

namespace pyconv {

// Writes all but the rows whose numbers, with those of b, cannot be split, and returns which.
std::vector<bool> multiply_split(const Product& product, const PairKernels& kernels,
                                 int products);

}  // namespace pyconv
