// y = x W^T: the left operand is read where it lies, a transposed right operand is packed a panel
// at a time. The blocks of depth, and with them every sum, do not depend on the number of rows: a
// row gives the same bits alone or in any batch.
#include "linear/product.hpp"

#include <algorithm>
#include <vector>

#include "core/convert.hpp"
#include "core/cpu.hpp"
#include "core/parallel.hpp"
#include "core/scratch.hpp"
#include "linear/split_product.hpp"

namespace pyconv {
namespace {

constexpr int64_t row_block = 240;

// Where the tile finds its operands, the same for every task.
struct Offsets {
  std::vector<ptrdiff_t> a_rows, a_cols, b_rows;
};

template <class T>
class ProductTask {
 public:
  // `half`: what reads the right operand, or null where it is of type T.
  ProductTask(const Product& product, const Kernels<T>& kernels, const HalfKernels* half,
              const Offsets& at, int64_t task)
      : q_(product), k_(kernels), half_(half), at_(at),
        width_(int64_t{k_.lanes} * k_.tile_vectors) {
    const int64_t row_blocks = ceil_div(q_.rows, row_block);
    row_ = task % row_blocks * row_block;
    rows_ = std::min(row_block, q_.rows - row_);
    column_ = task / row_blocks * width_;
    columns_ = std::min(width_, q_.columns - column_);
  }

  void run() const {
    const int64_t block = depth_limit<T>(width_);
    const int64_t elements = block * width_ * (half_ && q_.b_transposed ? 2 : 1);
    T* panel = static_cast<T*>(task_scratch(static_cast<std::size_t>(elements) * sizeof(T)));
    int64_t p = 0;
    // At least once: without any product the result is still the bias, or zero.
    do {
      const int64_t depth = std::min(block, q_.depth - p);
      run_depth(panel, p, depth);
      p += depth;
    } while (p < q_.depth);
  }

  // Rows of b far apart, often by a multiple of the page size, share few places in a cache: what
  // more than one tile reads is brought together first.
  static bool packs(const Product& q, const Kernels<T>& k, const HalfKernels* half) {
    return half || q.b_transposed || q.rows > k.tile_rows;
  }

 private:
  // Steps p .. p + depth - 1 of this task's columns of b.
  void pack(T* panel, int64_t p, int64_t depth) const {
    const int64_t at = q_.b_transposed ? column_ * q_.b_stride + p : p * q_.b_stride + column_;
    const int64_t lines = q_.b_transposed ? columns_ : depth;
    const int64_t line = q_.b_transposed ? depth : columns_;
    const T* b = static_cast<const T*>(q_.b) + at;
    int64_t b_stride = q_.b_stride;
    if constexpr (sizeof(T) == sizeof(float)) {
      if (half_) {
        const int64_t wide = q_.b_transposed ? depth : width_;
        T* to = q_.b_transposed ? panel + depth_limit<T>(width_) * width_ : panel;
        for (int64_t i = 0; i < lines; ++i)
          half_->widen(static_cast<const uint16_t*>(q_.b) + at + i * b_stride, line, to + i * wide);
        if (!q_.b_transposed) return;
        b = to;
        b_stride = wide;
      }
    }
    if (q_.b_transposed) {
      if (depth)
        k_.transpose(b, b_stride, columns_, depth, panel, width_,
                     ceil_div(columns_, k_.lanes) * k_.lanes);
    } else {
      for (int64_t i = 0; i < depth; ++i)
        std::copy_n(b + i * b_stride, columns_, panel + i * width_);
    }
  }

  void run_depth(T* panel, int64_t p, int64_t depth) const {
    TileArgs<T> t{};
    if (packs(q_, k_, half_)) {
      pack(panel, p, depth);
      t.b = panel;
    } else {
      t.b = static_cast<const T*>(q_.b) + p * q_.b_stride + column_;
    }
    t.b_rows = at_.b_rows.data();
    const bool last = p + depth == q_.depth;
    t.a_rows = at_.a_rows.data();
    t.a_cols = at_.a_cols.data();
    t.c_row = q_.columns;
    t.depth = depth;
    t.columns = static_cast<int>(columns_);
    t.accumulate = p > 0;
    t.relu = last && q_.relu;
    if (last && q_.column_bias) t.column_bias = static_cast<const T*>(q_.column_bias) + column_;
    const auto vectors = static_cast<std::size_t>(ceil_div(columns_, k_.lanes)) - 1;
    for (int64_t i = 0; i < rows_; i += k_.tile_rows) {
      t.a = static_cast<const T*>(q_.a) + (row_ + i) * q_.a_row + p * q_.a_col;
      t.c = static_cast<T*>(q_.c) + (row_ + i) * q_.columns + column_;
      k_.tile[std::min<int64_t>(k_.tile_rows, rows_ - i) - 1][vectors](t);
    }
  }

