// Forward convolution with filters as the vector and pixels broadcast.
//
//   block[pixel, filter] = sum over p of band(pixel, p) * weight[p, filter],   p = (channel, tap)
//
// The tile's rows are output pixels, read one by one from a padded band of the image: any stride,
// dilation and map width cost the same and nothing is gathered. Weights are packed filter-minor
// once per call (or once per PackedWeight); a task's block is transposed as it is stored.
#include <algorithm>

#include "conv/list.hpp"
#include "conv/packed_weight.hpp"
#include "core/parallel.hpp"
#include "core/scratch.hpp"

namespace pyconv {
namespace {

int64_t filters_of(const ConvProblem& p) { return p.k / p.groups; }
int64_t channels_of(const ConvProblem& p) { return p.c / p.groups; }
int64_t extent(const ConvProblem& p, int i) { return (p.kernel[i] - 1) * p.dilation[i] + 1; }
int64_t pitch_of(const ConvProblem& p) { return (p.output[2] - 1) * p.stride[2] + extent(p, 2); }

template <class T>
int64_t tile_width(const ConvPlan& plan) {
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  return int64_t{k.lanes} * k.tile_vectors;
}

template <class T>
struct TaskMemory {
  T *band, *block;
  ptrdiff_t* pixels;  // offset of each pixel of the task in the band
  TaskMemory(const ConvPlan& plan, Arena& arena) {
    const int64_t channels = plan.depth_block / taps_of(plan.problem);
    band = arena.take<T>(channels * plan.phases[0].band_rows * plan.phases[0].pitch +
                         kernels_of<T>(*plan.isa).lanes);
    block = arena.take<T>(plan.row_block * plan.column_block);
    pixels = arena.take<ptrdiff_t>(plan.row_block);
  }
};

// Rows are pixels, columns filters. A panel of weights, depth_block x a tile's width, fills most of
// the first-level cache; 48 pixels and more a task hide the streaming of weights from the third.
template <class T>
void plan_blocks(ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const int64_t width = tile_width<T>(plan), taps = taps_of(p), area = pixels(p.output);
  const int64_t channels = std::max<int64_t>(1, channels_of(p));
  const int64_t limit = std::min<int64_t>(384, 36864 / (width * int64_t{sizeof(T)}));
  const int64_t depth_blocks = ceil_div(channels, std::max<int64_t>(1, limit / taps));
  plan.depth_block = ceil_div(channels, depth_blocks) * taps;
  const int64_t pixel_blocks = std::max(ceil_div(area, 128), std::clamp<int64_t>(area / 48, 1, 16));
  plan.row_block = ceil_div(area, pixel_blocks);
  plan.row_blocks = ceil_div(area, plan.row_block);
  const int64_t panels = std::max<int64_t>(1, ceil_div(filters_of(p), width));
  const int64_t wanted = std::min(panels, ceil_div(4, plan.row_blocks * p.groups));
  plan.column_block = ceil_div(panels, wanted) * width;
  plan.filters_as_columns = true;
  plan.packed_elements = p.groups * panels * width * channels_of(p) * taps;
  plan.shared_bytes = static_cast<std::size_t>(plan.packed_elements) * sizeof(T);

  ConvPhase phase{};
  phase.depth = channels_of(p) * taps;
  phase.pitch = pitch_of(p);
  const int64_t lines = std::min(p.output[1], ceil_div(plan.row_block - 1, p.output[2]) + 1);
  phase.band_rows = (lines - 1) * p.stride[1] + extent(p, 1);
  phase.column_blocks = ceil_div(panels * width, plan.column_block);
  phase.b_rows = offsets(plan.depth_block, width);
  for (int64_t c = 0; c < plan.depth_block / taps; ++c)
    for (int64_t h = 0; h < p.kernel[1]; ++h)
      for (int64_t w = 0; w < p.kernel[2]; ++w)
        plan.raw.cols.push_back((c * phase.band_rows + h * p.dilation[1]) * phase.pitch +
                                w * p.dilation[2]);
  plan.tasks = p.n * p.groups * plan.row_blocks * phase.column_blocks;
  plan.phases.push_back(std::move(phase));
  Arena arena;
  TaskMemory<T> counted(plan, arena);
  plan.task_bytes = arena.used();
}

void plan_channel_vector(ConvPlan& plan) {
  if (plan.type == ElementType::f32) {
    plan_blocks<float>(plan);
  } else {
    plan_blocks<double>(plan);
  }
}

template <class T>
class PixelTask {
 public:
  PixelTask(const ConvPlan& plan, const ConvArgs& args, const T* packed, int64_t task)
      : plan_(plan), p_(plan.problem), phase_(plan.phases[0]), k_(kernels_of<T>(*plan.isa)),
        args_(args), packed_(packed) {
    column_ = task % phase_.column_blocks * plan.column_block;
    columns_ = std::min(plan.column_block, filters_of(p_) - column_);
    task /= phase_.column_blocks;
    pixel_ = task % plan.row_blocks * plan.row_block;
    pixels_ = std::min(plan.row_block, pixels(p_.output) - pixel_);
    task /= plan.row_blocks;
    group_ = task % p_.groups;
    image_ = task / p_.groups;
  }

