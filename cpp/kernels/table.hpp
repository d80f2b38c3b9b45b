// The narrow waist: everything the drivers may ask of an instruction set. Data only, because a
// member function here would be emitted once per ISA and merged by the linker to any one of them.
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "core/problem.hpp"
#include "kernels/pair_table.hpp"

enum IsaFeature : unsigned {
  needs_nothing = 0,
  needs_avx2_fma = 1,
  needs_avx512 = 2,
  needs_avx512_bf16 = 4,
  needs_amx = 8
};

constexpr int max_tile_rows = 8;
constexpr int max_tile_vectors = 3;
constexpr int max_tall_rows = 12;

// One register tile: c[i][j] (+)= sum over p of a[row i + a_cols[p]] * b[b_rows[p] + j].
// Offsets instead of strides: an operand may be a packed panel, a weight as it lies in memory, or a
// padded image in which each p is a filter tap.
template <class T>
struct TileArgs {
  const T* a;
  ptrdiff_t a_row;          // from one row of a to the next,
  const ptrdiff_t* a_rows;  // or where each lies; mostly null
  const ptrdiff_t* a_cols;
  const T* b;
  const ptrdiff_t* b_rows;
  ptrdiff_t b_row;       // of a tall tile, instead: from one row of b to the next
  T* c;
  ptrdiff_t c_row;
  int64_t depth;         // p runs over 0 .. depth - 1
  const T* ahead;        // brought near while this runs, `ahead_step` elements a step; or null
  ptrdiff_t ahead_step;
  int columns;           // valid columns of the tile
  bool accumulate;       // add to what c holds
  bool relu;             // clamp at zero after the bias, NaN kept
  const T* row_bias;     // one value per row i, or null
  const T* column_bias;  // one value per column j, or null
};

