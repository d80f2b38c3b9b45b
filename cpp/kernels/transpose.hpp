// Matrix transposition into panels, by blocks of lanes x lanes held in registers.
//
// Rows lie far apart, so that no hardware foresees them: what follows in each is asked for half a
// kilobyte ahead, the depth of a float32 panel.
#pragma once
#include "kernels/table.hpp"
#include "kernels/unrolled.hpp"

namespace {

template <class T>
void bring_near(const T* from, int64_t count) {
  constexpr int64_t line = 64 / sizeof(T);
  for (int64_t i = 0; i < count; i += line) prefetch(from + i);
  if (count) prefetch(from + count - 1);
}

// Of three vectors, every third lane in one: from the first two, then what the last has.
template <int lanes>
struct ThirdLanes {
  int32_t pair[3][lanes], last[3][lanes];
  constexpr ThirdLanes() : pair(), last() {
    for (int t = 0; t < 3; ++t)
      for (int i = 0; i < lanes; ++i) {
        const int from = 3 * i + t;
        pair[t][i] = from < 2 * lanes ? from : -1;
        last[t][i] = from < 2 * lanes ? i : from - lanes;
      }
  }
};

template <class T>
struct Thirds {
  Picks<T> pair[3], last[3];
  Thirds() {
    static constexpr ThirdLanes<Vec<T>::lanes> lanes;
    for (int t = 0; t < 3; ++t) {
      pair[t] = Picks<T>::of(lanes.pair[t]);
      last[t] = Picks<T>::of(lanes.last[t]);
    }
  }
  PYCONV_UNROLLED Vec<T> operator()(const Vec<T> (&v)[3], int t) const {
    return pick(pick(v[0], v[1], pair[t]), v[2], last[t]);
  }
};

// Vector t of elements without a gap, of which `left` follow.
template <class T>
PYCONV_UNROLLED Vec<T> load_left(const T* in, int64_t left, int t) {
  constexpr int lanes = Vec<T>::lanes;
  left -= t * lanes;
  if (left >= lanes) return Vec<T>::load(in + t * lanes);
  return left > 0 ? Vec<T>::load_n(in + t * lanes, static_cast<int>(left)) : Vec<T>::zero();
}

// Rows of three without a gap: a block of whole vectors would be empty but for three columns.
template <class T>
void transpose_threes(const T* in, int64_t rows, T* out, ptrdiff_t out_row, int64_t width) {
  constexpr int lanes = Vec<T>::lanes;
  const Thirds<T> thirds;
  for (int64_t i = 0; i < width; i += lanes) {
    const int wide = width - i < lanes ? static_cast<int>(width - i) : lanes;
    Vec<T> v[3];
    for (int t = 0; t < 3; ++t) v[t] = load_left(in + 3 * i, 3 * (rows - i), t);
    for (int t = 0; t < 3; ++t) thirds(v, t).store_n(out + t * out_row + i, wide);
  }
}

// Rows of nine are three of three: every third element, and of those every third again.
template <class T>
void transpose_nines(const T* in, int64_t rows, T* out, ptrdiff_t out_row, int64_t width) {
  constexpr int lanes = Vec<T>::lanes;
  const Thirds<T> thirds;
  for (int64_t i = 0; i < width; i += lanes) {
    const int wide = width - i < lanes ? static_cast<int>(width - i) : lanes;
    Vec<T> third[3][3];
    for (int part = 0; part < 3; ++part) {
      Vec<T> v[3];
      for (int t = 0; t < 3; ++t) v[t] = load_left(in + 9 * i, 9 * (rows - i), 3 * part + t);
      for (int t = 0; t < 3; ++t) third[t][part] = thirds(v, t);
    }
    for (int t = 0; t < 3; ++t)
      for (int r = 0; r < 3; ++r)
        thirds(third[t], r).store_n(out + (3 * r + t) * out_row + i, wide);
  }
}

template <class T>
void transpose_matrix(const T* in, ptrdiff_t in_row, int64_t rows, int64_t depth, T* out,
                      ptrdiff_t out_row, int64_t width) {
  constexpr int lanes = Vec<T>::lanes;
  if (in_row == 3 && depth == 3) return transpose_threes(in, rows, out, out_row, width);
  // Picks of 64 bytes are one instruction each, and a block would be empty but for nine columns.
  if constexpr (lanes == 16)
    if (in_row == 9 && depth == 9) return transpose_nines(in, rows, out, out_row, width);
  for (int64_t i = 0; i < width; i += lanes) {
    const int wide = width - i < lanes ? static_cast<int>(width - i) : lanes;
    const int high = rows - i < lanes ? static_cast<int>(rows - i) : lanes;
    for (int64_t p = 0; p < depth; p += lanes) {
      const int deep = depth - p < lanes ? static_cast<int>(depth - p) : lanes;
      Vec<T> block[lanes];
      for (int r = 0; r < lanes; ++r) {
        if (r < high) prefetch(in + (i + r) * in_row + p + 512 / sizeof(T));
        block[r] = r < high ? Vec<T>::load_n(in + (i + r) * in_row + p, deep) : Vec<T>::zero();
      }
      transpose(block);
      for (int r = 0; r < deep; ++r) block[r].store_n(out + (p + r) * out_row + i, wide);
    }
  }
}

}  // namespace
