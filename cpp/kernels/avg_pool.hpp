// Average pooling on planes: sums of rows, sums of taps, one division by the exact divisor.
#pragma once
#include "kernels/pool_rows.hpp"

namespace {

template <class T>
void avg_forward(const PoolArgs<T>& a) {
  pool_forward<T, SumOf>(a, [&](int64_t y) {
    const Vec<T> rows = Vec<T>::set(a.row_value[y]);
    const T* columns = a.column_value;
    return [=](Vec<T> v, int64_t x, auto part) {
      (void)part;
      return div(v, mul(Vec<T>::load(columns + x), rows));
    };
  });
}

// out[x] = sum over rows of grad / divisor. One division where the rows share their divisor.
template <class T>
void scaled_rows(const PoolArgs<T>& a, const T* grad, int64_t first, int64_t last, T* out) {
  const int64_t windows = a.problem->output[1];
  int64_t y = first;
  while (y <= last) {
    int64_t end = y + 1;
    while (end <= last && a.row_value[end] == a.row_value[y]) ++end;
    const Vec<T> divisor = Vec<T>::set(a.row_value[y]);
    const bool fresh = y == first;
    constexpr int lanes = Vec<T>::lanes;
    // Not over_row: what is added to must be read once only.
    for (int64_t x = 0; x < windows; x += lanes) {
      const int n = windows - x < lanes ? static_cast<int>(windows - x) : lanes;
      Vec<T> sum = Vec<T>::load_n(grad + y * windows + x, n);
      for (int64_t r = y + 1; r < end; ++r)
        sum = add(sum, Vec<T>::load_n(grad + r * windows + x, n));
      sum = div(sum, mul(Vec<T>::load(a.column_value + x), divisor));
      if (!fresh) sum = add(Vec<T>::load_n(out + x, n), sum);
      sum.store_n(out + x, n);
    }
    y = end;
  }
}

template <class T>
void avg_backward(const PoolArgs<T>& a) {
  const PoolProblem& p = *a.problem;
  const PoolColumns& c = *a.columns;
  T *row = a.scratch, *parts = row + c.grad_size;
  fill_values(row, c.grad_size, T(0));
  const int64_t windows = p.output[0] * p.output[1];
  for (int64_t plane = 0; plane < a.planes; ++plane) {
    const T* grad = a.in + plane * windows;
    for (int64_t y = a.row; y < a.row + a.rows; ++y) {
      // Rows of windows first .. last hold image row y.
      const int64_t low = y + p.pad_lo[0] - p.kernel[0] + 1, high = y + p.pad_lo[0];
      const int64_t first = low <= 0 ? 0 : (low + p.stride[0] - 1) / p.stride[0];
      int64_t last = high / p.stride[0];
      if (last >= p.output[0]) last = p.output[0] - 1;
      T* out = a.out + (plane * p.input[0] + y) * p.input[1];
      if (first > last) {
        fill_values(out, p.input[1], T(0));
        continue;
      }
      scaled_rows(a, grad, first, last, row + c.lead);
      spread_row(a, parts, out, [&](const PoolPart& part, int64_t element) {
        const T* at = row + c.lead + element;
        Vec<T> sum = Vec<T>::load(at);
        for (int64_t m = 1; m < part.taps; ++m)
          sum = add(sum, Vec<T>::load(at - m * c.shift));
        return sum;
      });
    }
  }
}

template <class T>
Vec<T> lane_sums(const T* in, int64_t count) {
  constexpr int lanes = Vec<T>::lanes;
  Vec<T> s[4] = {Vec<T>::zero(), Vec<T>::zero(), Vec<T>::zero(), Vec<T>::zero()};
  int64_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes)
    for (int j = 0; j < 4; ++j) s[j] = add(s[j], Vec<T>::load(in + i + j * lanes));
  for (; i + lanes <= count; i += lanes) s[0] = add(s[0], Vec<T>::load(in + i));
  if (i < count) s[1] = add(s[1], Vec<T>::load_n(in + i, static_cast<int>(count - i)));
  return add(add(s[0], s[1]), add(s[2], s[3]));
}

