// Winograd's minimal filtering F(M x M, 3 x 3): N = M + 2, N^2 products a tile instead of 9 M^2.
//
//   out = A^T [ (G w G^T) * (B^T d B) ] A          * element by element, summed over channels
//
// A filter with one tap in rows or in columns has nothing to save there: F(1 x M, 1 x 3) and
// F(M x 1, 3 x 1) are the same with H or W = 1, whose transforms change nothing.
//
// Interpolation points: 0, +-1, inf for M = 2; 0, +-5/8, +-3/2, inf for M = 4, which round a fifth
// of what 0, +-1, +-2, inf round (64 channels of normal data). Every kernel works on a vector of
// tiles (or filters): one transform of a column or row at a time, all N of them in registers.
//
// Lavin and Gray, "Fast algorithms for convolutional neural networks" (2016); points after
// Barabasz et al., "Error analysis and improving the accuracy of Winograd convolution" (2020).
#pragma once
#include "kernels/table.hpp"

namespace {

template <int M>
struct Minimal;

template <>
struct Minimal<1> {
  static constexpr int points = 1, taps = 1;
  template <class T>
  static void input(const Vec<T> (&d)[1], Vec<T> (&v)[1]) { v[0] = d[0]; }
  template <class T>
  static void output(const Vec<T> (&m)[1], Vec<T> (&y)[1]) { y[0] = m[0]; }
  template <class T>
  static void filter(const Vec<T> (&w)[1], Vec<T> (&u)[1]) { u[0] = w[0]; }
  template <class T>
  static void gradient(const Vec<T> (&g)[1], Vec<T> (&u)[1]) { u[0] = g[0]; }
  template <class T>
  static void weight(const Vec<T> (&m)[1], Vec<T> (&y)[1]) { y[0] = m[0]; }
};

template <>
struct Minimal<2> {
  static constexpr int points = 4, taps = 3;
  template <class T>
  static void input(const Vec<T> (&d)[4], Vec<T> (&v)[4]) {
    v[0] = sub(d[0], d[2]);
    v[1] = add(d[1], d[2]);
    v[2] = sub(d[2], d[1]);
    v[3] = sub(d[1], d[3]);
  }
  template <class T>
  static void output(const Vec<T> (&m)[4], Vec<T> (&y)[2]) {
    y[0] = add(add(m[0], m[1]), m[2]);
    y[1] = sub(sub(m[1], m[2]), m[3]);
  }
  template <class T>
  static void filter(const Vec<T> (&w)[3], Vec<T> (&u)[4]) {
    const Vec<T> half = Vec<T>::set(T(0.5));
    const Vec<T> even = mul(add(w[0], w[2]), half), odd = mul(w[1], half);
    u[0] = w[0];
    u[1] = add(even, odd);
    u[2] = sub(even, odd);
    u[3] = w[2];
  }
  template <class T>
  static void gradient(const Vec<T> (&g)[2], Vec<T> (&u)[4]) {
    const Vec<T> half = Vec<T>::set(T(0.5));
    u[0] = g[0];
    u[1] = mul(add(g[0], g[1]), half);
    u[2] = mul(sub(g[0], g[1]), half);
    u[3] = g[1];
  }
  template <class T>
  static void weight(const Vec<T> (&m)[4], Vec<T> (&y)[3]) {
    const Vec<T> sum = add(m[1], m[2]);
    y[0] = add(m[0], sum);
    y[1] = sub(m[1], m[2]);
    y[2] = sub(sum, m[3]);
  }
};

template <>
struct Minimal<4> {
  static constexpr int points = 6, taps = 3;
  static constexpr double p = 0.625, q = 1.5, pp = p * p, qq = q * q;
  static constexpr double np = 1 / (2 * pp * (pp - qq)), nq = 1 / (2 * qq * (qq - pp));
  template <class T>
  static Vec<T> c(double value) {
    return Vec<T>::set(static_cast<T>(value));
  }
  template <class T>
  static void input(const Vec<T> (&d)[6], Vec<T> (&v)[6]) {
    const Vec<T> product = c<T>(pp * qq), sum = c<T>(-(pp + qq));
    v[0] = fma(product, d[0], fma(sum, d[2], d[4]));
    v[5] = fma(product, d[1], fma(sum, d[3], d[5]));
    const Vec<T> even = fma(c<T>(-qq), d[2], d[4]), odd = fma(c<T>(-qq), d[1], d[3]);
    v[1] = fma(c<T>(p), odd, even);
    v[2] = fma(c<T>(-p), odd, even);
    const Vec<T> even2 = fma(c<T>(-pp), d[2], d[4]), odd2 = fma(c<T>(-pp), d[1], d[3]);
    v[3] = fma(c<T>(q), odd2, even2);
    v[4] = fma(c<T>(-q), odd2, even2);
  }
  template <class T>
  static void output(const Vec<T> (&m)[6], Vec<T> (&y)[4]) {
    const Vec<T> a = add(m[1], m[2]), b = sub(m[1], m[2]);
    const Vec<T> e = add(m[3], m[4]), f = sub(m[3], m[4]);
    y[0] = add(add(a, e), m[0]);
    y[1] = fma(c<T>(p), b, mul(c<T>(q), f));
    y[2] = fma(c<T>(pp), a, mul(c<T>(qq), e));
    y[3] = fma(c<T>(p * pp), b, fma(c<T>(q * qq), f, m[5]));
  }
  template <class T>
  static void filter(const Vec<T> (&w)[3], Vec<T> (&u)[6]) {
    u[0] = mul(c<T>(1 / (pp * qq)), w[0]);
    const Vec<T> even = fma(c<T>(pp * np), w[2], mul(c<T>(np), w[0])), odd = mul(c<T>(p * np), w[1]);
    u[1] = add(even, odd);
    u[2] = sub(even, odd);
    const Vec<T> even2 = fma(c<T>(qq * nq), w[2], mul(c<T>(nq), w[0]));
    const Vec<T> odd2 = mul(c<T>(q * nq), w[1]);
    u[3] = add(even2, odd2);
    u[4] = sub(even2, odd2);
    u[5] = w[2];
  }
  template <class T>
  static void gradient(const Vec<T> (&g)[4], Vec<T> (&u)[6]) {
    u[0] = mul(c<T>(1 / (pp * qq)), g[0]);
    const Vec<T> even = fma(c<T>(pp * np), g[2], mul(c<T>(np), g[0]));
    const Vec<T> odd = fma(c<T>(p * pp * np), g[3], mul(c<T>(p * np), g[1]));
    u[1] = add(even, odd);
    u[2] = sub(even, odd);
    const Vec<T> even2 = fma(c<T>(qq * nq), g[2], mul(c<T>(nq), g[0]));
    const Vec<T> odd2 = fma(c<T>(q * qq * nq), g[3], mul(c<T>(q * nq), g[1]));
    u[3] = add(even2, odd2);
    u[4] = sub(even2, odd2);
    u[5] = g[3];
  }
  template <class T>
  static void weight(const Vec<T> (&m)[6], Vec<T> (&y)[3]) {
    const Vec<T> a = add(m[1], m[2]), e = add(m[3], m[4]);
    y[0] = add(m[0], add(a, e));
    y[1] = fma(c<T>(p), sub(m[1], m[2]), mul(c<T>(q), sub(m[3], m[4])));
    y[2] = fma(c<T>(pp), a, fma(c<T>(qq), e, m[5]));
  }
};

template <class T>
void store_first(Vec<T> v, T* out, int64_t n) {
  constexpr int lanes = Vec<T>::lanes;
  if (n >= lanes) {
    v.store(out);
  } else if (n > 0) {
    v.store_n(out, static_cast<int>(n));
  }
}

// One vector of lanes. The loops are unrolled by order: GCC else keeps `half` in memory.
template <class T, int H, int W, bool whole>
inline void input_vector(const WinogradInputArgs<T>& a, int64_t i) {
  constexpr int rows = Minimal<H>::points, columns = Minimal<W>::points;
  Vec<T> half[rows][columns];
#pragma GCC unroll 8
  for (int x = 0; x < columns; ++x) {
    const T* in = a.strip + x % W * a.residue + x / W * a.next + i;
    Vec<T> d[rows], v[rows];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) d[r] = Vec<T>::load(in + r * a.row);
    Minimal<H>::input(d, v);
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) half[r][x] = v[r];
  }
  T* out = a.points + i;
