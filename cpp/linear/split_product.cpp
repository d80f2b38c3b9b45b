// Both operands are split to words of two neighbours in depth:
//
//   left   [16 rows][term][step][row][16 pairs]   all of it, before the tasks
//   right  [panel][term][step][pair][column]      by each task, some steps at a time
//
// The right operand, a weight as a rule, is read once for 256 rows of the left. Steps, and with
// them every sum, depend on the depth alone: a row gives the same bits alone or in any batch.
#include "linear/split_product.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "conv/plan.hpp"
#include "core/parallel.hpp"
#include "core/scratch.hpp"
#include "core/split_range.hpp"

namespace pyconv {
namespace {

constexpr int64_t row_block = 256, step_depth = 2 * pair_steps;

struct Split {
  const Product& q;
  const PairKernels& k;
  const Kernels<float>& f32;
  int products, terms;
  int64_t steps, step_block;         // of the depth; of a panel
  int64_t panels, task_panels;       // of columns
  int64_t left_term, left_block;     // words
  int64_t right_term, right_panel;   // words
  Split(const Product& product, const KernelTable& isa, int count)
      : q(product), k(isa.pairs), f32(isa.f32), products(count), terms(terms_of(count)),
        steps(std::max<int64_t>(1, ceil_div(product.depth, step_depth))) {
    // 256 numbers of a column: a panel stays in a first-level cache of 48 KB.
    const int64_t limit = std::max(1, 8 / terms);
    step_block = ceil_div(steps, ceil_div(steps, limit));
    panels = ceil_div(q.columns, k.columns);
    task_panels = std::clamp<int64_t>(panels * ceil_div(q.rows, row_block) / 12, 1, 4);
    left_term = steps * pair_block;
    left_block = terms * left_term;
    right_term = step_block * pair_steps * k.columns;
    right_panel = terms * right_term;
  }
  int64_t row_tasks() const { return ceil_div(q.rows, row_block); }
  int64_t tasks() const { return row_tasks() * ceil_div(panels, task_panels); }
  int64_t left_blocks() const { return ceil_div(q.rows, pair_rows); }
  std::size_t left_bytes() const {
    return static_cast<std::size_t>(left_blocks() * left_block) * sizeof(uint32_t);
  }
  // Sixteen rows of a left operand that lies the other way round.
  int64_t turned_row() const { return q.a_col == 1 ? 0 : steps * step_depth; }
  std::size_t turned_bytes() const {
    return static_cast<std::size_t>(pair_rows * turned_row()) * sizeof(float);
  }
  struct Memory {
    uint32_t *right, *lines;
  };
  Memory take(Arena& arena) const {
    uint32_t* right = arena.take<uint32_t>(task_panels * right_panel);
    return {right, q.b_transposed ? arena.take<uint32_t>(right_panel) : nullptr};
  }
  std::size_t memory_bytes() const {
    Arena counted;
    take(counted);
    return counted.used();
  }
};

// Sixteen rows of the left operand, and the range of each.
void pack_left(const Split& s, int64_t block, uint32_t* packed, ValueRange* ranges) {
  const Product& q = s.q;
  const int64_t row = block * pair_rows, count = std::min<int64_t>(pair_rows, q.rows - row);
  const float* in = static_cast<const float*>(q.a) + row * q.a_row;
  int64_t in_row = q.a_row, whole = q.depth / step_depth;
  if (q.a_col != 1) {
    in_row = s.turned_row();
    float* turned = static_cast<float*>(task_scratch(s.turned_bytes()));
    s.f32.transpose(in, q.a_col, q.depth, count, turned, in_row, in_row);
    in = turned;
    whole = s.steps;
  }
  uint32_t* out = packed + block * s.left_block;
  SplitRunsArgs a{};
  a.in_step = step_depth;
  a.out_step = pair_block;
  a.out_term = s.left_term;
  a.terms = s.terms;
  for (int64_t i = 0; i < count; ++i, out += pair_steps) {
    a.in = in + i * in_row;
    a.groups = whole;
    a.out = out;
    ranges[row + i] = s.k.split_runs(a);
    if (whole == s.steps) continue;
    float rest[step_depth] = {};
    std::copy_n(a.in + whole * step_depth, q.depth - whole * step_depth, rest);
    a.in = rest;
    a.groups = 1;
    a.out += whole * pair_block;
    ranges[row + i] = joined(ranges[row + i], s.k.split_runs(a));
  }
  for (int64_t i = count; i < pair_rows; ++i, out += pair_steps)
    for (int64_t step = 0; step < s.terms * s.steps; ++step)
      std::memset(out + step * pair_block, 0, pair_steps * sizeof *out);
}

class SplitProductTask {
 public:
  SplitProductTask(const Split& split, const uint32_t* left, const ptrdiff_t* steps, int64_t task)
      : s_(split), q_(split.q), left_(left), b_steps_(steps) {
    row_ = task % s_.row_tasks() * row_block;
    rows_ = std::min(row_block, q_.rows - row_);
    panel_ = task / s_.row_tasks() * s_.task_panels;
    panels_ = std::min(s_.task_panels, s_.panels - panel_);
  }

