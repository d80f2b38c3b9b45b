// Winograd convolution of 3x3 filters at stride 1, dilated or not (at stride 2, see
// winograd_few_tiles.cpp): forward, and the data gradient with the filter turned by 180 degrees.
// M x M outputs come from N x N products, N = M + 2, summed over channels as N^2 independent matrix
// products on the usual register tile. Filters of 1x3 or 3x1 taps, signals among them, have tiles of
// 1 x M or M x 1 outputs and N points.
//
//   point p:  products[row, tile] = sum over channels of filters[p][row, channel] * tiles[p][channel, tile]
//
// A task owns some columns (tiles, in panels of a tile's width) and some rows of one image and group.
// It transforms its tiles for all channels, multiplies a block of rows for all points, and transforms
// the block back: what it works on stays in the second-level cache. Filters are transformed once per
// call, or once per PackedWeight. Small maps have it the other way round: winograd_few_tiles.cpp.
//
// Sums of pixels that the definition keeps apart meet in a tile: an infinity or NaN would spread to
// its neighbours, and a sum may overflow where no result does. An image with such a result is
// computed again by the gathered product.
#include <algorithm>

#include "conv/fallback.hpp"
#include "conv/packed_weight.hpp"
#include "conv/winograd.hpp"

namespace pyconv {
namespace {

template <class T>
class WinogradTask {
 public:
  // Which tiles and filters: the same of a group and image.
  struct Place {
    int64_t image, group, band, block, row, rows;
  };

  WinogradTask(const ConvPlan& plan, const ConvArgs& args, const Place& place)
      : plan_(plan), v_(plan), g_(plan), k_(kernels_of<T>(*plan.isa)), w_(winograd_kernels<T>(plan)),
        args_(args), phase_(plan.phases[0]), at_(place) {
    column_ = g_.edge(at_.band);
    across_ = g_.edge(at_.band + 1) - column_;
    const int64_t blocks = phase_.column_blocks;
    const int64_t vectors = ceil_div(g_.lines * across_, g_.lanes);
    first_ = share(vectors, at_.block, blocks) * g_.lanes;
    vectors_ = share(vectors, at_.block + 1, blocks) - share(vectors, at_.block, blocks);
    panels_ = ceil_div(vectors_, k_.tile_vectors);
  }

  // Filters of all groups, transformed; false if a result is not finite.
  bool run(const T* filters) const {
    Arena arena(task_scratch(plan_.task_bytes));
    const WinogradMemory<T> memory(plan_, arena);
    transform_tiles(memory);
    bool finite = true;
    for (int64_t i = 0; i < at_.rows; i += plan_.row_block) {
      const int64_t rows = std::min(plan_.row_block, at_.rows - i);
      multiply(memory, filters + at_.group * g_.filter_panels * g_.points * g_.filter_point,
               at_.row + i, rows);
      finite &= transform_back(memory, at_.row + i, rows);
    }
    return finite;
  }

 private:
  // Where part i begins when `count` things are shared as evenly as they come.
  static int64_t share(int64_t count, int64_t i, int64_t parts) { return count * i / parts; }

  const T* find(const T* filters, int64_t row, int64_t point) const {
    return filters + (row / g_.filters * g_.points + point) * g_.filter_point;
  }

  struct Panel {
    int64_t index, first, tiles;  // the first tile in the band
  };
  Panel panel(int64_t i) const {
    const int64_t from = first_ + share(vectors_, i, panels_) * g_.lanes;
    const int64_t to = first_ + share(vectors_, i + 1, panels_) * g_.lanes;
    return {i, from, std::min(to, g_.lines * across_) - from};
  }

  // Calls body(panel, first, count, line, column) for every run of tiles in one panel and one line:
  // `first` counts in the panel, line and column in the band.
  template <class Body>
  void for_runs(const Body& body) const {
    for (int64_t j = 0; j < panels_; ++j) {
      const Panel p = panel(j);
      int64_t line = p.first / across_, column = p.first % across_;
      for (int64_t i = 0; i < p.tiles; ++line, column = 0) {
        const int64_t n = std::min(p.tiles - i, across_ - column);
        body(p, i, n, line, column);
        i += n;
      }
    }
  }

  // Row r (channel, or row of products) of a panel, for point 0, of `rows` rows.
  int64_t place(const Panel& p, int64_t r, int64_t rows) const {
    return (p.index * rows + r) * g_.width;
  }

  // Where a row of tiles begins in a strip that begins with row `top`. Neighbours share two rows of
  // the image, but not with the next residue.
  int64_t strip_line(int64_t row, int64_t top) const {
    return (row - top) * g_.m[1] + (row / g_.down - top / g_.down) * (g_.side[1] - g_.m[1]);
  }