#pragma GCC unroll 8
  for (int r = 0; r < rows; ++r) {
    Vec<T> v[columns];
    Minimal<W>::input(half[r], v);
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

template <class T, int H, int W>
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

// Outputs 0 .. n - 1 of `vectors` vectors, `step` apart.
template <class T, int vectors>
void store_spread(const Vec<T> (&v)[vectors], T* out, ptrdiff_t step, int64_t n) {
  constexpr int lanes = Vec<T>::lanes;
  if (step == 1) {
    for (int i = 0; i < vectors; ++i) store_first(v[i], out + i * lanes, n - i * lanes);
    return;
  }
  T row[vectors * lanes];
  for (int i = 0; i < vectors; ++i) v[i].store(row + i * lanes);
  for (int64_t i = 0; i < n && i < vectors * lanes; ++i) out[i * step] = row[i];
}

// Column M x + k of the output is lane x of y[k].
template <class T>
void store_columns(const Vec<T> (&y)[1], T* out, ptrdiff_t step, int64_t n) {
  store_spread(y, out, step, n);
}

template <class T>
void store_columns(const Vec<T> (&y)[2], T* out, ptrdiff_t step, int64_t n) {
  Vec<T> v[2];
  interleave(y[0], y[1], v[0], v[1]);
  store_spread(v, out, step, n);
}

template <class T>
void store_columns(const Vec<T> (&y)[4], T* out, ptrdiff_t step, int64_t n) {
  Vec<T> a[2], b[2], v[4];
  interleave(y[0], y[2], a[0], a[1]);
  interleave(y[1], y[3], b[0], b[1]);
  interleave(a[0], b[0], v[0], v[1]);
  interleave(a[1], b[1], v[2], v[3]);
  store_spread(v, out, step, n);
}

// The columns of a tile's points at `in` transformed back, of one vector of which `n` lanes count.
template <class T, int H, int W, bool whole>
inline void columns_back(const T* in, ptrdiff_t point, int n,
                         Vec<T> (&half)[H][Minimal<W>::points]) {
  constexpr int rows = Minimal<H>::points, columns = Minimal<W>::points;
#pragma GCC unroll 8
  for (int x = 0; x < columns; ++x) {
    Vec<T> m[rows], y[H];
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      const T* at = in + (r * columns + x) * point;
      m[r] = whole ? Vec<T>::load(at) : Vec<T>::load_n(at, n);
    }
    Minimal<H>::output(m, y);
#pragma GCC unroll 8
    for (int r = 0; r < H; ++r) half[r][x] = y[r];
  }
}