  int64_t row() const { return row_; }
  int64_t rows() const { return rows_; }

  // The range of the right operand's numbers.
  ValueRange run() const {
    Arena arena(task_scratch(s_.memory_bytes()));
    const Split::Memory memory = s_.take(arena);
    ValueRange range = no_values;
    s_.k.begin(pair_steps);
    for (int64_t step = 0; step < s_.steps; step += s_.step_block) {
      const int64_t count = std::min(s_.step_block, s_.steps - step);
      if (!q_.b_transposed) range = joined(range, fill_panels(memory.right, step, count));
      for (int64_t j = 0; j < panels_; ++j) {
        if (q_.b_transposed) range = joined(range, turn_panel(memory, step, count, j));
        multiply(memory.right + j * s_.right_panel, step, count, j);
      }
    }
    s_.k.end();
    return range;
  }

 private:
  int64_t column_of(int64_t panel) const { return (panel_ + panel) * s_.k.columns; }
  int64_t columns_of(int64_t panel) const {
    return std::min<int64_t>(s_.k.columns, q_.columns - column_of(panel));
  }

  // All panels a step at a time: rows of b, which lie pages apart, are read on while they are near.
  ValueRange fill_panels(uint32_t* out, int64_t step, int64_t steps) const {
    ValueRange range = no_values;
    for (int64_t i = 0; i < steps; ++i, out += pair_steps * s_.k.columns)
      for (int64_t j = 0; j < panels_; ++j)
        range = joined(range, fill_step(out + j * s_.right_panel, step + i, j));
    return range;
  }

  // Rows 2 p and 2 p + 1 of b are the halves of words; past the last row or column are zeros.
  ValueRange fill_step(uint32_t* out, int64_t step, int64_t panel) const {
    SplitRowsArgs a{};
    const float* b = static_cast<const float*>(q_.b);
    a.first = b;
    a.second = b + q_.b_stride;
    a.height = q_.depth / 2 * 2;
    a.width = q_.b_stride;
    a.row = step * step_depth;
    a.row_step = 2;
    a.rows = pair_steps;
    a.column = column_of(panel);
    a.column_step = 1;
    a.columns = s_.k.columns;
    a.out = out;
    a.out_term = s_.right_term;
    a.terms = s_.terms;
    const ValueRange range = s_.k.split_rows(a);
    const int64_t odd = q_.depth / 2 - step * pair_steps;
    if (q_.depth % 2 == 0 || odd < 0 || odd >= a.rows) return range;
    a.second = nullptr;
    a.height = q_.depth;
    a.row = q_.depth - 1;
    a.rows = 1;
    a.out += odd * s_.k.columns;
    return joined(range, s_.k.split_rows(a));
  }

