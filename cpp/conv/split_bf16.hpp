// Convolutions with each float32 as a sum of one to three bfloat16: what their files share.
//
//   out[row, column] = sum over steps of weight block * band,   step = (16 pairs of channels, tap)
//
// The band of a task lies in words of two channels, plane after plane: the columns of a product
// run along padded rows (`pitch` long; those past the grid are computed and dropped) and a filter
// tap is a shift of the first word. Nothing is transposed on either side. A stride splits the
// planes by residue of row and column, so that taps stay shifts.
#pragma once
#include <vector>

#include "conv/plan.hpp"
#include "core/scratch.hpp"
#include "core/split_range.hpp"

namespace pyconv {

// The rows and columns of the source that are congruent to (row, column) modulo the step, counted
// from the first that a tap reads.
struct SplitPlane {
  int64_t row, column;
};

struct SplitPhase {
  int64_t grid[2], origin[2];  // of positions in the result
  int64_t low[2], step[2];     // of positions in the source
  int64_t segment, segments;   // grid columns done at a time: all, but for very long rows
  int64_t pitch, tail;         // words of a row; zeros after the last
  int64_t reach, band_rows;    // rows that taps reach down; most of a task, with them
  int64_t columns, column_blocks, first_task;
  int64_t plane_words;
  ptrdiff_t pair_words;  // the planes of a pair of channels
  std::vector<SplitPlane> planes;
  std::vector<int64_t> filter_tap;   // per tap: its index in the filter
  std::vector<ptrdiff_t> steps;      // of a chunk: offset in the band, or in a panel of dy
  std::vector<ptrdiff_t> taps;       // weight gradient: offset in a channel, in halves of words
  int64_t packed_at;                 // weights of this phase in those of a group
};

struct SplitPlan {
  int products, terms;
  int64_t rows, channels;  // per group: of the result, of the source
  int64_t pairs, groups;   // pairs of a step; such groups of pairs
  int64_t chunk;           // groups in the band at a time
  int64_t group_words;     // packed weights of a group of the convolution
  std::vector<SplitPhase> phases;
};

// A longer row than this is cut: a task would else read all of it.
constexpr int64_t longest_segment = 1024;

struct SplitMemory {
  uint32_t* band;  // [term][pair][plane][row][column]
  float* result;   // where the columns do not lie next to each other in the result
  SplitMemory(const ConvPlan& plan, Arena& arena);
};

// The columns of a product are those of the result; then they are stored there, if it is float32.
inline bool columns_are_results(const ConvPlan& plan, const SplitPhase& phase) {
  return phase.segments == 1 && phase.pitch == phase.grid[1] && plan.split->phases.size() == 1;
}
inline bool stores_in_place(const ConvPlan& plan, const SplitPhase& phase) {
  return columns_are_results(plan, phase) && plan.taken == ElementType::f32;
}

// split_bf16_choice.cpp: where so many products a number are expected to be faster than float32.
template <int Products>
bool pairs_pay(const ConvPlan& plan);  // forward and data gradient
template <int Products>
bool pairs_pay_weight(const ConvPlan& plan);

void plan_split(ConvPlan& plan, int products);
const char* split_refuses(const ConvPlan& plan);

// Where the taps of a phase fall in a padded image: pitch, planes and reach.
SplitPhase measure_split(const ConvPlan& plan, const ConvPhase& phase);
// The offset of each tap in the planes of a channel; `width` elements of a row.
std::vector<ptrdiff_t> place_taps(const ConvPhase& phase, SplitPhase& s, int64_t plane,
                                  int64_t width);

constexpr int64_t packed_header = 16;  // words before the packed weights: their range
std::size_t packed_bytes(const ConvPlan& plan);
// Of float32 or of bfloat16.
void pack_split(const ConvPlan& plan, const void* weight, ElementType type, void* out);

// split_bf16_small.cpp: one product on a small map, which needs no SplitPlan. `wide` has a bias of
// float32.
bool is_small_map(const ConvPlan& plan);
void plan_small_map(ConvPlan& plan);
void run_small_map(const ConvPlan& plan, const ConvArgs& args, const ConvArgs& wide);

}  // namespace pyconv
