// Every leaf kernel of every usable instruction set against plain loops, on integers small enough
// for exact sums. Needs neither Python nor a test framework, so that it runs under an emulator.
#include "checks.hpp"

#include <limits>

namespace {

template <class T>
void check_tile(int rows, int columns, int64_t depth, int variant) {
  const Kernels<T>& k = kernels_under_test<T>();
  const bool by_column = variant & 1;
  const int64_t b_row = columns + 3;
  Guarded<T> a(rows * depth, true), b(depth * b_row), row_bias(rows, true);
  Guarded<T> column_bias(columns, true), c(rows * (columns + 2));
  std::vector<ptrdiff_t> a_rows, a_cols, b_rows;
  for (int i = 0; i < rows; ++i) a_rows.push_back(by_column ? i : i * depth);
  for (int64_t p = 0; p < depth; ++p) {
    // The steps may lie in any order.
    const int64_t q = depth - 1 - p;
    a_cols.push_back(by_column ? q * rows : (q + depth / 2) % depth);
    b_rows.push_back(q * b_row);
    for (int j = 0; j < columns; ++j) b[q * b_row + j] = T(small_integer());
  }
  std::vector<T> before;
  for (int i = 0; i < rows; ++i)
    for (int j = 0; j < columns; ++j) {
      before.push_back(T(small_integer()));
      if (variant & 2) c[i * (columns + 2) + j] = before.back();
    }
  TileArgs<T> t{};
  t.a = a.data();
  t.a_rows = a_rows.data();
  t.a_cols = a_cols.data();
  t.b = b.data();
  t.b_rows = b_rows.data();
  t.c = c.data();
  t.c_row = columns + 2;
  t.depth = depth;
  t.columns = columns;
  t.accumulate = variant & 2;
  t.relu = variant & 4;
  t.row_bias = variant & 8 ? row_bias.data() : nullptr;
  t.column_bias = variant & 16 ? column_bias.data() : nullptr;
  k.tile[rows - 1][(columns + k.lanes - 1) / k.lanes - 1](t);
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < columns; ++j) {
      T sum = t.accumulate ? before[static_cast<std::size_t>(i * columns + j)] : T(0);
      for (int64_t p = 0; p < depth; ++p)
        sum += a[t.a_rows[i] + t.a_cols[p]] * b[t.b_rows[p] + j];
      if (t.row_bias) sum += row_bias[i];
      if (t.column_bias) sum += column_bias[j];
      expect("tile", i * columns + j, c[i * t.c_row + j], clamped(sum, t.relu));
    }
    c.check_gap("tile: gap", i * t.c_row + columns, (i + 1) * t.c_row);
  }
  c.check("tile: canary");
}

template <class T>
void check_tiles() {
  const Kernels<T>& k = kernels_under_test<T>();
  int variant = 0;
  for (int rows = 1; rows <= k.tile_rows; ++rows)
    for (int columns = 1; columns <= k.tile_vectors * k.lanes; ++columns)
      for (int64_t depth : {0, 1, 2, 19}) check_tile<T>(rows, columns, depth, variant++ % 32);
  // No two sizes that share a residue modulo 32 may be all that a variant sees.
  for (variant = 0; variant < 32; ++variant)
    check_tile<T>(k.tile_rows, k.tile_vectors * k.lanes, 5, variant);
}

struct GatherShape {
  int64_t channels, size[3], grid[3], step[3], first, reach, dilation;
};

// Windows of reach^3 taps (fewer along axes of size 1) from `first` on.
std::vector<Tap> window(const GatherShape& s) {
  std::vector<Tap> taps;
  for (int64_t d = 0; d < (s.size[0] > 1 ? s.reach : 1); ++d)
    for (int64_t h = 0; h < (s.size[1] > 1 ? s.reach : 1); ++h)
      for (int64_t w = 0; w < s.reach; ++w)
        taps.push_back({s.size[0] > 1 ? s.first + d : 0,
                        s.size[1] > 1 ? s.first + h * s.dilation : 0, s.first + w * s.dilation});
  return taps;
}

