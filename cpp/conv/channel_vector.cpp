// Forward convolution with filters as the vector and pixels broadcast; the data gradient of
// stride 1 is the same with input channels as the vector and dy as the image.
//
//   block[pixel, filter] = sum over p of band(pixel, p) * weight[p, filter],   p = (channel, tap)
//
// The tile's rows are output pixels, read one by one from a padded band of the image: any stride,
// dilation and map width cost the same and nothing is gathered. Weights are packed filter-minor
// once per call (or once per PackedWeight), or where one task alone needs them, by that task just
// before use; a task's block is transposed as it is stored. Small images of a batch share a
// task, and with it every panel of weights that is read.
#include <algorithm>

#include "conv/dense_view.hpp"
#include "conv/list.hpp"
#include "conv/packed_weight.hpp"
#include "core/panel_tile.hpp"
#include "core/parallel.hpp"
#include "core/scratch.hpp"

namespace pyconv {
namespace {

template <class T>
int64_t tile_width(const ConvPlan& plan) {
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  return int64_t{k.lanes} * k.tile_vectors;
}

bool packs_in_task(const ConvPlan& plan) {
  return !plan.packed && plan.problem.n <= plan.image_block && plan.row_blocks == 1;
}

// Of one image.
int64_t band_elements(const ConvPlan& plan) {
  const ConvPhase& phase = plan.phases[0];
  return plan.depth_block / taps_of(plan.problem) * phase.band_rows * phase.pitch;
}

template <class T>
struct TaskMemory {
  T *band, *block, *panel;  // panel: of weights, where they are packed in the task
  ptrdiff_t* pixels;  // offset of each pixel of the task in the bands
  TaskMemory(const ConvPlan& plan, Arena& arena) {
    band = arena.take<T>(plan.image_block * band_elements(plan) + kernels_of<T>(*plan.isa).lanes);
    block = arena.take<T>(plan.image_block * plan.row_block * plan.column_block);
    panel = arena.take<T>(packs_in_task(plan) ? plan.depth_block * tile_width<T>(plan) : 0);
    pixels = arena.take<ptrdiff_t>(plan.image_block * plan.row_block);
  }
};

// Images share a task up to 256 pixels (128 were 12 % slower on 4x4 of 512 channels, Zen 5, November
// 2026), and while their bands leave room in the second-level cache. Returns the number of blocks.
template <class T>
int64_t plan_images(ConvPlan& plan, const ConvPhase& phase) {
  const ConvProblem& p = plan.problem;
  const int64_t channels = plan.depth_block / taps_of(p);
  const int64_t band = std::max<int64_t>(1, channels * phase.band_rows * phase.pitch);
  const int64_t fit = (int64_t{256} << 10) / static_cast<int64_t>(sizeof(T)) / band;
  int64_t most = std::min({256 / std::max<int64_t>(1, plan.row_block), fit, p.n});
  if (plan.row_blocks > 1) most = 1;
  const int64_t blocks = std::max<int64_t>(1, ceil_div(p.n, std::max<int64_t>(1, most)));
  plan.image_block = std::max<int64_t>(1, ceil_div(p.n, blocks));
  return ceil_div(p.n, plan.image_block);
}

// Rows are pixels, columns filters. A panel of weights, depth_block x a tile's width, fills most of
// the first-level cache; 48 pixels and more a task hide the streaming of weights from the third.
template <class T>
void plan_blocks(ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const DenseView v(p, plan.direction);
  const int64_t width = tile_width<T>(plan), taps = taps_of(p), area = v.area();
  const int64_t channels = std::max<int64_t>(1, v.channels);
  const int64_t limit = depth_limit<T>(width);
  const int64_t depth_blocks = ceil_div(channels, std::max<int64_t>(1, limit / taps));
  plan.depth_block = ceil_div(channels, depth_blocks) * taps;
  // Where many images give the tasks, an image is split less: every task reads a band of its own.
  const int64_t most = ceil_div(tasks_wanted(16), std::max<int64_t>(1, p.n));
  const int64_t pixel_blocks =
      std::max(ceil_div(area, 128), std::clamp<int64_t>(area / 48, 1, most));
  plan.row_block = ceil_div(area, pixel_blocks);
  plan.row_blocks = ceil_div(area, plan.row_block);
  ConvPhase phase{};
  phase.depth = v.channels * taps;
  phase.pitch = v.pitch;
  const int64_t lines = std::min(v.result[1], ceil_div(plan.row_block - 1, v.result[2]) + 1);
  phase.band_rows = (lines - 1) * v.step[1] + extent(p, 1);
  const int64_t image_blocks = plan_images<T>(plan, phase);
  const int64_t panels = std::max<int64_t>(1, ceil_div(v.columns, width));
  const int64_t blocks = std::max<int64_t>(1, plan.row_blocks * image_blocks * p.groups);
  const int64_t wanted = std::min(panels, ceil_div(tasks_wanted(p.n > 1 ? 8 : 4), blocks));
  plan.column_block = ceil_div(panels, wanted) * width;
  plan.packed_elements = p.groups * panels * width * v.channels * taps;
  if (!packs_in_task(plan))
    plan.shared_bytes = static_cast<std::size_t>(plan.packed_elements) * sizeof(T);
  phase.column_blocks = ceil_div(panels * width, plan.column_block);
  phase.b_rows = offsets(plan.depth_block, width);
  for (int64_t c = 0; c < plan.depth_block / taps; ++c)
    for (int64_t h = 0; h < p.kernel[1]; ++h)
      for (int64_t w = 0; w < p.kernel[2]; ++w) {
        plan.left.cols.push_back((c * phase.band_rows + v.tap_row(p, h)) * phase.pitch +
                                 v.tap_column(p, w));
      }
  plan.tasks = image_blocks * p.groups * plan.row_blocks * phase.column_blocks;
  plan.phases.push_back(std::move(phase));
  Arena arena;
  TaskMemory<T> counted(plan, arena);
  plan.task_bytes = arena.used();
}

void plan_channel_vector(ConvPlan& plan) {
  with_type(plan.type, [&](auto tag) { plan_blocks<decltype(tag)>(plan); });
}

// Products at .. at + depth - 1 (whole channels) of a tile's width of columns from `column` on,
// those past the last filled with zeros; what follows is brought near.
template <class T>
void pack_panel(const ConvPlan& plan, const T* w, int64_t group, int64_t column, int64_t at,
                int64_t depth, T* panel) {
  const ConvProblem& p = plan.problem;
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const DenseView v(p, plan.direction);
  const int64_t taps = taps_of(p), width = tile_width<T>(plan), all = plan.phases[0].depth;
  const int64_t count = std::min(width, v.columns - column);
  if (v.forward) {
    const T* in = w + (group * v.columns + column) * all + at;
    k.transpose(in, all, count, depth, panel, width, width);
    const int64_t next = std::min(depth, all - at - depth);
    for (int64_t i = 0; i < count && next > 0; ++i) k.bring_near(in + i * all + depth, next);
    return;
  }
  const int64_t row = v.columns * taps, first = at / taps;  // filters are rows
  for (int64_t f = first; f < first + depth / taps; ++f, panel += taps * width) {
    const T* in = w + (group * v.channels + f) * row + column * taps;
    if (f + pages_ahead < v.channels) k.bring_near(in + pages_ahead * row, count * taps);
    k.transpose(in, taps, count, taps, panel, width, width);
  }
}

// [group][panel][depth][tile width].
template <class T>
void pack_panels(const ConvPlan& plan, const T* w, T* out) {
  const DenseView v(plan.problem, plan.direction);
  const int64_t width = tile_width<T>(plan), panels = ceil_div(v.columns, width);
  const int64_t depth = plan.phases[0].depth;
  parallel_for(plan.problem.groups * panels, 2.0 * static_cast<double>(plan.packed_elements),
               [&](int64_t task) {
    pack_panel(plan, w, task / panels, task % panels * width, 0, depth, out + task * width * depth);
  });
}

void pack_weight(const ConvPlan& plan, const void* weight, void* out) {
  with_type(plan.type, [&](auto tag) {
    using T = decltype(tag);
    pack_panels(plan, static_cast<const T*>(weight), static_cast<T*>(out));
  });
}

template <class T>
class PixelTask {
 public:
  PixelTask(const ConvPlan& plan, const ConvArgs& args, const T* packed, int64_t task)
      : plan_(plan), p_(plan.problem), v_(plan.problem, plan.direction), phase_(plan.phases[0]),
        k_(kernels_of<T>(*plan.isa)), args_(args), packed_(packed) {
    column_ = task % phase_.column_blocks * plan.column_block;
    columns_ = std::min(plan.column_block, v_.columns - column_);
    task /= phase_.column_blocks;
    pixel_ = task % plan.row_blocks * plan.row_block;
    pixels_ = std::min(plan.row_block, v_.area() - pixel_);
    task /= plan.row_blocks;
    group_ = task % p_.groups;
    image_ = task / p_.groups * plan.image_block;
    images_ = std::min(plan.image_block, p_.n - image_);
  }

