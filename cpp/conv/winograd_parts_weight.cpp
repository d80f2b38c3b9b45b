// Weight gradient of filters larger than 3x3, by parts (winograd_parts.hpp) and by F(3x3, 2x2) (see
// winograd_weight.cpp: vectors run over channels).
//
//   point p, part q:  products[filter, channel] =
//                     sum over tiles of grads[p][tile, filter] * tiles[p][tile + q, channel]
//
// Tiles go in chunks of whole lines of a pitch, so that a part is the same run of tiles begun
// later; gradients between a line and the next are zero. A task owns some filters and a panel of
// channels, and some of the chunks where that gives too few tasks.
#include <algorithm>
#include <atomic>

#include "conv/fallback.hpp"
#include "conv/pixel_rows.hpp"
#include "conv/winograd_parts.hpp"
#include "core/parallel.hpp"

namespace pyconv {
namespace {

// Chunks of an image: bands of columns of tiles, and blocks of lines of them.
struct Chunks {
  int64_t high, wide, filters, channels;  // parts; per group
  int64_t across, down, bands, pitch, blocks, lines, image;
  explicit Chunks(const ConvProblem& p) {
    high = p.kernel[1] / 2;
    wide = p.kernel[2] / 2;
    filters = p.k / p.groups;
    channels = p.c / p.groups;
    across = ceil_div(p.output[2], 2);
    down = ceil_div(p.output[1], 2);
    bands = std::max<int64_t>(1, ceil_div(across, 32));
    pitch = ceil_div(across, bands) + wide - 1;
    // About 64 tiles, one chain: see winograd_weight.cpp.
    const int64_t fit = std::max<int64_t>(1, 64 / std::max<int64_t>(1, pitch));
    blocks = std::max<int64_t>(1, ceil_div(down, fit));
    lines = ceil_div(down, blocks);
    image = bands * blocks;
  }
};

template <class T>
struct TaskMemory {
  T *strip, *tiles, *grads, *products, *taps;
  int64_t tiles_point, grads_point;  // see WinogradMemory
  TaskMemory(const ConvPlan& plan, const Chunks& g, int64_t parts, Arena& arena) {
    const int64_t lanes = kernels_of<T>(*plan.isa).lanes, lines = g.lines + g.high - 1;
    const int64_t wide = std::max(plan.column_block, plan.row_block);
    strip = arena.take<T>((lines + 1) * 2 * (g.pitch + 1) * 2 * wide);
    tiles_point = lines * g.pitch * plan.column_block + lanes;
    grads_point = g.lines * g.pitch * plan.row_block + lanes;
    tiles = arena.take<T>(16 * tiles_point);
    grads = arena.take<T>(16 * grads_point);
    products = arena.take<T>(plan.splits > 1 ? 0 : parts * plan.row_block * plan.column_block);
    taps = arena.take<T>((9 + 16 + taps_of(plan.problem)) * plan.column_block);
  }
};

template <class T>
void plan_blocks(ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const Chunks g(p);
  const int64_t parts = PartPoints(p).first[16];
  plan.column_block = int64_t{k.lanes} * k.tile_vectors;
  const int64_t filters = std::max<int64_t>(1, g.filters);
  plan.row_block = ceil_div(ceil_div(filters, ceil_div(filters, 64)), panel_filters(k)) *
                   panel_filters(k);
  plan.row_blocks = ceil_div(filters, plan.row_block);
  ConvPhase phase{};
  phase.columns = ceil_div(std::max<int64_t>(1, g.channels), k.lanes);
  phase.column_blocks = ceil_div(phase.columns, k.tile_vectors);
  const int64_t outputs = p.groups * plan.row_blocks * phase.column_blocks;
  const int64_t chunks = p.n * g.image;
  plan.splits = std::clamp<int64_t>(ceil_div(4, outputs), 1, std::max<int64_t>(1, chunks / 2));
  plan.tasks = outputs * plan.splits;
  plan.left = {offsets(k.tile_rows, 1), offsets(g.lines * g.pitch, plan.row_block)};
  phase.b_rows = offsets(g.lines * g.pitch, plan.column_block);
  plan.phases.push_back(std::move(phase));
  const int64_t products = parts * plan.row_block * plan.column_block;
  const int64_t shared = plan.splits > 1 ? plan.tasks * products : 0;
  plan.shared_bytes = static_cast<std::size_t>(shared) * sizeof(T);
  Arena arena;
  TaskMemory<T> counted(plan, g, parts, arena);
  plan.task_bytes = arena.used();
}

void plan_weight(ConvPlan& plan) {
  with_type(plan.type, [&](auto tag) { plan_blocks<decltype(tag)>(plan); });
  plan_fallback(plan);
}

template <class T>
class PartsWeightTask {
 public:
  // `output`: filters and channels; `split`: which share of the chunks.
  PartsWeightTask(const ConvPlan& plan, const ConvArgs& args, int64_t output, int64_t split)
      : plan_(plan), p_(plan.problem), k_(kernels_of<T>(*plan.isa)),
        w_(winograd_kernels<T>(plan)), args_(args), g_(plan.problem), at_(plan.problem),
        arena_(task_scratch(plan.task_bytes)), memory_(plan, g_, at_.first[16], arena_) {
    const ConvPhase& phase = plan.phases[0];
    const int64_t panel = output % phase.column_blocks;
    channel_ = phase.columns * panel / phase.column_blocks * k_.lanes;
    const int64_t end = phase.columns * (panel + 1) / phase.column_blocks * k_.lanes;
    channels_ = std::min(end, g_.channels) - channel_;
    output /= phase.column_blocks;
    filter_ = output % plan.row_blocks * plan.row_block;
    filters_ = std::min(plan.row_block, g_.filters - filter_);
    group_ = output / plan.row_blocks;
    const int64_t chunks = p_.n * g_.image;
    from_ = chunks * split / plan.splits;
    to_ = chunks * (split + 1) / plan.splits;
  }

