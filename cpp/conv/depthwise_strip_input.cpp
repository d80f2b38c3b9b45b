// Depthwise data gradient: each residue of the input position modulo stride is a dense stride-1
// correlation of dy with the taps that reach it; nothing is multiplied by an inserted zero.
#include <vector>

#include "conv/depthwise_strip.hpp"
#include "conv/list.hpp"
#include "conv/wide_rows_strided.hpp"
#include "core/parallel.hpp"

namespace pyconv {
namespace {

// Taps reaching one residue, in one dimension: filter index and source offset, offsets ascending.
struct Reach {
  std::vector<int64_t> tap, offset;
};

Reach reach(const ConvProblem& p, int i, int64_t origin) {
  Reach r;
  for (int64_t t = p.kernel[i] - 1; t >= 0; --t) {
    const int64_t shift = origin - (t * p.dilation[i] - p.pad_lo[i]);
    if (shift % p.stride[i] == 0) {
      r.tap.push_back(t);
      r.offset.push_back(shift / p.stride[i]);
    }
  }
  return r;
}

// The strip of dy that a strip of dx rows needs. Offsets lie in [lo, hi] over all residues.
struct Shape {
  int64_t lo[3], grid_rows, source_rows, columns, row_size;
};

template <class T>
Shape shape_of(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  Shape s{};
  int64_t hi[3] = {0, 0, 0}, grid[3] = {1, 1, 1};
  for (int i = 1; i < 3; ++i) {
    // The smallest shift is reached by the last tap from residue 0, the largest by tap 0.
    const int64_t smallest = p.pad_lo[i] - (p.kernel[i] - 1) * p.dilation[i];
    s.lo[i] = smallest >= 0 ? smallest / p.stride[i] : -ceil_div(-smallest, p.stride[i]);
    hi[i] = (p.pad_lo[i] + p.stride[i] - 1) / p.stride[i];
    grid[i] = ceil_div(p.input[i], p.stride[i]);
  }
  const int lanes = kernels_of<T>(*plan.isa).lanes;
  s.columns = grid[2] + hi[2] - s.lo[2];
  s.row_size = padded_row(s.columns, lanes);
  s.grid_rows = strip_rows(grid[1], 1, hi[1] - s.lo[1] + 1, s.row_size, sizeof(T));
  s.source_rows = s.grid_rows + hi[1] - s.lo[1];
  return s;
}

template <class T>
struct Memory {
  T *strip, *result, *weights;  // result: one block for each residue of the columns
  const T** taps;
  int64_t result_size;
  Memory(const ConvPlan& plan, Arena& arena) {
    const ConvProblem& p = plan.problem;
    const Shape s = shape_of<T>(plan);
    strip = arena.take<T>(s.source_rows * s.row_size);
    result_size = s.grid_rows * ceil_div(p.input[2], p.stride[2]);
    result = arena.take<T>(result_size * p.stride[2]);
    weights = arena.take<T>(taps_of(p));
    taps = arena.take<const T*>(taps_of(p));
  }
};

template <class T>
class PlaneTask {
 public:
  PlaneTask(const ConvPlan& plan, const ConvArgs& args, int64_t plane)
      : plan_(plan), p_(plan.problem), shape_(shape_of<T>(plan)), args_(args), plane_(plane),
        arena_(task_scratch(plan.task_bytes)), memory_(plan, arena_) {
    for (int64_t h = 0; h < p_.stride[1]; ++h) row_reach_.push_back(reach(p_, 1, h));
    for (int64_t w = 0; w < p_.stride[2]; ++w) column_reach_.push_back(reach(p_, 2, w));
  }

  void run() const {
    const int64_t filters = p_.k / p_.groups, grid = ceil_div(p_.input[1], p_.stride[1]);
    for (int64_t y = 0; y < grid; y += shape_.grid_rows) {
      const int64_t rows = std::min(shape_.grid_rows, grid - y);
      for (int64_t f = 0; f < filters; ++f) run_strip(y, rows, f);
    }
  }

 private:
  void run_strip(int64_t y, int64_t rows, int64_t f) const {
    const int64_t filters = p_.k / p_.groups;
    const PaddedPlane<T> strip{&kernels_of<T>(*plan_.isa),
                               rows + shape_.source_rows - shape_.grid_rows, shape_.row_size, 1,
                               memory_.strip};
    const T* dy = static_cast<const T*>(args_.source) +
                  (plane_ * filters + f) * pixels(p_.output);
    strip.fill(dy, p_.output, y + shape_.lo[1], shape_.lo[2], shape_.columns);
    const int64_t column_residues = std::min(p_.stride[2], p_.input[2]);
    for (int64_t h = 0; h < std::min(p_.stride[1], p_.input[1]); ++h) {
      const int64_t here = std::min(rows, ceil_div(p_.input[1] - h, p_.stride[1]) - y);
      if (here <= 0) continue;
      T* out = static_cast<T*>(args_.out) + plane_ * pixels(p_.input) +
               (y * p_.stride[1] + h) * p_.input[2];
      for (int64_t w = 0; w < column_residues; ++w)
        run_residue(strip, out, here, f, row_reach_[static_cast<std::size_t>(h)], w);
      if (p_.stride[2] > 1) merge(out, here, column_residues, f > 0);
    }
  }

