// Winograd's minimal filtering of images, F(M x M, 3 x 3): the transforms of minimal.hpp along
// columns and rows, N = M + 2, N^2 products a tile instead of 9 M^2.
//
//   out = A^T [ (G w G^T) * (B^T d B) ] A          * element by element, summed over channels
//
// H and W are the transforms of columns and rows. A filter with one tap in rows or in columns has
// nothing to save there: F(1 x M, 1 x 3) and F(M x 1, 3 x 1) have Minimal<1> as H or W. Every kernel
// works on a vector of tiles (or filters): one transform of a column or row at a time, all points of
// them in registers.
#pragma once
#include "kernels/minimal.hpp"
#include "kernels/table.hpp"
#include "kernels/unrolled.hpp"

namespace {

template <class T>
PYCONV_UNROLLED void store_first(Vec<T> v, T* out, int64_t n) {
  constexpr int lanes = Vec<T>::lanes;
  if (n >= lanes) {
    v.store(out);
  } else if (n > 0) {
    v.store_n(out, static_cast<int>(n));
  }
}

// One vector of lanes. The loops are unrolled by order: GCC else keeps `half` in memory.
template <class T, class H, class W, bool whole>
inline void input_vector(const WinogradInputArgs<T>& a, int64_t i) {
  constexpr int rows = H::points, columns = W::points;
  Vec<T> half[rows][W::inputs];
#pragma GCC unroll 8
  for (int x = 0; x < W::inputs; ++x) {
    const T* in = a.strip + x % W::step * a.residue + x / W::step * a.next + i;
    Vec<T> d[H::inputs], v[rows];
#pragma GCC unroll 8
    for (int r = 0; r < H::inputs; ++r) d[r] = Vec<T>::load(in + r * a.row);
    H::input(d, v);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) half[r][x] = v[r];
  }
  T* out = a.points + i;
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r) {
    Vec<T> v[columns];
    W::input(half[r], v);
#pragma GCC unroll 8
    for (int x = 0; x < columns; ++x, out += a.point) {
      if (whole) {
        v[x].store(out);
      } else {
        v[x].store_n(out, static_cast<int>(a.lanes - i));
      }
    }
  }
}

template <class T, class H, class W>
void winograd_input(const WinogradInputArgs<T>& a) {
  constexpr int lanes = Vec<T>::lanes;
  WinogradInputArgs<T> tile = a;
  for (int64_t t = 0; t < a.tiles; ++t) {
    int64_t i = 0;
    for (; i + lanes <= a.lanes; i += lanes) input_vector<T, H, W, true>(tile, i);
    if (i < a.lanes) input_vector<T, H, W, false>(tile, i);
    tile.strip += a.next_strip;
    tile.points += a.next_points;
  }
}

// Elements 0 .. n - 1 of a row to places `step` apart.
template <class T>
void scatter(const T* row, T* out, ptrdiff_t step, int64_t n) {
  for (int64_t i = 0; i < n; ++i) out[i * step] = row[i];
}

// Column W x + k of a row of outputs is lane x of y[k].
template <class T>
PYCONV_UNROLLED void join_columns(const Vec<T> (&y)[1], Vec<T> (&row)[1]) {
  row[0] = y[0];
}

template <class T>
PYCONV_UNROLLED void join_columns(const Vec<T> (&y)[2], Vec<T> (&row)[2]) {
  interleave(y[0], y[1], row[0], row[1]);
}

template <class T>
PYCONV_UNROLLED void join_columns(const Vec<T> (&y)[4], Vec<T> (&row)[4]) {
  Vec<T> a[2], b[2];
  interleave(y[0], y[2], a[0], a[1]);
  interleave(y[1], y[3], b[0], b[1]);
  interleave(a[0], b[0], row[0], row[1]);
  interleave(a[1], b[1], row[2], row[3]);
}

// Columns 0 .. n - 1 of a row.
template <class T, int W>
PYCONV_UNROLLED void store_columns(const Vec<T> (&y)[W], T* out, ptrdiff_t step, int64_t n) {
  constexpr int lanes = Vec<T>::lanes;
  Vec<T> row[W];
  join_columns(y, row);
  if (step == 1) {
#pragma GCC unroll 8
    for (int i = 0; i < W; ++i) store_first(row[i], out + i * lanes, n - i * lanes);
  } else {
    T values[W * lanes];
#pragma GCC unroll 8
    for (int i = 0; i < W; ++i) row[i].store(values + i * lanes);
    scatter(values, out, step, n < W * lanes ? n : W * lanes);
  }
}

