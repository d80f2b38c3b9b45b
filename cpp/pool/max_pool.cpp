#include "pool/max_pool.hpp"

#include <limits>

#include "pool/planes.hpp"

namespace pyconv {
namespace {

// The definition, window by window: for windows that are much wider than the image, and for
// positions that do not fit a byte.
template <class T>
void forward_plain(const PoolProblem& p, const T* x, T* out, WindowOffsets offsets) {
  const double taps = static_cast<double>(std::min(p.kernel[0], p.input[0])) *
                      static_cast<double>(std::min(p.kernel[1], p.input[1]));
  parallel_for(p.planes * p.output[0], outputs(p) * taps, [&](int64_t row) {
    const T* image = x + row / p.output[0] * p.input[0] * p.input[1];
    const Span h = span(p, 0, row % p.output[0]);
    for (int64_t ox = 0; ox < p.output[1]; ++ox) {
      const Span w = span(p, 1, ox);
      T best = -std::numeric_limits<T>::infinity();
      int64_t which = h.first_tap * p.kernel[1] + w.first_tap, ky = h.first_tap;
      for (int64_t y = h.begin; y < h.end; y += h.step, ++ky) {
        int64_t tap = ky * p.kernel[1] + w.first_tap;
        for (int64_t c = w.begin; c < w.end; c += w.step, ++tap) {
          const T v = image[y * p.input[1] + c];
          if (v > best || v != v) {
            best = v;
            which = tap;
          }
        }
      }
      const int64_t at = row * p.output[1] + ox;
      out[at] = best;
      if (offsets.bytes) offsets.bytes[at] = static_cast<uint8_t>(which);
      if (offsets.words) offsets.words[at] = static_cast<int32_t>(which);
    }
  });
}

// Reads either kind of position; f(at, position) for the windows of row `row` of all planes.
template <class F>
void each_offset(const WindowOffsets& offsets, int64_t from, int64_t count, const F& f) {
  if (offsets.bytes) {
    for (int64_t i = 0; i < count; ++i) f(i, int64_t(offsets.bytes[from + i]));
  } else {
    for (int64_t i = 0; i < count; ++i) f(i, int64_t(offsets.words[from + i]));
  }
}

template <class T>
void backward_plain(const PoolProblem& p, const T* grad, WindowOffsets offsets, T* out) {
  const int64_t size = p.input[0] * p.input[1];
  parallel_for(p.planes, traffic(p, sizeof(T)), [&](int64_t plane) {
    T* image = out + plane * size;
    std::fill(image, image + size, T(0));
    for (int64_t oy = 0; oy < p.output[0]; ++oy) {
      const int64_t from = (plane * p.output[0] + oy) * p.output[1];
      each_offset(offsets, from, p.output[1], [&](int64_t ox, int64_t tap) {
        const int64_t ky = tap / p.kernel[1], kx = tap % p.kernel[1];
        const int64_t y = oy * p.stride[0] - p.pad_lo[0] + ky * p.dilation[0];
        const int64_t c = ox * p.stride[1] - p.pad_lo[1] + kx * p.dilation[1];
        // Positions come from the caller and may be anything.
        if (y >= 0 && y < p.input[0] && c >= 0 && c < p.input[1])
          image[y * p.input[1] + c] += grad[from + ox];
      });
    }
  });
}

// Per window of a row, the first tap inside the image: where the maximum is if all are -inf.
template <class T>
std::vector<T> first_columns(const PoolProblem& p) {
  std::vector<T> first(static_cast<std::size_t>(p.output[1]));
  for (int64_t x = 0; x < p.output[1]; ++x) first[x] = static_cast<T>(span(p, 1, x).first_tap);
  return first;
}

template <class T>
int64_t forward_scratch(const PoolProblem& p, const PoolColumns& c, bool positions) {
  const int64_t row = c.parts * c.part_size;
  return positions ? c.ring * row + p.output[1] + pool_slack : row + p.input[1] + pool_slack;
}

}  // namespace

template <class T>
void max_pool_forward(const PoolProblem& p, const T* x, T* out, WindowOffsets offsets) {
  if (offsets.words || !rows_fit(p)) return forward_plain(p, x, out, offsets);
  const PoolKernels<T>& kernels = kernels_of<T>(current_isa()).pool;
  const ColumnTables tables(p, false);
  const bool positions = offsets.bytes != nullptr;
  const std::vector<T> first = positions ? first_columns<T>(p) : std::vector<T>();
  const double taps = static_cast<double>(positions ? p.kernel[0] * p.kernel[1]
                                                    : p.kernel[0] + p.kernel[1]);
  const int64_t scratch = forward_scratch<T>(p, tables.columns(), positions);
  const int64_t in_plane = p.input[0] * p.input[1], out_plane = p.output[0] * p.output[1];
  const double work = traffic(p, sizeof(T)) + outputs(p) * taps / 4;
  for_blocks(p, p.output[0], work, [&](int64_t plane, int64_t planes, int64_t row, int64_t rows) {
    PoolArgs<T> a{};
    a.problem = &p;
    a.columns = &tables.columns();
    a.in = x + plane * in_plane;
    a.out = out + plane * out_plane;
    a.offsets = positions ? offsets.bytes + plane * out_plane : nullptr;
    a.column_value = first.data();
    a.fill = -std::numeric_limits<T>::infinity();
    a.planes = planes;
    a.row = row;
    a.rows = rows;
    a.scratch = static_cast<T*>(task_scratch(static_cast<std::size_t>(scratch) * sizeof(T)));
    (positions ? kernels.max_offsets : kernels.max_forward)(a);
  });
}

template <class T>
void max_pool_backward(const PoolProblem& p, const T* grad, WindowOffsets offsets, T* out) {
  if (offsets.words || !rows_fit(p)) return backward_plain(p, grad, offsets, out);
  const PoolKernels<T>& kernels = kernels_of<T>(current_isa()).pool;
  const ColumnTables tables(p, true);
  const PoolColumns& c = tables.columns();
  const int64_t scratch = 2 * c.ring * c.grad_size + c.parts * c.part_size;
  const int64_t in_plane = p.input[0] * p.input[1], out_plane = p.output[0] * p.output[1];
  const double taps = static_cast<double>(p.kernel[0] * p.kernel[1]);
  const double work = traffic(p, sizeof(T)) + outputs(p) * taps / 4;
  for_blocks(p, p.input[0], work, [&](int64_t plane, int64_t planes, int64_t row, int64_t rows) {
    PoolArgs<T> a{};
    a.problem = &p;
    a.columns = &c;
    a.in = grad + plane * out_plane;
    a.out = out + plane * in_plane;
    a.chosen = offsets.bytes + plane * out_plane;
    a.planes = planes;
    a.row = row;
    a.rows = rows;
    a.scratch = static_cast<T*>(task_scratch(static_cast<std::size_t>(scratch) * sizeof(T)));
    kernels.max_backward(a);
  });
}

void max_pool_indices(const PoolProblem& p, WindowOffsets offsets, int64_t* indices) {
  // Windows of bytes have few positions: a table spares the divisions.
  std::vector<int64_t> table(offsets.bytes ? 256 : 0);
  for (int64_t i = 0; i < static_cast<int64_t>(table.size()); ++i)
    table[i] = i / p.kernel[1] * p.dilation[0] * p.input[1] + i % p.kernel[1] * p.dilation[1];
  parallel_for(p.planes, 9 * outputs(p), [&](int64_t plane) {
    for (int64_t oy = 0; oy < p.output[0]; ++oy) {
      const int64_t from = (plane * p.output[0] + oy) * p.output[1];
      const int64_t row = (oy * p.stride[0] - p.pad_lo[0]) * p.input[1] - p.pad_lo[1];
      int64_t* to = indices + from;
      if (offsets.bytes) {
        for (int64_t ox = 0; ox < p.output[1]; ++ox)
          to[ox] = row + ox * p.stride[1] + table[offsets.bytes[from + ox]];
      } else {
        for (int64_t ox = 0; ox < p.output[1]; ++ox) {
          const int64_t tap = offsets.words[from + ox];
          to[ox] = row + tap / p.kernel[1] * p.dilation[0] * p.input[1] + ox * p.stride[1] +
                   tap % p.kernel[1] * p.dilation[1];
        }
      }
    }
  });
}

template void max_pool_forward(const PoolProblem&, const float*, float*, WindowOffsets);
template void max_pool_forward(const PoolProblem&, const double*, double*, WindowOffsets);
template void max_pool_backward(const PoolProblem&, const float*, WindowOffsets, float*);
template void max_pool_backward(const PoolProblem&, const double*, WindowOffsets, double*);

}  // namespace pyconv
