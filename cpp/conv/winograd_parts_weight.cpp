// Weight gradient of filters larger than 3x3, by parts (filter_parts.hpp) and by F(3x3, 2x2), of lines
// of taps by F(3, 2) (see winograd_weight.cpp: vectors run over channels).
//
//   point p, part q:  products[filter, channel] =
//                     sum over tiles of grads[p][tile, filter] * tiles[p][tile + q, channel]
//
// Tiles go in chunks of whole lines of a pitch, so that a part is the same run of tiles begun
// later; gradients between a line and the next are zero. Tasks: see winograd_weight.hpp.
#include "conv/pixel_rows.hpp"
#include "conv/winograd_parts.hpp"
#include "conv/winograd_weight.hpp"

namespace pyconv {
namespace {

// Chunks of an image: bands of columns of tiles, and blocks of lines of them.
struct Chunks {
  int64_t across, down, bands, pitch, blocks, lines, image;
  int64_t read;  // lines of transformed tiles
  Chunks(const ConvProblem& p, const PartPoints& at) {
    across = ceil_div(p.output[2], at.columns.outputs);
    down = ceil_div(p.output[1], at.rows.outputs);
    // About 64 tiles, one chain: see winograd_weight.cpp.
    constexpr int64_t chain = 64;
    const bool line = down == 1 && at.rows.points == 1;
    bands = std::max<int64_t>(1, ceil_div(across, line ? chain : chain / 2));
    pitch = ceil_div(across, bands) + at.columns.tiles - 1;
    const int64_t fit = std::max<int64_t>(1, chain / std::max<int64_t>(1, pitch));
    blocks = std::max<int64_t>(1, ceil_div(down, fit));
    lines = ceil_div(down, blocks);
    read = lines + at.rows.tiles - 1;
    image = bands * blocks;
  }
};

template <class T>
struct TaskMemory {
  T *strip, *tiles, *grads, *products, *taps;
  int64_t tiles_point, grads_point;  // see WinogradMemory
  TaskMemory(const ConvPlan& plan, const Chunks& g, const PartPoints& at, Arena& arena) {
    const int64_t lanes = kernels_of<T>(*plan.isa).lanes;
    const int64_t wide = std::max(plan.column_block, plan.row_block);
    const PartLine &down = at.rows, &along = at.columns;
    strip = arena.take<T>(down.pixels(g.read) * along.pixels(g.pitch) * wide);
    tiles_point = at.phases() * g.read * g.pitch * plan.column_block + lanes;
    grads_point = g.lines * g.pitch * plan.row_block + lanes;
    tiles = arena.take<T>(at.points() * tiles_point);
    grads = arena.take<T>(at.points() * grads_point);
    const int64_t block = plan.row_block * plan.column_block;
    products = arena.take<T>(plan.splits > 1 ? 0 : at.products() * block);
    taps = arena.take<T>((at.taps() + at.points() + taps_of(plan.problem)) * plan.column_block);
  }
};

template <class T>
void plan_blocks(ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const PartPoints at(p);
  const Chunks g(p, at);
  plan_weight_tasks<T>(plan, p.n * g.image, g.lines * g.pitch, at.products());
  Arena arena;
  TaskMemory<T> counted(plan, g, at, arena);
  plan.task_bytes = arena.used();
}

void plan_weight(ConvPlan& plan) {
  with_type(plan.type, [&](auto tag) { plan_blocks<decltype(tag)>(plan); });
  plan_fallback(plan);
}

template <class T>
class PartsWeightTask {
 public:
  PartsWeightTask(const ConvPlan& plan, const ConvArgs& args, int64_t output, int64_t share)
      : plan_(plan), p_(plan.problem), k_(kernels_of<T>(*plan.isa)),
        w_(winograd_kernels<T>(plan)), args_(args), at_(plan.problem), g_(plan.problem, at_),
        block_(plan, k_.lanes, output), chunks_(part_of(p_.n * g_.image, share, plan.splits)),
        arena_(task_scratch(plan.task_bytes)), memory_(plan, g_, at_, arena_) {}

  void multiply(T* products) const {
    TileArgs<T> t{};
    t.a_row = plan_.left.row;
    t.a_cols = plan_.left.cols.data();
    t.b_rows = plan_.phases[0].b_rows.data();
    t.c_row = plan_.column_block;
    t.columns = static_cast<int>(block_.channels);
    int64_t chunk = chunks_.from;
    do {  // at least once: without tiles the gradient is zero
      t.depth = chunk < chunks_.to ? transform(chunk) : 0;
      for (int64_t point = 0; point < at_.points(); ++point) multiply_point(t, point, products);
      t.accumulate = true;
    } while (++chunk < chunks_.to);
  }

