// Products of a padded band along a line of the result.
#pragma once
#include <algorithm>

#include "conv/plan.hpp"

namespace pyconv {

// Of a result, by one band. A little more than a chain: 3 channels of a 7x7 filter, 6 of 5x5. A
// second band of them would bring the result from a farther cache and back once more (r50.conv1: 5
// to 9 %).
constexpr int64_t band_products = 150;

constexpr int64_t longest_chain = 144;  // 16 channels of a 3x3 filter

// So many products in chains as even as they come.
inline int64_t even_chain(int64_t depth) {
  return depth <= longest_chain ? depth : ceil_div(depth, ceil_div(depth, longest_chain));
}

// In chains that round no more than elsewhere: the result of one is near when the next adds to it.
template <class T>
void multiply_tile(const TileArgs<T>& whole, void (*tile)(const TileArgs<T>&)) {
  if (whole.depth <= longest_chain) return tile(whole);
  const int64_t chain = even_chain(whole.depth);
  TileArgs<T> t = whole;
  for (int64_t p = 0; p < whole.depth; p += chain) {
    const bool last = p + chain >= whole.depth;
    t.a_cols = whole.a_cols + p;
    t.b_rows = whole.b_rows + p;
    t.depth = std::min(chain, whole.depth - p);
    t.accumulate = whole.accumulate || p > 0;
    t.relu = last && whole.relu;
    t.row_bias = last ? whole.row_bias : nullptr;
    tile(t);
  }
}

// `high` rows. Tiles as even as they come: seven vectors are 2 + 2 + 3, because a tile of a single
// vector is bound by its loads.
template <class T>
void multiply_line(const Kernels<T>& k, TileArgs<T>& t, int64_t high, int64_t width, const T* band,
                   T* out) {
  const int64_t vectors = ceil_div(width, k.lanes);
  const int64_t panels = ceil_div(vectors, k.tile_vectors);
  for (int64_t panel = 0; panel < panels; ++panel) {
    const auto [first, end] = part_of(vectors, panel, panels);
    const int64_t x = first * k.lanes;
    t.columns = static_cast<int>(std::min(end * k.lanes, width) - x);
    t.b = band + x;
    t.c = out + x;
    multiply_tile(t, k.tile[high - 1][end - first - 1]);
  }
}

}  // namespace pyconv
