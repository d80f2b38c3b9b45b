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

// Where taps lie, by their number. What numbers past the window mean is no matter, as long as it
// is inside: they come from the caller and may be anything.
struct TapTable {
  std::vector<int64_t> row, column;
  std::vector<int32_t> delta;  // of those whose window lies inside the image, or all zero
  bool short_deltas;
  explicit TapTable(const PoolProblem& p) : row(256), column(256), delta(256) {
    short_deltas = p.input[0] * p.input[1] <= INT32_MAX;
    for (int64_t i = 0; i < p.kernel[0] * p.kernel[1]; ++i) {
      row[i] = i / p.kernel[1] * p.dilation[0];
      column[i] = i % p.kernel[1] * p.dilation[1];
      // Deltas that would wrap belong to windows that are never wholly inside.
      const int64_t d = row[i] * p.input[1] + column[i];
      if (short_deltas && d <= INT32_MAX) delta[i] = static_cast<int32_t>(d);
    }
  }
};

// The windows along one axis that lie wholly inside the image.
struct Inside {
  int64_t begin, end;
  Inside(const PoolProblem& p, int axis) {
    const int64_t reach = (p.kernel[axis] - 1) * p.dilation[axis];
    const int64_t last = p.input[axis] - 1 - reach + p.pad_lo[axis];
    begin = std::min((p.pad_lo[axis] + p.stride[axis] - 1) / p.stride[axis], p.output[axis]);
    end = last < 0 ? begin : std::min(last / p.stride[axis] + 1, p.output[axis]);
    end = std::max(begin, end);
  }
};

// Adds the gradient of one window where its position says, unless that is outside the image.
template <class T>
void add_checked(const PoolProblem& p, int64_t y, int64_t x, T grad, T* image) {
  // As unsigned numbers negative ones are large: one comparison an axis.
  const bool inside = static_cast<uint64_t>(y) < static_cast<uint64_t>(p.input[0]) &&
                      static_cast<uint64_t>(x) < static_cast<uint64_t>(p.input[1]);
  if (inside) image[y * p.input[1] + x] += grad;
}

// Windows of a row that lie wholly inside the image, the first of them at `window`.
template <class T>
void add_row(const int32_t* delta, const uint8_t* tap, const T* grad, int64_t count, int64_t step,
             T* window) {
  for (int64_t i = 0; i < count; ++i, window += step) window[delta[tap[i]]] += grad[i];
}

// One plane, window by window: one addition each.
template <class T>
void scatter_plane(const PoolProblem& p, const TapTable& taps, const T* grad,
                   const uint8_t* offsets, T* image) {
  std::fill(image, image + p.input[0] * p.input[1], T(0));
  const Inside rows(p, 0), columns(p, 1);
  const int64_t step = p.stride[1];
  for (int64_t oy = 0; oy < p.output[0]; ++oy) {
    const int64_t y = oy * p.stride[0] - p.pad_lo[0], from = oy * p.output[1];
    const bool whole = taps.short_deltas && oy >= rows.begin && oy < rows.end;
    const int64_t begin = whole ? columns.begin : p.output[1];
    const int64_t end = whole ? columns.end : p.output[1];
    const auto checked = [&](int64_t ox) {
      const uint8_t tap = offsets[from + ox];
      const int64_t x = ox * p.stride[1] - p.pad_lo[1] + taps.column[tap];
      add_checked(p, y + taps.row[tap], x, grad[from + ox], image);
    };
    for (int64_t ox = 0; ox < begin; ++ox) checked(ox);
    T* window = image + (y * p.input[1] - p.pad_lo[1]);  // of output 0; only used inside
    add_row(taps.delta.data(), offsets + from + begin, grad + from + begin, end - begin, step,
            window + begin * step);
    for (int64_t ox = end; ox < p.output[1]; ++ox) checked(ox);
  }
}

template <class T>
void scatter_plane(const PoolProblem& p, const T* grad, const int32_t* offsets, T* image) {
  std::fill(image, image + p.input[0] * p.input[1], T(0));
  for (int64_t oy = 0; oy < p.output[0]; ++oy) {
    for (int64_t ox = 0; ox < p.output[1]; ++ox) {
      const int64_t i = oy * p.output[1] + ox, tap = offsets[i];
      const int64_t y = tap / p.kernel[1] * p.dilation[0] + oy * p.stride[0] - p.pad_lo[0];
      const int64_t x = tap % p.kernel[1] * p.dilation[1] + ox * p.stride[1] - p.pad_lo[1];
      add_checked(p, y, x, grad[i], image);
    }
  }
}

// Per window of a row, the first tap inside the image: where the maximum is if all are -inf.
template <class T>
std::vector<T> first_columns(const PoolProblem& p) {
  std::vector<T> first(static_cast<std::size_t>(p.output[1]));
  for (int64_t x = 0; x < p.output[1]; ++x) first[x] = static_cast<T>(span(p, 1, x).first_tap);
  return first;
}

