// Phases, bands and blocks of convolutions with split numbers.
#include <algorithm>

#include "conv/fallback.hpp"
#include "conv/gemm_plan.hpp"
#include "conv/split_bf16.hpp"
#include "core/parallel.hpp"

namespace pyconv {
namespace {

// The plane of a tap, new or known; taps count from the lowest.
std::size_t plane_of(SplitPhase& s, int64_t row, int64_t column) {
  const SplitPlane plane{row % s.step[0], column % s.step[1]};
  std::size_t i = 0;
  while (i < s.planes.size() &&
         (s.planes[i].row != plane.row || s.planes[i].column != plane.column))
    ++i;
  if (i == s.planes.size()) s.planes.push_back(plane);
  return i;
}

// The zeros to the right of a row and those to the left of the next are the same words.
void choose_pitch(SplitPhase& s, int64_t width, const std::vector<int64_t>& last) {
  int64_t end = 0;
  s.pitch = s.segment;
  for (std::size_t i = 0; i < s.planes.size(); ++i) {
    const int64_t first = s.low[1] + s.planes[i].column;
    const int64_t left = ceil_div(std::max<int64_t>(0, -first), s.step[1]);
    const int64_t inside = ceil_div(std::max<int64_t>(0, width - first), s.step[1]);
    s.pitch = std::max({s.pitch, std::min(inside, last[i] + 1), last[i] + 1 - left});
    end = std::max(end, last[i] + 1);
  }
  if (s.segments > 1) s.pitch = std::max(s.pitch, end);
  s.tail = std::max<int64_t>(0, end - s.pitch);
}

}  // namespace

SplitPhase measure_split(const ConvPlan& plan, const ConvPhase& phase) {
  const bool image = plan.direction != Direction::input;  // and not the gradient of the output
  SplitPhase s{};
  s.filter_tap = phase.filter_tap;
  for (int i = 0; i < 2; ++i) {
    s.grid[i] = phase.grid[i + 1];
    s.origin[i] = phase.origin[i + 1];
    s.step[i] = image ? plan.problem.stride[i + 1] : 1;
  }
  for (std::size_t t = 0; t < phase.taps.size(); ++t) {
    s.low[0] = t ? std::min(s.low[0], phase.taps[t].h) : phase.taps[t].h;
    s.low[1] = t ? std::min(s.low[1], phase.taps[t].w) : phase.taps[t].w;
  }
  s.segments = ceil_div(s.grid[1], longest_segment);
  s.segment = ceil_div(s.grid[1], s.segments);
  std::vector<int64_t> last;  // column read, per plane
  for (const Tap& tap : phase.taps) {
    const int64_t h = tap.h - s.low[0], w = tap.w - s.low[1];
    const std::size_t plane = plane_of(s, h, w);
    last.resize(s.planes.size());
    last[plane] = std::max(last[plane], s.segment - 1 + w / s.step[1]);
    s.reach = std::max(s.reach, h / s.step[0]);
  }
  choose_pitch(s, (image ? plan.problem.input : plan.problem.output)[2], last);
  // Sums over pixels take them in pairs.
  if (plan.direction == Direction::weight && s.pitch % 2) {
    ++s.pitch;
    s.tail = std::max<int64_t>(0, s.tail - 1);
  }
  s.columns = (s.grid[0] - 1) * s.pitch + s.segment;
  return s;
}

std::vector<ptrdiff_t> place_taps(const ConvPhase& phase, SplitPhase& s, int64_t plane,
                                  int64_t width) {
  std::vector<ptrdiff_t> list;
  for (const Tap& tap : phase.taps) {
    const int64_t h = tap.h - s.low[0], w = tap.w - s.low[1];
    list.push_back(static_cast<int64_t>(plane_of(s, h, w)) * plane + h / s.step[0] * width +
                   w / s.step[1]);
  }
  return list;
}

namespace {

// Where the taps of a chunk lie in its band.
void place_steps(const SplitPlan& split, const ConvPhase& phase, SplitPhase& s) {
  s.plane_words = s.band_rows * s.pitch + s.tail + pair_steps;
  // An odd number of cache lines: the pairs of a step fall into different sets of a cache.
  const int64_t lines = ceil_div(static_cast<int64_t>(s.planes.size()) * s.plane_words, 16);
  s.pair_words = (lines | 1) * 16;
  const std::vector<ptrdiff_t> taps = place_taps(phase, s, s.plane_words, s.pitch);
  for (int64_t g = 0; g < split.chunk; ++g)
    for (ptrdiff_t at : taps) s.steps.push_back(g * split.pairs * s.pair_words + at);
}

// Channels in the band at a time: what a panel of columns reads of them stays in a 48 KB cache, and
// sums that should be as good as float32 are not much longer than elsewhere.
int64_t choose_chunk(const ConvPlan& plan, const SplitPlan& split) {
  const int64_t taps = taps_of(plan.problem);
  const int64_t lines = plan.problem.kernel[1] * split.terms * split.pairs * 256;
  int64_t fits = std::max<int64_t>(1, 32768 / lines);
  if (split.products > 1 && !plan.isa->pairs.tiles)
    fits = std::min(fits, std::max<int64_t>(1, 256 / (2 * split.pairs * taps)));
  return ceil_div(split.groups, ceil_div(split.groups, fits));
}

// About twelve tasks an image, or one a thread, none over 8 panels, and sums that stay in a second-level cache. Rows
// are split only where columns alone give too few tasks, because every task splits its own band; and
// where bfloat16, which needs no splitting, meets weights that no second-level cache holds: those of
// some rows are then read once for all columns (512x14x14: 3.05 ms for 3.4).
void choose_blocks(ConvPlan& plan, const SplitPlan& split, int64_t columns) {
  const int64_t width = plan.isa->pairs.columns, rows = std::max<int64_t>(1, split.rows);
  const int64_t panels = ceil_div(columns, width);
  const int64_t weights = rows * split.channels * taps_of(plan.problem) * 2;
  if (plan.taken == ElementType::bf16 && weights > 524288 && panels >= 4 && panels <= 8) {
    plan.column_block = panels * width;
    plan.row_block = 64;
    plan.row_blocks = ceil_div(rows, plan.row_block);
    return;
  }
  const int64_t cache = std::max<int64_t>(1, (256 << 10) / (4 * width * rows));
  const int64_t block = std::min({ceil_div(panels, tasks_wanted(12)), cache, int64_t{8}});
  plan.column_block = block * width;
  const int64_t others = ceil_div(panels, block) * plan.problem.groups *
                         static_cast<int64_t>(split.phases.size());
  const int64_t wanted = few_row_blocks(others, rows);
  plan.row_block = ceil_div(ceil_div(rows, wanted), 32) * 32;
  plan.row_blocks = ceil_div(rows, plan.row_block);
}

}  // namespace

const char* split_refuses(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  if (plan.type != ElementType::f32) return "it multiplies float32 only";
  if (!plan.isa->pairs.name) return "the instruction set has no products of bfloat16";
  if (p.input[0] != 1 || p.output[0] != 1 || p.kernel[0] != 1) return "it is three-dimensional";
  // Rows that taps reach down, and columns across, around those of a task.
  const bool input = plan.direction == Direction::input;
  const int64_t wide = std::min<int64_t>(1024, input ? p.input[2] : p.output[2]);
  const double down = static_cast<double>((p.kernel[1] - 1) * p.dilation[1]) + 8;
  const double across = static_cast<double>((p.kernel[2] - 1) * p.dilation[2] + wide);
  if (down * across > 1 << 17) return "the padded band of a task would be over 32 MB";
  return nullptr;
}

SplitMemory::SplitMemory(const ConvPlan& plan, Arena& arena) {
  const SplitPlan& s = *plan.split;
  int64_t words = 0;
  bool apart = false;
  for (const SplitPhase& phase : s.phases) {
    words = std::max(words, s.terms * s.chunk * s.pairs * phase.pair_words);
    apart = apart || !stores_in_place(plan, phase);
  }
  // The last tile of a task may reach a tile past the last row.
  band = arena.take<uint32_t>(words + plan.isa->pairs.columns);
  result = apart ? arena.take<float>(plan.row_block * plan.column_block) : nullptr;
}

void plan_split(ConvPlan& plan, int products) {
  auto split = std::make_shared<SplitPlan>();
  SplitPlan& s = *split;
  const Sizes sizes = sizes_of(plan);
  s.products = products;
  s.terms = terms_of(products);
  s.rows = sizes.rows;
  s.channels = sizes.channels;
  const int64_t pairs = std::max<int64_t>(1, ceil_div(s.channels, 2));
  s.groups = ceil_div(pairs, pair_steps);
  s.pairs = ceil_div(pairs, s.groups);
  s.chunk = choose_chunk(plan, s);
  make_phases(plan);
  int64_t columns = 0;
  for (const ConvPhase& phase : plan.phases) {
    s.phases.push_back(measure_split(plan, phase));
    columns = std::max(columns, s.phases.back().columns);
  }
  choose_blocks(plan, s, columns);
  plan.tasks = 0;
  for (std::size_t i = 0; i < s.phases.size(); ++i) {
    SplitPhase& phase = s.phases[i];
    const int64_t lines = std::min(phase.grid[0], (plan.column_block - 1) / phase.pitch + 2);
    phase.band_rows = lines + phase.reach;
    place_steps(s, plan.phases[i], phase);
    phase.column_blocks = ceil_div(phase.columns, plan.column_block);
    phase.first_task = plan.tasks;
    plan.tasks +=
        plan.problem.groups * plan.row_blocks * phase.segments * phase.column_blocks;
    phase.packed_at = s.group_words;
    s.group_words += ceil_div(s.rows, pair_rows) * s.terms * s.groups *
                     static_cast<int64_t>(phase.filter_tap.size()) * pair_block;
  }
  plan.image_tasks = plan.tasks;
  plan.tasks *= plan.problem.n;
  plan.phases.clear();
  plan.split = split;
  plan.shared_bytes = packed_bytes(plan);
  Arena arena;
  SplitMemory counted(plan, arena);
  plan.task_bytes = arena.used();
  plan_fallback(plan);
}

}  // namespace pyconv