template <class T>
void check_gather(const GatherShape& s, int64_t row, int64_t rows, int64_t column,
                  int64_t columns) {
  const Kernels<T>& k = kernels_under_test<T>();
  const std::vector<Tap> taps = window(s);
  const auto count = static_cast<int64_t>(taps.size());
  const int64_t plane = s.size[0] * s.size[1] * s.size[2], total = s.grid[1] * s.grid[2];
  Guarded<T> image(s.channels * plane, true);
  GatherArgs<T> g{};
  g.image = image.data();
  g.channel_stride = plane;
  for (int i = 0; i < 3; ++i) {
    g.size[i] = s.size[i];
    g.grid[i] = s.grid[i];
    g.step[i] = s.step[i];
  }
  g.taps = taps.data();
  g.tap_count = count;
  g.row = row;
  g.rows = rows;
  g.column = column;
  g.columns = columns;
  g.width = (columns + k.lanes - 1) / k.lanes * k.lanes;
  g.out_row = g.width;
  Guarded<T> out(rows * g.out_row);
  g.out = out.data();
  k.gather(g);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t j = 0; j < g.width; ++j) {
      const Tap& tap = taps[static_cast<std::size_t>((row + r) % count)];
      const int64_t at = column + j;
      const int64_t d = at / total * s.step[0] + tap.d;
      const int64_t h = at / s.grid[2] % s.grid[1] * s.step[1] + tap.h;
      const int64_t w = at % s.grid[2] * s.step[2] + tap.w;
      const bool inside = j < columns && d >= 0 && d < s.size[0] && h >= 0 && h < s.size[1] &&
                          w >= 0 && w < s.size[2];
      const int64_t from = ((row + r) / count * s.size[0] + d) * s.size[1] + h;
      expect("gather", r * g.width + j, out[r * g.out_row + j],
             inside ? image[from * s.size[2] + w] : T(0));
    }
  out.check("gather: canary");
}

template <class T>
void check_gathers() {
  const GatherShape shapes[] = {
      {3, {1, 7, 9}, {1, 7, 9}, {1, 1, 1}, -1, 3, 1},      // 3x3 with padding 1
      {2, {1, 5, 61}, {1, 3, 59}, {1, 1, 1}, 0, 3, 1},     // long rows, no padding
      {2, {1, 9, 70}, {1, 5, 35}, {1, 2, 2}, -1, 3, 1},    // stride 2
      {2, {1, 9, 71}, {1, 5, 36}, {1, 2, 2}, 0, 1, 1},     // stride 2, 1x1
      {2, {1, 8, 50}, {1, 3, 17}, {1, 3, 3}, -1, 2, 1},    // stride 3
      {1, {1, 6, 150}, {1, 2, 38}, {1, 4, 4}, -1, 3, 1},   // stride 4
      {2, {1, 11, 23}, {1, 7, 19}, {1, 1, 1}, -2, 3, 3},   // dilation
      {2, {1, 3, 4}, {1, 9, 10}, {1, 1, 1}, -4, 3, 1},     // padding wider than the image
      {2, {3, 4, 5}, {3, 4, 5}, {1, 1, 1}, -1, 3, 1},      // three dimensions
      {3, {1, 1, 40}, {1, 1, 38}, {1, 1, 1}, 0, 3, 1}};    // one dimension
  for (const GatherShape& s : shapes) {
    const auto taps = static_cast<int64_t>(window(s).size());
    const int64_t rows = s.channels * taps, columns = s.grid[0] * s.grid[1] * s.grid[2];
    check_gather<T>(s, 0, rows, 0, columns);
    check_gather<T>(s, 1, rows - 1, columns / 3, columns - columns / 3);
    check_gather<T>(s, taps - 1, (rows - taps) / 2 + 1, 1, columns / 2);
    check_gather<T>(s, rows - 1, 1, columns - 1, 1);
  }
}

