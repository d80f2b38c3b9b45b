// Convolution with few channels along lines of the result: forward, or data gradient of stride 1
// (of larger ones: wide_rows_strided.cpp).
//
//   result[row, line, x] = sum over p of weight[row, p] * band(p, line, x),   p = (channel, tap)
//
// A task owns some lines of one image. Their padded source is copied once, split by column modulo
// stride, so that every tap of every stride is a run of neighbours; nothing is gathered once per
// tap. Tiles lie along one line and are stored where they belong; rows are the outer loop, so that
// eight long runs are written at a time instead of one short one in every channel.
//
// On small maps, whose lines do not fill a vector, all lines and the border between them are one
// (`flat`): 49 pixels are 61 columns, four vectors instead of seven. What the border made is
// dropped. A result of one line alone (signals, 1xW) is cut along it, into tasks of some columns.
#include <algorithm>

#include "conv/dense_view.hpp"
#include "conv/line_tiles.hpp"
#include "conv/list.hpp"
#include "conv/wide_rows_strided.hpp"
#include "core/parallel.hpp"
#include "core/scratch.hpp"

namespace pyconv {
namespace {

// Where many groups or images give the tasks, one has all lines of its plane.
bool is_flat(const ConvProblem& p, const DenseView& v, int64_t lanes) {
  return v.step[1] == 1 && v.step[2] == 1 && v.result[2] <= lanes && v.result[1] <= 4 * lanes &&
         p.n * p.groups >= 16;
}
int64_t flat_columns(const DenseView& v) { return (v.result[1] - 1) * v.pitch + v.result[2]; }
int64_t flat_size(const DenseView& v, int64_t lanes) {
  return ceil_div(flat_columns(v), lanes) * lanes;
}

// Elements of a padded row of one residue: whole vectors, and one more where residues alternate.
int64_t residue_size(int64_t pitch, int64_t step, int64_t lanes) {
  return ceil_div(ceil_div(pitch, step), lanes) * lanes + (step > 1 ? lanes : 0);
}

// Columns of the padded source under some of the result.
int64_t pitch_of(const ConvProblem& p, const DenseView& v, int64_t columns) {
  return (columns - 1) * v.step[2] + extent(p, 2);
}

int64_t band_rows(const ConvProblem& p, const DenseView& v, int64_t lines) {
  return (lines - 1) * v.step[1] + extent(p, 1);
}

// A band of 32 KB leaves room for the weights in a first-level cache of 48 KB. Under eight lines
// too much of it is border that the next task reads again: then the second-level cache holds it.
constexpr int64_t band_bytes = 32 << 10, large_band_bytes = 256 << 10;

// Lines of a task. Where images and groups give the tasks a plane stays whole if it fits.
int64_t choose_lines(const ConvProblem& p, const DenseView& v, int64_t bytes_of_row) {
  const auto fit = [&](int64_t bytes) {
    return (bytes / bytes_of_row - extent(p, 1)) / v.step[1] + 1;
  };
  const int64_t most = p.n * p.groups < 16 ? ceil_div(v.result[1], tasks_wanted(4)) : v.result[1];
  const int64_t wanted = std::max(fit(band_bytes), std::min<int64_t>(8, fit(large_band_bytes)));
  const int64_t lines = std::clamp<int64_t>(wanted, 1, most);
  return ceil_div(v.result[1], ceil_div(v.result[1], lines));
}

// Columns of a task: all but of a line alone, of which a band of as many channels fits the first
// cache, and some four tasks are made of it, in whole tiles.
int64_t choose_columns(const ConvProblem& p, const DenseView& v, int64_t bytes_of_column,
                       int64_t tile) {
  const int64_t width = v.result[2];
  if (v.result[1] > 1) return width;
  const int64_t most = p.n * p.groups < 16 ? ceil_div(width, tasks_wanted(4)) : width;
  const int64_t wanted = band_bytes / (bytes_of_column * v.step[2]);
  const int64_t blocks = ceil_div(width, std::max(tile, std::min(wanted, most)));
  return ceil_div(ceil_div(width, blocks), tile) * tile;
}

void place_operands(ConvPlan& plan, const DenseView& v, int64_t channels, int64_t residue) {
  const ConvProblem& p = plan.problem;
  ConvPhase& phase = plan.phases[0];
  const int64_t taps = taps_of(p);
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t h = 0; h < p.kernel[1]; ++h)
      for (int64_t w = 0; w < p.kernel[2]; ++w) {
        const int64_t x = v.tap_column(p, w);
        phase.b_rows.push_back((c * phase.band_rows + v.tap_row(p, h)) * phase.pitch +
                               x % v.step[2] * residue + x / v.step[2]);
        plan.left.cols.push_back((v.forward ? c : c * v.columns) * taps + h * p.kernel[2] + w);
      }
}

template <class T>
struct TaskMemory {
  T *band, *block;  // block: the result of flat lines, with the border
  TaskMemory(const ConvPlan& plan, Arena& arena) {
    const ConvProblem& p = plan.problem;
    const DenseView v(p, plan.direction);
    const int64_t lanes = kernels_of<T>(*plan.isa).lanes;
    const ConvPhase& phase = plan.phases[0];
    // The last row of flat lines is written past its end.
    band = arena.take<T>(plan.depth_block / taps_of(p) * phase.band_rows * phase.pitch + lanes);
    block = is_flat(p, v, lanes) ? arena.take<T>(v.columns * flat_size(v, lanes)) : nullptr;
  }
};

template <class T>
void plan_blocks(ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const DenseView v(p, plan.direction);
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const int64_t taps = taps_of(p), channels = std::max<int64_t>(1, v.channels);
  const int64_t blocks = ceil_div(channels, std::max<int64_t>(1, band_products / taps));
  const bool flat = is_flat(p, v, k.lanes);
  const int64_t of_block = ceil_div(channels, blocks);
  const int64_t column_bytes = static_cast<int64_t>(sizeof(T)) * of_block;
  plan.column_block = flat ? v.result[2]
                           : choose_columns(p, v, column_bytes, k.lanes * k.tile_vectors);
  const int64_t pitch = pitch_of(p, v, std::min(plan.column_block, v.result[2]));
  const int64_t residue = flat ? pitch : residue_size(pitch, v.step[2], k.lanes);
  plan.depth_block = of_block * taps;
  plan.phases.emplace_back();
  ConvPhase& phase = plan.phases[0];
  phase.depth = v.channels * taps;
  phase.pitch = residue * v.step[2];
  phase.column_blocks = ceil_div(v.result[2], plan.column_block);
  plan.row_block = flat ? v.result[1] : choose_lines(p, v, phase.pitch * column_bytes);
  plan.row_blocks = ceil_div(v.result[1], plan.row_block);
  phase.band_rows = band_rows(p, v, plan.row_block);
  place_operands(plan, v, of_block, residue);
  plan.left.row = v.forward ? phase.depth : taps;
  plan.tasks = p.n * p.groups * plan.row_blocks * phase.column_blocks;
  Arena arena;
  TaskMemory<T> counted(plan, arena);
  plan.task_bytes = arena.used();
}

void plan_wide_rows(ConvPlan& plan) {
  if (is_strided_gradient(plan)) return plan_strided_rows(plan);
  with_type(plan.type, [&](auto tag) { plan_blocks<decltype(tag)>(plan); });
}

template <class T>
class LineTask {
 public:
  LineTask(const ConvPlan& plan, const ConvArgs& args, int64_t task)
      : plan_(plan), p_(plan.problem), v_(plan.problem, plan.direction), phase_(plan.phases[0]),
        k_(kernels_of<T>(*plan.isa)), args_(args) {
    column_ = task % phase_.column_blocks * plan.column_block;
    width_ = std::min(plan.column_block, v_.result[2] - column_);
    task /= phase_.column_blocks;
    line_ = task % plan.row_blocks * plan.row_block;
    lines_ = std::min(plan.row_block, v_.result[1] - line_);
    task /= plan.row_blocks;
    group_ = task % p_.groups;
    image_ = task / p_.groups;
  }

