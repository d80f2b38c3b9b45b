// The tiles of vec_amx.hpp in plain arithmetic, bit for bit: for tests where there are none.
#pragma once
#include "isa/vec_avx512_bf16.hpp"

namespace {

struct TileShapes {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
};

struct TileState {
  TileShapes shapes;
  uint32_t words[8][16][16];
};
thread_local TileState tile_state;

inline void configure_tiles(const TileShapes& shapes) {
  tile_state = {};
  tile_state.shapes = shapes;
}
inline void release_tiles() { tile_state = {}; }

inline void zero_sums(const void*, const void*) {
  for (int t = 0; t < 4; ++t) memset(tile_state.words[t], 0, sizeof tile_state.words[t]);
}

inline void load_tile(int tile, const void* p, ptrdiff_t row_bytes) {
  memset(tile_state.words[tile], 0, sizeof tile_state.words[tile]);
  for (int r = 0; r < tile_state.shapes.rows[tile]; ++r)
    memcpy(tile_state.words[tile][r], static_cast<const char*>(p) + r * row_bytes,
           tile_state.shapes.row_bytes[tile]);
}
template <int Half>
inline void load_row_tile(const uint16_t* p, ptrdiff_t row) {
  load_tile(4 + Half, p, row * 2);
}
template <int Half>
inline void load_column_tile(const uint32_t* p, ptrdiff_t row) {
  load_tile(6 + Half, p, row * 4);
}

inline float float_of(uint32_t bits) {
  float f;
  memcpy(&f, &bits, sizeof f);
  return f;
}
inline uint32_t bits_of(float f) {
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  return bits;
}
// Denormals count as zero, before and after.
inline float flushed(float f) {
  return bits_of(f) & 0x7f800000u ? f : float_of(bits_of(f) & 0x80000000u);
}
inline float half_of(uint32_t word, int half) {
  return flushed(float_of(half ? word & 0xffff0000u : word << 16));
}

// One rounding: a product of two bfloat16 has 16 bits and is exact in float unless its exponent
// leaves the range, where double keeps it.
inline float add_product(float sum, float a, float b) {
  const float product = a * b;
  const uint32_t exponent = bits_of(product) & 0x7f800000u;
  if (exponent && exponent != 0x7f800000u) return flushed(sum + product);
  return flushed(static_cast<float>(static_cast<double>(a) * static_cast<double>(b) +
                                    static_cast<double>(sum)));
}

template <int Row, int Column>
inline void add_products() {
  auto& sums = tile_state.words[2 * Row + Column];
  const auto& rows = tile_state.words[4 + Row];
  const auto& columns = tile_state.words[6 + Column];
  const int pairs = tile_state.shapes.row_bytes[4 + Row] / 4;
  for (int i = 0; i < 16; ++i)
    for (int j = 0; j < 16; ++j) {
      float low = 0, high = 0;
      for (int q = 0; q < pairs; ++q) {
        low = add_product(low, half_of(rows[i][q], 0), half_of(columns[q][j], 0));
        high = add_product(high, half_of(rows[i][q], 1), half_of(columns[q][j], 1));
      }
      sums[i][j] = bits_of(flushed(flushed(float_of(sums[i][j])) + flushed(low + high)));
    }
}

inline void store_sums(float* out) {
  for (int t = 0; t < 4; ++t)
    for (int r = 0; r < 16; ++r)
      memcpy(out + (t / 2 * 16 + r) * 32 + t % 2 * 16, tile_state.words[t][r], 64);
}

}  // namespace