template <class T>
void check_transpose(int64_t rows, int64_t depth, int64_t width) {
  const int64_t in_row = depth + 2, out_row = width + 3;
  Guarded<T> in(rows * in_row), out(depth * out_row);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t p = 0; p < depth; ++p) in[i * in_row + p] = T(100 * i + p);
  kernels_under_test<T>().transpose(in.data(), in_row, rows, depth, out.data(), out_row, width);
  for (int64_t p = 0; p < depth; ++p) {
    for (int64_t i = 0; i < width; ++i)
      expect("transpose", p * width + i, out[p * out_row + i], i < rows ? T(100 * i + p) : T(0));
    out.check_gap("transpose: gap", p * out_row + width, (p + 1) * out_row);
  }
  out.check("transpose: canary");
}

template <class T>
void check_transposes() {
  const int64_t lanes = kernels_under_test<T>().lanes;
  for (int64_t rows : {int64_t(1), int64_t(3), lanes - 1, lanes, lanes + 1, 2 * lanes + 3})
    for (int64_t depth : {int64_t(1), lanes - 1, lanes, lanes + 1, 3 * lanes + 2})
      for (int64_t more : {0, 1, 5}) check_transpose<T>(rows, depth, rows + more);
}

template <class T>
void check_pad(int64_t height, int64_t width, int64_t low, int64_t high, int64_t step) {
  const int64_t lanes = kernels_under_test<T>().lanes;
  Guarded<T> plane(height * width, true);
  PadArgs<T> a{};
  a.plane = plane.data();
  a.height = height;
  a.width = width;
  a.first_row = a.first_column = -low;
  a.rows = height + low + high;
  a.columns = width + low + high;
  a.step = step;
  a.row_size = (a.columns + step - 1) / step + lanes;
  Guarded<T> out(a.rows * step * a.row_size);
  a.out = out.data();
  kernels_under_test<T>().pad(a);
  for (int64_t y = 0; y < a.rows; ++y)
    for (int64_t x = 0; x < a.columns; ++x) {
      const int64_t h = y - low, w = x - low;
      const bool inside = h >= 0 && h < height && w >= 0 && w < width;
      expect("pad", y * a.columns + x, out[(y * step + x % step) * a.row_size + x / step],
             inside ? plane[h * width + w] : T(0));
    }
  out.check("pad: canary");
}

template <class T>
void check_pads() {
  const int64_t lanes = kernels_under_test<T>().lanes;
  for (int64_t width : {int64_t(1), int64_t(5), lanes, 2 * lanes + 1, 5 * lanes - 1})
    for (int64_t low : {-1, 0, 1, 3, 20})
      for (int64_t high : {0, 2, 19})
        for (int64_t step : {1, 2, 3})
          if (width + low + high > 0) check_pad<T>(3, width, low, high, step);
}

template <class T>
void check_merge() {
  const int64_t lanes = kernels_under_test<T>().lanes;
  for (int64_t pairs = 0; pairs <= 3 * lanes + 1; ++pairs) {
    Guarded<T> even(pairs, true), odd(pairs, true), out(2 * pairs);
    kernels_under_test<T>().merge_rows(even.data(), odd.data(), pairs, out.data());
    for (int64_t i = 0; i < 2 * pairs; ++i)
      expect("merge_rows", i, out[i], i % 2 ? odd[i / 2] : even[i / 2]);
    out.check("merge_rows: canary");
  }
}

template <class T>
void check_spread() {
  const int64_t lanes = kernels_under_test<T>().lanes;
  for (int64_t step : {1, 2, 3})
    for (int64_t count = 0; count <= 5 * lanes + 1; ++count) {
      Guarded<T> in((count + step - 1) / step, true), out(count);
      kernels_under_test<T>().spread(in.data(), step, count, out.data());
      for (int64_t i = 0; i < count; ++i)
        expect("spread", i, out[i], i % step ? T(0) : in[i / step]);
      out.check("spread: canary");
    }
}