  void run() const {
    Arena arena(task_scratch(plan_.task_bytes));
    const TaskMemory<T> memory(plan_, arena);
    const int64_t first_line = pixel_ / v_.result[2];
    place_pixels(memory.pixels);
    int64_t at = 0;
    // At least once: without any product the result is still the bias, or zero.
    do {
      const int64_t depth = std::min(plan_.depth_block, phase_.depth - at);
      for (int64_t i = 0; i < images_; ++i)
        fill_band(memory.band + i * band_elements(plan_), image_ + i, first_line, at, depth);
      multiply(memory, at, depth);
      at += depth;
    } while (at < phase_.depth);
    const int64_t area = v_.area();
    T* out = static_cast<T*>(args_.out) +
             ((image_ * p_.groups + group_) * v_.columns + column_) * area + pixel_;
    for (int64_t i = 0; i < images_; ++i, out += p_.groups * v_.columns * area)
      k_.transpose(memory.block + i * pixels_ * plan_.column_block, plan_.column_block, pixels_,
                   columns_, out, area, pixels_);
  }

 private:
  void place_pixels(ptrdiff_t* offsets) const {
    for (int64_t image = 0; image < images_; ++image) {
      int64_t line = image * band_elements(plan_), x = pixel_ % v_.result[2];
      for (int64_t i = 0; i < pixels_; ++i) {
        *offsets++ = line + x * v_.step[2];
        if (++x < v_.result[2]) continue;
        x = 0;
        line += v_.step[1] * phase_.pitch;
      }
    }
  }

