#include <cmath>
// Pooling and convolution through their drivers, on the instruction set in use: the
// drivers prepare the tables that the pooling kernels read, and block the products.
#include <algorithm>
#include <limits>
#include <vector>

#include "checks.hpp"
#include "conv/list.hpp"
#include "conv/packed_weight.hpp"
#include "pool/avg_pool.hpp"
#include "pool/max_pool.hpp"

namespace {

using pyconv::AvgRule;

struct PoolShape {
  int64_t input[2], kernel[2], stride[2], dilation[2], pad[2];
};

const PoolShape pool_shapes[] = {
    {{8, 8}, {2, 2}, {2, 2}, {1, 1}, {0, 0}},    {{9, 75}, {3, 3}, {2, 2}, {1, 1}, {1, 1}},
    {{5, 7}, {3, 3}, {1, 1}, {1, 1}, {1, 1}},    {{6, 40}, {3, 3}, {3, 3}, {1, 1}, {0, 0}},
    {{11, 53}, {2, 3}, {1, 2}, {2, 3}, {1, 1}},  {{10, 38}, {1, 5}, {2, 4}, {1, 1}, {0, 2}},
    {{4, 90}, {3, 2}, {4, 5}, {1, 1}, {1, 1}},   {{1, 1}, {1, 1}, {1, 1}, {1, 1}, {0, 0}},
    {{7, 33}, {3, 1}, {1, 2}, {1, 1}, {1, 0}},   {{13, 37}, {5, 3}, {2, 1}, {1, 2}, {2, 1}},
    {{5, 66}, {2, 2}, {2, 2}, {1, 1}, {1, 1}},   {{8, 35}, {3, 3}, {2, 2}, {1, 1}, {0, 0}},
    {{6, 35}, {3, 3}, {1, 1}, {1, 1}, {0, 0}}};

constexpr int64_t planes = 3;

PoolProblem problem_of(const PoolShape& s, bool dilated) {
  PoolProblem p{};
  p.planes = planes;
  for (int i = 0; i < 2; ++i) {
    p.input[i] = s.input[i];
    p.kernel[i] = s.kernel[i];
    p.stride[i] = s.stride[i];
    p.dilation[i] = dilated ? s.dilation[i] : 1;
    p.pad_lo[i] = p.pad_hi[i] = s.pad[i];
    const int64_t reach = (p.kernel[i] - 1) * p.dilation[i] + 1;
    p.output[i] = (p.input[i] + 2 * s.pad[i] - reach) / p.stride[i] + 1;
  }
  return p;
}

// Calls f(window, tap, element) for the taps inside the image, in order.
template <class F>
void for_taps(const PoolProblem& p, const F& f) {
  for (int64_t w = 0; w < p.planes * p.output[0] * p.output[1]; ++w) {
    const int64_t oy = w / p.output[1] % p.output[0], ox = w % p.output[1];
    for (int64_t t = 0; t < p.kernel[0] * p.kernel[1]; ++t) {
      const int64_t y = oy * p.stride[0] - p.pad_lo[0] + t / p.kernel[1] * p.dilation[0];
      const int64_t x = ox * p.stride[1] - p.pad_lo[1] + t % p.kernel[1] * p.dilation[1];
      const int64_t plane = w / (p.output[0] * p.output[1]);
      if (y >= 0 && y < p.input[0] && x >= 0 && x < p.input[1])
        f(w, t, (plane * p.input[0] + y) * p.input[1] + x);
    }
  }
}

template <class T>
void check_max(const PoolProblem& p, bool with_nan) {
  const int64_t size = p.planes * p.input[0] * p.input[1];
  const int64_t windows = p.planes * p.output[0] * p.output[1];
  Guarded<T> x(size, true), y(windows), plain(windows), grad(windows, true), dx(size);
  if (with_nan)
    for (int64_t i = 3; i < size; i += 11) x[i] = std::numeric_limits<T>::quiet_NaN();
  Guarded<uint8_t> offsets(windows);
  pyconv::max_pool_forward(p, x.data(), y.data(), {offsets.data(), nullptr});
  pyconv::max_pool_forward(p, x.data(), plain.data(), {nullptr, nullptr});
  pyconv::max_pool_backward(p, grad.data(), {offsets.data(), nullptr}, dx.data());
  std::vector<T> best(static_cast<std::size_t>(windows), -std::numeric_limits<T>::infinity());
  std::vector<int64_t> which(best.size(), -1), from(best.size(), 0);
  for_taps(p, [&](int64_t w, int64_t tap, int64_t element) {
    const auto i = static_cast<std::size_t>(w);
    const T v = x[element];
    if (which[i] >= 0 && !(v > best[i] || v != v)) return;
    best[i] = v;
    which[i] = tap;
    from[i] = element;
  });
  std::vector<T> gradient(static_cast<std::size_t>(size), T(0));
  for (int64_t w = 0; w < windows; ++w) {
    const auto i = static_cast<std::size_t>(w);
    expect("max_pool", w, y[w], best[i]);
    expect("max_pool without positions", w, plain[w], best[i]);
    expect("max_pool position", w, static_cast<int64_t>(offsets[w]), which[i]);
    gradient[static_cast<std::size_t>(from[i])] += grad[w];
  }
  for (int64_t i = 0; i < size; ++i)
    expect("max_pool_backward", i, dx[i], gradient[static_cast<std::size_t>(i)]);
  y.check("max_pool: canary");
  plain.check("max_pool without positions: canary");
  offsets.check("max_pool positions: canary");
  dx.check("max_pool_backward: canary");
}

int64_t divisor_of(const PoolProblem& p, AvgRule rule, int64_t window) {
  if (rule.divisor) return rule.divisor;
  int64_t divisor = 1;
  for (int i = 0; i < 2; ++i) {
    const int64_t at = i ? window % p.output[1] : window / p.output[1] % p.output[0];
    const int64_t start = at * p.stride[i] - p.pad_lo[i], end = start + p.kernel[i];
    divisor *= rule.count_padding ? std::min(end, p.input[i] + p.pad_hi[i]) - start
                                  : std::min(end, p.input[i]) - std::max<int64_t>(start, 0);
  }
  return divisor;
}

template <class T>
void check_avg(const PoolProblem& p, AvgRule rule) {
  const int64_t size = p.planes * p.input[0] * p.input[1];
  const int64_t windows = p.planes * p.output[0] * p.output[1];
  Guarded<T> x(size, true), y(windows), grad(windows, true), dx(size);
  // Divisible by every number of elements that a window can have here: sums stay exact.
  for (int64_t w = 0; w < windows; ++w) grad[w] *= T(2520);
  pyconv::avg_pool_forward(p, rule, x.data(), y.data());
  pyconv::avg_pool_backward(p, rule, grad.data(), dx.data());
  std::vector<T> sums(static_cast<std::size_t>(windows), T(0));
  std::vector<T> gradient(static_cast<std::size_t>(size), T(0));
  for_taps(p, [&](int64_t w, int64_t, int64_t element) {
    sums[static_cast<std::size_t>(w)] += x[element];
    gradient[static_cast<std::size_t>(element)] += grad[w] / static_cast<T>(divisor_of(p, rule, w));
  });
  for (int64_t w = 0; w < windows; ++w)
    expect("avg_pool", w, y[w],
           sums[static_cast<std::size_t>(w)] / static_cast<T>(divisor_of(p, rule, w)));
  for (int64_t i = 0; i < size; ++i)
    expect("avg_pool_backward", i, dx[i], gradient[static_cast<std::size_t>(i)]);
  y.check("avg_pool: canary");
  dx.check("avg_pool_backward: canary");
}

struct ConvShape {
  int64_t n, c, k, groups, input, kernel, stride, dilation, pad;
};

const ConvShape conv_shapes[] = {
    {2, 5, 9, 1, 11, 3, 1, 1, 1},  {1, 7, 17, 1, 13, 3, 2, 1, 1}, {2, 9, 8, 1, 7, 1, 1, 1, 0},
    {1, 6, 6, 6, 12, 3, 1, 1, 1},  {1, 4, 8, 4, 15, 3, 2, 1, 1},  {1, 6, 9, 3, 9, 3, 1, 2, 2},
    {1, 3, 10, 1, 21, 7, 3, 1, 3}, {1, 40, 33, 1, 6, 3, 1, 1, 1}, {2, 3, 4, 1, 2, 2, 3, 1, 2},
    {1, 5, 5, 5, 20, 5, 1, 1, 2}};

// The result of one algorithm; `packed` may be null.
template <class T>
std::vector<T> run(const pyconv::ConvPlan& plan, Guarded<T>& x, Guarded<T>& w, Guarded<T>& y,
                   Guarded<T>& bias, const pyconv::PackedWeight* packed) {
  const bool forward = plan.direction == Direction::forward;
  Guarded<T>& source = plan.direction == Direction::input ? y : x;
  Guarded<T>& other = plan.direction == Direction::weight ? y : w;
  Guarded<T> out(forward ? y.size() : plan.direction == Direction::input ? x.size() : w.size());
  pyconv::ConvArgs args{};
  args.source = source.data();
  args.other = other.data();
  args.bias = forward ? bias.data() : nullptr;
  args.out = out.data();
  args.relu = forward;
  args.packed = packed;
  plan.algorithm->run(plan, args);
  out.check(plan.algorithm->name);
  return std::vector<T>(out.data(), out.data() + out.size());
}

ConvProblem problem_of(const ConvShape& s, int rank) {
  ConvProblem p{};
  p.n = s.n;
  p.c = s.c;
  p.k = s.k;
  p.groups = s.groups;
  for (int i = 0; i < 3; ++i) {
    const bool used = i >= 3 - rank;
    p.input[i] = used ? s.input : 1;
    p.kernel[i] = used ? s.kernel : 1;
    p.stride[i] = used ? s.stride : 1;
    p.dilation[i] = used ? s.dilation : 1;
    p.pad_lo[i] = p.pad_hi[i] = used ? s.pad : 0;
    const int64_t reach = (p.kernel[i] - 1) * p.dilation[i] + 1;
    p.output[i] = (p.input[i] + 2 * p.pad_lo[i] - reach) / p.stride[i] + 1;
  }
  return p;
}

// The loops of `naive` do not use the kernels: they judge all other algorithms.
template <class T>
int check_conv(const ConvProblem& p, Direction direction) {
  Guarded<T> x(p.n * p.c * pyconv::pixels(p.input), true), bias(p.k, true);
  Guarded<T> w(p.k * (p.c / p.groups) * pyconv::taps_of(p), true);
  Guarded<T> y(p.n * p.k * pyconv::pixels(p.output), true);
  const auto type = static_cast<pyconv::ElementType>(sizeof(T));
  const pyconv::PackedWeight packed(w.data(), w.size(), type);
  const auto plan = [&](const char* name, bool with_packed = false) {
    return pyconv::make_plan(p, direction, type, Precision::highest, with_packed, name);
  };
  const std::vector<T> expected = run(*plan("naive"), x, w, y, bias, nullptr);
  int algorithms = 0;
  for (const pyconv::ConvAlgorithm* a : pyconv::algorithms(direction)) {
    if (a->refuses(*plan("naive"))) continue;
    ++algorithms;
    for (const pyconv::PackedWeight* pack : {static_cast<const pyconv::PackedWeight*>(nullptr),
                                             direction == Direction::weight ? nullptr : &packed}) {
      const std::vector<T> got = run(*plan(a->name, pack), x, w, y, bias, pack);
      // An algorithm that rounds small integers is near them.
      for (std::size_t i = 0; i < got.size() && a->error_gain > 1; ++i)
        if (!(std::fabs(got[i] - expected[i]) < 1e-3))
          fail(a->name, static_cast<int64_t>(i), static_cast<double>(got[i]),
               static_cast<double>(expected[i]));
      for (std::size_t i = 0; i < got.size() && a->error_gain == 1; ++i)
        expect(a->name, static_cast<int64_t>(i), got[i], expected[i]);
    }
  }
  return algorithms;
}

}  // namespace