  void run() const {
    Arena arena(task_scratch(plan_.task_bytes));
    const TaskMemory<T> memory(plan_, arena);
    int64_t at = 0;
    // At least once: without any product the result is still the bias, or zero.
    do {
      const int64_t depth = std::min(plan_.depth_block, phase_.depth - at);
      fill_band(memory.band, at, depth);
      for (int64_t i = 0; i < v_.columns; i += k_.tile_rows) multiply(memory, i, at, depth);
      at += depth;
    } while (at < phase_.depth);
    if (memory.block) drop_border(memory.block);
  }

 private:
  void fill_band(T* band, int64_t at, int64_t depth) const {
    const int64_t taps = taps_of(p_);
    PadArgs<T> a{};
    a.plane = static_cast<const T*>(args_.source) +
              ((image_ * p_.groups + group_) * v_.channels + at / taps) * v_.plane();
    a.height = v_.source[1];
    a.width = v_.source[2];
    a.first_row = line_ * v_.step[1] - v_.pad[1];
    a.first_column = column_ * v_.step[2] - v_.pad[2];
    a.rows = band_rows(p_, v_, lines_);
    a.columns = pitch_of(p_, v_, width_);
    a.step = v_.step[2];
    a.row_size = phase_.pitch / v_.step[2];
    a.out = band;
    for (int64_t c = 0; c < depth / taps; ++c) {
      k_.pad(a);
      a.plane += v_.plane();
      a.out += phase_.band_rows * phase_.pitch;
    }
  }