  // Strips of a channel with their border, rows top .. bottom of tiles; every residue by itself.
  std::vector<PadArgs<T>> strips(const WinogradMemory<T>& memory, int64_t top,
                                 int64_t bottom) const {
    PadArgs<T> a{};
    a.height = v_.source[1];
    a.width = v_.source[2];
    a.step = g_.m[2] * v_.dilation[2];
    a.skip = v_.dilation[1] - 1;
    a.first_column = column_ * a.step - v_.pad[2];
    a.columns = (across_ + 1) * a.step;
    a.row_size = memory.strip_row;
    a.ahead = 4 * v_.source_plane();
    std::vector<PadArgs<T>> all;
    for (int64_t row = top; row <= bottom;) {
      const int64_t residue = row / g_.down, end = std::min(bottom + 1, (residue + 1) * g_.down);
      a.first_row = residue + row % g_.down * g_.m[1] * v_.dilation[1] - v_.pad[1];
      a.rows = (end - row - 1) * g_.m[1] + g_.side[1];
      a.out = memory.strip + strip_line(row, top) * a.step * memory.strip_row;
      all.push_back(a);
      row = end;
    }
    return all;
  }

  // Where a run of tiles begins in the strips and in the points of channel 0.
  struct Run {
    const T* strip;
    T* points;
    int64_t tiles;
  };
  std::vector<Run> runs(const WinogradMemory<T>& memory, int64_t top, ptrdiff_t strip_size) const {
    const int64_t wide = v_.dilation[2];
    std::vector<Run> all;
    for_runs([&](const Panel& p, int64_t i, int64_t n, int64_t line, int64_t column) {
      all.push_back({memory.strip + strip_line(line / wide, top) * strip_size +
                         line % wide * memory.strip_row + column,
                     memory.tiles + place(p, 0, v_.channels) + i, n});
    });
    return all;
  }

  // All divisions before the loop: there they took as long as the transforms.
  void transform_tiles(const WinogradMemory<T>& memory) const {
    if (!panels_) return;
    const Panel end = panel(panels_ - 1);
    const int64_t wide = v_.dilation[2], row_tiles = across_ * wide;
    const int64_t top = first_ / row_tiles, bottom = (end.first + end.tiles - 1) / row_tiles;
    WinogradInputArgs<T> t{};
    t.row = g_.m[2] * wide * memory.strip_row;
    t.residue = wide * memory.strip_row;
    t.next = 1;
    t.point = memory.tiles_point;
    const std::vector<Run> runs = this->runs(memory, top, t.row);
    std::vector<PadArgs<T>> strips = this->strips(memory, top, bottom);
    const T* plane = static_cast<const T*>(args_.source) +
                     (at_.image * plan_.problem.groups + at_.group) * v_.channels * v_.source_plane();
    for (int64_t c = 0; c < v_.channels; ++c, plane += v_.source_plane()) {
      for (PadArgs<T>& strip : strips) {
        strip.plane = plane;
        k_.pad(strip);
      }
      for (const Run& run : runs) {
        t.strip = run.strip;
        t.points = run.points + c * g_.width;
        t.lanes = run.tiles;
        w_.input(t);
      }
    }
  }

  // Products of some rows with this group's filters.
  void multiply(const WinogradMemory<T>& memory, const T* filters, int64_t row,
                int64_t rows) const {
    TileArgs<T> t{};
    t.a_row = plan_.left.row;
    t.c_row = g_.width;
    t.ahead_step = g_.filters;
    const int64_t limit = chain_length(plan_, v_.channels);
    for (int64_t point = 0; point < g_.points; ++point) {
      const T* tiles = memory.tiles + point * memory.tiles_point;
      T* products = memory.products + point * memory.products_point;
      for (int64_t j = 0; j < panels_; ++j) {
        const Panel p = panel(j);
        t.columns = static_cast<int>(p.tiles);
        t.b = tiles + place(p, 0, v_.channels);
        int64_t at = 0;
        do {  // at least once: without channels the products are zero
          t.depth = std::min(limit, v_.channels - at);
          t.accumulate = at > 0;
          t.a_cols = plan_.left.cols.data() + at;
          t.b_rows = phase_.b_rows.data() + at;
          const T* panel = find(filters, row, point);
          t.c = products + place(p, 0, plan_.row_block);
          for (int64_t i = 0; i < rows; i += g_.filters, panel += g_.points * g_.filter_point) {
            const bool more = i + g_.filters < rows;
            const T* next = more ? panel + g_.points * g_.filter_point : find(filters, row, point + 1);
            multiply_filters(k_, t, panel, g_.filters, std::min(g_.filters, rows - i),
                             j == 0 ? next + at * g_.filters : nullptr);
          }
          at += t.depth;
        } while (at < v_.channels);
      }
    }
  }

