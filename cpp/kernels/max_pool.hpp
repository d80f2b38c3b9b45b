// Maximum pooling on planes. The positions of the maxima travel as numbers of the element type
// beside the values (one compare, two blends a tap) and become bytes a row at a time.
#pragma once
#include "kernels/pool_rows.hpp"

namespace {

template <class T>
void max_forward(const PoolArgs<T>& a) {
  pool_forward<T, MaxOf>(a, [](int64_t) { return [](Vec<T> v, int64_t, auto) { return v; }; });
}

// One row of windows: `rows` split rows, the first of them tap row `first`.
template <class T>
struct MaxRow {
  const T* const* rows;
  int64_t count, first;
  const ptrdiff_t* tap;
  int64_t taps, windows;
  const T* first_column;  // per window: the first tap of a row inside the image
  T fill;
  T *out, *which;
};

template <class T>
inline void take(Vec<T> v, Vec<T> tap, Vec<T>& best, Vec<T>& which) {
  const auto better = gt_or_nan(v, best);
  best = select(better, v, best);
  which = select(better, tap, which);
}

// Rows and Taps are 0 where they are not known at compile time.
template <class T, int Rows, int Taps>
void max_row(const MaxRow<T>& a) {
  const int64_t rows = Rows ? Rows : a.count, taps = Taps ? Taps : a.taps;
  const T first = static_cast<T>(a.first * taps);
  over_row<T>(a.windows, [&](int64_t x, auto part) {
    Vec<T> best = Vec<T>::set(a.fill);
    Vec<T> which = add(load(a.first_column + x, part), Vec<T>::set(first));
    for (int64_t r = 0; r < rows; ++r) {
      const T* row = a.rows[r] + x;
      for (int64_t k = 0; k < taps; ++k) {
        const Vec<T> number = Vec<T>::set(static_cast<T>((a.first + r) * taps + k));
        take(Vec<T>::load(row + a.tap[k]), number, best, which);
      }
    }
    store(best, a.out + x, part);
    store(which, a.which + x, part);
  });
}

template <class T>
void max_row_of(const MaxRow<T>& a) {
  if (a.count == 2 && a.taps == 2) return max_row<T, 2, 2>(a);
  if (a.count == 3 && a.taps == 3) return max_row<T, 3, 3>(a);
  max_row<T, 0, 0>(a);
}

// Plain loops that compilers turn into vectors, given that bytes do not alias the rest.
template <class T>
void narrow(const T* __restrict in, int64_t count, uint8_t* __restrict out) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<uint8_t>(static_cast<int>(in[i]));
}
template <class T>
void widen(const uint8_t* __restrict in, int64_t count, T* __restrict out) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<T>(in[i]);
}

// Split rows stay in a ring, so that overlapping windows split each row once.
template <class T>
void max_offsets(const PoolArgs<T>& a) {
  const PoolProblem& p = *a.problem;
  const PoolColumns& c = *a.columns;
  const int64_t row_size = c.parts * c.part_size, windows = p.output[1], mask = c.ring - 1;
  T* ring = a.scratch;
  T* which = ring + c.ring * row_size;
  fill_values(ring, c.ring * row_size, a.fill);
  const T* rows[256];
  MaxRow<T> m{rows, 0, 0, c.tap, p.kernel[1], windows, a.column_value, a.fill, nullptr, which};
  for (int64_t plane = 0; plane < a.planes; ++plane) {
    const T* image = a.in + plane * p.input[0] * p.input[1];
    int64_t ready = 0;  // rows before this one have been split, or are not needed any more
    for (int64_t y = a.row; y < a.row + a.rows; ++y) {
      const int64_t start = y * p.stride[0] - p.pad_lo[0];
      const TapRange r = inside(start, p.kernel[0], p.dilation[0], p.input[0]);
      const int64_t from = start + r.first * p.dilation[0];
      if (ready < start) ready = start;
      for (; r.last > r.first && ready <= start + (r.last - 1) * p.dilation[0]; ++ready)
        split_parts(c, image + ready * p.input[1], p.stride[1], ring + (ready & mask) * row_size);
      m.first = r.first;
      m.count = r.last - r.first;
      for (int64_t i = 0; i < m.count; ++i)
        rows[i] = ring + ((from + i * p.dilation[0]) & mask) * row_size;
      const int64_t at = (plane * p.output[0] + y) * windows;
      m.out = a.out + at;
      max_row_of(m);
      narrow(which, windows, a.offsets + at);
    }
  }
}

// A row of windows that covers the image row at hand: its positions, its gradients, and the number
// of the first tap of the row of the window that does.
template <class T>
struct Cover {
  const T *which, *grad;
  int64_t tap;
};