  // One tile's rows of the result.
  void multiply(const TaskMemory<T>& memory, int64_t i, int64_t at, int64_t depth) const {
    const bool last = at + depth == phase_.depth;
    const int64_t row = group_ * v_.columns + i, taps = taps_of(p_);
    const T* weight = static_cast<const T*>(args_.other);
    TileArgs<T> t{};
    t.a = v_.forward ? weight + row * phase_.depth + at
                     : weight + ((group_ * v_.channels + at / taps) * v_.columns + i) * taps;
    t.a_row = plan_.left.row;
    t.a_cols = plan_.left.cols.data();
    t.b_rows = phase_.b_rows.data();
    t.c_row = v_.area();
    t.depth = depth;
    t.accumulate = at > 0;
    t.relu = last && args_.relu;
    t.row_bias = last && args_.bias ? static_cast<const T*>(args_.bias) + row : nullptr;
    const int64_t high = std::min<int64_t>(k_.tile_rows, v_.columns - i);
    if (memory.block) {
      t.c_row = flat_size(v_, k_.lanes);
      return multiply_line(k_, t, high, flat_columns(v_), memory.band, memory.block + i * t.c_row);
    }
    T* out = result(i) + line_ * v_.result[2] + column_;
    for (int64_t y = 0; y < lines_; ++y)
      multiply_line(k_, t, high, width_, memory.band + y * v_.step[1] * phase_.pitch,
                    out + y * v_.result[2]);
  }

  T* result(int64_t i) const {
    return static_cast<T*>(args_.out) +
           ((image_ * p_.groups + group_) * v_.columns + i) * v_.area();
  }

