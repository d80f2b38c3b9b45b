// Rows of an image read as if it had a border of zeros.
#pragma once
#include "kernels/table.hpp"
#include "kernels/unrolled.hpp"

namespace {

inline int clamp_to_lanes(int64_t at, int lanes) {
  return at < 0 ? 0 : at > lanes ? lanes : static_cast<int>(at);
}

inline int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }

// Lanes of a vector read at column `at` that lie inside a row.
template <class T>
inline typename Vec<T>::Lanes lanes_inside(int64_t at, int64_t width) {
  constexpr int lanes = Vec<T>::lanes;
  if (at >= 0 && at <= width - lanes) return Vec<T>::between(0, lanes);
  return Vec<T>::between(clamp_to_lanes(-at, lanes), clamp_to_lanes(width - at, lanes));
}

// Neighbouring tap columns at one place of a row. Strided ones lie one column apart: two of them
// are the halves of a pair of vectors, a third is the first moved on by one. Dense ones may be any
// `step` apart. Only the first `n` lanes are wanted, though of the first strided column one more is
// read for the third.
template <class T, bool Strided, int Count>
struct TapColumns {
  int64_t step;
  typename Vec<T>::Lanes inside[3], first;

  TapColumns(int64_t at, int64_t apart, int64_t width, int n) : step(apart) {
    constexpr int lanes = Vec<T>::lanes;
    if (Strided) {
      const int64_t last = at + 2 * lanes, end = min(width, at + 2 * n + (Count > 2));
      inside[0] = lanes_inside<T>(at, end);
      inside[1] = lanes_inside<T>(at + lanes, end);
      if (Count > 2) inside[2] = Vec<T>::between(0, last >= 0 && last < end);
    } else {
      inside[0] = lanes_inside<T>(at, min(width, at + n));
      if (Count > 1) inside[1] = lanes_inside<T>(at + step, min(width, at + step + n));
      if (Count > 2) inside[2] = lanes_inside<T>(at + 2 * step, min(width, at + 2 * step + n));
    }
    first = Vec<T>::between(0, n);
  }
  PYCONV_UNROLLED void load(const T* p, Vec<T> (&v)[Count]) const {
    constexpr int lanes = Vec<T>::lanes;
    const Vec<T> a = Vec<T>::load(p, inside[0]);
    if constexpr (Strided) {
      const Vec<T> b = Vec<T>::load(p + lanes, inside[1]);
      v[0] = even_lanes(a, b);
      if constexpr (Count > 1) v[1] = odd_lanes(a, b);
      if constexpr (Count > 2) {
        v[2] = slide<1>(v[0], Vec<T>::load(p + 2 * lanes, inside[2]));
        v[0] = v[0].keep(first);
      }
    } else {
      v[0] = a;
      if constexpr (Count > 1) v[1] = Vec<T>::load(p + step, inside[1]);
      if constexpr (Count > 2) v[2] = Vec<T>::load(p + 2 * step, inside[2]);
    }
  }
};

// A run of source rows `pitch` elements apart. Which are inside the image is a bit a row, from the
// first; without `Border` all are.
template <class T>
struct SourceRows {
  const T* p;
  int64_t pitch;
  unsigned inside;

  // Held, because compilers otherwise compute all rows' addresses ahead, for want of registers in
  // memory.
  SourceRows from(int64_t column) const {
    SourceRows r{p + column, pitch, inside};
    hold(r.p);
    hold(r.inside);
    return r;
  }
  template <int K, bool Border, bool Strided, int Count>
  PYCONV_UNROLLED void next(const TapColumns<T, Strided, Count>& columns, Vec<T> (&v)[Count]) {
    if (!Border || inside >> K & 1u) {
      columns.load(p, v);
    } else {
      for (int i = 0; i < Count; ++i) v[i] = Vec<T>::zero();
    }
    for (int i = 0; i < Count; ++i) hold(v[i]);
    p += pitch;
  }
};

// Rows first, first + step, ... of a plane of height x width: `count` of them.
template <class T>
inline SourceRows<T> source_rows(const T* plane, int64_t height, int64_t width, int64_t first,
                                 int64_t step, int count) {
  unsigned inside = 0;
  for (int i = 0; i < count; ++i) {
    const auto row = static_cast<uint64_t>(first + i * step);
    if (row < static_cast<uint64_t>(height)) inside |= 1u << i;
  }
  return {plane + first * width, step * width, inside};
}

}  // namespace
