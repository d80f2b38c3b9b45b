// The tile for a right operand packed in even rows of whole vectors: taller where one vector holds
// all its columns.
#pragma once
#include "kernels/table.hpp"

namespace pyconv {

template <class T>
int64_t panel_tile_rows(const Kernels<T>& k, int64_t columns) {
  return columns <= k.lanes ? k.tall_rows : k.tile_rows;
}

// Rows of a tile where `rows` are parted as evenly as they come: 49 are seven tiles of seven.
template <class T>
int64_t even_tile_rows(const Kernels<T>& k, int64_t rows, int64_t columns) {
  const int64_t most = panel_tile_rows(k, columns), tiles = (rows + most - 1) / most;
  return (rows + tiles - 1) / tiles;
}

// t.b_row and t.b_rows say the same.
template <class T>
void run_panel_tile(const Kernels<T>& k, int64_t rows, const TileArgs<T>& t) {
  const auto row = static_cast<std::size_t>(rows - 1);
  if (t.columns <= k.lanes) {
    k.tall[row](t);
  } else {
    k.tile[row][static_cast<std::size_t>((t.columns - 1) / k.lanes)](t);
  }
}

}  // namespace pyconv