  void multiply(T* products) const {
    TileArgs<T> t{};
    t.a_rows = plan_.left.rows.data();
    t.a_cols = plan_.left.cols.data();
    t.b_rows = plan_.phases[0].b_rows.data();
    t.c_row = plan_.column_block;
    t.columns = static_cast<int>(channels_);
    int64_t chunk = from_;
    do {  // at least once: without tiles the gradient is zero
      t.depth = chunk < to_ ? transform(chunk) : 0;
      for (int64_t point = 0; point < 16; ++point) multiply_point(t, point, products);
      t.accumulate = true;
    } while (++chunk < to_);
  }

  // Adds `parts` partial products, `part` elements apart, and transforms them back; false if a
  // result is not finite.
  bool finish(const T* products, int64_t parts, int64_t part) const {
    const int64_t wide = plan_.column_block, size = taps_of(p_);
    T* taps = memory_.taps + 25 * wide;
    bool finite = true;
    for (int64_t f = 0; f < filters_; ++f) {
      for (int64_t y = 0; y < g_.high; ++y) {
        for (int64_t x = 0; x < g_.wide; ++x) {
          add_up(products + f * wide, parts, part, y, x);
          finite &= w_.weight(memory_.taps + 9 * wide, wide, channels_, memory_.taps, wide);
          keep_taps(y, x, taps);
        }
      }
      T* out = static_cast<T*>(args_.out) +
               ((group_ * g_.filters + filter_ + f) * g_.channels + channel_) * size;
      k_.transpose(taps, wide, size, channels_, out, size, size);
    }
    return finite;
  }

  T* own_products() const { return memory_.products; }

