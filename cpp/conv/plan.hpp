// Problem -> plan -> run. A plan is immutable and holds all that does not depend on the data.
#pragma once
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/element_type.hpp"
#include "core/kernels_of.hpp"
#include "core/problem.hpp"
#include "core/with_type.hpp"
#include "kernels/table.hpp"

namespace pyconv {

class PackedWeight;
struct ConvPlan;
struct SplitPlan;  // split_bf16.hpp

// forward: x, w -> y.  input: dy, w -> dx.  weight: x, dy -> dw.
struct ConvArgs {
  const void* source;         // x, dy, x
  const void* other;          // w, w, dy
  const void* bias;           // forward only, or null
  void* out;
  bool relu;                  // forward only
  const PackedWeight* packed; // packs of `other` that outlive the call: if and only if plan.packed
};

// One entry of the list: what it can do (correctness) apart from what it is good at (speed).
struct ConvAlgorithm {
  const char* name;
  Direction direction;
  Precision precision;                      // the strictest that admits it
  const char* (*refuses)(const ConvPlan&);  // the reason, or null: it can run
  bool (*prefers)(const ConvPlan&);         // never looks at the batch or the threads
  void (*plan)(ConvPlan&);
  void (*run)(const ConvPlan&, const ConvArgs&);
  // Puts the weight into plan.packed_elements elements as `run` reads it; null: as it lies.
  void (*pack)(const ConvPlan&, const void* weight, void* out) = nullptr;
  // Errors relative to K eps conv(|a|, |b|), or to K eps max|a| sum|b| where pixels are mixed before
  // they are multiplied; 1 also means that small integers stay exact.
  double error_gain = 1;
  bool mixes_pixels = false;
  // Takes arrays of bfloat16 as they lie and multiplies them without loss, at any precision.
  bool takes_bfloat16 = false;
};

// A dense stride-1 piece of the problem: the whole of a forward pass, or one residue of the output
// positions modulo stride in a data gradient.
struct ConvPhase {
  std::vector<Tap> taps;           // source offset per tap
  std::vector<int64_t> filter_tap; // its index in the filter
  int64_t grid[3];                 // output positions in this phase
  int64_t origin[3];               // first of them
  int64_t columns, depth;          // of the product
  int64_t tail;                    // columns behind those, apart: pointwise_tail.hpp
  int64_t depth_block;             // at a time: whole channels where a band is read
  int64_t column_blocks, first_task;  // of an image
  std::vector<ptrdiff_t> b_rows;   // where the tile finds step p of its right operand
  std::vector<ptrdiff_t> raw_cols; // data gradient: step p in a weight as it lies in memory
  // Direct convolution only: the padded band under a task's columns, which run over whole padded
  // rows (`pitch` long); those past grid[2] in a row are computed and dropped.
  int64_t low[3], pitch, band_rows;
};

// Where the tile finds its left operand: from one row to the next, and step p.
struct LeftOperand {
  int64_t row = 0;
  std::vector<ptrdiff_t> cols;
};

struct ConvPlan {
  // Known before an algorithm is asked whether it can run.
  ConvProblem problem;
  Direction direction;
  ElementType type;    // of what is computed
  ElementType stored;  // of the arrays of a call
  Precision precision;
  bool packed;  // the weight is a PackedWeight: what packing costs is paid once
  const KernelTable* isa;
  // What the chosen one fills in.
  const ConvAlgorithm* algorithm = nullptr;
  ElementType taken = ElementType::f32;  // of the arrays that it is given
  std::vector<std::pair<std::string, std::string>> refusals;  // of those before it in the list
  std::vector<ConvPhase> phases;
  LeftOperand left;
  std::shared_ptr<const SplitPlan> split;
  int64_t row_block = 0, row_blocks = 1, depth_block = 0, column_block = 0;  // largest of a task
  int64_t image_block = 1;  // whole images of a task
  int64_t splits = 1, packed_elements = 0;
  int64_t tasks = 1, image_tasks = 1;  // those of an image follow one another
  bool own_tiles = false;  // of a task of winograd_few_tiles.cpp, or made by all for all
  int64_t packed_panel = 0;  // the width of what is packed, where that depends on more than the weight
  std::shared_ptr<const ConvPlan> fallback;  // fallback.hpp
  std::size_t task_bytes = 0, shared_bytes = 0;
  // Arrays of 16 bits, a part at a time as float32: some images, or the groups of a task where they
  // are many; and what is left of them.
  std::shared_ptr<const ConvPlan> slice, last_slice;
};

// What a call of a plan takes: independent tasks, and memory beside its arrays, of a thread and of all.
struct ConvNeeds {
  int64_t tasks;
  std::size_t task_bytes, shared_bytes;
};
ConvNeeds needs_of(const ConvPlan&);

// Throws std::invalid_argument for an inconsistent problem, an unknown or a refusing algorithm. An
// algorithm that is forced needs no admission by the precision.
std::shared_ptr<const ConvPlan> make_plan(const ConvProblem&, Direction, ElementType, Precision,
                                          bool packed, const std::string& forced);
std::vector<std::string> algorithm_names(Direction);

// Runs a plan on arrays of the type that it is for. Arrays of 16 bits become float32 before and
// after, unless the algorithm takes them as they lie; a packed weight has been float32 from its
// start.
void run_plan(const ConvPlan&, const ConvArgs&);
void plan_slices(ConvPlan&);  // last of a plan

int64_t taps_of(const ConvProblem&);
int64_t pixels(const int64_t (&size)[3]);
double conv_work(const ConvProblem&);  // multiply-adds

// Pixels under a filter.
inline int64_t extent(const ConvProblem& p, int i) { return (p.kernel[i] - 1) * p.dilation[i] + 1; }

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Part i of `count` things in so many parts, as even as they come.
struct Range {
  int64_t from, to;
};
inline Range part_of(int64_t count, int64_t i, int64_t parts) {
  return {count * i / parts, count * (i + 1) / parts};
}

// Products added in one chain before the result is added to. A panel this deep fits a first-level
// cache of 48 KB beside what it is multiplied with; deeper than 128 is 3 % faster on 3x3 layers but
// rounds up to 1.4 times as much (64 and 256 channels, Zen 5, November 2026).
template <class T>
int64_t depth_limit(int64_t tile_width) {
  const int64_t fits = 36864 / (tile_width * static_cast<int64_t>(sizeof(T)));
  return fits < 128 ? fits : 128;
}

// How many rows ahead a weight is brought near where every row (an output channel of a data
// gradient) lies in another page: no hardware looks ahead there.
constexpr int64_t pages_ahead = 8;

// Offsets 0, step, 2 step, ...
inline std::vector<ptrdiff_t> offsets(int64_t count, int64_t step) {
  std::vector<ptrdiff_t> list(static_cast<std::size_t>(count));
  for (int64_t i = 0; i < count; ++i) list[static_cast<std::size_t>(i)] = i * step;
  return list;
}

}  // namespace pyconv