// Rows and Taps are 0 where they are not known at compile time.
template <class T, int Rows, int Taps>
inline Vec<T> chosen_sum(const Cover<T>* covers, int64_t count, int64_t taps, int64_t period,
                         int64_t shift, int64_t first, int64_t element) {
  if (Rows) count = Rows;
  if (Taps) taps = Taps;
  Vec<T> sum = Vec<T>::zero();
  for (int64_t i = 0; i < count; ++i) {
    const T *which = covers[i].which + element, *grad = covers[i].grad + element;
    for (int64_t m = 0; m < taps; ++m) {
      const Vec<T> tap = Vec<T>::set(static_cast<T>(covers[i].tap + first + m * period));
      const auto here = eq(Vec<T>::load(which - m * shift), tap);
      sum = add(sum, select(here, Vec<T>::load(grad - m * shift), Vec<T>::zero()));
    }
  }
  return sum;
}

template <class T, int Rows>
void max_spread(const PoolArgs<T>& a, const Cover<T>* covers, int64_t count, T* parts, T* out) {
  const int64_t period = a.columns->period, shift = a.columns->shift;
  spread_row(a, parts, out, [=](const PoolPart& p, int64_t e) {
    switch (p.taps) {
      case 1: return chosen_sum<T, Rows, 1>(covers, count, 1, period, shift, p.first, e);
      case 2: return chosen_sum<T, Rows, 2>(covers, count, 2, period, shift, p.first, e);
      case 3: return chosen_sum<T, Rows, 3>(covers, count, 3, period, shift, p.first, e);
      default: return chosen_sum<T, Rows, 0>(covers, count, p.taps, period, shift, p.first, e);
    }
  });
}

// Finds the rows of windows that cover image row y: newest first, at most one for each tap row.
// Quotient and remainder are carried from tap to tap, because a division costs as much as a vector.
template <class T>
struct Covers {
  Cover<T> list[256];
  int64_t count, newest;
  void find(const PoolProblem& p, const PoolColumns& c, int64_t y, const T* which, const T* grad) {
    const int64_t down = p.dilation[0] / p.stride[0], off = p.dilation[0] % p.stride[0];
    int64_t q = (y + p.pad_lo[0]) / p.stride[0], r = (y + p.pad_lo[0]) % p.stride[0];
    count = 0;
    newest = -1;
    for (int64_t k = 0; k < p.kernel[0] && q >= 0; ++k) {
      if (r == 0 && q < p.output[0]) {
        const int64_t at = (q & (c.ring - 1)) * c.grad_size + c.lead;
        list[count++] = {which + at, grad + at, k * p.kernel[1]};
        if (newest < 0) newest = q;
      }
      q -= down;
      r -= off;
      if (r < 0) {
        r += p.stride[0];
        --q;
      }
    }
  }
};

// Rows of windows stay in a ring, widened to the element type; positions beside them match no tap.
template <class T>
void max_backward(const PoolArgs<T>& a) {
  const PoolProblem& p = *a.problem;
  const PoolColumns& c = *a.columns;
  const int64_t windows = p.output[1], size = c.grad_size;
  T *which = a.scratch, *grad = which + c.ring * size, *parts = grad + c.ring * size;
  fill_values(which, c.ring * size, T(-1));
  fill_values(grad, c.ring * size, T(0));
  Covers<T> covers;
  // The first row of windows that image row a.row can need.
  const int64_t reach = a.row + p.pad_lo[0] - (p.kernel[0] - 1) * p.dilation[0];
  const int64_t begin = reach > 0 ? (reach + p.stride[0] - 1) / p.stride[0] : 0;
  for (int64_t plane = 0; plane < a.planes; ++plane) {
    int64_t ready = begin;  // rows of windows before this one are in the ring or done with
    for (int64_t y = a.row; y < a.row + a.rows; ++y) {
      covers.find(p, c, y, which, grad);
      for (; ready <= covers.newest; ++ready) {
        const int64_t from = (plane * p.output[0] + ready) * windows;
        const int64_t at = (ready & (c.ring - 1)) * size + c.lead;
        widen(a.chosen + from, windows, which + at);
        copy_run(a.in + from, 1, windows, grad + at);
      }
      T* out = a.out + (plane * p.input[0] + y) * p.input[1];
      switch (covers.count) {
        case 1: max_spread<T, 1>(a, covers.list, 1, parts, out); break;
        case 2: max_spread<T, 2>(a, covers.list, 2, parts, out); break;
        case 3: max_spread<T, 3>(a, covers.list, 3, parts, out); break;
        default: max_spread<T, 0>(a, covers.list, covers.count, parts, out);
      }
    }
  }
}

}  // namespace
