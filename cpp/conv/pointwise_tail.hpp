// The last few columns of a pointwise product, apart from its vectors of columns: of 49 pixels
// (7x7) the last would cost half of what the tile of the others costs.
#pragma once
#include <algorithm>

#include "conv/plan.hpp"

namespace pyconv {

// Columns left over by whole vectors, where they are few enough to be cheaper apart.
template <class T>
int64_t tail_of(const Kernels<T>& k, int64_t columns) {
  const int64_t left = columns % k.lanes;
  return columns > k.lanes && 4 * left <= k.lanes ? left : 0;
}

// Some rows of the result at the phase's last `tail` columns.
template <class T>
struct TailArgs {
  const T* source;   // of channel 0, like the next: its first such column
  T* out;
  ptrdiff_t plane;   // from one channel, or row of the result, to the next
  const T* weights;  // of the first row
  int64_t rows;
  const T* bias;     // per row, or null
  bool relu;
  T* scratch;
};
template <class T>
int64_t tail_scratch(const ConvPhase& phase, int64_t rows) {
  return phase.tail * std::max(phase.depth, rows);
}

// Forward: the depth lies contiguous in the weights, so it is the vector.
template <class T>
void forward_tail(const Kernels<T>& k, const ConvPhase& phase, const TailArgs<T>& t) {
  const int64_t depth = phase.depth, tail = phase.tail;
  for (int64_t p = 0; p < depth; ++p)
    for (int64_t j = 0; j < tail; ++j) t.scratch[j * depth + p] = t.source[p * t.plane + j];
  const ptrdiff_t starts[max_tile_vectors] = {0, depth, 2 * depth};
  DotArgs<T> d{};
  d.b_rows = starts;
  d.a_row = depth;
  d.c_row = t.plane;
  d.lines = 1;
  d.columns = depth;
  for (int64_t i = 0; i < t.rows; i += k.tile_rows) {
    const int64_t high = std::min<int64_t>(k.tile_rows, t.rows - i);
    d.a = t.weights + i * depth;
    for (int64_t j = 0; j < tail; j += k.tile_vectors) {
      d.b = t.scratch + j * depth;
      d.c = t.out + i * t.plane + j;
      k.dot[high - 1][std::min<int64_t>(k.tile_vectors, tail - j) - 1](d);
    }
  }
  for (int64_t i = 0; i < t.rows && (t.bias || t.relu); ++i)
    for (T* y = t.out + i * t.plane; y < t.out + i * t.plane + tail; ++y) {
      if (t.bias) *y += t.bias[i];
      if (t.relu && *y <= 0) *y = 0;
    }
}

// Data gradient: the rows lie contiguous in the weights, so they are the vector. A block of depth at a
// time, while its weights are near.
template <class T>
void add_input_tail(const Kernels<T>& k, const ConvPhase& phase, const TailArgs<T>& t, int64_t at,
                    int64_t depth) {
  const int64_t width = int64_t{k.lanes} * k.tile_vectors;
  TileArgs<T> g{};
  g.a = t.source + at * t.plane;
  g.a_row = 1;
  g.a_cols = phase.b_rows.data();
  g.b_rows = phase.raw_cols.data() + at;
  g.c_row = t.rows;
  g.depth = depth;
  g.accumulate = at > 0;
  for (int64_t i = 0; i < t.rows; i += width) {
    g.columns = static_cast<int>(std::min(width, t.rows - i));
    g.b = t.weights + i;
    g.c = t.scratch + i;
    k.tile[phase.tail - 1][ceil_div(g.columns, k.lanes) - 1](g);
  }
}

template <class T>
void store_input_tail(const ConvPhase& phase, const TailArgs<T>& t) {
  for (int64_t i = 0; i < t.rows; ++i)
    for (int64_t j = 0; j < phase.tail; ++j) t.out[i * t.plane + j] = t.scratch[j * t.rows + i];
}

}  // namespace pyconv
