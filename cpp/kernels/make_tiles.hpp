// Collects the kernels of a matrix unit for bfloat16 pairs.
#pragma once
#include "kernels/pair_amx.hpp"
#include "kernels/pair_check.hpp"
#include "kernels/pair_join.hpp"
#include "kernels/pair_split.hpp"

namespace {

constexpr PairKernels make_products(const char* name, unsigned needs) {
  constexpr int rows = 32, columns = 32;
  return {name, needs, true, rows, columns, &begin_tiles, &end_tiles, &amx_product, &split_rows,
          &split_runs, &split_filter, &join_rows, &join_filter,
          &pair_products_work<begin_tiles, end_tiles, amx_product, rows, columns>};
}

}  // namespace
