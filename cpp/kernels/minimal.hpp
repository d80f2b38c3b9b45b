// Winograd's minimal filtering F(M, 3) in one dimension: M outputs of 3 taps from M + 2 products; and
// of 3 taps at stride 2.
//
//   out = A^T [ (G w) * (B^T d) ]          * element by element, summed over channels
//
// Interpolation points: 0, +-1, inf for M = 2; 0, +-5/8, +-3/2, inf for M = 4, which round a fifth
// of what 0, +-1, +-2, inf round (64 channels of normal data). M = 1 stands for a dimension
// of one tap: nothing to save, nothing to change.
//
// Lavin and Gray, "Fast algorithms for convolutional neural networks" (2016); points after
// Barabasz et al., "Error analysis and improving the accuracy of Winograd convolution" (2020).
#pragma once
#include "kernels/table.hpp"

namespace {

// `inputs`: pixels under a tile, `step`: from one tile's to the next; `filters`: points of the filter,
// of which the last serves all further points of a tile.
template <int M>
struct Minimal;

template <>
struct Minimal<1> {
  static constexpr int points = 1, taps = 1, inputs = 1, outputs = 1, step = 1, filters = 1;
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
  static constexpr int points = 4, taps = 3, inputs = 4, outputs = 2, step = 2, filters = 4;
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
  static constexpr int points = 6, taps = 3, inputs = 6, outputs = 4, step = 4, filters = 6;
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

// Three taps at stride 2. Pixels of even and of odd number are apart: those two taps that meet the
// first make F(2, 2), points 0, 1, inf, and the tap between them meets the others. Five products for
// two results instead of six; nothing is divided, nothing grows.
struct FilterOfStride2 {
  static constexpr int points = 5, taps = 3, filters = 4;
  template <class T>
  static void filter(const Vec<T> (&w)[3], Vec<T> (&u)[4]) {
    u[0] = w[0];
    u[1] = add(w[0], w[2]);
    u[2] = w[2];
    u[3] = w[1];
  }
};

struct Halving : FilterOfStride2 {
  static constexpr int inputs = 5, outputs = 2, step = 4;
  template <class T>
  static void input(const Vec<T> (&d)[5], Vec<T> (&v)[5]) {
    v[0] = sub(d[0], d[2]);
    v[1] = d[2];
    v[2] = sub(d[4], d[2]);
    v[3] = d[1];
    v[4] = d[3];
  }
  template <class T>
  static void output(const Vec<T> (&m)[5], Vec<T> (&y)[2]) {
    y[0] = add(add(m[0], m[1]), m[3]);
    y[1] = add(add(m[1], m[2]), m[4]);
  }
};

// The data gradient, filter turned: the middle tap alone meets results 0 and 2, the others 1 and 3.
struct Doubling : FilterOfStride2 {
  static constexpr int inputs = 3, outputs = 4, step = 2;
  template <class T>
  static void input(const Vec<T> (&d)[3], Vec<T> (&v)[5]) {
    v[0] = sub(d[0], d[1]);
    v[1] = d[1];
    v[2] = sub(d[2], d[1]);
    v[3] = d[0];
    v[4] = d[1];
  }
  template <class T>
  static void output(const Vec<T> (&m)[5], Vec<T> (&y)[4]) {
    y[0] = m[3];
    y[1] = add(m[0], m[1]);
    y[2] = m[4];
    y[3] = add(m[1], m[2]);
  }
};

}  // namespace