// One row of outputs. `probe` becomes NaN at the first infinity or NaN.
template <class T, int W>
inline void finish_row(const Vec<T> (&half)[Minimal<W>::points], Vec<T> bias, bool relu,
                       Vec<T> (&y)[W], Vec<T>& probe) {
  const Vec<T> zero = Vec<T>::zero();
  Minimal<W>::output(half, y);
#pragma GCC unroll 8
  for (int x = 0; x < W; ++x) {
    probe = fma(y[x], zero, probe);
    y[x] = add(y[x], bias);
    if (relu) y[x] = select(le(y[x], zero), zero, y[x]);
  }
}

// One vector of tiles, of which `n` count.
template <class T, int H, int W, bool whole>
inline Vec<T> output_vector(const WinogradOutputArgs<T>& a, int64_t i, int n, Vec<T> probe) {
  const Vec<T> bias = Vec<T>::set(a.bias);
  Vec<T> half[H][Minimal<W>::points];
  columns_back<T, H, W, whole>(a.points + i, a.point, n, half);
#pragma GCC unroll 8
  for (int r = 0; r < H; ++r) {
    Vec<T> y[W];
    finish_row<T, W>(half[r], bias, a.relu, y, probe);
    if (r < a.rows)
      store_columns(y, a.out + r * a.out_row + i * W * a.out_step, a.out_step, a.columns - i * W);
  }
  return probe;
}

template <class T, int H, int W>
bool winograd_output(const WinogradOutputArgs<T>& a) {
  constexpr int lanes = Vec<T>::lanes;
  Vec<T> probe = Vec<T>::zero();
  int64_t i = 0;
  for (; i + lanes <= a.tiles; i += lanes)
    probe = output_vector<T, H, W, true>(a, i, lanes, probe);
  if (i < a.tiles)
    probe = output_vector<T, H, W, false>(a, i, static_cast<int>(a.tiles - i), probe);
  const T sum = probe.sum();
  return sum == sum;
}

// A vector of filters of tile t.
template <class T, int H, int W>
inline Vec<T> pixel_vector(const WinogradPixelArgs<T>& a, int64_t t, int64_t i, Vec<T> bias,
                           Vec<T> probe) {
  Vec<T> half[H][Minimal<W>::points];
  columns_back<T, H, W, true>(a.points + t * a.next + i, a.point, Vec<T>::lanes, half);
#pragma GCC unroll 8
  for (int r = 0; r < H; ++r) {
    Vec<T> y[W];
    finish_row<T, W>(half[r], bias, a.relu, y, probe);
    if (r >= a.rows) continue;
    T* out = a.out + r * a.out_row + t * W * a.out_step + i;
#pragma GCC unroll 8
    for (int x = 0; x < W; ++x)
      if (t * W + x < a.columns) y[x].store(out + x * a.out_step);
  }
  return probe;
}

