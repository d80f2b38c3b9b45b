// Forward and data gradient as matrix products whose right operand is never stored whole.
//
//   out[row, column] = sum over p of weight[row, p] * source(p, column),   p = (channel, tap)
//
// A task owns some rows and some columns of one image and group. For each block of depth it
// gathers one panel of columns (depth_block x a tile's width, which stays in the first-level cache)
// and runs it against all its rows. Weights are read where they lie when their depth is contiguous
// (forward); for the data gradient they are packed first. The data gradient of stride s is s^2
// dense stride-1 products (phases), one per residue of the output position: no zeros multiplied.
#include <algorithm>

#include "conv/list.hpp"
#include "conv/packed_weight.hpp"
#include "core/parallel.hpp"
#include "core/scratch.hpp"

namespace pyconv {
namespace {

struct Sizes {
  int64_t rows, channels;  // per group: of the result, of the source
  const int64_t* source;   // spatial size
  const int64_t* result;
};

Sizes sizes_of(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  if (plan.direction == Direction::forward)
    return {p.k / p.groups, p.c / p.groups, p.input, p.output};
  return {p.c / p.groups, p.k / p.groups, p.output, p.input};
}

// The taps that reach positions `origin` modulo stride, and where they read. Forward: all of them.
ConvPhase make_phase(const ConvPlan& plan, const int64_t (&origin)[3]) {
  const ConvProblem& p = plan.problem;
  const bool forward = plan.direction == Direction::forward;
  ConvPhase phase{};
  int64_t index = 0, at[3];
  for (at[0] = 0; at[0] < p.kernel[0]; ++at[0])
    for (at[1] = 0; at[1] < p.kernel[1]; ++at[1])
      for (at[2] = 0; at[2] < p.kernel[2]; ++at[2], ++index) {
        int64_t offset[3];
        bool reaches = true;
        for (int i = 0; i < 3; ++i) {
          const int64_t shift = at[i] * p.dilation[i] - p.pad_lo[i];
          offset[i] = forward ? shift : (origin[i] - shift) / p.stride[i];
          if (!forward) reaches = reaches && (origin[i] - shift) % p.stride[i] == 0;
        }
        if (!reaches) continue;
        phase.taps.push_back({offset[0], offset[1], offset[2]});
        phase.filter_tap.push_back(index);
      }
  const Sizes s = sizes_of(plan);
  for (int i = 0; i < 3; ++i) {
    phase.origin[i] = origin[i];
    phase.grid[i] = forward ? s.result[i] : ceil_div(s.result[i] - origin[i], p.stride[i]);
  }
  phase.columns = pixels(phase.grid);
  phase.depth = s.channels * static_cast<int64_t>(phase.taps.size());
  return phase;
}

void make_phases(ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const bool forward = plan.direction == Direction::forward;
  int64_t end[3], o[3];
  for (int i = 0; i < 3; ++i) end[i] = forward ? 1 : std::min(p.stride[i], p.input[i]);
  for (o[0] = 0; o[0] < end[0]; ++o[0])
    for (o[1] = 0; o[1] < end[1]; ++o[1])
      for (o[2] = 0; o[2] < end[2]; ++o[2]) plan.phases.push_back(make_phase(plan, o));
}

bool strided_result(const ConvPlan& plan) {
  const int64_t(&s)[3] = plan.problem.stride;
  return plan.direction == Direction::input && (s[0] > 1 || s[1] > 1 || s[2] > 1);
}

bool reads_image_in_place(const ConvPlan& plan) {
  return plan.algorithm == &pointwise_forward || plan.algorithm == &pointwise_input;
}

template <class T>
struct TaskMemory {
  T* panel;
  T* result;  // only where the result is strided
  TaskMemory(const ConvPlan& plan, Arena& arena) {
    const Kernels<T>& k = kernels_of<T>(*plan.isa);
    const int64_t width = int64_t{k.lanes} * k.tile_vectors;
    panel = reads_image_in_place(plan) ? nullptr : arena.take<T>(plan.depth_block * width);
    result = strided_result(plan) ? arena.take<T>(plan.row_block * plan.column_block) : nullptr;
  }
};

// Depth: the panel fills most of a 48 KB first-level cache. Columns: several panels reuse a block
// of weights from the second level. Rows are split only where columns alone give too few tasks,
// because every row block gathers again.
template <class T>
void plan_blocks(ConvPlan& plan) {
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const int64_t width = int64_t{k.lanes} * k.tile_vectors;
  const Sizes s = sizes_of(plan);
  const ConvProblem& p = plan.problem;
  int64_t deepest = 0, columns = 0;
  for (const ConvPhase& phase : plan.phases) {
    deepest = std::max(deepest, phase.depth);
    columns = std::max(columns, phase.columns);
  }
  const int64_t limit = std::min<int64_t>(384, 36864 / (width * int64_t{sizeof(T)}));
  plan.depth_block = std::max<int64_t>(1, ceil_div(deepest, std::max<int64_t>(1, ceil_div(deepest, limit))));
  const int64_t panels = ceil_div(columns, width);
  plan.column_block = std::clamp<int64_t>(panels / 16, 1, 8) * width;
  const int64_t column_blocks = ceil_div(columns, plan.column_block);
  const int64_t rows = std::max<int64_t>(1, s.rows);
  const int64_t wanted = column_blocks * p.groups * static_cast<int64_t>(plan.phases.size()) < 4
                             ? std::min<int64_t>(4, ceil_div(rows, 64))
                             : 1;
  plan.row_block = ceil_div(ceil_div(rows, wanted), k.tile_rows) * k.tile_rows;
  plan.row_blocks = ceil_div(rows, plan.row_block);
  plan.tasks = plan.packed_elements = 0;
  for (ConvPhase& phase : plan.phases) {
    phase.column_blocks = ceil_div(phase.columns, plan.column_block);
    phase.first_task = plan.tasks;
    phase.pack_offset = plan.packed_elements;
    plan.tasks += p.n * p.groups * plan.row_blocks * phase.column_blocks;
    plan.packed_elements += p.groups * ceil_div(rows, k.tile_rows) * k.tile_rows * phase.depth;
  }
  Arena arena;
  TaskMemory<T> counted(plan, arena);
  plan.task_bytes = arena.used();
  if (plan.direction == Direction::input)
    plan.shared_bytes = static_cast<std::size_t>(plan.packed_elements) * sizeof(T);
}

void plan_gemm(ConvPlan& plan) {
  make_phases(plan);
  if (plan.type == ElementType::f32) {
    plan_blocks<float>(plan);
  } else {
    plan_blocks<double>(plan);
  }
}

template <class T>
class GemmTask {
 public:
  GemmTask(const ConvPlan& plan, const ConvArgs& args, const T* packed, int64_t task)
      : plan_(plan), p_(plan.problem), k_(kernels_of<T>(*plan.isa)), s_(sizes_of(plan)),
        args_(args), packed_(packed), phase_(find_phase(plan, task)) {
    int64_t rest = task - phase_.first_task;
    column_ = rest % phase_.column_blocks * plan.column_block;
    columns_ = std::min(plan.column_block, phase_.columns - column_);
    rest /= phase_.column_blocks;
    row_ = rest % plan.row_blocks * plan.row_block;
    rows_ = std::min(plan.row_block, s_.rows - row_);
    rest /= plan.row_blocks;
    group_ = rest % p_.groups;
    image_ = rest / p_.groups;
  }

