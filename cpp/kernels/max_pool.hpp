// Maximum pooling on planes: windows that have no kernel of their own.
#pragma once
#include "kernels/max_position.hpp"

namespace {

template <class T>
void max_forward(const PoolArgs<T>& a) {
  pool_forward<T, MaxOf>(a, [](int64_t) { return [](Vec<T> v, int64_t, auto) { return v; }; });
}

// One row of windows: `count` split rows, the first of them tap row `first`.
template <class T>
struct MaxRow {
  const T* const* rows;
  int64_t count, first;
  const ptrdiff_t* tap;
  int64_t taps, windows;
  const T* first_column;  // per window: the first tap of a row inside the image
  T fill;
  T* out;
  uint8_t* offsets;
};

template <class T>
void max_row(const MaxRow<T>& a) {
  const T first = static_cast<T>(a.first * a.taps);
  over_row<T>(a.windows, [&](int64_t x, auto part) {
    Position<T> held{Vec<T>::set(a.fill), add(load(a.first_column + x, part), Vec<T>::set(first))};
    for (int64_t r = 0; r < a.count; ++r) {
      const T* row = a.rows[r] + x;
      for (int64_t k = 0; k < a.taps; ++k) {
        const T number = static_cast<T>((a.first + r) * a.taps + k);
        take(Vec<T>::load(row + a.tap[k]), Vec<T>::set(number), held);
      }
    }
    store(held, a.out + x, a.offsets + x, part);
  });
}

// Split rows stay in a ring, so that overlapping windows split each row once.
template <class T>
void max_offsets(const PoolArgs<T>& a) {
  const PoolProblem& p = *a.problem;
  const PoolColumns& c = *a.columns;
  const int64_t row_size = c.parts * c.part_size, windows = p.output[1], mask = c.ring - 1;
  T* ring = a.scratch;
  fill_values(ring, c.ring * row_size, a.fill);
  const T* rows[256];
  MaxRow<T> m{rows, 0, 0, c.tap, p.kernel[1], windows, a.column_value, a.fill, nullptr, nullptr};
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
      m.offsets = a.offsets + at;
      max_row(m);
    }
  }
}

}  // namespace