template <class T, int H, int W>
bool winograd_pixels(const WinogradPixelArgs<T>& a) {
  constexpr int lanes = Vec<T>::lanes;
  Vec<T> probe = Vec<T>::zero();
  for (int64_t i = 0; i < a.lanes; i += lanes) {
    const int n = a.filters - i < lanes ? static_cast<int>(a.filters - i) : lanes;
    const Vec<T> bias = a.bias ? Vec<T>::load_n(a.bias + i, n) : Vec<T>::zero();
    for (int64_t t = 0; t < a.tiles; ++t) probe = pixel_vector<T, H, W>(a, t, i, bias, probe);
  }
  const T sum = probe.sum();
  return sum == sum;
}

// The loops are unrolled by order, see input_vector. Only of F(2 x 2, 3 x 3) taps and points may be
// missing.
template <class T, int H, int W>
void winograd_filter(const WinogradFilterArgs<T>& a) {
  constexpr int rows = Minimal<H>::points, columns = Minimal<W>::points;
  constexpr int high = Minimal<H>::taps, wide = Minimal<W>::taps;
  constexpr bool parts = H == 2 && W == 2;
  for (int64_t i = 0; i < a.filters; i += Vec<T>::lanes) {
    Vec<T> half[rows][wide];
#pragma GCC unroll 8
    for (int x = 0; x < wide; ++x) {
      Vec<T> w[high], u[rows];
#pragma GCC unroll 8
      for (int r = 0; r < high; ++r) {
        const ptrdiff_t tap = a.tap[wide * r + x];
        w[r] = parts && tap < 0 ? Vec<T>::zero() : Vec<T>::load(a.taps + tap + i);
      }
      Minimal<H>::filter(w, u);
#pragma GCC unroll 8
      for (int r = 0; r < rows; ++r) half[r][x] = u[r];
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; ++r) {
      Vec<T> u[columns];
      Minimal<W>::filter(half[r], u);
#pragma GCC unroll 8
      for (int x = 0; x < columns; ++x) {
        const ptrdiff_t point = a.point[r * columns + x];
        if (!parts || point >= 0) u[x].store(a.points + point + i);
      }
    }
  }
}

template <class T, int H, int W>
void winograd_gradient(const WinogradInputArgs<T>& a) {
  constexpr int rows = Minimal<H>::points, columns = Minimal<W>::points;
  for (int64_t i = 0; i < a.lanes; i += Vec<T>::lanes) {
    Vec<T> half[rows][W];
    for (int x = 0; x < W; ++x) {
      Vec<T> g[H], u[rows];
      for (int r = 0; r < H; ++r) g[r] = Vec<T>::load(a.strip + r * a.row + x * a.residue + i);
      Minimal<H>::gradient(g, u);
      for (int r = 0; r < rows; ++r) half[r][x] = u[r];
    }
    for (int r = 0; r < rows; ++r) {
      Vec<T> u[columns];
      Minimal<W>::gradient(half[r], u);
      for (int x = 0; x < columns; ++x)
        store_first(u[x], a.points + (r * columns + x) * a.point + i, a.lanes - i);
    }
  }
}

template <class T, int H, int W>
bool winograd_weight(const T* points, ptrdiff_t point, int64_t lanes, T* taps, ptrdiff_t tap) {
  constexpr int rows = Minimal<H>::points, columns = Minimal<W>::points;
  constexpr int high = Minimal<H>::taps, wide = Minimal<W>::taps;
  Vec<T> probe = Vec<T>::zero();
  for (int64_t i = 0; i < lanes; i += Vec<T>::lanes) {
    const int n = lanes - i < Vec<T>::lanes ? static_cast<int>(lanes - i) : Vec<T>::lanes;
    Vec<T> half[high][columns];
    for (int x = 0; x < columns; ++x) {
      Vec<T> m[rows], y[high];
      for (int r = 0; r < rows; ++r)
        m[r] = Vec<T>::load_n(points + (r * columns + x) * point + i, n);
      Minimal<H>::weight(m, y);
      for (int r = 0; r < high; ++r) half[r][x] = y[r];
    }
    for (int r = 0; r < high; ++r) {
      Vec<T> y[wide];
      Minimal<W>::weight(half[r], y);
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