  // In order: a row may be written past its end, over the start of the next.
  void fill_band(T* band, int64_t image, int64_t first_line, int64_t at, int64_t depth) const {
    const int64_t taps = taps_of(p_), plane = v_.plane();
    PadArgs<T> a{};
    a.plane = static_cast<const T*>(args_.source) +
              ((image * p_.groups + group_) * v_.channels + at / taps) * plane;
    a.height = v_.source[1];
    a.width = v_.source[2];
    a.first_row = first_line * v_.step[1] - v_.pad[1];
    a.first_column = -v_.pad[2];
    a.rows = phase_.band_rows;
    a.columns = a.row_size = phase_.pitch;
    a.step = 1;
    a.out = band;
    for (int64_t c = 0; c < depth / taps; ++c) {
      k_.pad(a);
      a.plane += plane;
      a.out += phase_.band_rows * phase_.pitch;
    }
  }

  void multiply(const TaskMemory<T>& memory, int64_t at, int64_t depth) const {
    const int64_t width = tile_width<T>(plan_);
    const bool last = at + depth == phase_.depth;
    const T* bias = static_cast<const T*>(last ? args_.bias : nullptr);
    const int64_t pixels = images_ * pixels_;
    TileArgs<T> t{};
    t.a = memory.band;
    t.a_cols = plan_.left.cols.data();
    t.b_rows = phase_.b_rows.data();
    t.b_row = width;
    t.c_row = plan_.column_block;
    t.depth = depth;
    t.ahead_step = width;
    t.accumulate = at > 0;
    t.relu = last && args_.relu;
    for (int64_t j = 0; j < columns_; j += width) {
      const int64_t n = std::min(width, columns_ - j);
      t.b = packed_ ? panel(j, at) : memory.panel;
      if (!packed_)
        pack_panel(plan_, static_cast<const T*>(args_.other), group_, column_ + j, at, depth,
                   memory.panel);
      // The next panel comes from the third-level cache: a vector of every row with each of the
      // last tiles, 25 % on 7x7 maps of 512 channels.
      const T* next = nullptr;
      if (packed_) next = j + width < columns_ ? panel(j + width, at) : panel(0, at + depth);
      t.columns = static_cast<int>(n);
      t.column_bias = bias ? bias + group_ * v_.columns + column_ + j : nullptr;
      const int64_t high = even_tile_rows(k_, pixels, n);
      for (int64_t i = 0; i < pixels; i += high) {
        const int64_t more = (pixels - i - 1) / high;  // tiles after this one
        t.a_rows = memory.pixels + i;
        t.c = memory.block + i * plan_.column_block + j;
        t.ahead = next && more < k_.tile_vectors ? next + more * k_.lanes : nullptr;
        run_panel_tile(k_, std::min(high, pixels - i), t);
      }
    }
  }