  bool finish(const T* products, int64_t apart) const {
    const int64_t wide = plan_.column_block, size = taps_of(p_);
    T *points = memory_.taps + at_.taps() * wide, *taps = points + at_.points() * wide;
    bool finite = true;
    for (int64_t f = 0; f < block_.filters; ++f) {
      int64_t before[16] = {};
      for (const LinePart& y : at_.rows.parts) {
        for (const LinePart& x : at_.columns.parts) {
          add_up(products + f * wide, apart, y, x, before);
          finite &= w_.weight(points, wide, block_.channels, memory_.taps, wide);
          keep_taps(y, x, taps);
        }
      }
      T* out = static_cast<T*>(args_.out) + (block_.result + f * (p_.c / p_.groups)) * size;
      k_.transpose(taps, wide, size, block_.channels, out, size, size);
    }
    return finite;
  }

  T* own_products() const { return memory_.products; }

 private:
  void multiply_point(TileArgs<T>& t, int64_t point, T* products) const {
    const int64_t wide = plan_.column_block;
    T* c = products + at_.first[point] * plan_.row_block * wide;
    for (const LinePart& y : at_.rows.parts) {
      for (const LinePart& x : at_.columns.parts) {
        if (!at_.has(y, x, point)) continue;
        const int64_t image = y.phase * at_.columns.phases + x.phase;
        const int64_t tile = (image * g_.read + y.tile) * g_.pitch + x.tile;
        t.b = memory_.tiles + point * memory_.tiles_point + tile * wide;
        multiply_part(t, memory_.grads + point * memory_.grads_point, c);
        c += plan_.row_block * wide;
      }
    }
  }

  void multiply_part(TileArgs<T>& t, const T* grads, T* products) const {
    const auto vectors = static_cast<std::size_t>(ceil_div(block_.channels, k_.lanes)) - 1;
    for (int64_t i = 0; i < block_.filters; i += k_.tile_rows) {
      t.a = grads + i;
      t.c = products + i * plan_.column_block;
      k_.tile[std::min<int64_t>(k_.tile_rows, block_.filters - i) - 1][vectors](t);
    }
  }

  // The points of a part of one filter, zero where it has none: no kept tap reads those. `before`:
  // parts of each point before this one.
  void add_up(const T* products, int64_t apart, const LinePart& y, const LinePart& x,
              int64_t (&before)[16]) const {
    const int64_t wide = plan_.column_block;
    for (int64_t point = 0; point < at_.points(); ++point) {
      T* sums = memory_.taps + (at_.taps() + point) * wide;
      if (!at_.has(y, x, point)) {
        std::fill_n(sums, block_.channels, T(0));
        continue;
      }
      const int64_t part = at_.first[point] + before[point]++;
      add_shares(products + part * plan_.row_block * wide, block_.channels, plan_.splits, apart,
                 sums);
    }
  }

  // The taps of a part to their places among all.
  void keep_taps(const LinePart& y, const LinePart& x, T* taps) const {
    const int64_t wide = plan_.column_block;
    for (int64_t i = 0; i < at_.taps(); ++i) {
      const int64_t r = y.tap[i / at_.columns.taps], s = x.tap[i % at_.columns.taps];
      if (r >= 0 && s >= 0)
        std::copy_n(memory_.taps + i * wide, block_.channels, taps + (r * p_.kernel[2] + s) * wide);
    }
  }

  // Tiles of a chunk and their gradients; how many products make a sum.
  int64_t transform(int64_t chunk) const {
    const int64_t image = chunk / g_.image, block = chunk % g_.blocks;
    const int64_t band = chunk / g_.blocks % g_.bands;
    const Range rows = part_of(g_.down, block, g_.blocks);
    const Range columns = part_of(g_.across, band, g_.bands);
    const int64_t lines = rows.to - rows.from, high = at_.rows.outputs, wide = at_.columns.outputs;
    transform_inputs(image, rows.from * high, columns.from * wide, lines + at_.rows.tiles - 1);
    transform_grads(image, rows.from * high, columns.from * wide, lines, columns.to * wide);
    return (lines - 1) * g_.pitch + columns.to - columns.from;
  }

  void transform_inputs(int64_t image, int64_t y, int64_t x, int64_t lines) const {
    const PartLine &down = at_.rows, &along = at_.columns;
    const int64_t planes = plan_.column_block;
    const int64_t pixels = along.pixels(g_.pitch), row = pixels * planes;
    const T* plane = static_cast<const T*>(args_.source) +
        (image * p_.c + block_.channel) * p_.input[1] * p_.input[2];
    y = (y - down.lead) * down.stride - p_.pad_lo[1];
    x = (x - along.lead) * along.stride - p_.pad_lo[2];
    for (int64_t r = 0; r < down.pixels(lines); ++r)
      lay_row(k_, plane, p_.input, p_.input[2], y + r, x, pixels, block_.channels, planes,
              memory_.strip + r * row);
    WinogradInputArgs<T> t{nullptr, down.stride * row, along.stride * planes,
                           along.step() * planes, block_.channels, nullptr, memory_.tiles_point};
    for (int64_t i = 0; i < at_.phases(); ++i) {
      const T* first = memory_.strip + down.begin(i / along.phases) * row +
                       along.begin(i % along.phases) * planes;
      transform_lines(w_.input, t, first, lines, along.step() * planes, planes,
                      memory_.tiles + i * g_.read * g_.pitch * planes);
    }
  }