// The columns of a tile's points at `in` transformed back, of one vector of which `n` lanes count.
template <class T, class H, class W, bool whole>
inline void columns_back(const T* in, ptrdiff_t point, int n,
                         Vec<T> (&half)[H::outputs][W::points]) {
  constexpr int rows = H::points, columns = W::points;
#pragma GCC unroll 8
  for (int x = 0; x < columns; ++x) {
    Vec<T> m[rows], y[H::outputs];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const T* at = in + (r * columns + x) * point;
      m[r] = whole ? Vec<T>::load(at) : Vec<T>::load_n(at, n);
    }
    H::output(m, y);
#pragma GCC unroll 8
    for (int r = 0; r < H::outputs; ++r) half[r][x] = y[r];
  }
}

// One row of outputs. `probe` becomes NaN at the first infinity or NaN.
template <class T, class W>
inline void finish_row(const Vec<T> (&half)[W::points], Vec<T> bias, bool relu,
                       Vec<T> (&y)[W::outputs], Vec<T>& probe) {
  const Vec<T> zero = Vec<T>::zero();
  W::output(half, y);
#pragma GCC unroll 8
  for (int x = 0; x < W::outputs; ++x) {
    probe = fma(y[x], zero, probe);
    y[x] = add(y[x], bias);
    if (relu) y[x] = select(le(y[x], zero), zero, y[x]);
  }
}

// One vector of tiles, of which `n` count.
template <class T, class H, class W, bool whole>
PYCONV_UNROLLED Vec<T> output_vector(const WinogradOutputArgs<T>& a, const T* points, T* out,
                                     int64_t i, int n, Vec<T> bias, Vec<T> probe) {
  Vec<T> half[H::outputs][W::points];
  columns_back<T, H, W, whole>(points + i, a.point, n, half);
#pragma GCC unroll 8
  for (int r = 0; r < H::outputs; ++r) {
    Vec<T> y[W::outputs];
    finish_row<T, W>(half[r], bias, a.relu, y, probe);
    if (r < a.rows)
      store_columns(y, out + r * a.out_row + i * W::outputs * a.out_step, a.out_step,
                    a.columns - i * W::outputs);
  }
  return probe;
}

template <class T, class H, class W>
bool winograd_output(const WinogradOutputArgs<T>& a) {
  constexpr int lanes = Vec<T>::lanes;
  Vec<T> probe = Vec<T>::zero();
  const T* points = a.points;
  T* out = a.out;
  for (int64_t f = 0; f < a.filters; ++f, points += a.next_points, out += a.next_out) {
    const Vec<T> bias = Vec<T>::set(a.bias ? a.bias[f] : T(0));
    int64_t i = 0;
    for (; i + lanes <= a.tiles; i += lanes)
      probe = output_vector<T, H, W, true>(a, points, out, i, lanes, bias, probe);
    if (i < a.tiles)
      probe = output_vector<T, H, W, false>(a, points, out, i, static_cast<int>(a.tiles - i), bias,
                                            probe);
  }
  const T sum = probe.sum();
  return sum == sum;
}

// A vector of filters of tile t.
template <class T, class H, class W>
inline Vec<T> pixel_vector(const WinogradPixelArgs<T>& a, int64_t t, int64_t i, Vec<T> bias,
                           Vec<T> probe) {
  Vec<T> half[H::outputs][W::points];
  columns_back<T, H, W, true>(a.points + t * a.next + i, a.point, Vec<T>::lanes, half);
#pragma GCC unroll 8
  for (int r = 0; r < H::outputs; ++r) {
    Vec<T> y[W::outputs];
    finish_row<T, W>(half[r], bias, a.relu, y, probe);
    if (r >= a.rows) continue;
    T* out = a.out + r * a.out_row + t * W::outputs * a.out_step + i;
#pragma GCC unroll 8
    for (int x = 0; x < W::outputs; ++x)
      if (t * W::outputs + x < a.columns) y[x].store(out + x * a.out_step);
  }
  return probe;
}