template <class T>
std::size_t forward_scratch(const PoolProblem& p, const PoolColumns& c, bool positions) {
  const int64_t row = c.parts * c.part_size;
  const int64_t elements = positions ? c.ring * row : row + p.input[1] + pool_slack;
  return static_cast<std::size_t>(elements) * sizeof(T);
}

// Calls kernel(arguments) for every task; `shared` is what they have in common.
template <class T, class Kernel>
void run_forward(const PoolProblem& p, const T* x, T* out, uint8_t* offsets, std::size_t scratch,
                 PoolArgs<T> shared, Kernel kernel) {
  const int64_t in_plane = p.input[0] * p.input[1], out_plane = p.output[0] * p.output[1];
  const double taps = static_cast<double>(offsets ? p.kernel[0] * p.kernel[1]
                                                  : p.kernel[0] + p.kernel[1]);
  const double work = window_work(p, sizeof(T), taps);
  shared.problem = &p;
  shared.fill = -std::numeric_limits<T>::infinity();
  for_blocks(p, p.output[0], work, [&](int64_t plane, int64_t planes, int64_t row, int64_t rows) {
    PoolArgs<T> a = shared;
    a.in = x + plane * in_plane;
    a.out = out + plane * out_plane;
    a.offsets = offsets ? offsets + plane * out_plane : nullptr;
    a.planes = planes;
    a.row = row;
    a.rows = rows;
    a.scratch = static_cast<T*>(task_scratch(scratch));
    kernel(a);
  });
}

template <class T>
void gather_planes(const PoolProblem& p, const T* grad, uint8_t* offsets, int form, T* out) {
  const auto kernel = kernels_of<T>(current_isa()).pool.max_gather[form];
  const int64_t in_plane = p.input[0] * p.input[1], out_plane = p.output[0] * p.output[1];
  const double work = traffic(p, sizeof(T));
  for_blocks(p, p.input[0], work, [&](int64_t plane, int64_t planes, int64_t row, int64_t rows) {
    PoolArgs<T> a{};
    a.problem = &p;
    a.in = grad + plane * out_plane;
    a.offsets = offsets + plane * out_plane;
    a.out = out + plane * in_plane;
    a.planes = planes;
    a.row = row;
    a.rows = rows;
    a.scratch = static_cast<T*>(task_scratch(static_cast<std::size_t>(p.output[1])));
    kernel(a);
  });
}

}  // namespace

template <class T>
void max_pool_forward(const PoolProblem& p, const T* x, T* out, WindowOffsets offsets) {
  const PoolKernels<T>& kernels = kernels_of<T>(current_isa()).pool;
  const bool positions = offsets.bytes != nullptr;
  const int form = direct_form(p);
  if (form >= 0) {
    const auto kernel = (positions ? kernels.max_offsets_direct : kernels.max_forward_direct)[form];
    return run_forward(p, x, out, offsets.bytes, direct_scratch(p), PoolArgs<T>{}, kernel);
  }
  if (offsets.words || !rows_fit(p)) return forward_plain(p, x, out, offsets);
  const ColumnTables tables(p, false);
  const std::vector<T> first = positions ? first_columns<T>(p) : std::vector<T>();
  PoolArgs<T> shared{};
  shared.columns = &tables.columns();
  shared.column_value = first.data();
  run_forward(p, x, out, offsets.bytes, forward_scratch<T>(p, tables.columns(), positions), shared,
              positions ? kernels.max_offsets : kernels.max_forward);
}

template <class T>
void max_pool_backward(const PoolProblem& p, const T* grad, WindowOffsets offsets, T* out) {
  const int form = direct_form(p);
  if (form >= 0) return gather_planes(p, grad, offsets.bytes, form, out);
  const int64_t in_plane = p.input[0] * p.input[1], out_plane = p.output[0] * p.output[1];
  if (offsets.words) {
    return parallel_for(p.planes, traffic(p, sizeof(T)), [&](int64_t plane) {
      const int64_t at = plane * out_plane;
      scatter_plane(p, grad + at, offsets.words + at, out + plane * in_plane);
    });
  }
  const TapTable taps(p);
  for_blocks(p, 1, traffic(p, sizeof(T)), [&](int64_t first, int64_t planes, int64_t, int64_t) {
    for (int64_t plane = first; plane < first + planes; ++plane) {
      const int64_t at = plane * out_plane;
      scatter_plane(p, taps, grad + at, offsets.bytes + at, out + plane * in_plane);
    }
  });
}

void max_pool_indices(const PoolProblem& p, WindowOffsets offsets, int64_t* indices) {
  // Windows of bytes have few positions: a table spares the divisions.
  std::vector<int64_t> table(offsets.bytes ? 256 : 0);
  for (std::size_t i = 0; i < table.size(); ++i) {
    const int64_t tap = static_cast<int64_t>(i);
    table[i] = tap / p.kernel[1] * p.dilation[0] * p.input[1] + tap % p.kernel[1] * p.dilation[1];
  }
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
