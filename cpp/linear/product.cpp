// y = x W^T: the left operand is read where it lies, a transposed right operand is packed a panel
// at a time. The blocks of depth, and with them every sum, do not depend on the number of rows: a
// row gives the same bits alone or in any batch.
#include "linear/product.hpp"

#include <algorithm>
#include <vector>

#include "conv/plan.hpp"
#include "core/convert.hpp"
#include "core/cpu.hpp"
#include "core/kernels_of.hpp"
#include "core/panel_tile.hpp"
#include "core/parallel.hpp"
#include "core/scratch.hpp"
#include "core/with_type.hpp"

namespace pyconv {
namespace {

constexpr int64_t row_block = 240;

template <class T>
int64_t panel_width(const Kernels<T>& k) {
  return int64_t{k.lanes} * k.tile_vectors;
}

template <class T>
int64_t tasks_of(const Product& q, const Kernels<T>& k) {
  return ceil_div(q.rows, row_block) * ceil_div(q.columns, panel_width(k));
}

// A panel of the right operand, and before it is turned one as wide in float32.
template <class T>
std::size_t panel_bytes(const Product& q, const Kernels<T>& k, bool half) {
  const int64_t width = panel_width(k);
  const int64_t elements = depth_limit<T>(width) * width * (half && q.b_transposed ? 2 : 1);
  return static_cast<std::size_t>(elements) * sizeof(T);
}

// Where the tile finds its operands, the same for every task.
struct Offsets {
  std::vector<ptrdiff_t> a_cols, b_rows;
};

template <class T>
class ProductTask {
 public:
  // `half`: what reads the right operand, or null where it is of type T.
  ProductTask(const Product& product, const Kernels<T>& kernels, const HalfKernels* half,
              const Offsets& at, int64_t task)
      : q_(product), k_(kernels), half_(half), at_(at),
        width_(panel_width(k_)) {
    const int64_t row_blocks = ceil_div(q_.rows, row_block);
    row_ = task % row_blocks * row_block;
    rows_ = std::min(row_block, q_.rows - row_);
    column_ = task / row_blocks * width_;
    columns_ = std::min(width_, q_.columns - column_);
  }

  void run() const {
    const int64_t block = depth_limit<T>(width_);
    T* panel = static_cast<T*>(task_scratch(panel_bytes(q_, k_, half_ != nullptr)));
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
    const bool packed = packs(q_, k_, half_);
    if (packed) {
      pack(panel, p, depth);
      t.b = panel;
    } else {
      t.b = static_cast<const T*>(q_.b) + p * q_.b_stride + column_;
    }
    t.b_rows = at_.b_rows.data();
    t.b_row = width_;
    const bool last = p + depth == q_.depth;
    t.a_row = q_.a_row;
    t.a_cols = at_.a_cols.data();
    t.c_row = q_.columns;
    t.depth = depth;
    t.columns = static_cast<int>(columns_);
    t.accumulate = p > 0;
    t.relu = last && q_.relu;
    if (last && q_.column_bias) t.column_bias = static_cast<const T*>(q_.column_bias) + column_;
    const auto vectors = static_cast<std::size_t>(ceil_div(columns_, k_.lanes)) - 1;
    const int64_t high = packed ? even_tile_rows(k_, rows_, columns_) : k_.tile_rows;
    for (int64_t i = 0; i < rows_; i += high) {
      t.a = static_cast<const T*>(q_.a) + (row_ + i) * q_.a_row + p * q_.a_col;
      t.c = static_cast<T*>(q_.c) + (row_ + i) * q_.columns + column_;
      const int64_t rows = std::min(high, rows_ - i);
      if (packed) {
        run_panel_tile(k_, rows, t);
      } else {
        k_.tile[rows - 1][vectors](t);
      }
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
void multiply_typed(const Product& q, const KernelTable& isa, const HalfKernels* half = nullptr) {
  const Kernels<T>& k = kernels_of<T>(isa);
  const int64_t width = panel_width(k);
  const double work = static_cast<double>(q.rows) * static_cast<double>(q.columns) *
                      static_cast<double>(q.depth);
  // A transposed operand costs its elements once, however few rows use it.
  const double packing = static_cast<double>(q.columns) * static_cast<double>(q.depth);
  const int64_t block = std::min(q.depth, depth_limit<T>(width));
  const Offsets at{offsets(block, q.a_col),
                   offsets(block, ProductTask<T>::packs(q, k, half) ? width : q.b_stride)};
  parallel_for(tasks_of(q, k), work / 2 + packing,
               [&](int64_t task) { ProductTask<T>(q, k, half, at, task).run(); });
}

// The operands of a product of 16 bits that every task reads, and its result, as float32.
struct Widened {
  float *a, *bias, *c;
  Widened(const Product& q, Arena& arena)
      : a(arena.take<float>(q.rows * q.depth)), bias(arena.take<float>(q.columns)),
        c(arena.take<float>(q.rows * q.columns)) {}
};

std::size_t widened_bytes(const Product& q) {
  Arena counted;
  Widened(q, counted);
  return counted.used();
}

// The right operand becomes float32 a panel at a time.
void multiply_half(const Product& q, ElementType half, const KernelTable& isa) {
  Arena arena(widened_scratch(widened_bytes(q)));
  const Widened memory(q, arena);
  widen(half, q.a, q.rows * q.depth, memory.a);
  Product wide = q;
  wide.a = memory.a;
  wide.c = memory.c;
  if (q.column_bias) {
    widen(half, q.column_bias, q.columns, memory.bias);
    wide.column_bias = memory.bias;
  }
  multiply_typed<float>(wide, isa, &half_kernels(isa, half));
  narrow(half, memory.c, q.rows * q.columns, q.c);
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

ProductNeeds product_needs(const Product& q, ElementType type, const KernelTable& isa) {
  if (type == ElementType::f64)
    return {tasks_of(q, isa.f64), panel_bytes(q, isa.f64, false), 0};
  const bool half = is_half(type);
  return {tasks_of(q, isa.f32), panel_bytes(q, isa.f32, half), half ? widened_bytes(q) : 0};
}

void multiply(const Product& q, ElementType type, const KernelTable& isa) {
  if (is_half(type)) return multiply_half(q, type, isa);
  with_type(type, [&](auto tag) { multiply_typed<decltype(tag)>(q, isa); });
}

void sum_channels(const void* grad, int64_t images, int64_t channels, int64_t area, void* out,
                  ElementType type) {
  if (is_half(type)) {
    sum_channels_half(static_cast<const uint16_t*>(grad), images, channels, area,
                      static_cast<uint16_t*>(out), type);
  } else {
    with_type(type, [&](auto tag) {
      using T = decltype(tag);
      sum_channels_typed(static_cast<const T*>(grad), images, channels, area,
                         static_cast<T*>(out));
    });
  }
}

}  // namespace pyconv