  void run() {
    Arena arena(task_scratch(plan_.task_bytes));
    const TaskMemory<T> memory(plan_, arena);
    const int64_t width = int64_t{k_.lanes} * k_.tile_vectors;
    int64_t p0 = 0;
    // At least once: without any product the result is still the bias, or zero.
    do {
      depth_at_ = p0;
      depth_ = std::min(plan_.depth_block, phase_.depth - p0);
      for (int64_t j = 0; j < columns_; j += width)
        run_panel(memory, j, std::min(width, columns_ - j));
      p0 += depth_;
    } while (p0 < phase_.depth);
    if (memory.result) scatter(memory.result);
  }

 private:
  static const ConvPhase& find_phase(const ConvPlan& plan, int64_t task) {
    std::size_t i = 0;
    while (i + 1 < plan.phases.size() && plan.phases[i + 1].first_task <= task) ++i;
    return plan.phases[i];
  }

  const T* source() const {
    const int64_t plane = s_.source[0] * s_.source[1] * s_.source[2];
    return static_cast<const T*>(args_.source) +
           (image_ * p_.groups + group_) * s_.channels * plane;
  }

  T* result() const {
    const int64_t plane = s_.result[0] * s_.result[1] * s_.result[2];
    return static_cast<T*>(args_.out) +
           ((image_ * p_.groups + group_) * s_.rows + row_) * plane;
  }

  void gather_panel(T* panel, int64_t j, int64_t n, int64_t width) const {
    GatherArgs<T> g{};
    g.image = source();
    g.channel_stride = s_.source[0] * s_.source[1] * s_.source[2];
    for (int i = 0; i < 3; ++i) {
      g.size[i] = s_.source[i];
      g.grid[i] = phase_.grid[i];
      g.step[i] = plan_.direction == Direction::forward ? p_.stride[i] : 1;
    }
    g.taps = phase_.taps.data();
    g.tap_count = static_cast<int64_t>(phase_.taps.size());
    g.row = depth_at_;
    g.rows = depth_;
    g.column = column_ + j;
    g.columns = n;
    g.out = panel;
    g.out_row = width;
    g.width = ceil_div(n, k_.lanes) * k_.lanes;
    k_.gather(g);
  }