  // From flat lines to the result: a gather of one tap.
  void drop_border(const T* block) const {
    const Tap here{0, 0, 0};
    GatherArgs<T> g{};
    g.image = block;
    g.channel_stride = flat_size(v_, k_.lanes);
    for (int i = 0; i < 3; ++i) {
      g.size[i] = i < 2 ? v_.result[i] : phase_.pitch;
      g.grid[i] = v_.result[i];
      g.step[i] = 1;
    }
    g.taps = &here;
    g.tap_count = 1;
    g.rows = v_.columns;
    g.columns = g.width = g.out_row = v_.area();
    g.out = result(0);
    k_.gather(g);
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const DenseView v_;
  const ConvPhase& phase_;
  const Kernels<T>& k_;
  const ConvArgs& args_;
  int64_t line_, lines_, column_, width_, group_, image_;
};

template <class T>
void run_typed(const ConvPlan& plan, const ConvArgs& args) {
  parallel_for(plan.tasks, conv_work(plan.problem) / 2,
               [&](int64_t task) { LineTask<T>(plan, args, task).run(); });
}

void run_wide_rows(const ConvPlan& plan, const ConvArgs& args) {
  if (is_strided_gradient(plan)) return run_strided_rows(plan, args);
  with_type(plan.type, [&](auto tag) { run_typed<decltype(tag)>(plan, args); });
}

const char* refuses(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const DenseView v(p, plan.direction);
  if (p.input[0] != 1 || p.output[0] != 1 || p.kernel[0] != 1) return "it is three-dimensional";
  if (is_strided_gradient(plan)) return strided_rows_refuse(plan);
  const auto channels = static_cast<double>(std::max<int64_t>(1, band_products / taps_of(p)));
  const double rows = static_cast<double>(extent(p, 1)) + static_cast<double>(v.step[1]);
  const int64_t pitch = pitch_of(p, v, choose_columns(p, v, 512, 48));
  const int64_t residue = residue_size(pitch, v.step[2], 16);
  const double row = static_cast<double>(residue) * static_cast<double>(v.step[2]);
  if (rows * row * channels > 4 << 20) return "the padded band of a task would be over 32 MB";
  return nullptr;
}

// Whether products of bfloat16 pairs are expected to be faster than float32.
bool pairs_serve(const ConvPlan& plan) {
  const PairKernels& pairs = plan.isa->pairs;
  return plan.type == ElementType::f32 && pairs.name &&
         (pairs.tiles || plan.precision == Precision::medium);
}

bool winograd_serves(const ConvPlan& plan) {
  const bool forward = plan.direction == Direction::forward;
  return would_run(forward ? winograd_2x2_forward : winograd_2x2_input, plan) ||
         (plan.precision != Precision::highest &&
          would_run(forward ? winograd_4x4_forward : winograd_4x4_input, plan));
}

// Strided data gradients of 850 shapes drawn at random (1 to 512 channels, 16 to 8000 samples, maps
// of 7 to 224 pixels, strides 2 to 8; the same machine as below): 1.43 times the better of the
// gathered product and `direct`, 0.83 at the worst. Winograd's of few filters leave the caches on
// large maps (1.1 to 1.9 times). From some 32 channels on one bfloat16 product is ahead, and four
// columns with their border have too few of a vector's lanes (1.0; with AVX2 0.6 to 0.85).
bool strided_prefers(const ConvPlan& plan, const DenseView& v) {
  const bool four_columns = plan.problem.stride[2] == 2 && ceil_div(v.result[2], 2) == 4;
  if (std::min(v.channels, v.columns) >= 32 && (pairs_serve(plan) || four_columns)) return false;
  if (would_run(winograd_parts_input, plan)) return false;
  return !winograd_serves(plan) || (v.channels < 32 && v.area() >= 2304);
}

// Measured on grouped and first layers of 1 to 32 channels, maps of 7 to 224 pixels a side, Zen 5,
// November 2026: below these widths too many lanes of a line's last vector are idle, and filters
// that share one channel are worth a tile from 5x5 on. Strides over 2 are split one by one.
bool prefers(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const DenseView v(p, plan.direction);
  const int64_t width = v.result[2], taps = taps_of(p);
  if (taps == 1) return false;
  if (is_strided_gradient(plan)) return strided_prefers(plan, v);
  // Flat lines beat all else by 1.1 to 1.7 with 8 to 64 channels a group, but for the forward pass
  // on 7x7 maps from 32 channels on (the same machine).
  if (p.groups >= 16 && p.groups < p.c && v.step[1] == 1 && v.step[2] == 1 && width <= 16 &&
      v.channels <= 64 && (v.columns <= 16 || !v.forward || v.area() > 64))
    return true;
  if (p.c == p.groups && p.k <= 16 * p.groups) return p.k > p.groups && taps > 9;
  if (v.columns <= 4 || (v.columns <= 8 && width >= 12)) return true;
  if (would_run(v.forward ? winograd_parts_forward : winograd_parts_input, plan)) return false;
  if (winograd_serves(plan)) return false;
  // Signals at a stride, of 64 to 16000 samples: 1.0 to 3 times the others, but that short ones are
  // few tasks.
  const bool line = v.result[1] == 1 && p.kernel[1] == 1 && !pairs_serve(plan);
  const bool pairs = pairs_serve(plan) || plan.stored == ElementType::bf16;
  if (line && !pairs && v.step[2] > 1 && width >= (v.columns <= 64 ? 16 : 96)) return true;
  if (v.step[2] > 2) return false;
  // Signals of 12 to 256 channels and 100 to 3600 samples: 0.97 to 1.2 times the gathered product,
  // up to 2.8 times filters as the vector, which are ahead on shorter ones, but for gradients.
  if (line && width >= (v.forward ? 96 : 48)) return true;
  // 3x3 on 28x28 pixels: 1.1 to 1.3 times the others in float32.
  if (v.channels > 16)
    return !pairs && taps <= 9 && v.step[2] == 1 && width >= 20 && v.columns <= 32 &&
           v.channels <= 64;
  return width >= 20 && (v.columns < 32 || v.area() > 1024);
}

}  // namespace

const ConvAlgorithm wide_rows_forward{
    "wide_rows", Direction::forward, Precision::highest, refuses, prefers,
    plan_wide_rows, run_wide_rows};
const ConvAlgorithm wide_rows_input{
    "wide_rows", Direction::input, Precision::highest, refuses, prefers,
    plan_wide_rows, run_wide_rows};

}  // namespace pyconv