  // Columns stride apart, into the result itself or, for stride over 1, into this residue's block.
  void run_residue(const PaddedPlane<T>& strip, T* out, int64_t rows, int64_t f, const Reach& r,
                   int64_t w) const {
    const Reach& c = column_reach_[static_cast<std::size_t>(w)];
    const int64_t channel = plane_ % p_.c, filters = p_.k / p_.groups;
    const T* weight = static_cast<const T*>(args_.other) + (channel * filters + f) * taps_of(p_);
    StripArgs<T> d{};
    for (std::size_t i = 0; i < r.tap.size(); ++i)
      for (std::size_t j = 0; j < c.tap.size(); ++j, ++d.tap_count) {
        memory_.taps[d.tap_count] =
            strip.at(r.offset[i] - shape_.lo[1], c.offset[j] - shape_.lo[2]);
        memory_.weights[d.tap_count] = weight[r.tap[i] * p_.kernel[2] + c.tap[j]];
      }
    d.taps = memory_.taps;
    d.weights = memory_.weights;
    d.source_row = strip.row_stride();
    d.columns = ceil_div(p_.input[2] - w, p_.stride[2]);
    d.rows = rows;
    const bool direct = p_.stride[2] == 1;
    d.accumulate = direct && f > 0;
    d.out = direct ? out : memory_.result + w * memory_.result_size;
    d.out_row = direct ? p_.stride[1] * p_.input[2] : ceil_div(p_.input[2], p_.stride[2]);
    kernels_of<T>(*plan_.isa).strip(d);
  }

  // The blocks of all column residues, back in turn.
  void merge(T* out, int64_t rows, int64_t residues, bool accumulate) const {
    const int64_t width = p_.input[2], step = p_.stride[2], block_row = ceil_div(width, step);
    for (int64_t i = 0; i < rows; ++i, out += p_.stride[1] * width) {
      const T* block = memory_.result + i * block_row;
      const bool pairs = step == 2 && residues == 2 && !accumulate;
      if (pairs)
        kernels_of<T>(*plan_.isa).merge_rows(block, block + memory_.result_size, width / 2, out);
      for (int64_t w = 0; w < residues; ++w, block += memory_.result_size)
        for (int64_t x = pairs ? width / 2 * 2 + w : w; x < width; x += step)
          out[x] = accumulate ? out[x] + block[x / step] : block[x / step];
    }
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const Shape shape_;
  const ConvArgs& args_;
  const int64_t plane_;
  Arena arena_;
  const Memory<T> memory_;
  std::vector<Reach> row_reach_, column_reach_;
};

// Single taps at a stride are a matter of spreading what a product of rows has made: 3 to 11 times.
// Others at a stride share one band along lines: 4.4 times the speed in the mean of 175 layers
// drawn at random, 0.6 to 48 (Zen 5, November 2026).
bool prefers(const ConvPlan& plan) {
  if (is_strided_gradient(plan) && would_run(wide_rows_input, plan)) return false;
  return taps_of(plan.problem) > 1 && depthwise_prefers(plan);
}

void plan_planes(ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  plan.tasks = p.n * p.c;
  Arena arena;
  with_type(plan.type, [&](auto tag) { Memory<decltype(tag)> counted(plan, arena); });
  plan.task_bytes = arena.used();
}

void run_planes(const ConvPlan& plan, const ConvArgs& args) {
  const bool filters = plan.problem.k > 0;
  parallel_for(plan.tasks, conv_work(plan.problem) * 2, [&](int64_t task) {
    if (!filters) {
      const std::size_t bytes = static_cast<std::size_t>(plan.type);
      const auto size = static_cast<std::size_t>(pixels(plan.problem.input)) * bytes;
      std::fill_n(static_cast<char*>(args.out) + static_cast<std::size_t>(task) * size, size, '\0');
    } else {
      with_type(plan.type, [&](auto tag) { PlaneTask<decltype(tag)>(plan, args, task).run(); });
    }
  });
}

}  // namespace

const ConvAlgorithm depthwise_strip_input{
    "depthwise_strip", Direction::input, Precision::highest, strip_refuses, prefers,
    plan_planes, run_planes};

}  // namespace pyconv