 private:
  void multiply_point(TileArgs<T>& t, int64_t point, T* products) const {
    const int64_t rows = plan_.row_block, wide = plan_.column_block;
    const auto vectors = static_cast<std::size_t>(ceil_div(channels_, k_.lanes)) - 1;
    for (int64_t part = 0; part < at_.parts(point); ++part) {
      const int64_t shift = part / at_.columns[point] * g_.pitch + part % at_.columns[point];
      t.b = memory_.tiles + point * memory_.tiles_point + shift * wide;
      T* c = products + (at_.first[point] + part) * rows * wide;
      for (int64_t i = 0; i < filters_; i += k_.tile_rows) {
        t.a = memory_.grads + point * memory_.grads_point + i;
        t.c = c + i * wide;
        k_.tile[std::min<int64_t>(k_.tile_rows, filters_ - i) - 1][vectors](t);
      }
    }
  }

  // The points of part (y, x) of one filter, zero where it has none: no kept tap reads those.
  void add_up(const T* products, int64_t parts, int64_t part, int64_t y, int64_t x) const {
    const int64_t wide = plan_.column_block;
    for (int64_t point = 0; point < 16; ++point) {
      T* sums = memory_.taps + (9 + point) * wide;
      if (y >= at_.rows[point] || x >= at_.columns[point]) {
        std::fill_n(sums, channels_, T(0));
        continue;
      }
      const T* in = products + (at_.first[point] + y * at_.columns[point] + x) * plan_.row_block *
                                   wide;
      for (int64_t c = 0; c < channels_; ++c) {
        T sum = in[c];
        for (int64_t i = 1; i < parts; ++i) sum += in[i * part + c];
        sums[c] = sum;
      }
    }
  }

  // The 3x3 taps of part (y, x) that are its own, to their places among all.
  void keep_taps(int64_t y, int64_t x, T* taps) const {
    const int64_t wide = plan_.column_block;
    for (int64_t r = y > 0; r < 3 && 2 * y + r < p_.kernel[1]; ++r) {
      for (int64_t s = x > 0; s < 3 && 2 * x + s < p_.kernel[2]; ++s)
        std::copy_n(memory_.taps + (3 * r + s) * wide, channels_,
                    taps + ((2 * y + r) * p_.kernel[2] + 2 * x + s) * wide);
    }
  }

  // Tiles of a chunk and their gradients; how many products make a sum.
  int64_t transform(int64_t chunk) const {
    const int64_t image = chunk / g_.image, block = chunk % g_.blocks;
    const int64_t band = chunk / g_.blocks % g_.bands;
    const int64_t top = g_.down * block / g_.blocks, left = g_.across * band / g_.bands;
    const int64_t lines = g_.down * (block + 1) / g_.blocks - top;
    const int64_t across = g_.across * (band + 1) / g_.bands - left;
    transform_inputs(image, top * 2 - p_.pad_lo[1], left * 2 - p_.pad_lo[2],
                     lines + g_.high - 1);
    transform_grads(image, top * 2, left * 2, lines, (left + across) * 2);
    return (lines - 1) * g_.pitch + across;
  }

  void transform_inputs(int64_t image, int64_t y, int64_t x, int64_t lines) const {
    const int64_t planes = plan_.column_block, pixels = (g_.pitch + 1) * 2, row = pixels * planes;
    const T* plane = static_cast<const T*>(args_.source) +
        ((image * p_.groups + group_) * g_.channels + channel_) * p_.input[1] * p_.input[2];
    for (int64_t r = 0; r < lines * 2 + 2; ++r)
      lay_row(k_, plane, p_.input, p_.input[2], y + r, x, pixels, channels_, planes,
              memory_.strip + r * row);
    WinogradInputArgs<T> t{nullptr, row, planes, 2 * planes, channels_, nullptr,
                           memory_.tiles_point};
    for_tiles(lines, row, planes, [&](const T* strip, int64_t tile) {
      t.strip = strip;
      t.points = memory_.tiles + tile * planes;
      w_.input(t);
    });
  }