template <class T>
void check_relu_bits() {
  const ElementwiseKernels<T>& k = kernels_under_test<T>().elementwise;
  for (int64_t count = 0; count <= 70; ++count) {
    Guarded<T> in(count, true), grad(count, true), out(count), back(count);
    if (count > 5) in[5] = std::numeric_limits<T>::quiet_NaN();
    std::vector<uint8_t> bits(static_cast<std::size_t>(count / 8 + 2), 0xa5);
    k.relu_bits(in.data(), count, out.data(), bits.data());
    k.relu_bits_backward(grad.data(), bits.data(), count, back.data());
    for (int64_t i = 0; i < count; ++i) {
      expect("relu_bits", i, out[i], in[i] <= T(0) ? T(0) : in[i]);
      expect("relu_bits_backward", i, back[i], in[i] <= T(0) ? T(0) : grad[i]);
    }
    expect("relu_bits: canary", count, T(bits[static_cast<std::size_t>((count + 7) / 8)]), T(0xa5));
    out.check("relu_bits: canary");
    back.check("relu_bits_backward: canary");
  }
}

template <class T>
void check_pooling() {
  for (const PoolShape& s : pool_shapes) {
    for (bool with_nan : {false, true}) check_max<T>(problem_of(s, true), with_nan);
    for (AvgRule rule : {AvgRule{true, 0}, AvgRule{false, 0}, AvgRule{true, 7}})
      check_avg<T>(problem_of(s, false), rule);
  }
}

template <class T>
void check_convolution() {
  for (Direction direction : {Direction::forward, Direction::input, Direction::weight}) {
    int algorithms = 0;
    for (const ConvShape& s : conv_shapes)
      for (int rank : {1, 2}) algorithms += check_conv<T>(problem_of(s, rank), direction);
    // Two at least ran on the average shape: otherwise nothing was compared.
    if (algorithms < 40) fail("number of algorithms that ran", algorithms, algorithms, 40);
    check_conv<T>(problem_of({1, 3, 5, 1, 5, 3, 2, 1, 1}, 3), direction);
  }
}

template void check_relu_bits<float>();
template void check_relu_bits<double>();
template void check_pooling<float>();
template void check_pooling<double>();
template void check_convolution<float>();
template void check_convolution<double>();
