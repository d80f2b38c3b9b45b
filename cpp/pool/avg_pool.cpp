#include "pool/avg_pool.hpp"

#include "pool/planes.hpp"

namespace pyconv {
namespace {

// Divisors are products of one number per row and one per column of windows.
template <class T>
struct Divisors {
  std::vector<T> row, column;
  Divisors(const PoolProblem& p, AvgRule rule) : row(along(p, rule, 0)), column(along(p, rule, 1)) {
    if (rule.divisor == 0) return;
    std::fill(row.begin(), row.end(), T(1));
    std::fill(column.begin(), column.end(), static_cast<T>(rule.divisor));
  }

 private:
  static std::vector<T> along(const PoolProblem& p, AvgRule rule, int axis) {
    // A whole vector of divisors is read at the end of a row.
    std::vector<T> counts(static_cast<std::size_t>(p.output[axis] + pool_slack), T(1));
    for (int64_t i = 0; i < p.output[axis]; ++i) {
      const int64_t start = i * p.stride[axis] - p.pad_lo[axis], end = start + p.kernel[axis];
      const int64_t count = rule.count_padding
                                ? std::min(end, p.input[axis] + p.pad_hi[axis]) - start
                                : std::min(end, p.input[axis]) - std::max<int64_t>(start, 0);
      counts[i] = static_cast<T>(count);
    }
    return counts;
  }
};

bool is_global(const PoolProblem& p) {
  return p.output[0] == 1 && p.output[1] == 1 && p.pad_lo[0] == 0 && p.pad_lo[1] == 0 &&
         p.kernel[0] == p.input[0] && p.kernel[1] == p.input[1];
}

template <class T>
T global_divisor(const PoolProblem& p, AvgRule rule) {
  return static_cast<T>(rule.divisor ? rule.divisor : p.input[0] * p.input[1]);
}

// The definition, window by window, for windows that are much wider than the image.
template <class T>
void forward_plain(const PoolProblem& p, AvgRule rule, const T* x, T* out) {
  const Divisors<T> divisors(p, rule);
  const double taps = static_cast<double>(p.input[0] * p.input[1]);
  parallel_for(p.planes * p.output[0], outputs(p) * taps, [&](int64_t row) {
    const int64_t oy = row % p.output[0];
    const T* image = x + row / p.output[0] * p.input[0] * p.input[1];
    const Span h = span(p, 0, oy);
    for (int64_t ox = 0; ox < p.output[1]; ++ox) {
      const Span w = span(p, 1, ox);
      double sum = 0;
      for (int64_t y = h.begin; y < h.end; ++y)
        for (int64_t c = w.begin; c < w.end; ++c)
          sum += static_cast<double>(image[y * p.input[1] + c]);
      const T divisor = divisors.row[oy] * divisors.column[ox];
      out[row * p.output[1] + ox] = static_cast<T>(sum / static_cast<double>(divisor));
    }
  });
}

template <class T>
void backward_plain(const PoolProblem& p, AvgRule rule, const T* grad, T* out) {
  const Divisors<T> divisors(p, rule);
  const int64_t size = p.input[0] * p.input[1];
  parallel_for(p.planes, outputs(p) * static_cast<double>(size), [&](int64_t plane) {
    T* image = out + plane * size;
    std::fill(image, image + size, T(0));
    for (int64_t oy = 0; oy < p.output[0]; ++oy) {
      const Span h = span(p, 0, oy);
      for (int64_t ox = 0; ox < p.output[1]; ++ox) {
        const Span w = span(p, 1, ox);
        const int64_t at = (plane * p.output[0] + oy) * p.output[1] + ox;
        const T share = grad[at] / (divisors.row[oy] * divisors.column[ox]);
        for (int64_t y = h.begin; y < h.end; ++y)
          for (int64_t c = w.begin; c < w.end; ++c) image[y * p.input[1] + c] += share;
      }
    }
  });
}

template <class T>
PoolArgs<T> arguments(const PoolProblem& p, const Divisors<T>& d) {
  PoolArgs<T> a{};
  a.problem = &p;
  a.column_value = d.column.data();
  a.row_value = d.row.data();
  a.fill = T(0);
  return a;
}

// Calls kernel(arguments) for blocks of rows of the result, which has `size`; `shared` is what the
// tasks have in common.
template <class T, class Kernel>
void run_rows(const PoolProblem& p, const T* in, const int64_t (&from)[2], T* out,
              const int64_t (&size)[2], std::size_t scratch, const PoolArgs<T>& shared,
              Kernel kernel) {
  const double work = window_work(p, sizeof(T), static_cast<double>(p.kernel[0] + p.kernel[1]));
  for_blocks(p, size[0], work, [&](int64_t plane, int64_t planes, int64_t row, int64_t rows) {
    PoolArgs<T> a = shared;
    a.in = in + plane * from[0] * from[1];
    a.out = out + plane * size[0] * size[1];
    a.planes = planes;
    a.row = row;
    a.rows = rows;
    a.scratch = static_cast<T*>(task_scratch(scratch));
    kernel(a);
  });
}

template <class T, class Kernel>
void run_forward(const PoolProblem& p, const T* x, T* out, std::size_t scratch,
                 const PoolArgs<T>& shared, Kernel kernel) {
  run_rows(p, x, p.input, out, p.output, scratch, shared, kernel);
}

template <class T, class Kernel>
void run_backward(const PoolProblem& p, const T* grad, T* out, std::size_t scratch,
                  const PoolArgs<T>& shared, Kernel kernel) {
  run_rows(p, grad, p.output, out, p.input, scratch, shared, kernel);
}

}  // namespace

template <class T>
void avg_pool_forward(const PoolProblem& p, AvgRule rule, const T* x, T* out) {
  const PoolKernels<T>& kernels = kernels_of<T>(current_isa()).pool;
  if (is_global(p)) {
    const int64_t in_plane = p.input[0] * p.input[1];
    const double bytes = traffic(p, sizeof(T));
    const T divisor = global_divisor<T>(p, rule);
    return for_blocks(p, 1, bytes, [&](int64_t plane, int64_t planes, int64_t, int64_t) {
      kernels.plane_means(x + plane * in_plane, planes, in_plane, divisor, out + plane);
    });
  }
  if (!rows_fit(p)) return forward_plain(p, rule, x, out);
  const Divisors<T> divisors(p, rule);
  PoolArgs<T> shared = arguments(p, divisors);
  const int form = direct_form(p);
  if (form >= 0)
    return run_forward(p, x, out, direct_scratch(p), shared, kernels.avg_forward_direct[form]);
  const ColumnTables tables(p, false);
  const PoolColumns& c = tables.columns();
  shared.columns = &c;
  const auto scratch = static_cast<std::size_t>(c.parts * c.part_size + p.input[1] + pool_slack);
  run_forward(p, x, out, scratch * sizeof(T), shared, kernels.avg_forward);
}

template <class T>
void avg_pool_backward(const PoolProblem& p, AvgRule rule, const T* grad, T* out) {
  const PoolKernels<T>& kernels = kernels_of<T>(current_isa()).pool;
  if (is_global(p)) {
    const int64_t in_plane = p.input[0] * p.input[1];
    const double bytes = traffic(p, sizeof(T));
    const T divisor = global_divisor<T>(p, rule);
    return for_blocks(p, 1, bytes, [&](int64_t plane, int64_t planes, int64_t, int64_t) {
      kernels.plane_fill(grad + plane, planes, in_plane, divisor, out + plane * in_plane);
    });
  }
  const int form = direct_form(p);
  if (form < 0 && !rows_fit(p)) return backward_plain(p, rule, grad, out);
  const Divisors<T> divisors(p, rule);
  const PoolArgs<T> shared = arguments(p, divisors);
  if (form >= 0) return run_backward(p, grad, out, 0, shared, kernels.avg_gather[form]);
  const ColumnTables tables(p, true);
  const PoolColumns& c = tables.columns();
  PoolArgs<T> split = shared;
  split.columns = &c;
  const auto scratch = static_cast<std::size_t>(c.grad_size + c.parts * c.part_size);
  run_backward(p, grad, out, scratch * sizeof(T), split, kernels.avg_backward);
}

template void avg_pool_forward(const PoolProblem&, AvgRule, const float*, float*);
template void avg_pool_forward(const PoolProblem&, AvgRule, const double*, double*);
template void avg_pool_backward(const PoolProblem&, AvgRule, const float*, float*);
template void avg_pool_backward(const PoolProblem&, AvgRule, const double*, double*);

}  // namespace pyconv