// c[i][j] (+)= sum over lines and columns of a[i * a_row + line * a_line + column] *
// b[b_rows[j] + line * b_line + column].
template <class T>
struct DotArgs {
  const T* a;
  ptrdiff_t a_row, a_line;
  const T* b;
  const ptrdiff_t* b_rows;
  ptrdiff_t b_line;
  T* c;
  ptrdiff_t c_row;
  int64_t lines, columns;
  bool accumulate;  // add to what c holds
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
// out[(row * step + residue) * row_size + i] = padded[row * (skip + 1)][i * step + residue].
template <class T>
struct PadArgs {
  const T* plane;
  int64_t height, width;            // of the plane
  int64_t first_row, first_column;  // of the strip in the plane, negative in the border
  int64_t rows, columns, step, skip;
  T* out;
  int64_t row_size;  // at least ceil(columns / step) + a vector: whole vectors are written
  ptrdiff_t ahead;   // elements from here to what is read soon: brought near; 0: nothing
};

// The taps of one dimension that reach a grid position x: source positions x * step + first,
// further ones `step` apart, and where their weights lie.
struct TapRun {
  int64_t count, first, step;
  ptrdiff_t weight, weight_step;
};

// How result columns lie over source columns: one to one, on every second one, or two to one, the
// even and the odd each with taps of their own. `quads`: the gradient of a 3x3 or 5x5 filter at
// stride 2, two to one in rows too, and then the taps are those of the forward pass.
enum class Columns : int { dense, strided, merged, quads };

// Filters on planes as they lie in memory: result (y, x) = bias + sum over taps of
// weight * source(y * row_step + row tap, x + column tap), zero outside the source.
template <class T>
struct DepthwiseArgs {
  Columns mode;
  const T* source;   // of the first plane, like the next three
  const T* weights;
  const T* bias;     // or null
  T* out;
  int64_t planes, source_plane, weight_plane, out_plane;  // how many, and from one to the next
  int64_t height, width;                                  // of a source plane
  TapRun row_taps, column_taps[2];                        // the second where merged
  int64_t row_step, row_group;  // rows of results that share source rows are row_group apart
  int64_t rows, columns, out_row;
  bool accumulate, relu;
};

// Likewise: sums[tap] += sum over pixels of grad * source, `planes` times.
template <class T>
struct DepthwiseWeightArgs {
  Columns mode;
  const T *source, *grad;  // of the first plane
  T* sums;                 // a plane's taps behind those of the one before
  int64_t planes, source_plane, grad_plane;
  int64_t height, width;
  TapRun row_taps, column_taps;
  int64_t row_step, row_group;
  int64_t rows, columns, grad_row;
};

// Several output rows of one plane: out[y][x] = bias + sum over taps of weight * source.
template <class T>
struct StripArgs {
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
struct StripWeightArgs {
  const T* const* taps;
  int64_t tap_count;
  ptrdiff_t source_row;
  const T* grad;
  ptrdiff_t grad_row;
  int64_t rows, columns;
  T* sums;
};

constexpr int64_t pool_slack = 16;  // elements after a row that a kernel may read: one vector

// One residue of the columns of an image modulo the stride of the windows: element i of part j is
// column j * dilation - padding + i * stride.
struct PoolPart {
  int64_t element, column, count;  // those inside the image: the first two belong together
  int64_t taps;                    // taps of a row of a window that fall into this part
};

// Tap k of window x is element x + k / period * shift of part k % period, so that the same tap of
// neighbouring windows is a contiguous run.
struct PoolColumns {
  int64_t parts, period, shift;
  int64_t part_size;        // from one part of a split row to the next, with slack
  int64_t lead, grad_size;  // row of gradients: elements before window 0, elements in all
  int64_t ring;             // split rows to hold at a time, a power of two
  const PoolPart* part;
  const ptrdiff_t* tap;  // per tap of a row: its offset from window 0 in a split row
};

// Some rows of the result for some planes.
template <class T>
struct PoolArgs {
  const PoolProblem* problem;
  const PoolColumns* columns;
  const T* in;            // first plane of the image, or of the gradient of the output
  T* out;                 // first plane of the result
  uint8_t* offsets;       // forward: the position of each maximum in its window
  const T* column_value;  // per window of a row: first tap inside the image, or divisor
  const T* row_value;     // per row of windows: divisor; the two are multiplied
  T fill;                 // value outside the image: -inf for maxima
  int64_t planes, row, rows;
  T* scratch;
};

constexpr int pool_strip_bytes = 256;  // scratch of a direct kernel for each vector of windows

// Windows with kernels of their own, which need no PoolColumns: 2x2 stride 2, 3x3 stride 1 and 3x3
// stride 2, padded by 1 at most, not dilated.
constexpr int direct_pools = 3;

template <class T>
struct PoolKernels {
  void (*max_forward)(const PoolArgs<T>&);
  void (*max_offsets)(const PoolArgs<T>&);
  void (*avg_forward)(const PoolArgs<T>&);
  void (*max_forward_direct[direct_pools])(const PoolArgs<T>&);
  void (*max_offsets_direct[direct_pools])(const PoolArgs<T>&);
  void (*avg_forward_direct[direct_pools])(const PoolArgs<T>&);
  void (*max_gather[direct_pools])(const PoolArgs<T>&);
  void (*avg_gather[direct_pools])(const PoolArgs<T>&);
  void (*avg_backward)(const PoolArgs<T>&);
  // out[p] = sum of plane p / divisor, and its reverse: every element of plane p = in[p] / divisor.
  void (*plane_means)(const T* in, int64_t planes, int64_t count, T divisor, T* out);
  void (*plane_fill)(const T* in, int64_t planes, int64_t count, T divisor, T* out);
};

// H x W outputs of a tile come from as many inputs as it has points: with 3 taps in a dimension M
// outputs take M + 2, with one tap 1 takes 1. The lanes are tiles side by side or channels. Point p
// of lane i is at points[p * point + i].
template <class T>
struct WinogradInputArgs {
  const T* strip;  // element (r, x) of lane i at strip[r * row + x % W * residue + x / W * next + i]
  ptrdiff_t row, residue, next;  // whole vectors are read
  int64_t lanes;
  T* points;
  ptrdiff_t point;
  int64_t tiles = 1;  // one after the other, so far apart in the strip and in the points:
  ptrdiff_t next_strip = 0, next_points = 0;
};

template <class T>
struct WinogradOutputArgs {
  const T* points;
  ptrdiff_t point;
  int64_t tiles;
  T* out;
  ptrdiff_t out_row, out_step;  // from one output to the next
  int64_t rows, columns;  // of the output, from the first tile on: rows <= H, columns <= W * tiles
  bool relu;
  int64_t filters;  // one after the other, so far apart in the points and in the output:
  ptrdiff_t next_points, next_out;
  const T* bias;  // of each, or null
};

// Tiles one after the other, the lanes are filters.
template <class T>
struct WinogradPixelArgs {
  const T* points;
  ptrdiff_t point;
  int64_t lanes;       // whole vectors, of which
  int64_t filters;     // have a bias
  T* out;              // lane i of output (r, x) at out[r * out_row + x * out_step + i]
  ptrdiff_t out_row, out_step;
  int64_t tiles;
  ptrdiff_t next;         // from one tile to the next in the points
  int64_t rows, columns;  // of the output, from the first tile on
  const T* bias;          // or null
  bool relu;
};

// The taps of whole vectors of filters to points: tap t of filter i is taps[tap[t] + i], or
// zero where tap[t] is negative; point p goes to points[point[p] + i], or nowhere where that is
// negative. Of F(4 x 4, 3 x 3) none is.
template <class T>
struct WinogradFilterArgs {
  const T* taps;
  const ptrdiff_t* tap;
  int64_t filters;
  T* points;
  const ptrdiff_t* point;
};

template <class T>
struct WinogradKernels {
  int tile[3], side[3];   // outputs and points of a tile in each dimension
  int reach[3], step[3];  // pixels under it, and from one to the next
  int filter_side[3];     // points of a filter: the last serves all further points of a tile
  bool filter_lanes;      // filters are the lanes of a product, never tiles: no output, no gradient
  void (*input)(const WinogradInputArgs<T>&);
  bool (*output)(const WinogradOutputArgs<T>&);  // false: a value was not finite before the ReLU
  bool (*pixels)(const WinogradPixelArgs<T>&);   // likewise
  void (*gradient)(const WinogradInputArgs<T>&);  // gradients of a tile's outputs to its points
  // Points to the taps of a weight gradient; false: one was not finite.
  bool (*weight)(const T* points, ptrdiff_t point, int64_t lanes, T* taps, ptrdiff_t tap);
  void (*filter)(const WinogradFilterArgs<T>&);
};

template <class T>
struct ElementwiseKernels {
  void (*relu)(const T* in, int64_t count, T* out);  // in place where in == out
  void (*relu_backward)(const T* grad, const T* output, int64_t count, T* out);
  // With a bit for each element: whether its gradient passes, the first of a byte the lowest.
  void (*relu_bits)(const T* in, int64_t count, T* out, uint8_t* bits);
  void (*relu_bits_backward)(const T* grad, const uint8_t* bits, int64_t count, T* out);
};

template <class T>
struct Kernels {
  int lanes, tile_rows, tile_vectors, tall_rows;
  void (*tile[max_tile_rows][max_tile_vectors])(const TileArgs<T>&);
  void (*tall[max_tall_rows])(const TileArgs<T>&);
  void (*dot[max_tile_rows][max_tile_vectors])(const DotArgs<T>&);
  void (*gather)(const GatherArgs<T>&);
  // out[p * out_row + i] = in[i * in_row + p] for i < rows, p < depth; zero for rows <= i < width.
  void (*transpose)(const T* in, ptrdiff_t in_row, int64_t rows, int64_t depth, T* out,
                    ptrdiff_t out_row, int64_t width);
  void (*bring_near)(const T* from, int64_t count);  // into the first-level cache
  void (*pad)(const PadArgs<T>&);
  void (*merge_rows)(const T* even, const T* odd, int64_t pairs, T* out);
  void (*spread)(const T* in, int64_t step, int64_t count, T* out);
  void (*depthwise)(const DepthwiseArgs<T>&);
  void (*depthwise_weight)(const DepthwiseWeightArgs<T>&);
  void (*strip)(const StripArgs<T>&);
  void (*strip_weight)(const StripWeightArgs<T>&);
  T (*sum)(const T* in, int64_t count);
  T (*fma_chains)(int64_t steps);  // 12 independent chains, to measure the peak of this core
  // F(2, 3) and F(4, 3), of filters of 3x3, 1x3 and 3x1 taps.
  WinogradKernels<T> winograd[2][3];
  // Filters of 3x3 taps at stride 2, forward and data gradient: only with filters as lanes.
  WinogradKernels<T> winograd_stride[2];
  PoolKernels<T> pool;
  ElementwiseKernels<T> elementwise;
};

// Arrays of 16-bit numbers of one format, given by their bits.
struct HalfKernels {
  void (*widen)(const uint16_t* in, int64_t count, float* out);
  // To nearest even; what is too large becomes infinity, and a NaN stays one.
  void (*narrow)(const float* in, int64_t count, uint16_t* out);
  void (*relu)(const uint16_t* in, int64_t count, uint16_t* out);  // in place where in == out
  void (*relu_backward)(const uint16_t* grad, const uint16_t* output, int64_t count,
                        uint16_t* out);
};

struct KernelTable {
  const char* isa;
  unsigned needs;
  Kernels<float> f32;
  Kernels<double> f64;
  HalfKernels float16, bfloat16;
  PairKernels pairs;
};
