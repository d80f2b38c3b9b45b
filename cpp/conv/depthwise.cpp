// Depthwise forward pass and the data gradient, straight on NCHW: a task is some planes.
//
// A data gradient is, for each residue of the rows modulo stride, a dense correlation of dy with
// the taps that reach it; nothing is multiplied by an inserted zero. Its columns modulo two are
// computed side by side and merged as they are stored; of 3x3 and 5x5 filters at stride 2 the rows
// are too.
#include "conv/depthwise.hpp"

#include "conv/list.hpp"
#include "core/parallel.hpp"

namespace pyconv {
namespace {

// Data gradient: tap t of input x reads dy at (x + padding - t * dilation) / stride where that is
// whole. x = grid position * stride + residue; every period-th tap from the last reaches it.
TapRun gradient_taps(const ConvProblem& p, int i, int64_t residue) {
  TapRun r{0, 0, 1, 0, 0};
  int64_t previous = 0, last = 0;
  for (int64_t t = p.kernel[i] - 1; t >= 0; --t) {
    const int64_t shift = residue + p.pad_lo[i] - t * p.dilation[i];
    if (shift % p.stride[i] != 0) continue;
    if (r.count == 0) {
      r.first = shift / p.stride[i];
      r.weight = t * weight_step(p, i);
    } else if (r.count == 1) {
      r.step = shift / p.stride[i] - previous;
      r.weight_step = (t - last) * weight_step(p, i);
    }
    previous = shift / p.stride[i];
    last = t;
    ++r.count;
  }
  return r;
}

const char* forward_refuses(const ConvPlan& plan) {
  if (const char* why = strip_refuses(plan)) return why;
  const ConvProblem& p = plan.problem;
  const int64_t rows = p.kernel[1], apart = rows_apart(p.stride[1], forward_taps(p, 1).step);
  if (apart == 1 && p.stride[2] == 1)
    return rows <= 5 || rows == 7 ? nullptr : "the filter has six or more than seven rows";
  if (apart == 2 && p.stride[2] == 2)
    return rows == 3 || rows == 5 ? nullptr : "the filter has not three or five rows";
  return "no kernel has this stride";
}

const char* input_refuses(const ConvPlan& plan) {
  if (const char* why = strip_refuses(plan)) return why;
  const ConvProblem& p = plan.problem;
  if (p.k == 0) return "there are no filters";
  if (p.stride[2] > 2) return "the column stride is over 2";
  for (int i = 1; i < 3; ++i)
    for (int64_t residue = 0; residue < p.stride[i]; ++residue) {
      const int64_t taps = gradient_taps(p, i, residue).count;
      if (taps == 0) return "no tap reaches some of the pixels";
      const bool fits = p.stride[2] == 2 ? taps <= 3 : taps <= 5 || taps == 7;
      if (i == 1 && !fits) return "too many filter rows reach a pixel";
    }
  return nullptr;
}

// More filters a channel than elsewhere (8x8 to 224x224 pixels, 24 to 1024 filters, one thread): 3x3
// at stride 1 walks down rows for 1.2 to 1.4 times the speed of the next, and a data gradient meets a
// matrix product of one row, 1.1 to 5 times slower where the filter has taps to share.
bool forward_prefers(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const bool walks = p.kernel[1] == 3 && p.kernel[2] == 3 && p.stride[1] == 1 && p.stride[2] == 1 &&
                     p.output[2] >= 24;
  return depthwise_prefers(plan) || (walks && p.k / p.groups <= 128);
}

// Strided signals of a dozen products a sample: tiles along them take 0.35 to 0.8 of the time.
bool input_prefers(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const bool line = p.output[1] == 1 && p.stride[2] > 1;
  if (line && p.k / p.groups * taps_of(p) >= 12 && would_run(wide_rows_input, plan)) return false;
  const bool shares = taps_of(p) > 1 && (p.output[1] > 1 || p.stride[2] == 1);
  return depthwise_prefers(plan) || (shares && p.k / p.groups <= 256);
}

void plan_planes(ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  plan.tasks = p.n * ceil_div(p.c, planes_per_task(p));
}

template <class T>
void forward_task(const ConvPlan& plan, const ConvArgs& args, int64_t task) {
  const ConvProblem& p = plan.problem;
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const PlaneRange range = planes_of(p, task);
  const int64_t filters = p.k / p.groups, taps = taps_of(p);
  const int64_t plane = range.image * p.c + range.channel;
  DepthwiseArgs<T> d{};
  d.height = p.input[1];
  d.width = p.input[2];
  d.mode = p.stride[2] == 1 ? Columns::dense : Columns::strided;
  d.row_taps = forward_taps(p, 1);
  d.column_taps[0] = forward_taps(p, 2);
  d.row_step = p.stride[1];
  d.row_group = row_group(d.row_step, d.row_taps.step);
  d.rows = p.output[1];
  d.columns = d.out_row = p.output[2];
  d.relu = args.relu;
  d.out_plane = pixels(p.output);
  d.weight_plane = taps;
  d.source = static_cast<const T*>(args.source) + plane * pixels(p.input);
  d.weights = static_cast<const T*>(args.other) + range.channel * filters * taps;
  d.bias = static_cast<const T*>(args.bias);
  if (d.bias) d.bias += range.channel * filters;
  d.out = static_cast<T*>(args.out) + plane * filters * d.out_plane;
  if (filters == 1) {
    d.planes = range.count;
    d.source_plane = pixels(p.input);
    return k.depthwise(d);
  }
  d.planes = filters;
  for (int64_t c = 0; c < range.count; ++c) {
    k.depthwise(d);
    d.source += pixels(p.input);
    d.weights += filters * taps;
    if (d.bias) d.bias += filters;
    d.out += filters * d.out_plane;
  }
}

// One residue of the rows, or all rows at once, for some planes.
template <class T>
void run_rows(const ConvPlan& plan, DepthwiseArgs<T> d, int64_t count) {
  const ConvProblem& p = plan.problem;
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const int64_t filters = p.k / p.groups;
  d.row_group = row_group(1, d.row_taps.step);
  if (filters == 1) {
    d.planes = count;
    return k.depthwise(d);
  }
  d.planes = 1;
  for (int64_t c = 0; c < count; ++c, d.out += d.out_plane)
    for (int64_t f = 0; f < filters; ++f) {
      d.accumulate = f > 0;
      k.depthwise(d);
      d.source += d.source_plane;
      d.weights += d.weight_plane;
    }
}

// 3x3 and 5x5 at a stride of 2 in both directions have kernels of their own.
bool gradient_in_quads(const ConvProblem& p) {
  bool quads = p.kernel[1] == 3 || p.kernel[1] == 5;
  for (int i = 1; i < 3; ++i)
    quads = quads && p.kernel[i] == p.kernel[1] && p.stride[i] == 2 && p.dilation[i] == 1;
  return quads;
}

template <class T>
void input_task(const ConvPlan& plan, const ConvArgs& args, int64_t task) {
  const ConvProblem& p = plan.problem;
  const PlaneRange range = planes_of(p, task);
  const int64_t filters = p.k / p.groups;
  const int64_t plane = range.image * p.c + range.channel;
  DepthwiseArgs<T> d{};
  d.height = p.output[1];
  d.width = p.output[2];
  d.mode = p.stride[2] == 1 ? Columns::dense : Columns::merged;
  d.row_step = 1;
  d.columns = p.input[2];
  d.out_row = p.stride[1] * p.input[2];
  d.source_plane = pixels(p.output);
  d.weight_plane = taps_of(p);
  d.out_plane = pixels(p.input);
  d.source = static_cast<const T*>(args.source) + plane * filters * d.source_plane;
  d.weights = static_cast<const T*>(args.other) + range.channel * filters * d.weight_plane;
  if (gradient_in_quads(p)) {
    d.mode = Columns::quads;
    d.row_taps = forward_taps(p, 1);
    d.column_taps[0] = forward_taps(p, 2);
    d.rows = p.input[1];
    d.out_row = p.input[2];
    d.out = static_cast<T*>(args.out) + plane * d.out_plane;
    return run_rows(plan, d, range.count);
  }
  for (int64_t w = 0; w < p.stride[2]; ++w) d.column_taps[w] = gradient_taps(p, 2, w);
  for (int64_t h = 0; h < std::min(p.stride[1], p.input[1]); ++h) {
    d.row_taps = gradient_taps(p, 1, h);
    d.rows = ceil_div(p.input[1] - h, p.stride[1]);
    d.out = static_cast<T*>(args.out) + plane * d.out_plane + h * p.input[2];
    run_rows(plan, d, range.count);
  }
}

template <class T>
void run_typed(const ConvPlan& plan, const ConvArgs& args) {
  parallel_for(plan.tasks, conv_work(plan.problem) * 2, [&](int64_t task) {
    if (plan.direction == Direction::input) {
      input_task<T>(plan, args, task);
    } else {
      forward_task<T>(plan, args, task);
    }
  });
}

void run_planes(const ConvPlan& plan, const ConvArgs& args) {
  with_type(plan.type, [&](auto tag) { run_typed<decltype(tag)>(plan, args); });
}

}  // namespace

const ConvAlgorithm depthwise_forward{
    "depthwise", Direction::forward, Precision::highest, forward_refuses, forward_prefers,
    plan_planes, run_planes};
const ConvAlgorithm depthwise_input{
    "depthwise", Direction::input, Precision::highest, input_refuses, input_prefers,
    plan_planes, run_planes};

}  // namespace pyconv