  void run_panel(const TaskMemory<T>& memory, int64_t j, int64_t n) const {
    const int64_t width = int64_t{k_.lanes} * k_.tile_vectors;
    const int64_t plane = s_.source[0] * s_.source[1] * s_.source[2];
    TileArgs<T> t{};
    if (memory.panel) {
      if (depth_) gather_panel(memory.panel, j, n, width);
      t.b = memory.panel;
      t.b_row = width;
    } else {
      t.b = source() + depth_at_ * plane + column_ + j;
      t.b_row = plane;
    }
    t.depth = depth_;
    t.columns = static_cast<int>(n);
    t.accumulate = depth_at_ > 0;
    const bool last = depth_at_ + depth_ == phase_.depth;
    t.relu = last && args_.relu;
    t.c_row = memory.result ? plan_.column_block : s_.result[0] * s_.result[1] * s_.result[2];
    T* c = memory.result ? memory.result + j : result() + column_ + j;
    const T* bias = static_cast<const T*>(last ? args_.bias : nullptr);
    const auto vectors = static_cast<std::size_t>(ceil_div(n, k_.lanes)) - 1;
    for (int64_t i = 0; i < rows_; i += k_.tile_rows) {
      const int64_t high = std::min<int64_t>(k_.tile_rows, rows_ - i);
      set_rows(t, row_ + i);
      t.c = c + i * t.c_row;
      t.row_bias = bias ? bias + group_ * s_.rows + row_ + i : nullptr;
      k_.tile[high - 1][vectors](t);
    }
  }

  void set_rows(TileArgs<T>& t, int64_t row) const {
    if (packed_) {
      const int64_t panels = ceil_div(s_.rows, k_.tile_rows);
      t.a = packed_ + phase_.pack_offset +
            (group_ * panels * k_.tile_rows + row) * phase_.depth + depth_at_ * k_.tile_rows;
      t.a_row = 1;
      t.a_col = k_.tile_rows;
    } else {
      t.a = static_cast<const T*>(args_.other) + (group_ * s_.rows + row) * phase_.depth + depth_at_;
      t.a_row = phase_.depth;
      t.a_col = 1;
    }
  }

  // Writes the phase's positions, stride apart, into the result.
  void scatter(const T* block) const {
    const int64_t(&step)[3] = p_.stride;
    const int64_t plane = s_.result[0] * s_.result[1] * s_.result[2];
    const int64_t layer = phase_.grid[1] * phase_.grid[2];
    for (int64_t i = 0; i < rows_; ++i, block += plan_.column_block) {
      T* out = result() + i * plane;
      for (int64_t done = 0; done < columns_;) {
        const int64_t at = column_ + done;
        const int64_t d = at / layer, h = at % layer / phase_.grid[2], w = at % phase_.grid[2];
        const int64_t n = std::min(phase_.grid[2] - w, columns_ - done);
        T* line = out + ((phase_.origin[0] + d * step[0]) * s_.result[1] + phase_.origin[1] +
                         h * step[1]) * s_.result[2] + phase_.origin[2] + w * step[2];
        for (int64_t x = 0; x < n; ++x) line[x * step[2]] = block[done + x];
        done += n;
      }
    }
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const Kernels<T>& k_;
  const Sizes s_;
  const ConvArgs& args_;
  const T* packed_;
  const ConvPhase& phase_;
  int64_t column_ = 0, columns_ = 0, row_ = 0, rows_ = 0, group_ = 0, image_ = 0;
  int64_t depth_at_ = 0, depth_ = 0;
};

template <class T>
void run_typed(const ConvPlan& plan, const ConvArgs& args) {
  const T* packed = nullptr;
  if (args.packed) {
    packed = static_cast<const T*>(args.packed->pack_for(plan));
  } else if (plan.direction == Direction::input) {
    void* shared = call_scratch(plan.shared_bytes);
    pack_weights(plan, args.other, shared);
    packed = static_cast<const T*>(shared);
  }
  parallel_for(plan.tasks, conv_work(plan.problem) / 8,
               [&](int64_t task) { GemmTask<T>(plan, args, packed, task).run(); });
}

void run_gemm(const ConvPlan& plan, const ConvArgs& args) {
  if (plan.type == ElementType::f32) {
    run_typed<float>(plan, args);
  } else {
    run_typed<double>(plan, args);
  }
}

const char* never_refuses(const ConvProblem&) { return nullptr; }
bool always(const ConvProblem&) { return true; }

const char* pointwise_refuses(const ConvProblem& p) {
  for (int i = 0; i < 3; ++i) {
    if (p.kernel[i] != 1) return "the kernel is larger than 1";
    if (p.stride[i] != 1) return "the stride is larger than 1";
    if (p.pad_lo[i] || p.pad_hi[i]) return "there is padding";
  }
  return nullptr;
}

}  // namespace

const ConvAlgorithm implicit_gemm_forward{"implicit_gemm", Direction::forward, never_refuses,
                                          always, plan_gemm, run_gemm};
const ConvAlgorithm implicit_gemm_input{"implicit_gemm", Direction::input, never_refuses,
                                        always, plan_gemm, run_gemm};
const ConvAlgorithm pointwise_forward{"pointwise", Direction::forward, pointwise_refuses,
                                      always, plan_gemm, run_gemm};
const ConvAlgorithm pointwise_input{"pointwise", Direction::input, pointwise_refuses,
                                    always, plan_gemm, run_gemm};

}  // namespace pyconv