  void transform_grads(int64_t image, int64_t y, int64_t x, int64_t lines, int64_t end) const {
    const int64_t planes = plan_.row_block, pixels = g_.pitch * 2, row = pixels * planes;
    const T* plane = static_cast<const T*>(args_.other) +
        ((image * p_.groups + group_) * g_.filters + filter_) * p_.output[1] * p_.output[2];
    for (int64_t r = 0; r < lines * 2; ++r)
      lay_row(k_, plane, p_.output, std::min(end, p_.output[2]), y + r, x, pixels, filters_, planes,
              memory_.strip + r * row);
    WinogradInputArgs<T> t{nullptr, row, planes, 2 * planes, filters_, nullptr,
                           memory_.grads_point};
    for_tiles(lines, row, planes, [&](const T* strip, int64_t tile) {
      t.strip = strip;
      t.points = memory_.grads + tile * planes;
      w_.gradient(t);
    });
  }

  // Calls body(first element in the strip, tile) for lines of tiles.
  template <class Body>
  void for_tiles(int64_t lines, int64_t row, int64_t planes, const Body& body) const {
    for (int64_t i = 0; i < lines * g_.pitch; ++i)
      body(memory_.strip + i / g_.pitch * 2 * row + i % g_.pitch * 2 * planes, i);
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const Kernels<T>& k_;
  const WinogradKernels<T>& w_;
  const ConvArgs& args_;
  const Chunks g_;
  const PartPoints at_;
  Arena arena_;
  const TaskMemory<T> memory_;
  int64_t channel_ = 0, channels_ = 0, filter_ = 0, filters_ = 0, group_ = 0, from_ = 0, to_ = 0;
};

template <class T>
bool run_typed(const ConvPlan& plan, const ConvArgs& args) {
  using Task = PartsWeightTask<T>;
  std::atomic<bool> finite{true};
  const double work = conv_work(plan.problem) / 2;
  const int64_t outputs = plan.tasks / plan.splits;
  if (plan.splits == 1) {
    parallel_for(outputs, work, [&](int64_t output) {
      const Task task(plan, args, output, 0);
      task.multiply(task.own_products());
      if (!task.finish(task.own_products(), 1, 0)) finite = false;
    });
    return finite;
  }
  const int64_t part = PartPoints(plan.problem).first[16] * plan.row_block * plan.column_block;
  T* shared = static_cast<T*>(call_scratch(plan.shared_bytes));
  parallel_for(plan.tasks, work, [&](int64_t task) {
    Task(plan, args, task / plan.splits, task % plan.splits).multiply(shared + task * part);
  });
  parallel_for(outputs, static_cast<double>(plan.shared_bytes) / 4, [&](int64_t output) {
    const T* products = shared + output * plan.splits * part;
    if (!Task(plan, args, output, 0).finish(products, plan.splits, part)) finite = false;
  });
  return finite;
}

void run_weight(const ConvPlan& plan, const ConvArgs& args) {
  const bool finite = with_type(plan.type, [&](auto tag) {
    return run_typed<decltype(tag)>(plan, args);
  });
  if (!finite) run_fallback(plan, args);
}

// Measured with 5x5 filters on 7x7 to 112x112 maps of 8 to 384 channels, also 4x4 and 7x7, Zen 5,
// November 2026: below these limits vectors of channels are not full, or sums are too short.
bool prefers_weight(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  return p.k / p.groups >= 32 && p.c / p.groups >= 32 && p.kernel[1] >= 3 && p.kernel[2] >= 3 &&
         pixels(p.output) >= 196 && tiles_fit(p, p.output, 2);
}

}  // namespace

const ConvAlgorithm winograd_parts_weight{
    "winograd_parts", Direction::weight, Precision::highest, parts_refuse, prefers_weight,
    plan_weight, run_weight, nullptr, 1, true};

}  // namespace pyconv
