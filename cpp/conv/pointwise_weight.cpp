// Weight gradient of 1x1 filters: a product of two images, of which only one is turned.
//
//   dw[filter, channel] = sum over pixels of dy[filter, pixel] * x[channel, pixel]
//
// The tile broadcasts from one image as it lies and needs the other with its pixels as rows. x is
// turned where that is cheaper, and sums go straight into dw; otherwise dy is, and the block of dw
// is turned when it is complete. A task owns a block of columns (what it turns), some rows, or,
// where that gives few tasks, a share of the pixels, and shares are added in a fixed order.
#include <algorithm>

#include "conv/list.hpp"
#include "conv/weight_shares.hpp"
#include "core/parallel.hpp"
#include "core/scratch.hpp"

namespace pyconv {
namespace {

bool strided(const ConvProblem& p) {
  return p.stride[0] > 1 || p.stride[1] > 1 || p.stride[2] > 1;
}

// The two images of a group: rows of the product are read in place, columns are turned.
struct Sides {
  bool turns_grad;
  int64_t rows, columns;
};

// In cycles of a group: a product of two vectors takes half of one, turning an element a quarter
// (Zen 5, November 2026).
Sides sides_of(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const int64_t c = p.c / p.groups, k = p.k / p.groups;
  const int64_t lanes = plan.type == ElementType::f32 ? plan.isa->f32.lanes : plan.isa->f64.lanes;
  const auto cost = [&](int64_t rows, int64_t columns) {
    const double vectors = static_cast<double>(ceil_div(columns, lanes));
    return vectors * (static_cast<double>(rows) / 2 + static_cast<double>(lanes) / 4);
  };
  const double area = static_cast<double>(p.n * pixels(p.output));
  const double result = static_cast<double>(c * k) / 4;
  if (!strided(p) && cost(c, k) * area + result < cost(k, c) * area) return {true, c, k};
  return {false, k, c};
}

// Columns are dealt out in panels of nearly equal width, so that none is left with one vector.
struct Panels {
  int64_t lanes, vectors, count;
  template <class T>
  Panels(const Kernels<T>& k, int64_t columns)
      : lanes(k.lanes), vectors(ceil_div(columns, k.lanes)),
        count(ceil_div(vectors, k.tile_vectors)) {}
  int64_t start(int64_t panel) const { return vectors * panel / count * lanes; }
};

template <class T>
struct TaskMemory {
  T* gathered;  // a panel of strided pixels
  T* panels;    // turned
  T* sums;      // where they do not go to dw
  TaskMemory(const ConvPlan& plan, Arena& arena) {
    const Kernels<T>& k = kernels_of<T>(*plan.isa);
    const int64_t width = int64_t{k.lanes} * k.tile_vectors;
    gathered = arena.take<T>(strided(plan.problem) ? plan.depth_block * width : 0);
    panels = arena.take<T>(plan.depth_block * plan.column_block);
    sums = arena.take<T>(sides_of(plan).turns_grad && plan.splits == 1
                             ? plan.row_block * plan.column_block
                             : 0);
  }
};

// Blocks of columns read the other image once each, and turn their own: one or up to four panels. A share
// of the pixels writes the result again (and it is read twice), which is cheaper where there are more
// pixels; blocks of rows turn again, little where they are long. A block of the result stays in a
// second-level cache of 1 MB from one block of pixels to the next.
template <class T>
void plan_blocks(ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const Sides s = sides_of(plan);
  const Panels panels(k, std::max<int64_t>(1, s.columns));
  const int64_t width = int64_t{k.lanes} * k.tile_vectors, area = pixels(p.output);
  constexpr int64_t wanted = 8;
  const int64_t limit = depth_limit<T>(width);
  int64_t chunks = std::max<int64_t>(1, ceil_div(area, limit));  // of an image
  int64_t column_blocks = panels.count > 2 ? ceil_div(panels.count, 4) : panels.count;
  const int64_t bytes =
      s.rows * ceil_div(panels.count, column_blocks) * width * static_cast<int64_t>(sizeof(T));
  plan.row_blocks = p.n * chunks > 1 ? std::max<int64_t>(1, ceil_div(bytes, 400 << 10)) : 1;
  const auto missing = [&] {
    return ceil_div(wanted, p.groups * column_blocks * plan.row_blocks * plan.splits);
  };
  if (p.n * area > 3 * s.columns) {
    plan.splits = std::clamp<int64_t>(missing(), 1, std::max<int64_t>(1, p.n * chunks / 2));
    if (p.n == 1) chunks = ceil_div(chunks, plan.splits) * plan.splits;
  }
  column_blocks = std::min(panels.count, column_blocks * missing());
  while (panels.count % column_blocks != 0) ++column_blocks;  // tasks as long as each other
  if (plan.splits == 1)
    plan.row_blocks = std::clamp<int64_t>(plan.row_blocks * missing(), 1,
                                          std::max(plan.row_blocks, s.rows / 128));
  plan.depth_block = std::max<int64_t>(1, ceil_div(area, chunks));
  plan.column_block = ceil_div(panels.count, column_blocks) * width;
  const int64_t tiles = ceil_div(ceil_div(s.rows, plan.row_blocks), k.tile_rows);
  plan.row_block = std::max<int64_t>(1, tiles) * k.tile_rows;
  plan.row_blocks = std::max<int64_t>(1, ceil_div(s.rows, plan.row_block));
  plan.phases[0].column_blocks = column_blocks;
  plan.tasks = p.groups * column_blocks * plan.row_blocks * plan.splits;
  plan.left = {pixels(s.turns_grad ? p.input : p.output), offsets(plan.depth_block, 1)};
  plan.phases[0].b_rows = offsets(plan.depth_block, width);
  Arena arena;
  TaskMemory<T> counted(plan, arena);
  plan.task_bytes = arena.used();
  if (plan.splits > 1)
    plan.shared_bytes =
        static_cast<std::size_t>(plan.splits * p.groups * s.rows * s.columns) * sizeof(T);
}

void plan_weight(ConvPlan& plan) {
  ConvPhase phase{};
  phase.taps.push_back({0, 0, 0});
  plan.phases.push_back(phase);
  with_type(plan.type, [&](auto tag) { plan_blocks<decltype(tag)>(plan); });
}

template <class T>
class PointwiseTask {
 public:
  PointwiseTask(const ConvPlan& plan, const ConvArgs& args, T* shares, int64_t task)
      : plan_(plan), p_(plan.problem), k_(kernels_of<T>(*plan.isa)), args_(args),
        sides_(sides_of(plan)), panels_(k_, sides_.columns), area_(pixels(p_.output)),
        shares_(shares) {
    share_ = task % plan.splits;
    task /= plan.splits;
    row_ = task % plan.row_blocks * plan.row_block;
    rows_ = std::min(plan.row_block, sides_.rows - row_);
    task /= plan.row_blocks;
    const int64_t blocks = plan.phases[0].column_blocks, block = task % blocks;
    const Range panels = part_of(panels_.count, block, blocks);
    first_panel_ = panels.from;
    last_panel_ = panels.to;
    column_ = panels_.start(first_panel_);
    group_ = task / blocks;
  }

