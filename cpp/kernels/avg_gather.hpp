// The gradient of means over windows of 2x2 or 3x3 at a stride of 1 or 2: every element of the
// image adds up the shares of the windows that hold it, so each is written once and no order can
// show. The rows of windows above a row of the image are added and divided first, then columns.
//
// Places are counted from the padding on, as in max_gather.hpp.
#pragma once
#include "kernels/pool_rows.hpp"

namespace {

// The rows of windows that hold one row of the image. `alike`: they have one divisor.
template <class T>
struct HoldingRows {
  const T *grad, *divisor;
  int64_t count, row;  // how many, and from one to the next in `grad`
  bool alike;
};

template <class T, int K, int Step>
inline HoldingRows<T> holding_rows(const PoolArgs<T>& a, const T* grads, int64_t place) {
  const PoolProblem& p = *a.problem;
  const int64_t low = place - (K - 1), first = low <= 0 ? 0 : (low + Step - 1) / Step;
  int64_t last = place / Step;
  if (last >= p.output[0]) last = p.output[0] - 1;
  HoldingRows<T> r{grads + first * p.output[1], a.row_value + first, last - first + 1, p.output[1],
                   true};
  for (int64_t y = first + 1; y <= last; ++y)
    r.alike = r.alike && a.row_value[y] == a.row_value[first];
  return r;
}

// What one window passes to each of its elements in one row of the image. `Count` rows of windows
// with one divisor, or 0: any rows.
template <int Count, class T, class P>
inline Vec<T> shares(const HoldingRows<T>& r, const T* column, int64_t w, P part) {
  const Vec<T> columns = Vec<T>::load(column + w);
  Vec<T> sum = load(r.grad + w, part);
  if constexpr (Count > 0) {
    for (int i = 1; i < Count; ++i) sum = add(sum, load(r.grad + i * r.row + w, part));
    return div(sum, mul(columns, Vec<T>::set(*r.divisor)));
  } else {
    sum = div(sum, mul(columns, Vec<T>::set(*r.divisor)));
    for (int64_t i = 1; i < r.count; ++i)
      sum = add(sum, div(load(r.grad + i * r.row + w, part),
                         mul(columns, Vec<T>::set(r.divisor[i]))));
    return sum;
  }
}

// Elements of the image at the places under vector `here`, from the three neighbouring vectors.
template <int K, int Pad, class T>
inline Vec<T> joined(Vec<T> left, Vec<T> here, Vec<T> right) {
  constexpr int lanes = Vec<T>::lanes;
  if constexpr (Pad == 0)
    return add(add(slide<lanes - 2>(left, here), slide<lanes - 1>(left, here)), here);
  return add(add(slide<lanes - 1>(left, here), here), slide<1>(here, right));
}

// Likewise those of even and of odd columns at a stride of 2.
template <int K, int Pad, class T>
inline void joined(Vec<T> left, Vec<T> here, Vec<T> right, Vec<T>& even, Vec<T>& odd) {
  constexpr int lanes = Vec<T>::lanes;
  if constexpr (Pad == 0) {
    even = K == 3 ? add(slide<lanes - 1>(left, here), here) : here;
    odd = here;
  } else {
    even = here;
    odd = K == 3 ? add(here, slide<1>(here, right)) : slide<1>(here, right);
  }
}

// `lines` rows of the image, which the same windows hold.
template <int K, int Step, int Pad, int Count, class T>
void gather_means(const PoolProblem& p, const HoldingRows<T>& rows, const T* column, T* out,
                  int64_t lines) {
  constexpr int lanes = Vec<T>::lanes;
  const int64_t windows = p.output[1], width = p.input[1];
  const auto at = [&](int64_t w) {
    const int64_t left = windows - w;
    if (left >= lanes) return shares<Count>(rows, column, w, Whole{});
    return left > 0 ? shares<Count>(rows, column, w, Part{static_cast<int>(left)})
                    : Vec<T>::zero();
  };
  Vec<T> left = Vec<T>::zero(), here = at(0);
  for (int64_t x = 0, w = lanes; x < width; x += Step * lanes, w += lanes) {
    const Vec<T> right = at(w);
    const int64_t rest = width - x;
    if constexpr (Step == 1) {
      const Vec<T> sum = joined<K, Pad>(left, here, right);
      rest < lanes ? sum.store_n(out + x, static_cast<int>(rest)) : sum.store(out + x);
    } else {
      Vec<T> even, odd;
      joined<K, Pad>(left, here, right, even, odd);
      for (int64_t line = 0; line < lines; ++line)
        store_merged(even, odd, out + line * width + x, rest);
    }
    left = here;
    here = right;
  }
}

// 2x2 at a stride of 2 without padding, at most a vector of windows in a row: their columns and
// divisors stay in registers. (Rows this short take 20 cycles each above, and 8 here.)
template <class T>
void repeat_means(const PoolArgs<T>& a) {
  constexpr int lanes = Vec<T>::lanes;
  const PoolProblem& p = *a.problem;
  const int64_t windows = p.output[1], width = p.input[1], height = p.input[0];
  const int n = static_cast<int>(windows);
  const Vec<T> columns = Vec<T>::load(a.column_value);
  const auto put = [=](T* out, Vec<T> low, Vec<T> high) {
    if (width <= lanes) return low.store_n(out, static_cast<int>(width));
    low.store(out);
    high.store_n(out + lanes, static_cast<int>(width) - lanes);
  };
  for (int64_t plane = 0; plane < a.planes; ++plane) {
    const T* grad = a.in + plane * p.output[0] * windows;
    T* out = a.out + plane * height * width;
    int64_t y = a.row;
    for (const int64_t end = a.row + a.rows; y < end; ++y) {
      const int64_t row = y / 2;
      if (row >= p.output[0]) break;
      const Vec<T> divisor = mul(columns, Vec<T>::set(a.row_value[row]));
      const Vec<T> v = div(Vec<T>::load_n(grad + row * windows, n), divisor);
      Vec<T> low, high;
      interleave(v, v, low, high);
      put(out + y * width, low, high);
      if (y % 2 == 0 && y + 1 < end) put(out + ++y * width, low, high);
    }
    fill_values(out + y * width, (a.row + a.rows - y) * width, T(0));
  }
}

template <class T, int K, int Step, int Pad>
void gather_mean_planes(const PoolArgs<T>& a) {
  const PoolProblem& p = *a.problem;
  const int64_t width = p.input[1], size = p.input[0] * width, windows = p.output[0] * p.output[1];
  for (int64_t plane = 0; plane < a.planes; ++plane) {
    const T* grad = a.in + plane * windows;
    T* out = a.out + plane * size;
    for (int64_t y = a.row, end = a.row + a.rows; y < end;) {
      const int64_t place = y + p.pad_lo[0], next = K == Step ? y + K - place % K : y + 1;
      const int64_t lines = (next < end ? next : end) - y;
      const HoldingRows<T> rows = holding_rows<T, K, Step>(a, grad, place);
      T* to = out + y * width;
      const T* column = a.column_value;
      if (rows.count <= 0) {
        fill_values(to, lines * width, T(0));
      } else if (!rows.alike) {
        gather_means<K, Step, Pad, 0>(p, rows, column, to, lines);
      } else if (rows.count == 1) {
        gather_means<K, Step, Pad, 1>(p, rows, column, to, lines);
      } else if (rows.count == 2) {
        gather_means<K, Step, Pad, 2>(p, rows, column, to, lines);
      } else {
        gather_means<K, Step, Pad, 3>(p, rows, column, to, lines);
      }
      y += lines;
    }
  }
}

template <class T, int K, int Step>
void avg_gather(const PoolArgs<T>& a) {
  // An odd column past the windows may fall behind two vectors.
  const int64_t widest = 2 * Vec<T>::lanes;
  const bool padded = a.problem->pad_lo[0] != 0 || a.problem->pad_lo[1] != 0;
  if (K == Step && !padded && a.problem->input[1] <= widest) return repeat_means(a);
  a.problem->pad_lo[1] ? gather_mean_planes<T, K, Step, 1>(a)
                       : gather_mean_planes<T, K, Step, 0>(a);
}

}  // namespace
