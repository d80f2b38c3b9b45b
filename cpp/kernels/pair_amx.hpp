// Split products in AMX tiles: 2 x 2 tiles of sums, 32 rows times 32 columns, over all steps.
//
// A step is one tile of rows (pair after pair in memory) times one of columns (a pair a row): both
// lie in memory as the unit wants them, and a filter tap is a shift of one of them. The kinds of
// products follow each other so that only one side is loaded anew.
#pragma once
#include "kernels/pair_table.hpp"
#include "kernels/tile.hpp"

namespace {

inline void begin_tiles(int pairs) {
  TileShapes s{};
  s.palette = 1;
  for (int t = 0; t < 8; ++t) {
    s.row_bytes[t] = 64;
    s.rows[t] = 16;
  }
  s.row_bytes[4] = s.row_bytes[5] = static_cast<uint16_t>(4 * pairs);
  s.rows[6] = s.rows[7] = static_cast<uint8_t>(pairs);
  configure_tiles(s);
}

inline void end_tiles() { release_tiles(); }

struct AmxOperands {
  const uint16_t* rows;
  const uint32_t* columns;
  ptrdiff_t a_row, a_block, b_pair;
  bool two_rows, two_columns;
};

inline void load_rows(const AmxOperands& o, ptrdiff_t at) {
  load_row_tile<0>(o.rows + at, o.a_row);
  if (o.two_rows) load_row_tile<1>(o.rows + at + o.a_block, o.a_row);
}
inline void load_columns_of(const AmxOperands& o, ptrdiff_t at) {
  load_column_tile<0>(o.columns + at, o.b_pair);
  if (o.two_columns) load_column_tile<1>(o.columns + at + 16, o.b_pair);
}
inline void multiply_tiles(const AmxOperands& o) {
  add_products<0, 0>();
  if (o.two_columns) add_products<0, 1>();
  if (o.two_rows) add_products<1, 0>();
  if (o.two_rows && o.two_columns) add_products<1, 1>();
}

// Seven loads of a side for six products, four for three.
inline void multiply_step(const AmxOperands& o, int products, ptrdiff_t a_term, ptrdiff_t b_term) {
  if (products == 6) {
    load_columns_of(o, 0);
    load_rows(o, 2 * a_term);
    multiply_tiles(o);
    load_rows(o, a_term);
    multiply_tiles(o);
    load_columns_of(o, b_term);
    multiply_tiles(o);
    load_rows(o, 0);
    multiply_tiles(o);
    load_columns_of(o, 2 * b_term);
    multiply_tiles(o);
    load_columns_of(o, 0);
    multiply_tiles(o);
    return;
  }
  load_columns_of(o, 0);
  if (products == 3) {
    load_rows(o, a_term);
    multiply_tiles(o);
  }
  load_rows(o, 0);
  multiply_tiles(o);
  if (products == 3) {
    load_columns_of(o, b_term);
    multiply_tiles(o);
  }
}

inline void finish_tiles(const PairTileArgs& t, const float* sums) {
  constexpr int lanes = Vec<float>::lanes;
  for (int i = 0; i < t.rows; ++i, sums += 32) {
    TileArgs<float> done{};
    done.c = t.c + i * t.c_row;
    done.columns = t.columns;
    done.accumulate = t.accumulate;
    done.relu = t.relu;
    done.column_bias = t.column_bias;
    done.row_bias = t.row_bias ? t.row_bias + i : nullptr;
    if (t.columns > lanes) {
      Vec<float> row[1][2] = {{Vec<float>::load(sums), Vec<float>::load(sums + 16)}};
      finish_tile(done, row);
    } else {
      Vec<float> row[1][1] = {{Vec<float>::load(sums)}};
      finish_tile(done, row);
    }
  }
}

inline void amx_product(const PairTileArgs& t) {
  AmxOperands o{t.a, t.b, t.a_row, t.a_block, t.b_pair, t.rows > 16, t.columns > 16};
  zero_sums(t.a, t.b);
  for (int64_t s = 0; s < t.steps; ++s) {
    o.rows = t.a + s * t.a_step;
    o.columns = t.b + t.b_steps[s];
    multiply_step(o, t.products, t.a_term, t.b_term);
  }
  alignas(64) float sums[32 * 32];
  store_sums(sums);
  finish_tiles(t, sums);
}

}  // namespace
