// Weight gradient of a 3x3 convolution by Winograd's filtering, F(3x3, M x M): a tile of N x N inputs
// and its M x M gradients of outputs give N^2 products instead of 9 M^2. Likewise 1x3 and 3x1.
//
//   point p:  products[filter, channel] = sum over tiles of grads[p][tile, filter] * tiles[p][tile, channel]
//
// Here vectors run over channels: images are transposed into strips [pixel][channel] first, so a tile
// may lie anywhere and the right operand of the product comes out as the tile reads it. Tasks: see
// winograd_weight.hpp.
#include "conv/winograd_weight.hpp"

#include "conv/pixel_rows.hpp"

namespace pyconv {
namespace {

// Residues of a dilated image as in WinogradGrid, but those of columns change fastest: a strip of
// pixels holds neighbouring tiles of all.
struct Geometry {
  int64_t high, wide;              // dilation
  int64_t down;                    // rows of tiles of a residue
  int64_t row, image, tiles;       // tiles in a row, in an image, in all images
  Geometry(const ConvProblem& p, const int (&m)[3]) {
    high = winograd_dilation(p, 1);
    wide = winograd_dilation(p, 2);
    down = ceil_div(ceil_div(p.output[1], high), m[1]);
    row = ceil_div(ceil_div(p.output[2], wide), m[2]) * wide;
    image = high * down * row;
    tiles = p.n * image;
  }
};

template <class T>
int64_t points_of(const ConvPlan& plan) {
  const WinogradKernels<T>& w = winograd_kernels<T>(plan);
  return int64_t{w.side[1]} * w.side[2];
}

// Columns of tiles that are transposed at a time: a strip of 32 pixels stays in the first cache.
int64_t strip_columns(int64_t m, int64_t dilation) {
  return std::max<int64_t>(1, 32 / (m * dilation));
}

template <class T>
struct TaskMemory {
  T *strip, *tiles, *grads, *products, *taps;
  int64_t tiles_point, grads_point;  // see WinogradMemory
  TaskMemory(const ConvPlan& plan, Arena& arena) {
    const WinogradKernels<T>& w = winograd_kernels<T>(plan);
    const int64_t m = w.tile[2], points = points_of<T>(plan);
    const int64_t wide = std::max(plan.column_block, plan.row_block);
    const int64_t dilation = winograd_dilation(plan.problem, 2);
    const int64_t pixels = ((strip_columns(m, dilation) - 1) * m + w.side[2]) * dilation;
    strip = arena.take<T>(w.side[1] * pixels * wide);
    const int64_t lanes = kernels_of<T>(*plan.isa).lanes;
    tiles_point = plan.depth_block * plan.column_block + lanes;
    grads_point = plan.depth_block * plan.row_block + lanes;
    tiles = arena.take<T>(points * tiles_point);
    grads = arena.take<T>(points * grads_point);
    products = arena.take<T>(plan.splits > 1 ? 0 : points * plan.row_block * plan.column_block);
    taps = arena.take<T>((taps_of(plan.problem) + points) * plan.column_block);
  }
};

template <class T>
void plan_blocks(ConvPlan& plan) {
  const Geometry g(plan.problem, winograd_kernels<T>(plan).tile);
  const int64_t points = points_of<T>(plan);
  // 64 tiles, 64 filters and a panel: 0.6 MB for F(3x3, 2x2); as many filters again for 4x4 would
  // leave the second-level cache.
  plan.depth_block = std::min<int64_t>(points > 16 ? 32 : 64, std::max<int64_t>(1, g.tiles));
  plan_weight_tasks<T>(plan, ceil_div(g.tiles, plan.depth_block), plan.depth_block, points);
  Arena arena;
  TaskMemory<T> counted(plan, arena);
  plan.task_bytes = arena.used();
}

void plan_weight(ConvPlan& plan) {
  with_type(plan.type, [&](auto tag) { plan_blocks<decltype(tag)>(plan); });
  plan_fallback(plan);
}

template <class T>
class WeightTask {
 public:
  WeightTask(const ConvPlan& plan, const ConvArgs& args, int64_t output, int64_t share)
      : plan_(plan), p_(plan.problem), k_(kernels_of<T>(*plan.isa)),
        w_(winograd_kernels<T>(plan)), args_(args), g_(plan.problem, w_.tile),
        block_(plan, k_.lanes, output), points_(points_of<T>(plan)),
        arena_(task_scratch(plan.task_bytes)), memory_(plan, arena_) {
    const int64_t chunks = ceil_div(g_.tiles, plan.depth_block);
    const Range own = part_of(chunks, share, plan.splits);
    from_ = own.from * plan.depth_block;
    to_ = std::min(own.to * plan.depth_block, g_.tiles);
  }

