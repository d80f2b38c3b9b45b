// AMX tiles of bfloat16, beside the vectors: 0 .. 3 hold sums, 4 and 5 rows, 6 and 7 columns.
#pragma once
#include "isa/vec_avx512_bf16.hpp"

namespace {

// Palette 1: bytes of a row and rows of each tile.
struct TileShapes {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};

// GCC's tile loads do not say that they read memory: what was stored to it must be there before.
inline void settle_memory(const void* p) { __asm__ volatile("" : : "r"(p) : "memory"); }

inline void configure_tiles(const TileShapes& shapes) {
  settle_memory(&shapes);
  _tile_loadconfig(&shapes);
}
inline void release_tiles() { _tile_release(); }

// At the start of every product.
inline void zero_sums(const void* rows, const void* columns) {
  settle_memory(rows);
  settle_memory(columns);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
}

// The tile numbers are part of the instructions.
template <int Half>
inline void load_row_tile(const uint16_t* p, ptrdiff_t row) {
  const long step = static_cast<long>(row) * 2;
  if constexpr (Half == 0) _tile_loadd(4, p, step);
  if constexpr (Half == 1) _tile_loadd(5, p, step);
}
template <int Half>
inline void load_column_tile(const uint32_t* p, ptrdiff_t row) {
  const long step = static_cast<long>(row) * 4;
  if constexpr (Half == 0) _tile_loadd(6, p, step);
  if constexpr (Half == 1) _tile_loadd(7, p, step);
}

// sums[2 * row half + column half] += rows * columns
template <int Row, int Column>
inline void add_products() {
  if constexpr (Row == 0 && Column == 0) _tile_dpbf16ps(0, 4, 6);
  if constexpr (Row == 0 && Column == 1) _tile_dpbf16ps(1, 4, 7);
  if constexpr (Row == 1 && Column == 0) _tile_dpbf16ps(2, 5, 6);
  if constexpr (Row == 1 && Column == 1) _tile_dpbf16ps(3, 5, 7);
}

// out is 2 x 2 tiles of sums, rows of 32.
inline void store_sums(float* out) {
  _tile_stored(0, out, 128);
  _tile_stored(1, out + 16, 128);
  _tile_stored(2, out + 16 * 32, 128);
  _tile_stored(3, out + 16 * 32 + 16, 128);
}

}  // namespace