  void transform_grads(int64_t image, int64_t y, int64_t x, int64_t lines, int64_t end) const {
    const int64_t wide = at_.columns.outputs;
    const int64_t planes = plan_.row_block, pixels = g_.pitch * wide, row = pixels * planes;
    const T* plane = static_cast<const T*>(args_.other) +
        (image * p_.k + block_.filter) * p_.output[1] * p_.output[2];
    for (int64_t r = 0; r < lines * at_.rows.outputs; ++r)
      lay_row(k_, plane, p_.output, std::min(end, p_.output[2]), y + r, x, pixels,
              block_.filters, planes, memory_.strip + r * row);
    WinogradInputArgs<T> t{nullptr, row, planes, wide * planes, block_.filters, nullptr,
                           memory_.grads_point};
    transform_lines(w_.gradient, t, memory_.strip, lines, wide * planes, planes, memory_.grads);
  }

  // Lines of tiles a tile's rows of results apart, tiles `next` elements.
  void transform_lines(void (*kernel)(const WinogradInputArgs<T>&), WinogradInputArgs<T> t,
                       const T* strip, int64_t lines, int64_t next, int64_t planes,
                       T* points) const {
    t.strip = strip;
    t.points = points;
    t.tiles = g_.pitch;
    t.next_strip = next;
    t.next_points = planes;
    for (int64_t i = 0; i < lines; ++i) {
      kernel(t);
      t.strip += at_.rows.outputs * t.row;
      t.points += g_.pitch * planes;
    }
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const Kernels<T>& k_;
  const WinogradKernels<T>& w_;
  const ConvArgs& args_;
  const PartPoints at_;
  const Chunks g_;
  const WeightBlock block_;
  const Range chunks_;
  Arena arena_;
  const TaskMemory<T> memory_;
};

void run_weight(const ConvPlan& plan, const ConvArgs& args) {
  with_type(plan.type, [&](auto tag) {
    using T = decltype(tag);
    run_weight_tasks<T, PartsWeightTask<T>>(plan, args, conv_work(plan.problem) / 2);
  });
}

// Lines of 4 to 17 taps, 8 to 256 channels, 2000 passes drawn at random (the same machine): signals of
// 180 samples on gain 1.1 to 1.4 times, maps 1.05 to 1.3, shorter ones and fewer channels lose.
bool prefers_line(const ConvProblem& p, int64_t channels, int64_t filters) {
  if (taps_of(p) < 4 || channels < 32 || filters < 16 || !parts_quickly(p)) return false;
  const int64_t width = p.output[2];
  if (p.output[1] == 1) return width >= 180 && products_percent(p) <= 75;
  return !is_strided(p) && width >= (one_row(p) ? 28 : 14) && pixels(p.output) >= 196;
}

// Where a stride leaves about half the products 1.34 times, with some more of them on large maps 1.3 times,
// of 1600 passes drawn at random (3x3 to 11x11 filters, strides 2 to 4, the same machine).
bool prefers_strided(const ConvProblem& p, int64_t channels, int64_t filters) {
  if (channels < 32 || filters < 8 || !parts_quickly(p)) return false;
  const bool large = pixels(p.output) >= 700 && filters >= 16;
  return products_percent(p) <= (large ? 60 : 53);
}

// Measured with 5x5 filters on 7x7 to 112x112 maps of 8 to 384 channels, also 4x4 and 7x7, Zen 5,
// November 2026: below these limits vectors of channels are not full, or sums are too short. Few
// filters of many channels gain as well, 1.3 to 2.4 times (3 to 24 filters of 4x4 to 7x7).
bool prefers_weight(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const int64_t channels = p.c / p.groups, filters = p.k / p.groups;
  if (one_line(p)) return prefers_line(p, channels, filters);
  if (p.kernel[1] < 3 || p.kernel[2] < 3 || pixels(p.output) < 196) return false;
  if (!tiles_fit(p, p.output, 2)) return false;
  if (is_strided(p)) return prefers_strided(p, channels, filters);
  return channels >= 32 && (filters >= 32 || (taps_of(p) >= 16 && filters >= 3));
}

}  // namespace

const ConvAlgorithm winograd_parts_weight{
    "winograd_parts", Direction::weight, Precision::highest, parts_refuse, prefers_weight,
    plan_weight, run_weight, nullptr, 1, true};

}  // namespace pyconv
