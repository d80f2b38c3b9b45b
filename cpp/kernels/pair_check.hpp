// Whether the products of this processor are right.
#pragma once
#include "kernels/pair_table.hpp"

namespace {

// Small integers, exact in every order: what the unit computes against plain loops. A processor or
// a hypervisor that claims an instruction and gets it wrong is not to be trusted with results.
template <void (*Begin)(int), void (*End)(), void (*Tile)(const PairTileArgs&), int Rows,
          int Columns>
bool pair_products_agree(int pairs, int products) {
  constexpr int steps = 2, blocks = (Rows + pair_rows - 1) / pair_rows, width = 48;
  // bfloat16 of 1 .. 4: any two make a word.
  constexpr uint32_t halves[4] = {0x3f80, 0x4000, 0x4040, 0x4080};
  uint16_t a[2 * blocks * steps * pair_block];
  uint32_t b[steps * pair_steps * width];
  float c[Rows * width];
  for (uint32_t i = 0; i < sizeof a / sizeof *a; ++i)
    a[i] = static_cast<uint16_t>(halves[i * 7 / 5 % 4]);
  for (uint32_t i = 0; i < sizeof b / sizeof *b; ++i)
    b[i] = halves[i * 5 / 3 % 4] | halves[i * 13 / 7 % 4] << 16;
  const ptrdiff_t b_steps[steps] = {0, pair_steps * width};
  PairTileArgs t{};
  t.a = a;
  t.a_row = 2 * pair_steps;
  t.a_step = 2 * pair_block;
  t.a_block = steps * t.a_step;
  t.b = b;
  t.b_steps = b_steps;
  t.b_pair = width;
  t.steps = steps;
  t.pairs = pairs;
  t.products = products;  // of the same term: so many times the sum
  t.c = c;
  t.c_row = width;
  t.rows = Rows;
  t.columns = Columns;
  Begin(pairs);
  Tile(t);
  End();
  const auto number = [](uint32_t half) { return half < 0x4000 ? 1 : int(half >> 6 & 3) + 2; };
  for (int i = 0; i < Rows; ++i)
    for (int j = 0; j < Columns; ++j) {
      int sum = 0;
      for (int p = 0; p < steps * pair_steps; ++p) {
        if (p % pair_steps >= pairs) continue;
        const uint16_t* left = a + i / pair_rows * t.a_block + p / pair_steps * t.a_step +
                               i % pair_rows * t.a_row + p % pair_steps * 2;
        const uint32_t right = b[p * width + j];
        sum += number(left[0]) * number(right & 0xffff) +
               number(left[1]) * number(right >> 16);
      }
      if (c[i * width + j] != static_cast<float>(products * sum)) return false;
    }
  return true;
}

// Whole steps and short ones, every number of products.
template <void (*Begin)(int), void (*End)(), void (*Tile)(const PairTileArgs&), int Rows,
          int Columns>
bool pair_products_work() {
  constexpr int counts[3] = {1, 3, 6};
  for (int products : counts)
    if (!pair_products_agree<Begin, End, Tile, Rows, Columns>(pair_steps, products) ||
        !pair_products_agree<Begin, End, Tile, Rows, Columns>(3, products))
      return false;
  return true;
}

}  // namespace