  const Product& q_;
  const Kernels<T>& k_;
  const HalfKernels* half_;
  const Offsets& at_;
  const int64_t width_;
  int64_t row_, rows_, column_, columns_;
};

template <class T>
void multiply_typed(const Product& q, const HalfKernels* half = nullptr) {
  const Kernels<T>& k = kernels_of<T>(current_isa());
  const int64_t width = int64_t{k.lanes} * k.tile_vectors;
  const int64_t tasks = ceil_div(q.rows, row_block) * ceil_div(q.columns, width);
  const double work = static_cast<double>(q.rows) * static_cast<double>(q.columns) *
                      static_cast<double>(q.depth);
  // A transposed operand costs its elements once, however few rows use it.
  const double packing = static_cast<double>(q.columns) * static_cast<double>(q.depth);
  const int64_t block = std::min(q.depth, depth_limit<T>(width));
  const Offsets at{offsets(k.tile_rows, q.a_row), offsets(block, q.a_col),
                   offsets(block, ProductTask<T>::packs(q, k, half) ? width : q.b_stride)};
  parallel_for(tasks, work / 2 + packing,
               [&](int64_t task) { ProductTask<T>(q, k, half, at, task).run(); });
}

// What every task reads becomes float32 first, the right operand a panel at a time.
void multiply_half(const Product& q, ElementType half) {
  const auto lay_out = [&q](Arena& arena, float*& a, float*& bias) {
    a = arena.take<float>(q.rows * q.depth);
    bias = q.column_bias ? arena.take<float>(q.columns) : nullptr;
    return arena.take<float>(q.rows * q.columns);
  };
  float *a, *bias;
  Arena counted;
  lay_out(counted, a, bias);
  Arena arena(widened_scratch(counted.used()));
  float* c = lay_out(arena, a, bias);
  widen(half, q.a, q.rows * q.depth, a);
  if (bias) widen(half, q.column_bias, q.columns, bias);
  Product wide = q;
  wide.a = a;
  wide.column_bias = bias;
  wide.c = c;
  multiply_typed<float>(wide, &half_kernels(current_isa(), half));
  narrow(half, c, q.rows * q.columns, q.c);
}

// Planes a piece at a time, in one order whatever their size.
void sum_channels_half(const uint16_t* grad, int64_t images, int64_t channels, int64_t area,
                       uint16_t* out, ElementType half) {
  const KernelTable& table = current_isa();
  const HalfKernels& k = half_kernels(table, half);
  float* sums = static_cast<float*>(
      widened_scratch(static_cast<std::size_t>(2 * channels) * sizeof(float)));
  std::fill_n(sums, channels, 0.0f);
  if (area == 1) {
    for (int64_t n = 0; n < images; ++n) {
      k.widen(grad + n * channels, channels, sums + channels);
      for (int64_t c = 0; c < channels; ++c) sums[c] += sums[channels + c];
    }
  } else {
    constexpr int64_t piece = 2048;
    const double work = static_cast<double>(images) * static_cast<double>(channels * area) * 4;
    parallel_for(channels, work, [&](int64_t c) {
      float wide[piece];
      for (int64_t n = 0; n < images; ++n)
        for (int64_t i = 0; i < area; i += piece) {
          const int64_t count = std::min(piece, area - i);
          k.widen(grad + (n * channels + c) * area + i, count, wide);
          sums[c] += table.f32.sum(wide, count);
        }
    });
  }
  k.narrow(sums, channels, out);
}

template <class T>
void sum_channels_typed(const T* grad, int64_t images, int64_t channels, int64_t area, T* out) {
  if (area == 1) {
    std::fill_n(out, channels, T(0));
    for (int64_t n = 0; n < images; ++n)
      for (int64_t c = 0; c < channels; ++c) out[c] += grad[n * channels + c];
    return;
  }
  const Kernels<T>& k = kernels_of<T>(current_isa());
  const double work = static_cast<double>(images) * static_cast<double>(channels * area) * 4;
  parallel_for(channels, work, [&](int64_t c) {
    T sum = 0;
    for (int64_t n = 0; n < images; ++n) sum += k.sum(grad + (n * channels + c) * area, area);
    out[c] = sum;
  });
}

}  // namespace

void multiply(const Product& q, ElementType type, const LinearAlgorithm& algorithm) {
  if (is_half(type)) return multiply_half(q, type);
  if (type == ElementType::f64) return multiply_typed<double>(q);
  if (!algorithm.products) return multiply_typed<float>(q);
  const std::vector<bool> forbidden =
      multiply_split(q, current_isa().pairs, algorithm.products);
  const auto rows = static_cast<std::size_t>(q.rows);
  for (std::size_t row = 0, end; row < rows; row = end + 1) {
    for (end = row; end < rows && forbidden[end];) ++end;
    if (end == row) continue;
    Product part = q;
    part.rows = static_cast<int64_t>(end - row);
    part.a = static_cast<const float*>(q.a) + static_cast<int64_t>(row) * q.a_row;
    part.c = static_cast<float*>(q.c) + static_cast<int64_t>(row) * q.columns;
    multiply_typed<float>(part);
  }
}

void sum_channels(const void* grad, int64_t images, int64_t channels, int64_t area, void* out,
                  ElementType type) {
  if (is_half(type)) {
    sum_channels_half(static_cast<const uint16_t*>(grad), images, channels, area,
                      static_cast<uint16_t*>(out), type);
  } else if (type == ElementType::f32) {
    sum_channels_typed(static_cast<const float*>(grad), images, channels, area,
                       static_cast<float*>(out));
  } else {
    sum_channels_typed(static_cast<const double*>(grad), images, channels, area,
                       static_cast<double*>(out));
  }
}

}  // namespace pyconv
