// Dense matrix products on the register tile, for linear layers and their gradients.
#pragma once
#include "conv/plan.hpp"

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

// How a product of a linear layer is made.
struct LinearAlgorithm {
  const char* name;
  int products;  // of bfloat16 for each of float32, or 0: as they are
};

// The choice for y = x W^T of `rows` rows or one of its gradients, of weights (outputs, inputs).
// Rows that are results decide nothing: each gives the same bits alone and in any batch. Throws
// std::invalid_argument if `forced` is unknown or cannot run.
const LinearAlgorithm& linear_algorithm(Direction, ElementType, int64_t rows, int64_t outputs,
                                        int64_t inputs, Precision, const std::string& forced);

void multiply(const Product&, ElementType, const LinearAlgorithm&);

// out[channel] = sum over images and pixels of grad[image, channel, pixel].
void sum_channels(const void* grad, int64_t images, int64_t channels, int64_t area, void* out,
                  ElementType);

}  // namespace pyconv
