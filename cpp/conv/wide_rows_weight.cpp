// Weight gradient with few rows or few filters: both operands read along lines of the image.
//
//   dw[filter, p] = sum over lines and columns of dy[filter] * band(p),   p = (channel, tap)
//
// dy is read where it lies and x from a padded band, split by column modulo stride, in which every
// tap is a run of neighbours: nothing is transposed. Lanes are pixels, so that 6 filters of 25 taps
// fill them as well as 64 do. A task owns some channels and some chunks of lines; the chunks' sums
// are added in order, and where tasks split them, so are the partial results.
#include <algorithm>

#include "conv/dense_view.hpp"
#include "conv/list.hpp"
#include "conv/weight_shares.hpp"
#include "core/parallel.hpp"
#include "core/scratch.hpp"

namespace pyconv {
namespace {

int64_t channels_of(const ConvProblem& p) { return p.c / p.groups; }
int64_t filters_of(const ConvProblem& p) { return p.k / p.groups; }

// Eight lines of dy of a chunk fill 24 KB of a first-level cache of 48 KB, and a chain of products
// in one lane stays far below 128.
constexpr int64_t chunk_bytes = 3 << 10;
constexpr int64_t band_bytes = 64 << 10;

int64_t residue_size(const DenseView& v, int64_t lanes) {
  const int64_t step = v.step[2];
  return ceil_div(ceil_div(v.pitch, step), lanes) * lanes + (step > 1 ? lanes : 0);
}

template <class T>
void plan_blocks(ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const DenseView v(p, Direction::forward);
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const int64_t taps = taps_of(p), bytes = static_cast<int64_t>(sizeof(T));
  plan.phases.emplace_back();
  ConvPhase& phase = plan.phases[0];
  const int64_t residue = residue_size(v, k.lanes);
  phase.pitch = residue * v.step[2];
  const int64_t lines = std::clamp<int64_t>(chunk_bytes / (bytes * v.result[2]), 1, v.result[1]);
  plan.row_blocks = ceil_div(v.result[1], lines);
  plan.row_block = ceil_div(v.result[1], plan.row_blocks);
  phase.band_rows = (plan.row_block - 1) * v.step[1] + extent(p, 1);
  // Chunks give the tasks, which repeats nothing but adds partial results; then the channels.
  const int64_t chunks = p.n * plan.row_blocks, channels = std::max<int64_t>(1, channels_of(p));
  plan.splits = std::clamp<int64_t>(ceil_div(8, p.groups), 1, std::max<int64_t>(1, chunks / 4));
  const int64_t parts = std::min(channels, ceil_div(8, p.groups * plan.splits));
  plan.column_block = ceil_div(channels, parts);
  phase.column_blocks = ceil_div(channels, plan.column_block);
  const int64_t fit = std::max<int64_t>(1, band_bytes / (bytes * phase.band_rows * phase.pitch));
  plan.depth_block = std::min(plan.column_block, fit);  // channels of a band
  for (int64_t c = 0; c < plan.depth_block; ++c)
    for (int64_t h = 0; h < p.kernel[1]; ++h)
      for (int64_t w = 0; w < p.kernel[2]; ++w) {
        const int64_t x = w * p.dilation[2];
        phase.b_rows.push_back((c * phase.band_rows + h * p.dilation[1]) * phase.pitch +
                               x % v.step[2] * residue + x / v.step[2]);
      }
  plan.tasks = p.groups * phase.column_blocks * plan.splits;
  plan.task_bytes =
      static_cast<std::size_t>(plan.depth_block * phase.band_rows * phase.pitch) * sizeof(T);
  if (plan.splits > 1)
    plan.shared_bytes =
        static_cast<std::size_t>(plan.splits * p.k * channels_of(p) * taps) * sizeof(T);
}

void plan_wide_rows(ConvPlan& plan) {
  with_type(plan.type, [&](auto tag) { plan_blocks<decltype(tag)>(plan); });
}

template <class T>
class GradientTask {
 public:
  // `partials`: a dw for every split.
  GradientTask(const ConvPlan& plan, const ConvArgs& args, int64_t task, T* partials)
      : plan_(plan), p_(plan.problem), v_(p_, Direction::forward), phase_(plan.phases[0]),
        k_(kernels_of<T>(*plan.isa)), args_(args), rows_(channels_of(p_) * taps_of(p_)) {
    split_ = task % plan.splits;
    task /= plan.splits;
    channel_ = task % phase_.column_blocks * plan.column_block;
    last_channel_ = std::min(channel_ + plan.column_block, channels_of(p_));
    group_ = task / phase_.column_blocks;
    out_ = partials + (split_ * p_.groups + group_) * filters_of(p_) * rows_;
  }

  void run() {
    const int64_t chunks = p_.n * plan_.row_blocks, taps = taps_of(p_);
    const auto [first, last] = part_of(chunks, split_, plan_.splits);
    for (int64_t f = 0; first == last && f < filters_of(p_); ++f)
      std::fill_n(out_ + f * rows_ + channel_ * taps, (last_channel_ - channel_) * taps, T(0));
    T* band = static_cast<T*>(task_scratch(plan_.task_bytes));
    for (int64_t chunk = first; chunk < last; ++chunk) {
      image_ = chunk / plan_.row_blocks;
      line_ = chunk % plan_.row_blocks * plan_.row_block;
      lines_ = std::min(plan_.row_block, p_.output[1] - line_);
      for (int64_t c = channel_; c < last_channel_; c += plan_.depth_block) {
        const int64_t channels = std::min(plan_.depth_block, last_channel_ - c);
        fill_band(band, c, channels);
        for (int64_t f = 0; f < filters_of(p_); f += k_.tile_rows)
          multiply(band, f, c * taps, channels * taps, chunk > first);
      }
    }
  }

