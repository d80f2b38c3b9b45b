// Depthwise forward and weight gradient, straight on NCHW: a task is one plane.
#include "conv/depthwise_strip.hpp"

#include <vector>

#include "conv/list.hpp"
#include "core/parallel.hpp"

namespace pyconv {
namespace {

template <class T>
StripShape shape_of(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  return strip_shape(p.output[1], p.output[2], p.stride[1], p.stride[2], extent(p, 1), extent(p, 2),
                     kernels_of<T>(*plan.isa).lanes, sizeof(T));
}

template <class T>
struct Memory {
  T* strip;
  T* sums;
  const T** taps;
  Memory(const ConvPlan& plan, Arena& arena) {
    const StripShape s = shape_of<T>(plan);
    strip = arena.take<T>(s.source_rows * s.row_size * plan.problem.stride[2]);
    sums = arena.take<T>(taps_of(plan.problem));
    taps = arena.take<const T*>(taps_of(plan.problem));
  }
};

// Weight gradient: with few channels the filters of a channel are tasks of their own.
int64_t filter_tasks(const ConvProblem& p) {
  return p.c < 16 ? std::max<int64_t>(1, p.k / p.groups) : 1;
}

template <class T>
void plan_typed(ConvPlan& plan) {
  Arena arena;
  Memory<T> counted(plan, arena);
  plan.task_bytes = arena.used();
}

void plan_planes(ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  plan.tasks = plan.direction == Direction::weight ? p.c * filter_tasks(p) : p.n * p.c;
  with_type(plan.type, [&](auto tag) { plan_typed<decltype(tag)>(plan); });
}

// Calls body(first output row, rows) for each strip of one plane, with the strip and its tap
// pointers filled in.
template <class T, class Body>
void for_strips(const ConvPlan& plan, const T* plane, const Memory<T>& memory, const Body& body) {
  const ConvProblem& p = plan.problem;
  const StripShape s = shape_of<T>(plan);
  for (int64_t y = 0; y < p.output[1]; y += s.rows) {
    const int64_t rows = std::min(s.rows, p.output[1] - y);
    const PaddedPlane<T> strip{&kernels_of<T>(*plan.isa),
                               (rows - 1) * p.stride[1] + extent(p, 1), s.row_size, p.stride[2],
                               memory.strip};
    strip.fill(plane, p.input, y * p.stride[1] - p.pad_lo[1], -p.pad_lo[2], s.columns);
    for (int64_t h = 0, t = 0; h < p.kernel[1]; ++h)
      for (int64_t w = 0; w < p.kernel[2]; ++w, ++t)
        memory.taps[t] = strip.at(h * p.dilation[1], w * p.dilation[2]);
    body(y, rows, p.stride[1] * strip.row_stride());
  }
}

template <class T>
void forward_plane(const ConvPlan& plan, const ConvArgs& args, int64_t plane) {
  const ConvProblem& p = plan.problem;
  Arena arena(task_scratch(plan.task_bytes));
  const Memory<T> memory(plan, arena);
  const int64_t taps = taps_of(p), filters = p.k / p.groups, out_area = pixels(p.output);
  const int64_t channel = plane % p.c;
  const T* bias = static_cast<const T*>(args.bias);
  StripArgs<T> d{};
  d.taps = memory.taps;
  d.tap_count = taps;
  d.out_row = p.output[2];
  d.columns = p.output[2];
  d.relu = args.relu;
  for_strips<T>(plan, static_cast<const T*>(args.source) + plane * pixels(p.input), memory,
                [&](int64_t y, int64_t rows, int64_t source_row) {
    d.source_row = source_row;
    d.rows = rows;
    for (int64_t f = 0; f < filters; ++f) {
      d.weights = static_cast<const T*>(args.other) + (channel * filters + f) * taps;
      d.bias = bias ? bias[channel * filters + f] : T(0);
      d.out = static_cast<T*>(args.out) + (plane * filters + f) * out_area + y * p.output[2];
      kernels_of<T>(*plan.isa).strip(d);
    }
  });
}

template <class T>
void weight_task(const ConvPlan& plan, const ConvArgs& args, int64_t task) {
  const ConvProblem& p = plan.problem;
  const int64_t split = filter_tasks(p), channel = task / split;
  Arena arena(task_scratch(plan.task_bytes));
  const Memory<T> memory(plan, arena);
  const int64_t taps = taps_of(p), filters = p.k / p.groups, out_area = pixels(p.output);
  const int64_t count = filters / split, first = task % split * count;
  T* out = static_cast<T*>(args.out) + (channel * filters + first) * taps;
  std::fill_n(out, count * taps, T(0));
  StripWeightArgs<T> d{};
  d.taps = memory.taps;
  d.tap_count = taps;
  d.grad_row = p.output[2];
  d.columns = p.output[2];
  d.sums = memory.sums;
  for (int64_t image = 0; image < p.n; ++image) {
    const int64_t plane = image * p.c + channel;
    for_strips<T>(plan, static_cast<const T*>(args.source) + plane * pixels(p.input), memory,
                  [&](int64_t y, int64_t rows, int64_t source_row) {
      d.source_row = source_row;
      d.rows = rows;
      for (int64_t f = 0; f < count; ++f) {
        d.grad = static_cast<const T*>(args.other) + (plane * filters + first + f) * out_area +
                 y * p.output[2];
        std::fill_n(memory.sums, taps, T(0));
        kernels_of<T>(*plan.isa).strip_weight(d);
        for (int64_t t = 0; t < taps; ++t) out[f * taps + t] += memory.sums[t];
      }
    });
  }
}

template <class T>
void run_typed(const ConvPlan& plan, const ConvArgs& args) {
  parallel_for(plan.tasks, conv_work(plan.problem) * 2, [&](int64_t task) {
    if (plan.direction == Direction::weight) {
      weight_task<T>(plan, args, task);
    } else {
      forward_plane<T>(plan, args, task);
    }
  });
}

void run_planes(const ConvPlan& plan, const ConvArgs& args) {
  with_type(plan.type, [&](auto tag) { run_typed<decltype(tag)>(plan, args); });
}

// Its sums are read and written for every filter and strip, where wide_rows keeps them: that is ahead
// (1.1 to 4 times) but for one filter a channel at a stride or with many taps in a line.
bool weight_prefers(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  return p.k == p.groups && (p.stride[2] > 1 || (p.kernel[1] == 1 && p.kernel[2] >= 9));
}

}  // namespace

const ConvAlgorithm depthwise_strip_forward{
    "depthwise_strip", Direction::forward, Precision::highest, strip_refuses, depthwise_prefers,
    plan_planes, run_planes};
const ConvAlgorithm depthwise_strip_weight{
    "depthwise_strip", Direction::weight, Precision::highest, strip_refuses, weight_prefers,
    plan_planes, run_planes};

}  // namespace pyconv
