// y = x W^T: the left operand is read where it lies, a transposed right operand is packed a panel
// at a time. The blocks of depth, and with them every sum, do not depend on the number of rows: a
// row gives the same bits alone or in any batch.
#include "linear/product.hpp"

#include <algorithm>
#include <vector>

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
  ProductTask(const Product& product, const Kernels<T>& kernels,
              const Offsets& at, int64_t task)
      : q_(product), k_(kernels), at_(at),
        width_(int64_t{k_.lanes} * k_.tile_vectors) {
    const int64_t row_blocks = ceil_div(q_.rows, row_block);
    row_ = task % row_blocks * row_block;
    rows_ = std::min(row_block, q_.rows - row_);
    column_ = task / row_blocks * width_;
    columns_ = std::min(width_, q_.columns - column_);
  }

  void run() const {
    const int64_t block = depth_limit<T>(width_);
    T* panel = static_cast<T*>(task_scratch(static_cast<std::size_t>(block * width_) * sizeof(T)));
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
  static bool packs(const Product& q, const Kernels<T>& k) {
    return q.b_transposed || q.rows > k.tile_rows;
  }

 private:
  void run_depth(T* panel, int64_t p, int64_t depth) const {
    TileArgs<T> t{};
    const T* b = static_cast<const T*>(q_.b);
    if (q_.b_transposed) {
      if (depth)
        k_.transpose(b + column_ * q_.b_stride + p, q_.b_stride, columns_, depth, panel, width_,
                     ceil_div(columns_, k_.lanes) * k_.lanes);
      t.b = panel;
    } else if (packs(q_, k_)) {
      for (int64_t i = 0; i < depth; ++i)
        std::copy_n(b + (p + i) * q_.b_stride + column_, columns_, panel + i * width_);
      t.b = panel;
    } else {
      t.b = b + p * q_.b_stride + column_;
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
  const Offsets& at_;
  const int64_t width_;
  int64_t row_, rows_, column_, columns_;
};

template <class T>
void multiply_typed(const Product& q) {
  const Kernels<T>& k = kernels_of<T>(current_isa());
  const int64_t width = int64_t{k.lanes} * k.tile_vectors;
  const int64_t tasks = ceil_div(q.rows, row_block) * ceil_div(q.columns, width);
  const double work = static_cast<double>(q.rows) * static_cast<double>(q.columns) *
                      static_cast<double>(q.depth);
  // A transposed operand costs its elements once, however few rows use it.
  const double packing = static_cast<double>(q.columns) * static_cast<double>(q.depth);
  const int64_t block = std::min(q.depth, depth_limit<T>(width));
  const Offsets at{offsets(k.tile_rows, q.a_row), offsets(block, q.a_col),
                   offsets(block, ProductTask<T>::packs(q, k) ? width : q.b_stride)};
  parallel_for(tasks, work / 2 + packing,
               [&](int64_t task) { ProductTask<T>(q, k, at, task).run(); });
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
  if (type == ElementType::f32) {
    sum_channels_typed(static_cast<const float*>(grad), images, channels, area,
                       static_cast<float*>(out));
  } else {
    sum_channels_typed(static_cast<const double*>(grad), images, channels, area,
                       static_cast<double*>(out));
  }
}

}  // namespace pyconv
