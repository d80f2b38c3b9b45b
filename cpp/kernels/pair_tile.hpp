// The register tile of split products with vector instructions: up to 8 rows times 3 vectors.
//
// Small products are summed first, each kind over the whole depth, so that they do not round
// the sum of the large ones.
#pragma once
#include "kernels/pair_table.hpp"
#include "kernels/tile.hpp"

namespace {

struct TermsOfProduct {
  int a, b;
};

template <int R, int V>
void pair_tile(const PairTileArgs& t) {
  constexpr int lanes = Vec<float>::lanes, kinds = 6;
  constexpr TermsOfProduct order[kinds] = {{2, 0}, {1, 1}, {0, 2}, {1, 0}, {0, 1}, {0, 0}};
  Vec<float> acc[R][V];
  for (int i = 0; i < R; ++i)
    for (int j = 0; j < V; ++j) acc[i][j] = Vec<float>::zero();
  const ptrdiff_t distance = t.a_row * static_cast<ptrdiff_t>(sizeof *t.a), three = 3 * distance;
  for (int kind = kinds - t.products; kind < kinds; ++kind) {
    const uint16_t* const a = t.a + order[kind].a * t.a_term;
    const uint32_t* const plane = t.b + order[kind].b * t.b_term;
    for (int64_t s = 0; s < t.steps; ++s) {
      const uint32_t* b = plane + t.b_steps[s];
      const ptrdiff_t first = s * t.a_step, end = first + 2 * t.pairs;
      for (ptrdiff_t at = first; at < end; at += 2, b += t.b_pair) {
        const char* const top = reinterpret_cast<const char*>(a + at);
        Pairs column[V];
        for (int j = 0; j < V; ++j) column[j] = Pairs::load(b + j * lanes);
        for (int i = 0; i < R; ++i) {
          const Pairs row = Pairs::set(even_row<uint16_t>(top, top + three, distance, three, i));
          for (int j = 0; j < V; ++j) acc[i][j] = dot(row, column[j], acc[i][j]);
        }
      }
    }
  }
  TileArgs<float> done{};
  done.c = t.c;
  done.c_row = t.c_row;
  done.columns = t.columns;
  done.accumulate = t.accumulate;
  done.relu = t.relu;
  done.row_bias = t.row_bias;
  done.column_bias = t.column_bias;
  finish_tile(done, acc);
}

using PairTile = void (*)(const PairTileArgs&);

template <int R>
constexpr PairTile pair_tiles[3] = {&pair_tile<R, 1>, &pair_tile<R, 2>, &pair_tile<R, 3>};

inline void pair_product(const PairTileArgs& t) {
  constexpr const PairTile* tiles[8] = {pair_tiles<1>, pair_tiles<2>, pair_tiles<3>,
                                        pair_tiles<4>, pair_tiles<5>, pair_tiles<6>,
                                        pair_tiles<7>, pair_tiles<8>};
  tiles[t.rows - 1][(t.columns - 1) / Vec<float>::lanes](t);
}

}  // namespace