// Lanes 0, 1, ... of the result: sums of neighbouring lanes of a, then of b.
template <class T>
inline Vec<T> pair_sums(Vec<T> a, Vec<T> b) {
  return add(even_lanes(a, b), odd_lanes(a, b));
}

// A plane of `Vectors` whole vectors and a tail, or of any size where that is negative.
template <int Vectors, class T>
inline Vec<T> plane_sum(const T* in, int64_t count) {
  if constexpr (Vectors < 0) {
    return lane_sums(in, count);
  } else {
    constexpr int whole = Vectors * Vec<T>::lanes;
    Vec<T> sum = Vec<T>::load_n(in + whole, static_cast<int>(count) - whole);
    for (int i = 0; i < Vectors; ++i) sum = add(sum, Vec<T>::load(in + i * Vec<T>::lanes));
    return sum;
  }
}

// The sums of `Planes` planes in neighbouring lanes, each in lanes / Planes parts.
template <int Vectors, int Planes, class T>
inline Vec<T> folded_sums(const T* in, int64_t count) {
  if constexpr (Planes == 1) {
    return plane_sum<Vectors>(in, count);
  } else {
    const Vec<T> first = folded_sums<Vectors, Planes / 2>(in, count);
    return pair_sums(first, folded_sums<Vectors, Planes / 2>(in + Planes / 2 * count, count));
  }
}

// As many planes as there are lanes finish together: half as many shuffles as their transpose, and
// one order of the sum wherever a plane stands.
template <class T, int Vectors>
void short_plane_means(const T* in, int64_t planes, int64_t count, T divisor, T* out) {
  constexpr int lanes = Vec<T>::lanes;
  for (; planes >= lanes; planes -= lanes, in += lanes * count, out += lanes)
    div(folded_sums<Vectors, lanes>(in, count), Vec<T>::set(divisor)).store(out);
  if (planes == 0) return;
  Vec<T> sums[lanes];
  for (int i = 0; i < lanes; ++i)
    sums[i] = i < planes ? plane_sum<Vectors>(in + i * count, count) : Vec<T>::zero();
  for (int left = lanes; left > 1; left /= 2)
    for (int i = 0; i < left / 2; ++i) sums[i] = pair_sums(sums[2 * i], sums[2 * i + 1]);
  div(sums[0], Vec<T>::set(divisor)).store_n(out, static_cast<int>(planes));
}

// Windows that are the whole plane. 7x7, the usual one, is three vectors of 16 or six of 8, and a
// tail: loops over a number that is not known before the run took twice as long.
template <class T>
void plane_means(const T* in, int64_t planes, int64_t count, T divisor, T* out) {
  switch (count / Vec<T>::lanes) {
    case 0: return short_plane_means<T, 0>(in, planes, count, divisor, out);
    case 1: return short_plane_means<T, 1>(in, planes, count, divisor, out);
    case 2: return short_plane_means<T, 2>(in, planes, count, divisor, out);
    case 3: return short_plane_means<T, 3>(in, planes, count, divisor, out);
    case 4: return short_plane_means<T, 4>(in, planes, count, divisor, out);
    case 6: return short_plane_means<T, 6>(in, planes, count, divisor, out);
    default: return short_plane_means<T, -1>(in, planes, count, divisor, out);
  }
}

template <class T>
void plane_fill(const T* in, int64_t planes, int64_t count, T divisor, T* out) {
  for (int64_t plane = 0; plane < planes; ++plane) {
    const Vec<T> v = Vec<T>::set(in[plane] / divisor);
    T* to = out + plane * count;
    over_row<T>(count, [=](int64_t x, auto part) { store(v, to + x, part); });
  }
}

}  // namespace