  void run() {
    Arena arena(task_scratch(plan_.task_bytes));
    const TaskMemory<T> memory(plan_, arena);
    place_result(memory);
    const int64_t per_image = ceil_div(area_, plan_.depth_block), chunks = p_.n * per_image;
    const auto [first, last] = part_of(chunks, share_, plan_.splits);
    int64_t chunk = first;
    // At least once: without any pixel the result is zero.
    do {
      image_ = chunk / per_image;
      pixel_ = chunk % per_image * plan_.depth_block;
      depth_ = chunk < last ? std::min(plan_.depth_block, area_ - pixel_) : 0;
      if (depth_) turn(memory);
      multiply(memory.panels, chunk > first);
    } while (++chunk < last);
    if (sides_.turns_grad && !shares_) turn_result(memory.sums);
  }

 private:
  // Of this task's first row and column.
  void place_result(const TaskMemory<T>& memory) {
    result_row_ = sides_.columns;
    const int64_t at = (group_ * sides_.rows + row_) * sides_.columns + column_;
    if (shares_) {
      result_ = shares_ + share_ * p_.groups * sides_.rows * sides_.columns + at;
    } else if (sides_.turns_grad) {
      result_ = memory.sums;
      result_row_ = plan_.column_block;
    } else {
      result_ = static_cast<T*>(args_.out) + at;
    }
  }

  // Channel `channel` of an image of this group, x or dy.
  const T* image(bool grad, int64_t channel) const {
    const int64_t channels = (grad ? p_.k : p_.c) / p_.groups;
    const auto* data = static_cast<const T*>(grad ? args_.other : args_.source);
    return data + ((image_ * p_.groups + group_) * channels + channel) *
                      (grad ? area_ : pixels(p_.input));
  }

  int64_t width() const { return int64_t{k_.lanes} * k_.tile_vectors; }
  int64_t width_of(int64_t panel) const {
    return std::min(panels_.start(panel + 1), sides_.columns) - panels_.start(panel);
  }

  void turn(const TaskMemory<T>& memory) const {
    T* out = memory.panels;
    for (int64_t i = first_panel_; i < last_panel_; ++i, out += width() * plan_.depth_block) {
      const int64_t n = width_of(i), lanes = ceil_div(n, k_.lanes) * k_.lanes;
      if (strided(p_)) {
        gather(panels_.start(i), n, memory.gathered);
        k_.transpose(memory.gathered, plan_.depth_block, n, depth_, out, width(), lanes);
      } else {
        k_.transpose(image(sides_.turns_grad, panels_.start(i)) + pixel_, area_, n, depth_, out,
                     width(), lanes);
      }
    }
  }

  void gather(int64_t channel, int64_t channels, T* out) const {
    GatherArgs<T> g{};
    g.channel_stride = pixels(p_.input);
    g.image = image(false, 0);
    for (int i = 0; i < 3; ++i) {
      g.size[i] = p_.input[i];
      g.grid[i] = p_.output[i];
      g.step[i] = p_.stride[i];
    }
    g.taps = plan_.phases[0].taps.data();
    g.tap_count = 1;
    g.row = channel;
    g.rows = channels;
    g.column = pixel_;
    g.columns = g.width = depth_;
    g.out = out;
    g.out_row = plan_.depth_block;
    k_.gather(g);
  }

