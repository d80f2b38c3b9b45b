// Maximum pooling on planes. The positions of the maxima travel as numbers of the element type
// beside the values (one compare, two blends a tap) and become bytes a row at a time.
#pragma once
#include <string.h>

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

// Blocks of 16 in plain loops of fixed length, which compilers turn into a few vectors; the last
// block overlaps the one before it.
template <class T>
inline void narrow_block(const T* in, uint8_t* out) {
  uint8_t bytes[16];
  for (int i = 0; i < 16; ++i) bytes[i] = static_cast<uint8_t>(static_cast<int>(in[i]));
  memcpy(out, bytes, 16);
}
template <class T>
void narrow(const T* in, int64_t count, uint8_t* out) {
  if (count < 16) {
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<uint8_t>(static_cast<int>(in[i]));
    return;
  }
  for (int64_t x = 0; x + 16 <= count; x += 16) narrow_block(in + x, out + x);
  if (count % 16) narrow_block(in + count - 16, out + count - 16);
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

}  // namespace