  void multiply(T* products) const {
    TileArgs<T> t{};
    t.a_row = plan_.left.row;
    t.a_cols = plan_.left.cols.data();
    t.b_rows = plan_.phases[0].b_rows.data();
    t.c_row = plan_.column_block;
    t.columns = static_cast<int>(block_.channels);
    const auto vectors = static_cast<std::size_t>(ceil_div(block_.channels, k_.lanes)) - 1;
    int64_t at = from_;
    do {  // at least once: without tiles the gradient is zero
      t.depth = std::min(plan_.depth_block, to_ - at);
      transform(at, t.depth);
      for (int64_t point = 0; point < points_; ++point) {
        t.b = memory_.tiles + point * memory_.tiles_point;
        for (int64_t i = 0; i < block_.filters; i += k_.tile_rows) {
          t.a = memory_.grads + point * memory_.grads_point + i;
          t.c = products + (point * plan_.row_block + i) * plan_.column_block;
          k_.tile[std::min<int64_t>(k_.tile_rows, block_.filters - i) - 1][vectors](t);
        }
      }
      t.accumulate = true;
      at += plan_.depth_block;
    } while (at < to_);
  }

  bool finish(const T* products, int64_t apart) const {
    const int64_t wide = plan_.column_block, taps = taps_of(p_);
    T* sums = memory_.taps + taps * wide;
    bool finite = true;
    for (int64_t f = 0; f < block_.filters; ++f) {
      for (int64_t point = 0; point < points_; ++point) {
        const T* in = products + (point * plan_.row_block + f) * wide;
        add_shares(in, block_.channels, plan_.splits, apart, sums + point * wide);
      }
      finite &= w_.weight(sums, wide, block_.channels, memory_.taps, wide);
      T* out = static_cast<T*>(args_.out) + (block_.result + f * (p_.c / p_.groups)) * taps;
      k_.transpose(memory_.taps, wide, taps, block_.channels, out, taps, taps);
    }
    return finite;
  }

  T* own_products() const { return memory_.products; }

 private:
  // Some tiles of one row, and the columns of tiles (of all residues) under them.
  struct Run {
    int64_t image, y, x;      // the first output of the first column
    int64_t columns;
    int64_t residue, count;   // of the first tile; tiles
    int64_t at;               // the first in the panel
  };

  // Tiles first .. first + count - 1 of all images, and their gradients.
  void transform(int64_t first, int64_t count) const {
    for (int64_t i = 0; i < count;) {
      const int64_t tile = (first + i) % g_.image, row = tile / g_.row, in_row = tile % g_.row;
      const int64_t column = in_row / g_.wide, end = column + strip_columns(w_.tile[2], g_.wide);
      const int64_t n = std::min({count - i, g_.row - in_row, end * g_.wide - in_row});
      const Run run{(first + i) / g_.image, row / g_.down + row % g_.down * w_.tile[1] * g_.high,
                    column * w_.tile[2] * g_.wide, (in_row + n - 1) / g_.wide - column + 1,
                    in_row % g_.wide, n, i};
      transform_inputs(run);
      transform_grads(run);
      i += n;
    }
  }

  // The tiles of a run by one kernel: those of one residue of columns lie evenly.
  void transform_run(void (*kernel)(const WinogradInputArgs<T>&), WinogradInputArgs<T> t,
                     const Run& run, int64_t planes, T* points) const {
    const int64_t wide = g_.wide, next = w_.tile[2] * wide;
    t.next_strip = next * planes;
    t.next_points = wide * planes;
    for (int64_t i = 0; i < std::min(wide, run.count); ++i) {
      const int64_t residue = run.residue + i;
      t.strip = memory_.strip + (residue / wide * next + residue % wide) * planes;
      t.points = points + (run.at + i) * planes;
      t.tiles = ceil_div(run.count - i, wide);
      kernel(t);
    }
  }

