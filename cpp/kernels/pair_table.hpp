// What a driver may ask of hardware that multiplies pairs of bfloat16 and sums in float32.
//
// A float32 number is written as a sum of one to three bfloat16 terms, each rounded to nearest from
// what the terms before it leave: 8, 16 or all 24 of its bits. The product of two such sums keeps
// the terms that matter: 1 (a0 b0), 3 (and a0 b1, a1 b0) or 6 (and a0 b2, a1 b1, a2 b0).
//
// The hardware flushes what is below 2^-126 to zero, and splitting has no
// place for infinity: the kernels that split return the range of what they read, for the driver to
// judge.
#pragma once
#include <stddef.h>
#include <stdint.h>

constexpr int pair_rows = 16;   // rows of a packed block of the left operand
constexpr int pair_steps = 16;  // most pairs of a step
constexpr int pair_block = pair_rows * pair_steps;

// Bits of the absolute values, which are ordered as the values are.
struct ValueRange {
  uint32_t least;  // of those that are not zero; all ones without any
  uint32_t most;
};

// Rows of numbers in words (low half: first), with a zero border. Element (i, j) is row + i *
// row_step, column + j * column_step of a plane. Across: word j of a row holds element j of two
// planes. Along: it holds the elements 2 j and 2 j + 1 of `first`, and `columns` is even.
struct SplitRowsArgs {
  const void *first, *second;  // planes of float32 (or bfloat16 to be joined); null: zeros
  bool along;
  int64_t height, width;  // of a plane
  int64_t row, row_step, rows;
  int64_t column, column_step, columns;
  int64_t tail;  // zero words after the last row; a vector more may be written
  uint32_t* out;
  ptrdiff_t out_term;  // from one term to the next
  int terms;
};

// `groups` runs of 32 numbers, each to 16 words.
struct SplitRunsArgs {
  const float* in;
  ptrdiff_t in_step;
  int64_t groups;
  uint32_t* out;
  ptrdiff_t out_step, out_term;
  int terms;
};

// Channels of a filter, [channel][tap], to words [tap][pair]; channels past the last are zeros.
// Likewise of an image, whose pixels are the taps then.
struct SplitFilterArgs {
  const void* in;  // float32, or bfloat16 to be joined
  ptrdiff_t in_step;  // of channels
  int64_t channels, taps, pairs;
  uint32_t* out;  // 16 words are written per tap
  ptrdiff_t out_step, out_term;
  int terms;
};

// c[i][j] (+)= sum over steps and their pairs of left * right, on the kept products of the terms.
// Left, in halves of words at any of them: a + i * a_row + step * a_step + 2 * pair for row i < 16,
// the next 16 rows from a + a_block. Right: b + b_steps[step] + pair * b_pair + j.
struct PairTileArgs {
  const uint16_t* a;
  ptrdiff_t a_row, a_step, a_block, a_term;
  const uint32_t* b;
  const ptrdiff_t* b_steps;
  ptrdiff_t b_pair, b_term;
  int64_t steps;
  int pairs, products;
  float* c;
  ptrdiff_t c_row;
  int rows, columns;
  bool accumulate, relu;
  const float *row_bias, *column_bias;
};

struct PairKernels {
  const char* name;  // null: this instruction set has no such products
  unsigned needs;
  bool tiles;         // products in a matrix unit: many times the float32 rate, not twice
  int rows, columns;  // most of a tile
  void (*begin)(int pairs);  // before the products of a task, on its thread
  void (*end)();
  void (*tile)(const PairTileArgs&);
  ValueRange (*split_rows)(const SplitRowsArgs&);
  ValueRange (*split_runs)(const SplitRunsArgs&);
  ValueRange (*split_filter)(const SplitFilterArgs&);
  // The same of arrays of bfloat16, which have one term.
  ValueRange (*join_rows)(const SplitRowsArgs&);
  ValueRange (*join_filter)(const SplitFilterArgs&);
  bool (*works)();  // a small product against plain arithmetic
};