  // Columns of b lie along its rows: split there, then turned a word at a time, as floats are.
  ValueRange turn_panel(const Split::Memory& memory, int64_t step, int64_t steps,
                        int64_t panel) const {
    const int64_t columns = columns_of(panel), words = steps * pair_steps;
    SplitRowsArgs a{};
    a.along = true;
    const float* b = static_cast<const float*>(q_.b);
    a.first = b;
    a.height = q_.columns;
    a.width = q_.depth;
    a.row = column_of(panel);
    a.row_step = 1;
    a.rows = columns;
    a.column = step * step_depth;
    a.column_step = 1;
    a.columns = steps * step_depth;
    a.out = memory.lines;
    a.out_term = s_.right_term;
    a.terms = s_.terms;
    const ValueRange range = s_.k.split_rows(a);
    for (int64_t term = 0; term < s_.terms; ++term)
      s_.f32.transpose(reinterpret_cast<const float*>(memory.lines + term * s_.right_term), words,
                       columns, words,
                       reinterpret_cast<float*>(memory.right + panel * s_.right_panel +
                                                term * s_.right_term),
                       s_.k.columns, s_.k.columns);
    return range;
  }

  void multiply(const uint32_t* right, int64_t step, int64_t steps, int64_t panel) const {
    const int64_t column = column_of(panel);
    const bool last = step + steps == s_.steps;
    PairTileArgs t{};
    t.a_row = 2 * pair_steps;
    t.a_step = 2 * pair_block;
    t.a_block = 2 * s_.left_block;
    t.a_term = 2 * s_.left_term;
    t.b = right;
    t.b_steps = b_steps_;
    t.b_pair = s_.k.columns;
    t.b_term = s_.right_term;
    t.steps = steps;
    t.pairs = pair_steps;
    t.products = s_.products;
    t.c_row = q_.columns;
    t.columns = static_cast<int>(columns_of(panel));
    t.accumulate = step > 0;
    t.relu = last && q_.relu;
    if (last && q_.column_bias) t.column_bias = static_cast<const float*>(q_.column_bias) + column;
    for (int64_t i = 0; i < rows_; i += s_.k.rows) {
      const int64_t row = row_ + i;
      t.rows = static_cast<int>(std::min<int64_t>(s_.k.rows, rows_ - i));
      t.a = reinterpret_cast<const uint16_t*>(left_ + row / pair_rows * s_.left_block +
                                              row % pair_rows * pair_steps + step * pair_block);
      t.c = static_cast<float*>(q_.c) + row * q_.columns + column;
      s_.k.tile(t);
    }
  }

  const Split& s_;
  const Product& q_;
  const uint32_t* left_;
  const ptrdiff_t* b_steps_;
  int64_t row_, rows_, panel_, panels_;
};

}  // namespace

ProductNeeds split_needs(const Product& q, const KernelTable& isa, int products) {
  const Split s(q, isa, products);
  return {s.tasks(), std::max(s.memory_bytes(), s.turned_bytes()), s.left_bytes()};
}

std::vector<bool> multiply_split(const Product& q, const KernelTable& isa, int products) {
  const Split s(q, isa, products);
  auto* left = static_cast<uint32_t*>(call_scratch(s.left_bytes()));
  const auto rows = static_cast<std::size_t>(q.rows);
  std::vector<ValueRange> ranges(rows);
  const double depth = static_cast<double>(q.depth);
  parallel_for(s.left_blocks(), static_cast<double>(q.rows) * depth,
               [&](int64_t block) { pack_left(s, block, left, ranges.data()); });
  const std::vector<ptrdiff_t> steps = offsets(s.step_block, pair_steps * s.k.columns);
  std::vector<std::atomic<bool>> forbidden(rows);
  const double work = depth * static_cast<double>(q.columns);
  parallel_for(s.tasks(), work * (1 + static_cast<double>(q.rows * products) / 4),
               [&](int64_t task) {
    const SplitProductTask one(s, left, steps.data(), task);
    const ValueRange right = one.run();
    for (int64_t i = one.row(); i < one.row() + one.rows(); ++i) {
      const auto row = static_cast<std::size_t>(i);
      if (!splits_exactly(ranges[row], right))
        forbidden[row].store(true, std::memory_order_relaxed);
    }
  });
  return {forbidden.begin(), forbidden.end()};
}

}  // namespace pyconv