template <class T, class H, class W>
bool winograd_pixels(const WinogradPixelArgs<T>& a) {
  constexpr int lanes = Vec<T>::lanes;
  Vec<T> probe = Vec<T>::zero();
  for (int64_t t = 0; t < a.tiles; ++t) {  // the outer loop: points are read in order
    for (int64_t i = 0; i < a.lanes; i += lanes) {
      const int n = a.filters - i < lanes ? static_cast<int>(a.filters - i) : lanes;
      const Vec<T> bias = a.bias ? Vec<T>::load_n(a.bias + i, n) : Vec<T>::zero();
      probe = pixel_vector<T, H, W>(a, t, i, bias, probe);
    }
  }
  const T sum = probe.sum();
  return sum == sum;
}

// The loops are unrolled by order, see input_vector. Only of F(2 x 2, 3 x 3) and of F(2, 3) of a line
// taps and points may be missing.
template <class T, class H, class W>
void winograd_filter(const WinogradFilterArgs<T>& a) {
  constexpr int rows = H::filters, columns = W::filters;
  constexpr int high = H::taps, wide = W::taps;
  constexpr bool parts = H::points * W::points == 16 || H::points * W::points == 4;
  for (int64_t i = 0; i < a.filters; i += Vec<T>::lanes) {
    Vec<T> half[rows][wide];
#pragma GCC unroll 8
    for (int x = 0; x < wide; ++x) {
      Vec<T> w[high] = {}, u[rows];
#pragma GCC unroll 8
      for (int r = 0; r < high; ++r) {
        const ptrdiff_t tap = a.tap[wide * r + x];
        w[r] = parts && tap < 0 ? Vec<T>::zero() : Vec<T>::load(a.taps + tap + i);
      }
      H::filter(w, u);
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r) half[r][x] = u[r];
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      Vec<T> u[columns];
      W::filter(half[r], u);
#pragma GCC unroll 8
      for (int x = 0; x < columns; ++x) {
        const ptrdiff_t point = a.point[r * columns + x];
        if (!parts || point >= 0) u[x].store(a.points + point + i);
      }
    }
  }
}

// Vector i of the gradients of a tile.
template <class T, class H, class W>
PYCONV_UNROLLED void gradient_vector(const WinogradInputArgs<T>& a, const T* strip, T* points,
                                     int64_t i) {
  constexpr int rows = H::points, columns = W::points;
  Vec<T> half[rows][W::outputs];
  for (int x = 0; x < W::outputs; ++x) {
    Vec<T> g[H::outputs], u[rows];
    for (int r = 0; r < H::outputs; ++r) g[r] = Vec<T>::load(strip + r * a.row + x * a.residue + i);
    H::gradient(g, u);
    for (int r = 0; r < rows; ++r) half[r][x] = u[r];
  }
  for (int r = 0; r < rows; ++r) {
    Vec<T> u[columns];
    W::gradient(half[r], u);
    for (int x = 0; x < columns; ++x)
      store_first(u[x], points + (r * columns + x) * a.point + i, a.lanes - i);
  }
}

template <class T, class H, class W>
void winograd_gradient(const WinogradInputArgs<T>& a) {
  const T* strip = a.strip;
  T* points = a.points;
  for (int64_t t = 0; t < a.tiles; ++t, strip += a.next_strip, points += a.next_points)
    for (int64_t i = 0; i < a.lanes; i += Vec<T>::lanes)
      gradient_vector<T, H, W>(a, strip, points, i);
}

template <class T, class H, class W>
bool winograd_weight(const T* points, ptrdiff_t point, int64_t lanes, T* taps, ptrdiff_t tap) {
  constexpr int rows = H::points, columns = W::points;
  constexpr int high = H::taps, wide = W::taps;
  Vec<T> probe = Vec<T>::zero();
  for (int64_t i = 0; i < lanes; i += Vec<T>::lanes) {
    const int n = lanes - i < Vec<T>::lanes ? static_cast<int>(lanes - i) : Vec<T>::lanes;
    Vec<T> half[high][columns];
    for (int x = 0; x < columns; ++x) {
      Vec<T> m[rows], y[high];
      for (int r = 0; r < rows; ++r)
        m[r] = Vec<T>::load_n(points + (r * columns + x) * point + i, n);
      H::weight(m, y);
      for (int r = 0; r < high; ++r) half[r][x] = y[r];
    }
    for (int r = 0; r < high; ++r) {
      Vec<T> y[wide];
      W::weight(half[r], y);
      for (int x = 0; x < wide; ++x) {
        probe = fma(y[x], Vec<T>::zero(), probe);
        store_first(y[x], taps + (wide * r + x) * tap + i, n);
      }
    }
  }
  const T sum = probe.sum();
  return sum == sum;
}

}  // namespace
