// im2col fused into packing: a window of the virtual matrix, straight from the image.
//
// Row (channel, tap), column = grid position. A run of columns within one grid row reads one run
// of an image row, `step` apart; what lies outside the image is zero. Bounds are worked out once
// per (tap, run) and used for every channel.
#pragma once
#include <string.h>

#include "kernels/table.hpp"

namespace {

template <class T>
void copy_run(const T* in, int64_t step, int64_t count, T* out) {
  constexpr int lanes = Vec<T>::lanes;
  if (step == 1) {
    int64_t i = 0;
    for (; i + lanes <= count; i += lanes) Vec<T>::load(in + i).store(out + i);
    const int tail = static_cast<int>(count - i);
    if (tail > 0) Vec<T>::load_n(in + i, tail).store_n(out + i, tail);
  } else if (step == 2) {
    int64_t i = 0;
    for (; i + lanes < count; i += lanes)
      even_lanes(Vec<T>::load(in + 2 * i), Vec<T>::load(in + 2 * i + lanes)).store(out + i);
    for (; i < count; i += lanes) {
      const int64_t left = count - i;
      const int n = left < lanes ? static_cast<int>(left) : lanes;
      // The last value read is in[2 * (n - 1)]: never one past the run.
      const int reads = 2 * n - 1;
      const int low = reads < lanes ? reads : lanes;
      const T* p = in + 2 * i;
      const Vec<T> a = Vec<T>::load_n(p, low);
      const Vec<T> b = reads > lanes ? Vec<T>::load_n(p + lanes, reads - lanes) : Vec<T>::zero();
      even_lanes(a, b).store_n(out + i, n);
    }
  } else {
    for (int64_t i = 0; i < count; ++i) out[i] = in[i * step];
  }
}

// One run of columns: `offset` in the row, grid position (d, h, w) .. (d, h, w + count - 1).
struct Run {
  int64_t offset, d, h, w, count;
};

// Columns lo .. hi - 1 of the run fall inside the image row for this tap.
template <class T>
const T* locate_run(const GatherArgs<T>& g, const Tap& tap, const Run& run, int64_t* lo,
                    int64_t* hi) {
  const int64_t d = run.d * g.step[0] + tap.d;
  const int64_t h = run.h * g.step[1] + tap.h;
  const int64_t w = run.w * g.step[2] + tap.w;
  const bool inside = d >= 0 && d < g.size[0] && h >= 0 && h < g.size[1];
  const int64_t step = g.step[2];
  int64_t first = w >= 0 ? 0 : (-w + step - 1) / step;
  int64_t last = w >= g.size[2] ? 0 : (g.size[2] - w + step - 1) / step;
  if (last > run.count) last = run.count;
  if (!inside || first >= last) {
    *lo = *hi = 0;
    return g.image;
  }
  *lo = first;
  *hi = last;
  return g.image + (d * g.size[1] + h) * g.size[2] + w + first * step;
}

template <class T>
void gather_run(const GatherArgs<T>& g, const Run& run) {
  for (int64_t t = 0; t < g.tap_count; ++t) {
    int64_t lo, hi;
    const T* in = locate_run(g, g.taps[t], run, &lo, &hi);
    const int64_t end = g.row + g.rows;
    int64_t channel = g.row > t ? (g.row - t + g.tap_count - 1) / g.tap_count : 0;
    in += channel * g.channel_stride;
    T* out = g.out + (channel * g.tap_count + t - g.row) * g.out_row + run.offset;
    for (int64_t r = channel * g.tap_count + t; r < end; r += g.tap_count) {
      for (int64_t i = 0; i < lo; ++i) out[i] = T(0);
      if (lo < hi) copy_run(in, g.step[2], hi - lo, out + lo);
      for (int64_t i = hi; i < run.count; ++i) out[i] = T(0);
      in += g.channel_stride;
      out += g.out_row * g.tap_count;
    }
  }
}

template <class T>
void gather(const GatherArgs<T>& g) {
  const int64_t width = g.grid[2], plane = g.grid[1] * g.grid[2];
  int64_t done = 0;
  while (done < g.columns) {
    const int64_t j = g.column + done;
    Run run{done, j / plane, j % plane / width, j % width, 0};
    run.count = width - run.w;
    if (run.count > g.columns - done) run.count = g.columns - done;
    gather_run(g, run);
    done += run.count;
  }
  if (g.width > g.columns)
    for (int64_t r = 0; r < g.rows; ++r)
      for (int64_t j = g.columns; j < g.width; ++j) g.out[r * g.out_row + j] = T(0);
}

}  // namespace