// Lines of b lie `b_line` apart, two further than they are long.
template <class T>
void check_dot(int rows, int vectors, int64_t lines, int64_t columns) {
  const int64_t b_line = columns + 2, c_row = vectors + 1;
  Guarded<T> a(rows * lines * columns, true), b(vectors * lines * b_line, true), c(rows * c_row);
  std::vector<ptrdiff_t> b_rows;
  for (int j = 0; j < vectors; ++j) b_rows.push_back((vectors - 1 - j) * lines * b_line);
  DotArgs<T> d{a.data(), lines * columns, columns, b.data(), b_rows.data(), b_line,
               c.data(), c_row, lines, columns, false};
  for (T times : {T(1), T(2)}) {
    kernels_under_test<T>().dot[rows - 1][vectors - 1](d);
    d.accumulate = true;
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < vectors; ++j) {
        T sum = 0;
        for (int64_t e = 0; e < lines * columns; ++e)
          sum += a[i * d.a_row + e] * b[b_rows[j] + e / columns * b_line + e % columns];
        expect("dot", i * c_row + j, c[i * c_row + j], times * sum);
      }
  }
  c.check("dot: canary");
}

template <class T>
void check_dots() {
  const Kernels<T>& k = kernels_under_test<T>();
  for (int rows = 1; rows <= k.tile_rows; ++rows)
    for (int vectors = 1; vectors <= k.tile_vectors; ++vectors)
      for (int64_t columns : {1, k.lanes - 1, k.lanes, 2 * k.lanes + 3})
        check_dot<T>(rows, vectors, 1 + columns % 3, columns);
}

// A window of tap_rows x tap_columns whose rows lie `row_step` source rows apart.
template <class T>
void check_strip(int64_t tap_rows, int64_t tap_columns, int64_t row_step, int64_t rows,
                     int64_t columns, int variant) {
  const Kernels<T>& k = kernels_under_test<T>();
  const int64_t source_row = columns + tap_columns - 1 + k.lanes, taps = tap_rows * tap_columns;
  const int64_t high = rows + (tap_rows - 1) * row_step, out_row = columns + 2;
  Guarded<T> source(high * source_row), weights(taps, true), out(rows * out_row);
  Guarded<T> sums(taps, true), grad(rows * columns, true);
  for (int64_t y = 0; y < high; ++y)
    for (int64_t x = 0; x < columns + tap_columns - 1; ++x)
      source[y * source_row + x] = T(small_integer());
  std::vector<const T*> at;
  for (int64_t t = 0; t < taps; ++t)
    at.push_back(source.data() + t / tap_columns * row_step * source_row + t % tap_columns);
  const bool accumulate = variant & 1, relu = variant & 2;
  std::vector<T> before;
  for (int64_t i = 0; i < rows * columns; ++i) {
    before.push_back(accumulate ? T(small_integer()) : T(2));
    if (accumulate) out[i / columns * out_row + i % columns] = before.back();
  }
  k.strip({at.data(), weights.data(), taps, source_row, out.data(), out_row, rows, columns,
               T(2), accumulate, relu});
  for (int64_t y = 0; y < rows; ++y) {
    for (int64_t x = 0; x < columns; ++x) {
      T sum = before[static_cast<std::size_t>(y * columns + x)];
      for (int64_t t = 0; t < taps; ++t)
        sum += weights[t] * at[static_cast<std::size_t>(t)][y * source_row + x];
      expect("strip", y * columns + x, out[y * out_row + x], clamped(sum, relu));
    }
    out.check_gap("strip: gap", y * out_row + columns, (y + 1) * out_row);
  }
  out.check("strip: canary");
  std::vector<T> expected(sums.data(), sums.data() + taps);
  k.strip_weight({at.data(), taps, source_row, grad.data(), columns, rows, columns,
                      sums.data()});
  for (int64_t t = 0; t < taps; ++t) {
    for (int64_t i = 0; i < rows * columns; ++i)
      expected[static_cast<std::size_t>(t)] +=
          grad[i] * at[static_cast<std::size_t>(t)][i / columns * source_row + i % columns];
    expect("strip_weight", t, sums[t], expected[static_cast<std::size_t>(t)]);
  }
  sums.check("strip_weight: canary");
}

