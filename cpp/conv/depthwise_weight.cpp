// Depthwise weight gradient, straight on NCHW: a task is some filters, for all images.
#include "conv/depthwise.hpp"

#include "conv/list.hpp"
#include "core/parallel.hpp"

namespace pyconv {
namespace {

const char* refuses(const ConvPlan& plan) {
  if (const char* why = strip_refuses(plan)) return why;
  const ConvProblem& p = plan.problem;
  const int64_t rows = p.kernel[1], apart = rows_apart(p.stride[1], forward_taps(p, 1).step);
  if (rows != 3 && rows != 5 && rows != 7) return "the filter has not three, five or seven rows";
  if (apart == 1 && p.stride[2] == 1) return nullptr;
  return apart == 2 && p.stride[2] == 2 && rows < 7 ? nullptr : "no kernel has this stride";
}

void plan_filters(ConvPlan& plan) {
  plan.tasks = ceil_div(plan.problem.k, planes_per_task(plan.problem));
}

template <class T>
void run_task(const ConvPlan& plan, const ConvArgs& args, int64_t task) {
  const ConvProblem& p = plan.problem;
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const int64_t each = planes_per_task(p), filters = p.k / p.groups, taps = taps_of(p);
  const int64_t first = task * each, count = std::min(each, p.k - first);
  T* sums = static_cast<T*>(args.out) + first * taps;
  std::fill_n(sums, count * taps, T(0));
  DepthwiseWeightArgs<T> d{};
  d.mode = p.stride[2] == 1 ? Columns::dense : Columns::strided;
  d.height = p.input[1];
  d.width = p.input[2];
  d.row_taps = forward_taps(p, 1);
  d.column_taps = forward_taps(p, 2);
  d.row_step = p.stride[1];
  d.row_group = row_group(d.row_step, d.row_taps.step);
  d.rows = p.output[1];
  d.columns = d.grad_row = p.output[2];
  d.source_plane = pixels(p.input);
  d.grad_plane = pixels(p.output);
  // Every image is another stretch of memory, which no hardware foresees: where the arrays come from
  // beyond the second-level cache, a plane of the next image is asked for before one of this.
  const int64_t all = p.n * (p.c * d.source_plane + p.k * d.grad_plane);
  const bool ahead = all * static_cast<int64_t>(sizeof(T)) > 1 << 20;
  constexpr int64_t small = 1 << 10;  // elements of a plane: fewer share a call
  d.planes = filters == 1 && !(ahead && d.grad_plane >= small) ? count : 1;
  for (int64_t image = 0; image < p.n; ++image)
    for (int64_t i = 0; i < count; i += d.planes) {
      const int64_t filter = first + i;
      d.source = static_cast<const T*>(args.source) +
                 (image * p.c + filter / filters) * d.source_plane;
      d.grad = static_cast<const T*>(args.other) + (image * p.k + filter) * d.grad_plane;
      d.sums = sums + i * taps;
      if (ahead && image + 1 < p.n) {
        k.bring_near(d.source + p.c * d.source_plane, d.planes * d.source_plane);
        k.bring_near(d.grad + p.k * d.grad_plane, d.planes * d.grad_plane);
      }
      k.depthwise_weight(d);
    }
}

void run_filters(const ConvPlan& plan, const ConvArgs& args) {
  parallel_for(plan.tasks, conv_work(plan.problem) * 2, [&](int64_t task) {
    with_type(plan.type, [&](auto tag) { run_task<decltype(tag)>(plan, args, task); });
  });
}

}  // namespace

const ConvAlgorithm depthwise_weight{
    "depthwise", Direction::weight, Precision::highest, refuses, depthwise_prefers, plan_filters,
    run_filters};

}  // namespace pyconv