  void transform_inputs(const Run& run) const {
    const int64_t planes = plan_.column_block;
    const int64_t pixels = ((run.columns - 1) * w_.tile[2] + w_.side[2]) * g_.wide;
    const T* image = static_cast<const T*>(args_.source) +
        (run.image * p_.c + block_.channel) * p_.input[1] * p_.input[2];
    for (int64_t r = 0; r < w_.side[1]; ++r)
      lay_row(k_, image, p_.input, p_.input[2], run.y + r * g_.high - p_.pad_lo[1],
              run.x - p_.pad_lo[2], pixels, block_.channels, planes,
              memory_.strip + r * pixels * planes);
    const int64_t step = g_.wide * planes;
    const WinogradInputArgs<T> t{nullptr, pixels * planes, step, w_.tile[2] * step, block_.channels,
                                 nullptr, memory_.tiles_point};
    transform_run(w_.input, t, run, planes, memory_.tiles);
  }

  void transform_grads(const Run& run) const {
    const int64_t planes = plan_.row_block, pixels = run.columns * w_.tile[2] * g_.wide;
    const T* image = static_cast<const T*>(args_.other) +
        (run.image * p_.k + block_.filter) * p_.output[1] * p_.output[2];
    for (int64_t r = 0; r < w_.tile[1]; ++r)
      lay_row(k_, image, p_.output, p_.output[2], run.y + r * g_.high, run.x, pixels,
              block_.filters, planes, memory_.strip + r * pixels * planes);
    const int64_t step = g_.wide * planes;
    const WinogradInputArgs<T> t{nullptr, pixels * planes, step, w_.tile[2] * step, block_.filters,
                                 nullptr, memory_.grads_point};
    transform_run(w_.gradient, t, run, planes, memory_.grads);
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const Kernels<T>& k_;
  const WinogradKernels<T>& w_;
  const ConvArgs& args_;
  const Geometry g_;
  const WeightBlock block_;
  const int64_t points_;
  Arena arena_;
  const TaskMemory<T> memory_;
  int64_t from_ = 0, to_ = 0;  // tiles
};

void run_weight(const ConvPlan& plan, const ConvArgs& args) {
  with_type(plan.type, [&](auto tag) {
    using T = decltype(tag);
    run_weight_tasks<T, WeightTask<T>>(plan, args, conv_work(plan.problem) / 4);
  });
}

// Measured on the 3x3 layers of benchmarks/ and on 7x7 to 40x40 maps of 32 to 512 channels, Zen 5,
// November 2026.
bool prefers_large_tiles(const ConvProblem& p, int64_t area) {
  return std::min(p.k, p.c) / p.groups >= 32 && pixels(p.output) >= area && tiles_fit(p, p.output, 4);
}

// Channels are lanes; eight filters are enough for many of them: 1.0 to 2.3 times.
bool prefers_squares(const ConvProblem& p) {
  const int64_t filters = p.k / p.groups, channels = p.c / p.groups;
  const int64_t area = p.output[1] * p.output[2], fewer = std::min(filters, channels);
  const bool enough = std::max(filters, channels) >= 64
                          ? filters >= 8 && channels >= 24 && area >= 100
                          : fewer >= 16 && area >= (fewer >= 32 ? 196 : 2304);
  return enough && tiles_fit(p, p.output, 2);
}

// Three taps in a line, measured like the other passes (winograd.cpp): F(3, 2) gains on long
// signals alone, and 3x1 taps lose on large maps.
bool enough_channels(const ConvProblem& p) { return std::min(p.k, p.c) / p.groups >= 64; }

bool prefers_2x2(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  if (!one_line(p)) return prefers_squares(p);
  return p.output[1] == 1 && p.output[2] >= 2048 && enough_channels(p);
}
bool prefers_4x4(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  if (!one_line(p)) return prefers_large_tiles(p, 225);
  return prefers_large_tiles(p, 784) && enough_channels(p) &&
         (one_row(p) || pixels(p.output) <= 8192);
}

}  // namespace

const ConvAlgorithm winograd_2x2_weight{
    "winograd_2x2", Direction::weight, Precision::highest, winograd_refuses, prefers_2x2,
    plan_weight, run_weight, nullptr, 1, true};
const ConvAlgorithm winograd_4x4_weight{
    "winograd_4x4", Direction::weight, Precision::high, winograd_refuses, prefers_4x4,
    plan_weight, run_weight, nullptr, 8, true};

}  // namespace pyconv