template <class T>
void check_strips() {
  const int64_t lanes = kernels_under_test<T>().lanes;
  const int64_t windows[][3] = {{1, 1, 1}, {1, 2, 1}, {3, 1, 1}, {2, 2, 1}, {1, 5, 1},
                                {3, 3, 1}, {3, 3, 2}, {5, 5, 1}, {2, 6, 3}};
  int variant = 0;
  for (const auto& w : windows)
    for (int64_t rows = 1; rows <= 9; ++rows)
      for (int64_t columns : {int64_t(1), lanes - 1, lanes, lanes + 1, 3 * lanes + 2})
        check_strip<T>(w[0], w[1], w[2], rows, columns, variant++ % 4);
}

template <class T>
void check_runs() {
  const Kernels<T>& k = kernels_under_test<T>();
  const T nan = std::numeric_limits<T>::quiet_NaN();
  for (int64_t count = 0; count <= 9 * k.lanes + 1; ++count) {
    Guarded<T> in(count, true), grad(count, true), out(count);
    T total = 0;
    for (int64_t i = 0; i < count; ++i) total += in[i];
    expect("sum", count, k.sum(in.data(), count), total);
    for (int64_t i = 0; i < count; i += 5) in[i] = nan;
    k.elementwise.relu_backward(grad.data(), in.data(), count, out.data());
    for (int64_t i = 0; i < count; ++i)
      expect("relu_backward", i, out[i], in[i] <= T(0) ? T(0) : grad[i]);
    k.elementwise.relu(in.data(), count, out.data());
    for (int64_t i = 0; i < count; ++i) expect("relu", i, out[i], clamped(in[i], true));
    k.elementwise.relu(in.data(), count, in.data());
    for (int64_t i = 0; i < count; ++i) expect("relu in place", i, in[i], out[i]);
    out.check("relu: canary");
    in.check("relu in place: canary");
  }
  const T rate = k.fma_chains(3);
  expect("fma_chains", 0, rate, T(12 * 1.75 + 66 * 0.125) * T(k.lanes));
}

template <class T>
void check_planes(int64_t planes, int64_t count) {
  const PoolKernels<T>& k = kernels_under_test<T>().pool;
  Guarded<T> in(planes * count, true), means(planes), filled(planes * count);
  k.plane_means(in.data(), planes, count, T(3), means.data());
  for (int64_t p = 0; p < planes; ++p) {
    T sum = 0;
    for (int64_t i = 0; i < count; ++i) sum += in[p * count + i];
    expect("plane_means", p, means[p], sum / T(3));
  }
  k.plane_fill(means.data(), planes, count, T(5), filled.data());
  for (int64_t i = 0; i < planes * count; ++i)
    expect("plane_fill", i, filled[i], means[i / count] / T(5));
  means.check("plane_means: canary");
  filled.check("plane_fill: canary");
}

template <class T>
void check_all() {
  const int64_t lanes = kernels_under_test<T>().lanes;
  check_tiles<T>();
  check_gathers<T>();
  check_transposes<T>();
  check_pads<T>();
  check_merge<T>();
  check_strips<T>();
  check_spread<T>();
  check_dots<T>();
  check_runs<T>();
  check_relu_bits<T>();
  for (int64_t planes : {int64_t(1), lanes - 1, lanes, 2 * lanes + 1})
    for (int64_t count : {int64_t(1), lanes - 1, lanes, 5 * lanes + 3})
      check_planes<T>(planes, count);
  check_pooling<T>();
  check_convolution<T>();
}

}  // namespace

int main() {
  for (const KernelTable* isa : pyconv::usable_isas()) {
    pyconv::set_isa(isa->isa);
    comparisons = 0;
    check_all<float>();
    check_all<double>();
    std::printf("%s: %lld comparisons, %lld failures so far\n", isa->isa,
                static_cast<long long>(comparisons), static_cast<long long>(failures));
  }
  return failures ? 1 : 0;
}