  const T* panel(int64_t j, int64_t at) const {
    const int64_t width = tile_width<T>(plan_), panels = ceil_div(v_.columns, width);
    return packed_ + ((group_ * panels + (column_ + j) / width) * phase_.depth + at) * width;
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const DenseView v_;
  const ConvPhase& phase_;
  const Kernels<T>& k_;
  const ConvArgs& args_;
  const T* packed_;  // or null: packed in the task
  int64_t column_ = 0, columns_ = 0, pixel_ = 0, pixels_ = 0, group_ = 0, image_ = 0, images_ = 0;
};

template <class T>
void run_typed(const ConvPlan& plan, const ConvArgs& args) {
  const T* packed = nullptr;
  if (!packs_in_task(plan)) packed = static_cast<const T*>(packed_for_call(plan, args));
  parallel_for(plan.tasks, conv_work(plan.problem) / 2,
               [&](int64_t task) { PixelTask<T>(plan, args, packed, task).run(); });
}

void run_channel_vector(const ConvPlan& plan, const ConvArgs& args) {
  with_type(plan.type, [&](auto tag) { run_typed<decltype(tag)>(plan, args); });
}

const char* refuses(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const DenseView v(p, plan.direction);
  if (p.input[0] != 1 || p.output[0] != 1 || p.kernel[0] != 1) return "it is three-dimensional";
  if (!v.forward && (p.stride[1] != 1 || p.stride[2] != 1)) return "the stride is larger than 1";
  const double lines = 128.0 / static_cast<double>(v.result[2]) + 2;
  const double rows = lines * static_cast<double>(v.step[1]) + static_cast<double>(extent(p, 1));
  const double channels = std::max(1.0, 384.0 / static_cast<double>(taps_of(p)));
  if (rows * static_cast<double>(v.pitch) * channels > 4 << 20)
    return "the padded band of a task would be over 32 MB";
  return nullptr;
}

// Ahead of the gathered product on small maps, where gathering is dear and vectors of pixels are
// half empty, and with a stride: measured on the layers of benchmarks/, Zen 5, November 2026.
bool prefers(const ConvPlan& plan) {
  const DenseView v(plan.problem, plan.direction);
  // The gradient's weights are packed in small pieces: over 64 K filters that outweighs the gain,
  // unless it is done once, or in the only task that needs them (see plan_blocks).
  const bool packs = !v.forward && !plan.packed && v.area() >= 96;
  if (packs && v.columns * v.channels > 1 << 16) return false;
  // A tile that is turned, or weights that are packed, for a few products are not worth it.
  const int64_t taps = taps_of(plan.problem);
  const int64_t products = packs ? 128 : v.area() > 256 ? 100 : 25;
  return taps > 1 && taps * v.channels >= products && v.columns >= 12 && v.area() <= 1024;
}

}  // namespace

const ConvAlgorithm channel_vector_forward{
    "channel_vector", Direction::forward, Precision::highest, refuses, prefers,
    plan_channel_vector, run_channel_vector, pack_weight};
const ConvAlgorithm channel_vector_input{
    "channel_vector", Direction::input, Precision::highest, refuses, prefers,
    plan_channel_vector, run_channel_vector, pack_weight};

}  // namespace pyconv
