// The narrow waist: everything the drivers may ask of an instruction set. Data only, because a
// member function here would be emitted once per ISA and merged by the linker to any one of them.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum IsaFeature : unsigned { needs_nothing = 0, needs_avx2_fma = 1, needs_avx512 = 2 };

constexpr int max_tile_rows = 8;
constexpr int max_tile_vectors = 3;

// One register tile: c[i][j] (+)= sum over p of a[i * a_row + p * a_col] * b[p * b_row + j].
template <class T>
struct TileArgs {
  const T* a;
  ptrdiff_t a_row, a_col;
  const T* b;
  ptrdiff_t b_row;
  T* c;
  ptrdiff_t c_row;
  int64_t depth;         // p runs over 0 .. depth - 1
  int columns;           // valid columns of the tile
  bool accumulate;       // add to what c holds
  bool relu;             // clamp at zero after the bias, NaN kept
  const T* row_bias;     // one value per row i, or null
  const T* column_bias;  // one value per column j, or null
};

// Offset of a filter tap in the source image, relative to step * grid position.
struct Tap {
  int64_t d, h, w;
};

// Rows (channel, tap) and columns (grid positions, flattened) of the virtual im2col matrix.
template <class T>
struct GatherArgs {
  const T* image;  // first channel
  int64_t channel_stride, size[3], grid[3], step[3];
  const Tap* taps;
  int64_t tap_count;
  int64_t row, rows;        // rows row .. row + rows - 1, row = channel * tap_count + tap
  int64_t column, columns;  // likewise
  T* out;                   // element (r, j) at out[(r - row) * out_row + (j - column)]
  ptrdiff_t out_row;
  int64_t width;  // columns written: those past `columns` become zero
};

// A strip of one plane with its zero border, split by column step:
// out[(row * step + residue) * row_size + i] = padded[row][i * step + residue].
template <class T>
struct PadArgs {
  const T* plane;
  int64_t height, width;            // of the plane
  int64_t first_row, first_column;  // of the strip in the plane, negative in the border
  int64_t rows, columns, step;
  T* out;
  int64_t row_size;  // at least ceil(columns / step) + a vector: whole vectors are written
};

// Several output rows of one plane: out[y][x] = bias + sum over taps of weight * source.
template <class T>
struct DepthwiseArgs {
  const T* const* taps;  // per tap: the source element under output (0, 0)
  const T* weights;      // per tap
  int64_t tap_count;
  ptrdiff_t source_row;  // from one output row to the next in the source
  T* out;
  ptrdiff_t out_row;
  int64_t rows, columns;
  T bias;
  bool accumulate, relu;
};

// Per tap: sum over rows and columns of grad * source, added to sums[tap].
template <class T>
struct DepthwiseWeightArgs {
  const T* const* taps;
  int64_t tap_count;
  ptrdiff_t source_row;
  const T* grad;
  ptrdiff_t grad_row;
  int64_t rows, columns;
  T* sums;
};

template <class T>
struct Kernels {
  int lanes, tile_rows, tile_vectors;
  void (*tile[max_tile_rows][max_tile_vectors])(const TileArgs<T>&);
  void (*gather)(const GatherArgs<T>&);
  // out[p * out_row + i] = in[i * in_row + p] for i < rows, p < depth; zero for rows <= i < width.
  void (*transpose)(const T* in, ptrdiff_t in_row, int64_t rows, int64_t depth, T* out,
                    ptrdiff_t out_row, int64_t width);
  void (*pad)(const PadArgs<T>&);
  void (*depthwise)(const DepthwiseArgs<T>&);
  void (*depthwise_weight)(const DepthwiseWeightArgs<T>&);
  T (*sum)(const T* in, int64_t count);
};

struct KernelTable {
  const char* isa;
  unsigned needs;
  Kernels<float> f32;
  Kernels<double> f64;
};
