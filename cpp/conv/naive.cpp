// The definition, as loops: slow, accepts everything, and shares no code with the fast paths.
#include <type_traits>

#include "conv/list.hpp"
#include "core/parallel.hpp"

namespace pyconv {
namespace {

// Calls body(tap, offset in the padded-away input, inside) for each tap at one output position.
template <class Body>
void for_taps(const ConvProblem& p, const int64_t (&at)[3], const Body& body) {
  int64_t tap = 0, t[3];
  for (t[0] = 0; t[0] < p.kernel[0]; ++t[0])
    for (t[1] = 0; t[1] < p.kernel[1]; ++t[1])
      for (t[2] = 0; t[2] < p.kernel[2]; ++t[2], ++tap) {
        int64_t offset = 0;
        bool inside = true;
        for (int i = 0; i < 3; ++i) {
          const int64_t x = at[i] * p.stride[i] + t[i] * p.dilation[i] - p.pad_lo[i];
          inside = inside && x >= 0 && x < p.input[i];
          offset = offset * p.input[i] + x;
        }
        if (inside) body(tap, offset);
      }
}

template <class Body>
void for_positions(const int64_t (&size)[3], const Body& body) {
  int64_t at[3], index = 0;
  for (at[0] = 0; at[0] < size[0]; ++at[0])
    for (at[1] = 0; at[1] < size[1]; ++at[1])
      for (at[2] = 0; at[2] < size[2]; ++at[2], ++index) body(at, index);
}

struct View {
  const ConvProblem& p;
  int64_t channels, filters, taps, in, out;
  explicit View(const ConvProblem& q)
      : p(q), channels(q.c / q.groups), filters(q.k / q.groups), taps(taps_of(q)),
        in(pixels(q.input)), out(pixels(q.output)) {}
};

template <class T>
void forward_plane(const View& v, const ConvArgs& args, int64_t plane) {
  const int64_t image = plane / v.p.k, k = plane % v.p.k, group = k / v.filters;
  const T* x = static_cast<const T*>(args.source) + (image * v.p.c + group * v.channels) * v.in;
  const T* w = static_cast<const T*>(args.other) + k * v.channels * v.taps;
  const T* bias = static_cast<const T*>(args.bias);
  T* y = static_cast<T*>(args.out) + plane * v.out;
  for_positions(v.p.output, [&](const int64_t(&at)[3], int64_t index) {
    T sum = 0;
    for (int64_t c = 0; c < v.channels; ++c)
      for_taps(v.p, at, [&](int64_t tap, int64_t offset) {
        sum += w[c * v.taps + tap] * x[c * v.in + offset];
      });
    if (bias) sum += bias[k];
    y[index] = args.relu && sum <= T(0) ? T(0) : sum;
  });
}

template <class T>
void input_plane(const View& v, const ConvArgs& args, int64_t plane) {
  const int64_t image = plane / v.p.c, c = plane % v.p.c, group = c / v.channels;
  T* dx = static_cast<T*>(args.out) + plane * v.in;
  for (int64_t i = 0; i < v.in; ++i) dx[i] = T(0);
  for (int64_t f = 0; f < v.filters; ++f) {
    const int64_t k = group * v.filters + f;
    const T* dy = static_cast<const T*>(args.source) + (image * v.p.k + k) * v.out;
    const T* w = static_cast<const T*>(args.other) + (k * v.channels + c % v.channels) * v.taps;
    for_positions(v.p.output, [&](const int64_t(&at)[3], int64_t index) {
      for_taps(v.p, at, [&](int64_t tap, int64_t offset) { dx[offset] += w[tap] * dy[index]; });
    });
  }
}

template <class T>
void weight_plane(const View& v, const ConvArgs& args, int64_t plane) {
  const int64_t k = plane / v.channels, c = plane % v.channels, group = k / v.filters;
  T* dw = static_cast<T*>(args.out) + plane * v.taps;
  for (int64_t t = 0; t < v.taps; ++t) dw[t] = T(0);
  for (int64_t image = 0; image < v.p.n; ++image) {
    const T* x = static_cast<const T*>(args.source) +
                 (image * v.p.c + group * v.channels + c) * v.in;
    const T* dy = static_cast<const T*>(args.other) + (image * v.p.k + k) * v.out;
    for_positions(v.p.output, [&](const int64_t(&at)[3], int64_t index) {
      for_taps(v.p, at, [&](int64_t tap, int64_t offset) { dw[tap] += x[offset] * dy[index]; });
    });
  }
}

template <class T>
void run_typed(const ConvPlan& plan, const ConvArgs& args) {
  const View v(plan.problem);
  parallel_for(plan.tasks, conv_work(plan.problem) * 20, [&](int64_t plane) {
    switch (plan.direction) {
      case Direction::forward: return forward_plane<T>(v, args, plane);
      case Direction::input: return input_plane<T>(v, args, plane);
      default: return weight_plane<T>(v, args, plane);
    }
  });
}

void run_naive(const ConvPlan& plan, const ConvArgs& args) {
  with_type(plan.type, [&](auto tag) { run_typed<decltype(tag)>(plan, args); });
}

void plan_naive(ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  switch (plan.direction) {
    case Direction::forward: plan.tasks = p.n * p.k; break;
    case Direction::input: plan.tasks = p.n * p.c; break;
    default: plan.tasks = p.k * (p.c / p.groups); break;
  }
}

const char* never_refuses(const ConvPlan&) { return nullptr; }
bool always(const ConvPlan&) { return true; }

}  // namespace

const ConvAlgorithm naive_forward{
    "naive", Direction::forward, Precision::highest, never_refuses, always, plan_naive, run_naive};
const ConvAlgorithm naive_input{
    "naive", Direction::input, Precision::highest, never_refuses, always, plan_naive, run_naive};
const ConvAlgorithm naive_weight{
    "naive", Direction::weight, Precision::highest, never_refuses, always, plan_naive, run_naive};

}  // namespace pyconv
