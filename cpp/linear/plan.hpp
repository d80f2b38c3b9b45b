// Linear layers and their gradients: problem -> plan -> run, as conv/plan.hpp does it.
#pragma once
#include <array>

#include "conv/plan.hpp"
#include "linear/product.hpp"

namespace pyconv {

// y = x W^T for x (rows, inputs) and W (outputs, inputs).
struct LinearProblem {
  int64_t rows, outputs, inputs;
};

// forward: x, w -> y.  input: dy, w -> dx.  weight: dy, x -> dw.
struct LinearArgs {
  const void *left, *right;
  void* out;
  const void* bias;  // forward only, or null
  bool relu;         // forward only
};

// How a product is made.
struct LinearAlgorithm {
  const char* name;
  Precision precision;  // the strictest that admits it
  int products;         // of bfloat16 for each of float32, or 0: as they are
};
constexpr LinearAlgorithm linear_algorithms[] = {{"bf16x1", Precision::medium, 1},
                                                 {"bf16x3", Precision::high, 3},
                                                 {"bf16x6", Precision::highest, 6},
                                                 {"gemm", Precision::highest, 0}};

// Made anew for each call, which costs less than finding it in a table would.
struct LinearPlan {
  LinearProblem problem;
  Direction direction;
  ElementType type;
  Precision precision;
  const KernelTable* isa;
  Product product;  // without its data
  const LinearAlgorithm* algorithm = nullptr;
  ProductNeeds needs{};
  // Why those before it in the list were passed over; null: not asked.
  std::array<const char*, std::size(linear_algorithms)> refusals{};
};

// Rows that are results decide nothing: each gives the same bits alone and in any batch. Throws
// std::invalid_argument if `forced` is unknown or cannot run.
LinearPlan make_linear_plan(const LinearProblem&, Direction, ElementType, Precision,
                            const std::string& forced);
void run_linear(const LinearPlan&, const LinearArgs&);

}  // namespace pyconv
