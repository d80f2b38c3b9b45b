// im2col fused into packing: a window of the virtual matrix, straight from the image.
//
// Row (channel, tap), column = grid position. A run of columns within one grid row reads one run
// of an image row, `step` apart; what lies outside the image is zero. Bounds are worked out once
// per (tap, run) and used for every channel.
#pragma once
#include "kernels/copy.hpp"
#include "kernels/pad.hpp"
#include "kernels/table.hpp"

namespace {

// One run of columns: `offset` in the row, grid position (d, h, w) .. (d, h, w + count - 1).
struct Run {
  int64_t offset, d, h, w, count;
  bool whole_vectors;  // there is room in the row to write past the run's end
};

// Where columns lo .. hi - 1 of a run are read; the others are zero.
template <class T>
struct RunSource {
  const T* in;  // of column 0, which may lie outside the image
  int64_t lo, hi;
};

template <class T>
RunSource<T> locate_run(const GatherArgs<T>& g, const Tap& tap, const Run& run) {
  const int64_t d = run.d * g.step[0] + tap.d;
  const int64_t h = run.h * g.step[1] + tap.h;
  const int64_t w = run.w * g.step[2] + tap.w;
  const int64_t step = g.step[2], left = g.size[2] - w;
  if (d < 0 || d >= g.size[0] || h < 0 || h >= g.size[1] || left <= 0) return {g.image, 0, 0};
  const int64_t lo = w >= 0 ? 0 : step == 1 ? -w : (-w + step - 1) / step;
  int64_t hi = step == 1 ? left : (left + step - 1) / step;
  if (hi > run.count) hi = run.count;
  if (lo >= hi) return {g.image, 0, 0};
  return {g.image + (d * g.size[1] + h) * g.size[2] + w, lo, hi};
}

constexpr ptrdiff_t channels_ahead = 8;

// Rows of one tap: every tap_count-th row from the first that belongs to it.
struct TapRows {
  int64_t channel, count;
};

template <class T>
TapRows rows_of_tap(const GatherArgs<T>& g, int64_t t) {
  const int64_t first = g.row > t ? (g.row - t + g.tap_count - 1) / g.tap_count : 0;
  const int64_t at = first * g.tap_count + t, end = g.row + g.rows;
  return {first, at < end ? (end - at + g.tap_count - 1) / g.tap_count : 0};
}

// Step 1, at most V vectors: masks are set once and serve every channel.
template <class T, int V>
void copy_channels(const RunSource<T>& s, const GatherArgs<T>& g, const Run& run, int64_t channels,
                   const T* in, T* out) {
  constexpr int lanes = Vec<T>::lanes;
  const ptrdiff_t out_step = g.out_row * g.tap_count;
  const int tail = static_cast<int>(run.count - (V - 1) * lanes);
  const bool inside = s.lo == 0 && s.hi >= V * lanes;
  int lo[V], hi[V];
  for (int v = 0; v < V; ++v) {
    lo[v] = clamp_lanes(s.lo - v * lanes, lanes);
    hi[v] = clamp_lanes(s.hi - v * lanes, lanes);
  }
  for (int64_t c = 0; c < channels; ++c, in += g.channel_stride, out += out_step) {
    for (int v = 0; v < V; ++v) {
      const Vec<T> x = inside ? Vec<T>::load(in + v * lanes)
                              : Vec<T>::load_range(in + v * lanes, lo[v], hi[v]);
      if (v < V - 1 || run.whole_vectors) {
        x.store(out + v * lanes);
      } else {
        x.store_n(out + v * lanes, tail);
      }
    }
  }
}

template <class T>
void copy_strided(const RunSource<T>& s, int64_t step, const Run& run, const T* in, T* out) {
  for (int64_t i = 0; i < s.lo; ++i) out[i] = T(0);
  if (s.lo < s.hi) copy_run(in + s.lo * step, step, s.hi - s.lo, out + s.lo);
  for (int64_t i = s.hi > s.lo ? s.hi : s.lo; i < run.count; ++i) out[i] = T(0);
}

// Step 2, at most V vectors, likewise: each is the even lanes of two. Every channel lies in another
// page, where no hardware looks ahead.
template <class T, int V>
void copy_even_channels(const RunSource<T>& s, const GatherArgs<T>& g, const Run& run,
                        int64_t channels, const T* in, T* out) {
  constexpr int lanes = Vec<T>::lanes;
  const ptrdiff_t out_step = g.out_row * g.tap_count, soon = channels_ahead * g.channel_stride;
  const int tail = static_cast<int>(run.count - (V - 1) * lanes);
  int lo[2 * V], hi[2 * V];
  for (int v = 0; v < 2 * V; ++v) {
    lo[v] = clamp_lanes(2 * s.lo - v * lanes, lanes);
    hi[v] = clamp_lanes(2 * s.hi - 1 - v * lanes, lanes);
  }
  for (int64_t c = 0; c < channels; ++c, in += g.channel_stride, out += out_step) {
#pragma GCC unroll 3
    for (int v = 0; v < V; ++v) {
      const T* p = in + 2 * v * lanes;
      prefetch(p + soon);
      prefetch(p + soon + lanes);
      const Vec<T> x = even_lanes(Vec<T>::load_range(p, lo[2 * v], hi[2 * v]),
                                  Vec<T>::load_range(p + lanes, lo[2 * v + 1], hi[2 * v + 1]));
      if (v < V - 1 || run.whole_vectors) {
        x.store(out + v * lanes);
      } else {
        x.store_n(out + v * lanes, tail);
      }
    }
  }
}

template <class T>
void gather_tap(const GatherArgs<T>& g, int64_t t, const TapRows& rows, const Run& run) {
  constexpr int lanes = Vec<T>::lanes;
  const RunSource<T> s = locate_run(g, g.taps[t], run);
  const T* in = s.in + rows.channel * g.channel_stride;
  T* out = g.out + (rows.channel * g.tap_count + t - g.row) * g.out_row + run.offset;
  if (g.step[2] == 2) {
    if (run.count <= lanes) {
      copy_even_channels<T, 1>(s, g, run, rows.count, in, out);
    } else if (run.count <= 2 * lanes) {
      copy_even_channels<T, 2>(s, g, run, rows.count, in, out);
    } else {
      copy_even_channels<T, 3>(s, g, run, rows.count, in, out);
    }
  } else if (g.step[2] != 1) {
    for (int64_t c = 0; c < rows.count; ++c)
      copy_strided(s, g.step[2], run, in + c * g.channel_stride,
                   out + c * g.out_row * g.tap_count);
  } else if (run.count <= lanes) {
    copy_channels<T, 1>(s, g, run, rows.count, in, out);
  } else if (run.count <= 2 * lanes) {
    copy_channels<T, 2>(s, g, run, rows.count, in, out);
  } else {
    copy_channels<T, 3>(s, g, run, rows.count, in, out);
  }
}

constexpr int runs_at_once = 16;

// The next runs from column `done` on, at most runs_at_once; returns the column behind them.
template <class T>
int64_t next_runs(const GatherArgs<T>& g, int64_t done, Run (&runs)[runs_at_once], int* count) {
  constexpr int lanes = Vec<T>::lanes;
  const int64_t width = g.grid[2], j = g.column + done;
  int64_t w = j % width, h = j / width % g.grid[1], d = j / width / g.grid[1];
  for (*count = 0; *count < runs_at_once && done < g.columns; ++*count) {
    Run run{done, d, h, w, width - w, false};
    if (run.count > 3 * lanes) run.count = 3 * lanes;
    if (run.count > g.columns - done) run.count = g.columns - done;
    const int64_t vectors = (run.count + lanes - 1) / lanes;
    run.whole_vectors = done + vectors * lanes <= g.out_row;
    runs[*count] = run;
    done += run.count;
    w += run.count;
    if (w < width) continue;
    w = 0;
    if (++h == g.grid[1]) {
      h = 0;
      ++d;
    }
  }
  return done;
}

template <class T>
void gather(const GatherArgs<T>& g) {
  Run runs[runs_at_once];
  for (int64_t done = 0; done < g.columns;) {
    int count;
    done = next_runs(g, done, runs, &count);
    for (int64_t t = 0; t < g.tap_count; ++t) {
      const TapRows rows = rows_of_tap(g, t);
      // In order: a run may be written past its end, over the start of the next.
      for (int i = 0; rows.count > 0 && i < count; ++i) gather_tap(g, t, rows, runs[i]);
    }
  }
  if (g.width > g.columns)
    for (int64_t r = 0; r < g.rows; ++r)
      for (int64_t j = g.columns; j < g.width; ++j) g.out[r * g.out_row + j] = T(0);
}

}  // namespace