 private:
  void fill_band(T* band, int64_t c, int64_t channels) const {
    PadArgs<T> a{};
    a.plane = static_cast<const T*>(args_.source) +
              ((image_ * p_.groups + group_) * channels_of(p_) + c) * v_.plane();
    a.height = p_.input[1];
    a.width = p_.input[2];
    a.first_row = line_ * v_.step[1] - v_.pad[1];
    a.first_column = -v_.pad[2];
    a.rows = (lines_ - 1) * v_.step[1] + extent(p_, 1);
    a.columns = v_.pitch;
    a.step = v_.step[2];
    a.row_size = residue_size(v_, k_.lanes);
    a.out = band;
    for (int64_t i = 0; i < channels; ++i) {
      k_.pad(a);
      a.plane += v_.plane();
      a.out += phase_.band_rows * phase_.pitch;
    }
  }

  // One tile's filters with `count` rows of dw from `row` on, in tiles as even as they come.
  void multiply(const T* band, int64_t f, int64_t row, int64_t count, bool accumulate) const {
    const int64_t area = p_.output[1] * p_.output[2], filters = filters_of(p_);
    DotArgs<T> d{};
    d.a = static_cast<const T*>(args_.other) +
          ((image_ * p_.groups + group_) * filters + f) * area + line_ * p_.output[2];
    d.a_row = area;
    d.a_line = p_.output[2];
    d.b = band;
    d.b_line = v_.step[1] * phase_.pitch;
    d.c_row = rows_;
    d.lines = lines_;
    d.columns = p_.output[2];
    d.accumulate = accumulate;
    const auto high = static_cast<std::size_t>(std::min<int64_t>(k_.tile_rows, filters - f)) - 1;
    const int64_t tiles = ceil_div(count, k_.tile_vectors);
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const auto [first, end] = part_of(count, tile, tiles);
      d.b_rows = phase_.b_rows.data() + first;
      d.c = out_ + f * rows_ + row + first;
      k_.dot[high][end - first - 1](d);
    }
  }

  const ConvPlan& plan_;
  const ConvProblem& p_;
  const DenseView v_;
  const ConvPhase& phase_;
  const Kernels<T>& k_;
  const ConvArgs& args_;
  const int64_t rows_;
  T* out_ = nullptr;
  int64_t split_ = 0, group_ = 0, channel_ = 0, last_channel_ = 0;
  int64_t image_ = 0, line_ = 0, lines_ = 0;
};

template <class T>
void run_typed(const ConvPlan& plan, const ConvArgs& args) {
  const ConvProblem& p = plan.problem;
  const int64_t size = p.k * channels_of(p) * taps_of(p);
  T* out = static_cast<T*>(args.out);
  T* partials = plan.splits > 1 ? static_cast<T*>(call_scratch(plan.shared_bytes)) : out;
  parallel_for(plan.tasks, conv_work(p) / 2,
               [&](int64_t task) { GradientTask<T>(plan, args, task, partials).run(); });
  add_shares(partials, size, plan.splits, size, out);
}

void run_wide_rows(const ConvPlan& plan, const ConvArgs& args) {
  with_type(plan.type, [&](auto tag) { run_typed<decltype(tag)>(plan, args); });
}

const char* refuses(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const DenseView v(p, Direction::forward);
  if (p.input[0] != 1 || p.output[0] != 1 || p.kernel[0] != 1) return "it is three-dimensional";
  const double lines = static_cast<double>(chunk_bytes) / static_cast<double>(v.result[2]) + 1;
  const double rows = lines * static_cast<double>(v.step[1]) + static_cast<double>(extent(p, 1));
  const double row = static_cast<double>(residue_size(v, 16)) * static_cast<double>(v.step[2]);
  if (rows * row > 4 << 20) return "the padded band of a task would be over 32 MB";
  return nullptr;
}

// Measured on grouped and first layers of 1 to 64 channels, maps of 7 to 224 pixels a side, Zen 5,
// November 2026: many filters on small maps are better served by the product that transposes dy, as
// are signals of up to some 500 samples: a line alone gives few runs of columns. Single taps of up to
// four channels 1.1 to 4 times.
bool prefers(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  const int64_t filters = filters_of(p), width = p.output[2];
  if (channels_of(p) == 1) return true;
  if (taps_of(p) == 1) return channels_of(p) <= 4;
  if (filters <= 4 || (filters <= 8 && width >= 12)) return true;
  return (filters <= 16 && width >= 48) || width >= (p.output[1] == 1 ? 512 : 96);
}

}  // namespace

const ConvAlgorithm wide_rows_weight{
    "wide_rows", Direction::weight, Precision::highest, refuses, prefers,
    plan_wide_rows, run_wide_rows};

}  // namespace pyconv
