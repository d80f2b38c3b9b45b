// Dense matrix products on the register tile, for linear layers and their gradients.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/element_type.hpp"
#include "kernels/table.hpp"

namespace pyconv {

// c[i, j] = sum over p of a[i * a_row + p * a_col] * b(p, j) + column_bias[j], clamped if relu.
// b(p, j) is b[p * b_stride + j], or b[j * b_stride + p] when b is transposed.
struct Product {
  int64_t rows, columns, depth;
  const void* a;
  int64_t a_row, a_col;
  const void* b;
  int64_t b_stride;
  bool b_transposed;
  void* c;  // contiguous rows
  const void* column_bias;
  bool relu;
};

// What a product takes: independent tasks, scratch memory for each thread and for the call besides.
struct ProductNeeds {
  int64_t tasks;
  std::size_t task_bytes, shared_bytes;
};

ProductNeeds product_needs(const Product&, ElementType, const KernelTable&);
void multiply(const Product&, ElementType, const KernelTable&);

// out[channel] = sum over images and pixels of grad[image, channel, pixel].
void sum_channels(const void* grad, int64_t images, int64_t channels, int64_t area, void* out,
                  ElementType);

}  // namespace pyconv
