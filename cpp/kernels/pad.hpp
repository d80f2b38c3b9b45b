// A strip of a plane with its zero border, split by column step, so that every filter tap of every
// stride becomes a contiguous run of reads.
#pragma once
#include "kernels/table.hpp"

namespace {

inline int clamp_lanes(int64_t at, int lanes) {
  return at < 0 ? 0 : at > lanes ? lanes : static_cast<int>(at);
}

// Columns lo .. hi - 1 of the strip lie in the image; `in` is where column 0 would be. Masks are
// needed only where a vector touches the border.
template <class T>
void pad_row(const T* in, int64_t lo, int64_t hi, int64_t columns, T* out, ptrdiff_t ahead) {
  constexpr int lanes = Vec<T>::lanes;
  for (int64_t x = 0; x < columns; x += lanes) {
    prefetch(in + x + ahead);
    if (x >= lo && x + lanes <= hi) {
      Vec<T>::load(in + x).store(out + x);
    } else {
      const int l = clamp_lanes(lo - x, lanes), h = clamp_lanes(hi - x, lanes);
      Vec<T>::load_range(in + x, l, h).store(out + x);
    }
  }
}

// Residues of S vectors' lanes modulo S: of residue r to out[r * step]. Even and odd lanes first,
// then each half likewise.
template <int S, class T>
inline void split_lanes(const Vec<T> (&v)[S], Vec<T>* out, int step) {
  if constexpr (S == 1) {
    *out = v[0];
  } else {
    Vec<T> even[S / 2], odd[S / 2];
#pragma GCC unroll 4
    for (int i = 0; i < S / 2; ++i) {
      even[i] = even_lanes(v[2 * i], v[2 * i + 1]);
      odd[i] = odd_lanes(v[2 * i], v[2 * i + 1]);
    }
    split_lanes(even, out, 2 * step);
    split_lanes(odd, out + step, 2 * step);
  }
}

template <class T, int S>
void pad_row_by(const T* in, int64_t lo, int64_t hi, int64_t columns, T* out, int64_t size,
                ptrdiff_t ahead) {
  constexpr int lanes = Vec<T>::lanes;
  for (int64_t x = 0; x < columns; x += S * lanes) {
    Vec<T> v[S], residue[S];
#pragma GCC unroll 8
    for (int i = 0; i < S; ++i) {
      const int64_t at = x + i * lanes;
      prefetch(in + at + ahead);
      v[i] = at >= lo && at + lanes <= hi
                 ? Vec<T>::load(in + at)
                 : Vec<T>::load_range(in + at, clamp_lanes(lo - at, lanes),
                                      clamp_lanes(hi - at, lanes));
    }
    split_lanes(v, residue, 1);
#pragma GCC unroll 8
    for (int i = 0; i < S; ++i) residue[i].store(out + i * size + x / S);
  }
}

// Step 1, columns of V vectors: the masks are set once for all rows.
template <class T, int V>
void pad_narrow(const PadArgs<T>& a, int64_t from, int64_t to) {
  constexpr int lanes = Vec<T>::lanes;
  int lo[V], hi[V];
  for (int v = 0; v < V; ++v) {
    lo[v] = clamp_lanes(from - v * lanes, lanes);
    hi[v] = clamp_lanes(to - v * lanes, lanes);
  }
  T* out = a.out;
  for (int64_t r = 0; r < a.rows; ++r, out += a.row_size) {
    const int64_t y = a.first_row + r * (a.skip + 1);
    if (y < 0 || y >= a.height || from >= to) {
      for (int v = 0; v < V; ++v) Vec<T>::zero().store(out + v * lanes);
      continue;
    }
    const T* in = a.plane + y * a.width + a.first_column;
    for (int v = 0; v < V; ++v)
      Vec<T>::load_range(in + v * lanes, lo[v], hi[v]).store(out + v * lanes);
  }
}

template <class T>
void pad_strip(const PadArgs<T>& a) {
  int64_t lo = a.first_column < 0 ? -a.first_column : 0;
  if (lo > a.columns) lo = a.columns;
  int64_t hi = a.width - a.first_column;
  if (hi > a.columns) hi = a.columns;
  if (hi < lo) hi = lo;
  if (a.step == 1) {
    constexpr int lanes = Vec<T>::lanes;
    if (a.columns <= lanes) return pad_narrow<T, 1>(a, lo, hi);
    if (a.columns <= 2 * lanes) return pad_narrow<T, 2>(a, lo, hi);
    if (a.columns <= 3 * lanes) return pad_narrow<T, 3>(a, lo, hi);
    if (a.columns <= 4 * lanes) return pad_narrow<T, 4>(a, lo, hi);
  }
  for (int64_t r = 0; r < a.rows; ++r) {
    T* out = a.out + r * a.row_size * a.step;
    const int64_t y = a.first_row + r * (a.skip + 1);
    const bool inside = y >= 0 && y < a.height && lo < hi;
    const T* in = inside ? a.plane + y * a.width + a.first_column : a.plane;
    const int64_t from = inside ? lo : 0, to = inside ? hi : 0;
    if (a.step == 1) {
      pad_row(in, from, to, a.columns, out, a.ahead);
    } else if (a.step == 2) {
      pad_row_by<T, 2>(in, from, to, a.columns, out, a.row_size, a.ahead);
    } else if (a.step == 4) {
      pad_row_by<T, 4>(in, from, to, a.columns, out, a.row_size, a.ahead);
    } else if (a.step == 8) {
      pad_row_by<T, 8>(in, from, to, a.columns, out, a.row_size, a.ahead);
    } else {
      for (int64_t residue = 0; residue < a.step; ++residue)
        for (int64_t x = residue, i = 0; x < a.columns; x += a.step, ++i)
          out[residue * a.row_size + i] = x >= from && x < to ? in[x] : T(0);
    }
  }
}

}  // namespace
