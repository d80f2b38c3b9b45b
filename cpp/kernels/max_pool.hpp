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

// Split rows stay in a ring, so that overlapping windows split each row once.
template <class T>
void max_offsets(const PoolArgs<T>& a) {
  const PoolProblem& p = *a.problem;
  const PoolColumns& c = *a.columns;
  const int64_t row_size = c.parts * c.part_size, windows = p.output[1];
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
        split_parts(c, image + ready * p.input[1], p.stride[1], ring + ready % c.ring * row_size);
      m.first = r.first;
      m.count = r.last - r.first;
      for (int64_t i = 0; i < m.count; ++i)
        rows[i] = ring + (from + i * p.dilation[0]) % c.ring * row_size;
      const int64_t at = (plane * p.output[0] + y) * windows;
      m.out = a.out + at;
      max_row_of(m);
      for (int64_t x = 0; x < windows; ++x)
        a.offsets[at + x] = static_cast<uint8_t>(static_cast<int>(which[x]));
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

template <class T>
void max_spread(const PoolArgs<T>& a, const Cover<T>* covers, int64_t count, T* parts, T* out) {
  const PoolColumns& c = *a.columns;
  const Vec<T> zero = Vec<T>::zero();
  spread_row(a, parts, out, [&](int64_t j, int64_t element) {
    Vec<T> sum = zero;
    for (int64_t i = 0; i < count; ++i) {
      const T *which = covers[i].which + element, *grad = covers[i].grad + element;
      int64_t tap = covers[i].tap + j;
      for (int64_t m = 0; m < c.part[j].taps; ++m, tap += c.period) {
        const auto here = eq(Vec<T>::load(which - m * c.shift), Vec<T>::set(static_cast<T>(tap)));
        sum = add(sum, select(here, Vec<T>::load(grad - m * c.shift), zero));
      }
    }
    return sum;
  });
}

// Rows of windows stay in a ring, widened to the element type; positions beside them match no tap.
template <class T>
void max_backward(const PoolArgs<T>& a) {
  const PoolProblem& p = *a.problem;
  const PoolColumns& c = *a.columns;
  const int64_t windows = p.output[1], width = p.input[1], size = c.grad_size;
  T *which = a.scratch, *grad = which + c.ring * size, *parts = grad + c.ring * size;
  fill_values(which, c.ring * size, T(-1));
  fill_values(grad, c.ring * size, T(0));
  Cover<T> covers[256];
  for (int64_t plane = 0; plane < a.planes; ++plane) {
    int64_t ready = 0;  // rows of windows before this one are in the ring or done with
    for (int64_t y = a.row; y < a.row + a.rows; ++y) {
      const int64_t reach = y + p.pad_lo[0] - (p.kernel[0] - 1) * p.dilation[0];
      if (ready * p.stride[0] < reach) ready = (reach + p.stride[0] - 1) / p.stride[0];
      int64_t count = 0, newest = -1;
      for (int64_t k = p.kernel[0] - 1; k >= 0; --k) {
        const int64_t start = y + p.pad_lo[0] - k * p.dilation[0];
        if (start < 0 || start % p.stride[0] || start / p.stride[0] >= p.output[0]) continue;
        newest = start / p.stride[0];
        const int64_t at = newest % c.ring * size + c.lead;
        covers[count++] = {which + at, grad + at, k * p.kernel[1]};
      }
      for (; ready <= newest; ++ready) {
        const int64_t from = (plane * p.output[0] + ready) * windows;
        const int64_t at = ready % c.ring * size + c.lead;
        for (int64_t x = 0; x < windows; ++x) which[at + x] = static_cast<T>(a.chosen[from + x]);
        copy_run(a.in + from, 1, windows, grad + at);
      }
      T* out = a.out + (plane * p.input[0] + y) * width;
      max_spread(a, covers, count, parts, out);
    }
  }
}

}  // namespace