  // Rows in turn where all panels stay in the first-level cache, else panels.
  void multiply(const T* panels, bool accumulate) const {
    const int64_t count = last_panel_ - first_panel_;
    const int64_t bytes = depth_ * plan_.column_block * static_cast<int64_t>(sizeof(T));
    const int64_t high = k_.tile_rows;
    if (bytes <= 36864) {
      for (int64_t i = 0; i < rows_; i += high)
        for (int64_t j = 0; j < count; ++j) run_tile(panels, i, j, accumulate);
    } else {
      for (int64_t j = 0; j < count; ++j)
        for (int64_t i = 0; i < rows_; i += high) run_tile(panels, i, j, accumulate);
    }
  }

  void run_tile(const T* panels, int64_t row, int64_t panel, bool accumulate) const {
    const int64_t n = width_of(first_panel_ + panel);
    TileArgs<T> t{};
    t.a = image(!sides_.turns_grad, row_ + row) + pixel_;
    t.a_row = plan_.left.row;
    t.a_cols = plan_.left.cols.data();
    t.b = panels + panel * width() * plan_.depth_block;
    t.b_rows = plan_.phases[0].b_rows.data();
    t.c = result_ + row * result_row_ + panels_.start(first_panel_ + panel) - column_;
    t.c_row = result_row_;
    t.depth = depth_;
    t.columns = static_cast<int>(n);
    t.accumulate = accumulate;
    const int64_t high = std::min<int64_t>(k_.tile_rows, rows_ - row);
    k_.tile[high - 1][ceil_div(n, k_.lanes) - 1](t);
  }

  void turn_result(const T* sums) const {
    const int64_t columns = std::min(panels_.start(last_panel_), sides_.columns) - column_;
    T* out = static_cast<T*>(args_.out) + (group_ * sides_.columns + column_) * sides_.rows + row_;
    k_.transpose(sums, plan_.column_block, rows_, columns, out, sides_.rows, rows_);
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const Kernels<T>& k_;
  const ConvArgs& args_;
  const Sides sides_;
  const Panels panels_;
  const int64_t area_;
  T* const shares_;  // results of shares of the pixels, or null
  T* result_ = nullptr;
  int64_t result_row_ = 0, share_ = 0, row_ = 0, rows_ = 0, first_panel_ = 0, last_panel_ = 0;
  int64_t column_ = 0, group_ = 0, image_ = 0, pixel_ = 0, depth_ = 0;
};

// Some rows of a group: adds the shares, in place of the first, and moves them to dw.
template <class T>
void finish_rows(const ConvPlan& plan, T* shares, T* out, int64_t group, int64_t row,
                 int64_t rows) {
  const Sides s = sides_of(plan);
  const int64_t size = s.rows * s.columns;
  T* sums = shares + group * size + row * s.columns;
  add_shares(sums, rows * s.columns, plan.splits, plan.problem.groups * size, sums);
  out += group * size;
  if (s.turns_grad) {
    kernels_of<T>(*plan.isa).transpose(sums, s.columns, rows, s.columns, out + row, s.rows, rows);
  } else {
    std::copy_n(sums, rows * s.columns, out + row * s.columns);
  }
}

template <class T>
void run_typed(const ConvPlan& plan, const ConvArgs& args) {
  const ConvProblem& p = plan.problem;
  if (p.c == 0 || p.k == 0) return;
  T* shares = plan.splits > 1 ? static_cast<T*>(call_scratch(plan.shared_bytes)) : nullptr;
  parallel_for(plan.tasks, conv_work(p) / 2,
               [&](int64_t task) { PointwiseTask<T>(plan, args, shares, task).run(); });
  if (!shares) return;
  constexpr int64_t at_once = 64;
  const int64_t rows = sides_of(plan).rows, blocks = ceil_div(rows, at_once);
  parallel_for(p.groups * blocks, static_cast<double>(plan.shared_bytes / sizeof(T)),
               [&](int64_t task) {
                 const int64_t row = task % blocks * at_once;
                 finish_rows(plan, shares, static_cast<T*>(args.out), task / blocks, row,
                             std::min(at_once, rows - row));
               });
}

void run_weight(const ConvPlan& plan, const ConvArgs& args) {
  with_type(plan.type, [&](auto tag) { run_typed<decltype(tag)>(plan, args); });
}

const char* refuses(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  for (int i = 0; i < 3; ++i) {
    if (p.kernel[i] != 1) return "the kernel is larger than 1";
    if (p.pad_lo[i] || p.pad_hi[i]) return "there is padding";
  }
  return nullptr;
}
bool always(const ConvPlan&) { return true; }

}  // namespace

const ConvAlgorithm pointwise_weight{
    "pointwise", Direction::weight, Precision::highest, refuses, always, plan_weight, run_weight};

}  // namespace pyconv
