// Rows of windows, shared by maximum and average pooling.
//
// Forward: the kh rows under a row of windows are joined straight from the image, the joined row
// is split by stride (see PoolColumns), and the kw taps are contiguous loads from it. The gradient
// of the average is the reverse and gathers too: every element of the image is the sum over the
// windows that hold it, so each is written once, rows are independent and no order can show.
#pragma once
#include "kernels/copy.hpp"
#include "kernels/table.hpp"

namespace {

// Whether the images take more than so many bytes.
template <class T>
inline bool exceeds(const PoolProblem& p, int64_t bytes) {
  return p.planes * p.input[0] * p.input[1] * static_cast<int64_t>(sizeof(T)) > bytes;
}

// A whole vector, or its first n lanes.
struct Whole {};
struct Part {
  int n;
};
template <class T>
inline Vec<T> load(const T* p, Whole) {
  return Vec<T>::load(p);
}
template <class T>
inline Vec<T> load(const T* p, Part part) {
  return Vec<T>::load_n(p, part.n);
}
template <class T>
inline void store(Vec<T> v, T* p, Whole) {
  v.store(p);
}
template <class T>
inline void store(Vec<T> v, T* p, Part part) {
  v.store_n(p, part.n);
}

// f(first element, Whole or Part) over a row. The last whole vector overlaps the one before it,
// which is cheaper than a masked one: f must not read what it writes.
template <class T, class F>
inline void over_row(int64_t count, const F& f) {
  constexpr int lanes = Vec<T>::lanes;
  if (count < lanes) {
    if (count > 0) f(int64_t(0), Part{static_cast<int>(count)});
    return;
  }
  int64_t x = 0;
  for (; x + lanes <= count; x += lanes) f(x, Whole{});
  if (x < count) f(count - lanes, Whole{});
}

template <class T>
void fill_values(T* out, int64_t count, T value) {
  for (int64_t i = 0; i < count; ++i) out[i] = value;
}

struct MaxOf {
  template <class T>
  static Vec<T> join(Vec<T> a, Vec<T> b) {
    return max_or_nan(a, b);
  }
};
struct SumOf {
  template <class T>
  static Vec<T> join(Vec<T> a, Vec<T> b) {
    return add(a, b);
  }
};

template <class T, class Op, int Rows>
void join_fixed(const T* in, ptrdiff_t step, int64_t count, T* out) {
  over_row<T>(count, [=](int64_t x, auto part) {
    Vec<T> v = load(in + x, part);
    for (int r = 1; r < Rows; ++r) v = Op::join(v, load(in + r * step + x, part));
    store(v, out + x, part);
  });
}

// Joins `rows` rows, `step` apart; `fill` is the result of none.
template <class T, class Op>
void join_rows(const T* in, ptrdiff_t step, int64_t rows, int64_t count, T* out, T fill) {
  switch (rows) {
    case 0: return fill_values(out, count, fill);
    case 1: return join_fixed<T, Op, 1>(in, step, count, out);
    case 2: return join_fixed<T, Op, 2>(in, step, count, out);
    case 3: return join_fixed<T, Op, 3>(in, step, count, out);
    default:
      over_row<T>(count, [=](int64_t x, auto part) {
        Vec<T> v = load(in + x, part);
        for (int64_t r = 1; r < rows; ++r) v = Op::join(v, load(in + r * step + x, part));
        store(v, out + x, part);
      });
  }
}

// The taps of one row of windows: finish(joined vector, x, part) gives what is stored.
template <class T, class Op, class F>
void join_taps(const T* row, const ptrdiff_t* tap, int64_t taps, int64_t windows, T* out,
               const F& finish) {
  if (taps == 2) {
    const T *a = row + tap[0], *b = row + tap[1];
    over_row<T>(windows, [=](int64_t x, auto part) {
      const Vec<T> v = Op::join(Vec<T>::load(a + x), Vec<T>::load(b + x));
      store(finish(v, x, part), out + x, part);
    });
  } else if (taps == 3) {
    const T *a = row + tap[0], *b = row + tap[1], *c = row + tap[2];
    over_row<T>(windows, [=](int64_t x, auto part) {
      const Vec<T> v = Op::join(Vec<T>::load(a + x), Vec<T>::load(b + x));
      store(finish(Op::join(v, Vec<T>::load(c + x)), x, part), out + x, part);
    });
  } else {
    over_row<T>(windows, [=](int64_t x, auto part) {
      Vec<T> v = Vec<T>::load(row + tap[0] + x);
      for (int64_t k = 1; k < taps; ++k) v = Op::join(v, Vec<T>::load(row + tap[k] + x));
      store(finish(v, x, part), out + x, part);
    });
  }
}

// Taps first .. last - 1 of the window that starts at `start` fall inside 0 .. size - 1.
struct TapRange {
  int64_t first, last;
};
inline TapRange inside(int64_t start, int64_t taps, int64_t dilation, int64_t size) {
  TapRange r{0, taps};
  if (start < 0) r.first = (-start + dilation - 1) / dilation;
  if (start + (taps - 1) * dilation >= size)
    r.last = start < size ? (size - 1 - start) / dilation + 1 : 0;
  if (r.last < r.first) r.last = r.first;
  return r;
}

// Copies an image row into its parts; what lies outside the image was filled once before.
template <class T>
void split_parts(const PoolColumns& c, const T* row, int64_t step, T* split) {
  for (int64_t j = 0; j < c.parts; ++j) {
    const PoolPart& part = c.part[j];
    copy_run(row + part.column, step, part.count, split + j * c.part_size + part.element);
  }
}

// Forward without positions. finish(row of windows) makes the last step of that row.
template <class T, class Op, class F>
void pool_forward(const PoolArgs<T>& a, const F& finish) {
  const PoolProblem& p = *a.problem;
  const PoolColumns& c = *a.columns;
  const int64_t width = p.input[1], step = p.stride[1];
  T* split = a.scratch;
  T* joined = step == 1 ? split + p.pad_lo[1] : split + c.parts * c.part_size;
  fill_values(split, c.parts * c.part_size, a.fill);
  for (int64_t plane = 0; plane < a.planes; ++plane) {
    const T* image = a.in + plane * p.input[0] * width;
    T* out = a.out + plane * p.output[0] * p.output[1];
    for (int64_t y = a.row; y < a.row + a.rows; ++y) {
      const int64_t start = y * p.stride[0] - p.pad_lo[0];
      const TapRange r = inside(start, p.kernel[0], p.dilation[0], p.input[0]);
      const T* first = image + (start + r.first * p.dilation[0]) * width;
      const bool single = step != 1 && r.last - r.first == 1;
      if (!single)
        join_rows<T, Op>(first, p.dilation[0] * width, r.last - r.first, width, joined, a.fill);
      if (step != 1) split_parts(c, single ? first : joined, step, split);
      join_taps<T, Op>(split, c.tap, p.kernel[1], p.output[1], out + y * p.output[1], finish(y));
    }
  }
}

// Elements of even and odd columns in turn, `left` of them or as many as there are.
template <class T>
inline void store_merged(Vec<T> even, Vec<T> odd, T* out, int64_t left) {
  constexpr int lanes = Vec<T>::lanes;
  Vec<T> low, high;
  interleave(even, odd, low, high);
  if (left >= 2 * lanes) {
    low.store(out);
    high.store(out + lanes);
  } else if (left < lanes) {
    low.store_n(out, static_cast<int>(left));
  } else {
    low.store(out);
    high.store_n(out + lanes, static_cast<int>(left) - lanes);
  }
}

// One row of the gradient of the image: sum(part, element) is the vector at that element of it.
template <class T, class F>
void spread_row(const PoolArgs<T>& a, T* parts, T* out, const F& sum) {
  const PoolColumns& c = *a.columns;
  const int64_t step = a.problem->stride[1], width = a.problem->input[1];
  if (step == 1) {
    const int64_t element = c.part[0].element;
    over_row<T>(width, [&](int64_t x, auto part) {
      store(sum(c.part[0], element + x), out + x, part);
    });
    return;
  }
  if (step == 2 && c.parts == 2) {
    const bool swapped = c.part[0].column != 0;
    const PoolPart &first = c.part[swapped], &second = c.part[!swapped];
    for (int64_t x = 0; 2 * x < width; x += Vec<T>::lanes)
      store_merged(sum(first, first.element + x), sum(second, second.element + x), out + 2 * x,
                   width - 2 * x);
    return;
  }
  // Columns that no tap reaches belong to no part.
  if (c.parts < step) fill_values(out, width, T(0));
  for (int64_t j = 0; j < c.parts; ++j) {
    const PoolPart& p = c.part[j];
    over_row<T>(p.count, [&](int64_t i, auto part) {
      store(sum(p, p.element + i), parts + i, part);
    });
    for (int64_t i = 0; i < p.count; ++i) out[p.column + i * step] = parts[i];
  }
}

}  // namespace