  bool transform_back(const WinogradMemory<T>& memory, int64_t first, int64_t rows) const {
    const T* bias = static_cast<const T*>(args_.bias);
    if (bias) bias += at_.group * v_.rows + first;
    T* result = static_cast<T*>(args_.out) +
                ((at_.image * plan_.problem.groups + at_.group) * v_.rows + first) *
                    v_.result_plane();
    bool finite = true;
    for_runs([&](const Panel& p, int64_t i, int64_t n, int64_t line, int64_t column) {
      const int64_t high = v_.dilation[1], wide = v_.dilation[2], row = line / wide;
      const int64_t y = row / g_.down + row % g_.down * g_.m[1] * high;
      const int64_t x = line % wide + (column_ + column) * g_.m[2] * wide;
      if (y >= v_.result[1] || x >= v_.result[2]) return;  // of a residue smaller than the largest
      WinogradOutputArgs<T> t{};
      t.point = memory.products_point;
      t.tiles = n;
      t.out_row = high * v_.result[2];
      t.out_step = wide;
      t.rows = std::min(g_.m[1], ceil_div(v_.result[1] - y, high));
      t.columns = std::min(n * g_.m[2], ceil_div(v_.result[2] - x, wide));
      t.relu = args_.relu;
      t.filters = rows;
      t.points = memory.products + place(p, 0, plan_.row_block) + i;
      t.next_points = place(p, 1, plan_.row_block) - place(p, 0, plan_.row_block);
      t.out = result + y * v_.result[2] + x;
      t.next_out = v_.result_plane();
      t.bias = bias;
      finite &= w_.output(t);
    });
    return finite;
  }