  void run() const {
    Arena arena(task_scratch(plan_.task_bytes));
    const TaskMemory<T> memory(plan_, arena);
    const int64_t first_line = pixel_ / p_.output[2];
    for (int64_t i = 0; i < pixels_; ++i) {
      const int64_t y = (pixel_ + i) / p_.output[2] - first_line, x = (pixel_ + i) % p_.output[2];
      memory.pixels[i] = y * p_.stride[1] * phase_.pitch + x * p_.stride[2];
    }
    int64_t at = 0;
    // At least once: without any product the result is still the bias, or zero.
    do {
      const int64_t depth = std::min(plan_.depth_block, phase_.depth - at);
      fill_band(memory.band, first_line, at, depth);
      multiply(memory, at, depth);
      at += depth;
    } while (at < phase_.depth);
    const int64_t area = pixels(p_.output);
    T* out = static_cast<T*>(args_.out) +
             (image_ * p_.k + group_ * filters_of(p_) + column_) * area + pixel_;
    k_.transpose(memory.block, plan_.column_block, pixels_, columns_, out, area, pixels_);
  }

 private:
  // In order: a row may be written past its end, over the start of the next.
  void fill_band(T* band, int64_t first_line, int64_t at, int64_t depth) const {
    const int64_t taps = taps_of(p_), plane = p_.input[1] * p_.input[2];
    PadArgs<T> a{};
    a.plane = static_cast<const T*>(args_.source) +
              (image_ * p_.c + group_ * channels_of(p_) + at / taps) * plane;
    a.height = p_.input[1];
    a.width = p_.input[2];
    a.first_row = first_line * p_.stride[1] - p_.pad_lo[1];
    a.first_column = -p_.pad_lo[2];
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
    const int64_t width = tile_width<T>(plan_), filters = filters_of(p_);
    const int64_t panels = ceil_div(filters, width);
    const bool last = at + depth == phase_.depth;
    const T* bias = static_cast<const T*>(last ? args_.bias : nullptr);
    // Rows of a tile as even as they come: 49 pixels are seven tiles of seven.
    const int64_t tiles = ceil_div(pixels_, k_.tile_rows), high = ceil_div(pixels_, tiles);
    TileArgs<T> t{};
    t.a = memory.band;
    t.a_cols = plan_.raw.cols.data();
    t.b_rows = phase_.b_rows.data();
    t.c_row = plan_.column_block;
    t.depth = depth;
    t.accumulate = at > 0;
    t.relu = last && args_.relu;
    for (int64_t j = 0; j < columns_; j += width) {
      const int64_t n = std::min(width, columns_ - j);
      t.b = packed_ + ((group_ * panels + (column_ + j) / width) * phase_.depth + at) * width;
      t.columns = static_cast<int>(n);
      t.column_bias = bias ? bias + group_ * filters + column_ + j : nullptr;
      const auto vectors = static_cast<std::size_t>(ceil_div(n, k_.lanes)) - 1;
      for (int64_t i = 0; i < pixels_; i += high) {
        t.a_rows = memory.pixels + i;
        t.c = memory.block + i * plan_.column_block + j;
        k_.tile[std::min(high, pixels_ - i) - 1][vectors](t);
      }
    }
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const ConvPhase& phase_;
  const Kernels<T>& k_;
  const ConvArgs& args_;
  const T* packed_;
  int64_t column_ = 0, columns_ = 0, pixel_ = 0, pixels_ = 0, group_ = 0, image_ = 0;
};

template <class T>
void run_typed(const ConvPlan& plan, const ConvArgs& args) {
  const T* packed;
  if (args.packed) {
    packed = static_cast<const T*>(args.packed->pack_for(plan));
  } else {
    void* shared = call_scratch(plan.shared_bytes);
    pack_weights(plan, args.other, shared);
    packed = static_cast<const T*>(shared);
  }
  parallel_for(plan.tasks, conv_work(plan.problem) / 8,
               [&](int64_t task) { PixelTask<T>(plan, args, packed, task).run(); });
}

void run_channel_vector(const ConvPlan& plan, const ConvArgs& args) {
  if (plan.type == ElementType::f32) {
    run_typed<float>(plan, args);
  } else {
    run_typed<double>(plan, args);
  }
}

const char* refuses(const ConvProblem& p) {
  if (p.input[0] != 1 || p.output[0] != 1 || p.kernel[0] != 1) return "it is three-dimensional";
  const double lines = 128.0 / static_cast<double>(p.output[2]) + 2;
  const double rows = lines * static_cast<double>(p.stride[1]) + static_cast<double>(extent(p, 1));
  const double channels = std::max(1.0, 384.0 / static_cast<double>(taps_of(p)));
  if (rows * static_cast<double>(pitch_of(p)) * channels > 4 << 20)
    return "the padded band of a task would be over 32 MB";
  return nullptr;
}

// Ahead of the gathered product on small maps, where gathering is dear and vectors of pixels are
// half empty, and on large strides: measured on the layers of benchmarks/, Zen 5, November 2026.
bool prefers(const ConvProblem& p) {
  return taps_of(p) > 1 && filters_of(p) >= 12 && (pixels(p.output) <= 1024 || p.stride[2] > 2);
}

}  // namespace

const ConvAlgorithm channel_vector_forward{"channel_vector", Direction::forward, refuses, prefers,
                                           plan_channel_vector, run_channel_vector};

}  // namespace pyconv
