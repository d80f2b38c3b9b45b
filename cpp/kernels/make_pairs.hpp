// Collects the kernels of vector instructions on bfloat16 pairs.
#pragma once
#include "kernels/pair_check.hpp"
#include "kernels/pair_join.hpp"
#include "kernels/pair_split.hpp"
#include "kernels/pair_tile.hpp"

namespace {

inline void no_begin(int) {}
inline void no_end() {}

constexpr PairKernels make_products(const char* name, unsigned needs) {
  constexpr int rows = 8, columns = 48;
  return {name, needs, false, rows, columns, &no_begin, &no_end, &pair_product, &split_rows,
          &split_runs, &split_filter, &join_rows, &join_filter,
          &pair_products_work<no_begin, no_end, pair_product, rows, columns>};
}

}  // namespace