  const ConvPlan& plan_;
  const WinogradView v_;
  const WinogradGrid<T> g_;
  const Kernels<T>& k_;
  const WinogradKernels<T>& w_;
  const ConvArgs& args_;
  const ConvPhase& phase_;
  const Place at_;
  int64_t column_ = 0, across_ = 0, first_ = 0, vectors_ = 0, panels_ = 0;
};

template <class T>
void run_many_tiles(const ConvPlan& plan, const ConvArgs& args, ForbiddenImages& again) {
  const WinogradGrid<T> g(plan);
  const ConvPhase& phase = plan.phases[0];
  const int64_t rows = WinogradView(plan).rows;
  const T* const filters = static_cast<const T*>(packed_for_call(plan, args));
  parallel_for(plan.tasks, conv_work(plan.problem) / 4, [&](int64_t task) {
    typename WinogradTask<T>::Place at{};
    at.block = task % phase.column_blocks;
    task /= phase.column_blocks;
    at.band = task % g.bands;
    task /= g.bands;
    at.row = task % plan.row_blocks * phase.grid[0];
    at.rows = std::min(phase.grid[0], rows - at.row);
    task /= plan.row_blocks;
    at.group = task % plan.problem.groups;
    at.image = task / plan.problem.groups;
    const WinogradTask<T> one(plan, args, at);
    if (!one.run(filters)) again[static_cast<std::size_t>(at.image)] = true;
  });
}

template <class T>
void run_typed(const ConvPlan& plan, const ConvArgs& args) {
  ForbiddenImages again(static_cast<std::size_t>(plan.problem.n));
  if (WinogradGrid<T>(plan).few) {
    run_few_tiles<T>(plan, args, again);
  } else {
    run_many_tiles<T>(plan, args, again);
  }
  run_forbidden(plan, args, again);
}

void run_winograd(const ConvPlan& plan, const ConvArgs& args) {
  with_type(plan.type, [&](auto tag) { run_typed<decltype(tag)>(plan, args); });
}

// Where transforming the filters, and tiles that fill no vector, do not eat the gain: measured on
// the 3x3 layers of benchmarks/ and on 3x3 to 28x28 maps of 64 to 512 channels, Zen 5, November
// 2026.
bool prefers(const ConvPlan& plan, int64_t least) {
  const WinogradView v(plan);
  const int64_t area = v.result_plane(), fewer = std::min(v.rows, v.channels);
  const int64_t more = std::max(v.rows, v.channels);
  // Few channels gain where the map is not small, 1.3 to 1.6 times from 48x48 pixels on.
  const bool enough = fewer >= 32 || (fewer >= 24 && more >= 64 && area >= 100) ||
                      (fewer >= 16 && more >= 24 && area >= 2304);
  return enough && area >= least &&
         tiles_fit(plan.problem, v.forward ? plan.problem.output : plan.problem.input, 2);
}

// Three taps in a line: F(2, 3) has 2/3 of the products, F(4, 3) half. Measured on lines of 24 to
// 16000 samples and maps of 8x8 to 128x256 pixels, 32 to 384 channels, 1 and 8 images (the same
// machine): F(2, 3) gains nothing where its transforms leave the caches, the sooner the fewer
// channels they are shared by.
bool prefers_line(const ConvPlan& plan, int64_t m) {
  const WinogradView v(plan);
  const int64_t area = v.result_plane(), least = std::min(v.rows, v.channels);
  const ConvProblem& p = plan.problem;
  if (area < 49 || !tiles_fit(p, v.forward ? p.output : p.input, m)) return false;
  if (m == 2) return least >= 64 && area <= 64 * v.channels;
  return least >= (area < 2048 ? 48 : 32);
}

// 25 products for 36, in tiles of 2x2 results forward and 4x4 of a data gradient, which otherwise
// gathers four times and stores every second column: 1.1 to 1.4 and 1.3 to 2.0 times, on 14x14 to
// 112x112 pixels, 32 to 512 channels; data gradients of 3 to 32 filters 1.2 to 3 times (the same
// machine).
bool prefers_stride_2(const ConvPlan& plan) {
  const WinogradView v(plan);
  const int64_t area = v.result_plane();
  if (!tiles_fit(plan.problem, v.forward ? plan.problem.output : plan.problem.input,
                 v.forward ? 2 : 4))
    return false;
  if (!v.forward)
    return area >= 49 && (v.rows >= 64 || (v.rows >= 32 && v.channels >= 32 && area >= 784));
  return v.rows >= 64 && v.channels >= 32 && v.channels * v.channels * area >= 800000 &&
         (plan.packed || area >= 100);
}

// Raw filters of few panels are transformed for few tiles, and in few tasks.
bool prefers_2x2(const ConvPlan& plan) {
  if (plan.problem.stride[2] == 2) return prefers_stride_2(plan);
  if (one_line(plan.problem)) return prefers_line(plan, 2);
  const bool few_filters = !plan.packed && WinogradView(plan).rows < 64;
  return prefers(plan, few_filters ? 100 : 36);
}

bool has_few_tiles(const ConvPlan& plan, int64_t m) {
  return with_type(plan.type, [&](auto tag) {
    using T = decltype(tag);
    return WinogradGrid<T>(plan, winograd_kernels<T>(plan, m)).few;
  });
}

// F(4x4) has 36 products for 16 covered pixels where F(2x2) has 16 for 4, but covers more: it gains
// from a quarter fewer on (13x13 pixels 1.1 to 1.3 times, 9x9 nothing; 128 to 384 channels).
bool has_fewer_products(const ConvPlan& plan) {
  const WinogradView v(plan);
  const auto& result = v.forward ? plan.problem.output : plan.problem.input;
  return 45 * covered_pixels(plan.problem, result, 4) <=
         64 * covered_pixels(plan.problem, result, 2);
}

// Interleaved images that do not fit the caches fill few tiles of 4x4.
bool prefers_4x4(const ConvPlan& plan) {
  if (one_line(plan.problem)) return prefers_line(plan, 4);
  const auto& dilation = plan.problem.dilation;
  const bool dense = dilation[1] == 1 && dilation[2] == 1;
  return prefers(plan, 121) && has_fewer_products(plan) && (dense || has_few_tiles(plan, 4));
}

}  // namespace

const ConvAlgorithm winograd_2x2_forward{
    "winograd_2x2", Direction::forward, Precision::highest, winograd_2x2_refuses, prefers_2x2,
    plan_winograd, run_winograd, pack_winograd, 1, true};
const ConvAlgorithm winograd_2x2_input{
    "winograd_2x2", Direction::input, Precision::highest, winograd_2x2_refuses, prefers_2x2,
    plan_winograd, run_winograd, pack_winograd, 1, true};
const ConvAlgorithm winograd_4x4_forward{
    "winograd_4x4", Direction::forward, Precision::high, winograd_refuses, prefers_4x4,
    plan_winograd, run_winograd, pack_winograd, 8, true};
const ConvAlgorithm winograd_4x4_input{
    "winograd_4x4", Direction::input, Precision::high, winograd_refuses, prefers_4x4,
    plan_winograd, run_winograd, pack_winograd, 8, true};

}  // namespace pyconv
