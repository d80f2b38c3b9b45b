// Forward and data gradient as products of bfloat16 pairs on small maps; split_bf16_small.hpp has
// the idea.
#include <cstring>

#include "conv/fallback.hpp"
#include "conv/packed_weight.hpp"
#include "conv/split_bf16_small.hpp"
#include "core/parallel.hpp"

namespace pyconv {
namespace {

// A panel is used by one task of an image.
bool packs_in_task(const ConvPlan& plan) { return !plan.packed && plan.problem.n == 1; }

struct SmallMemory {
  uint32_t *band, *panel;
  float *block, *turned, *scratch;  // scratch: of packing
  SmallMemory(const ConvPlan& plan, const SmallMap& m, Arena& arena) {
    band = arena.take<uint32_t>(std::min(small_chunk, m.groups) * m.lines * m.pitch * pair_steps);
    block = arena.take<float>(m.view.area() * plan.column_block);
    turned = plan.taken == ElementType::f32
                 ? nullptr
                 : arena.take<float>(m.view.area() * plan.column_block);
    panel = nullptr;
    scratch = nullptr;
    if (!packs_in_task(plan)) return;
    panel = arena.take<uint32_t>(std::min(small_chunk, m.groups) * m.taps * small_step *
                                 (plan.isa->pairs.columns / small_lanes));
    scratch = arena.take<float>(PanelPacker::scratch_words(m));
  }
};

// What the tasks of a call share.
struct SmallCall {
  const uint32_t* packed;   // or null: each task packs what it alone needs
  const PanelPacker* packer;
  std::vector<ValueRange>* ranges;  // then: of the weights and of the images of each task
};

class SmallTask {
 public:
  SmallTask(const ConvPlan& plan, const ConvArgs& args, const SmallMap& map,
            const SmallCall& call, int64_t task)
      : plan_(plan), m_(map), k_(plan.isa->pairs), args_(args), call_(call), task_(task) {
    const int64_t blocks = plan.row_blocks, block = task % blocks;
    panel_ = m_.panels * block / blocks;
    panel_end_ = m_.panels * (block + 1) / blocks;
    column_ = m_.first_vector(panel_) * small_lanes;
    columns_ = std::min(m_.view.columns, m_.first_vector(panel_end_) * small_lanes) - column_;
    task /= blocks;
    group_ = task % plan.problem.groups;
    image_ = task / plan.problem.groups;
  }

  int64_t image() const { return image_; }

  // False: the image has a value that cannot be split, and nothing of the result is right.
  bool run() const {
    Arena arena(task_scratch(plan_.task_bytes));
    const SmallMemory memory(plan_, m_, arena);
    k_.begin(pair_steps);
    bool fits = true;
    ValueRange image = no_values, weights = no_values;
    if (call_.packed) weights = {call_.packed[0], call_.packed[1]};
    for (int64_t g = 0; fits && g < m_.groups; g += small_chunk) {
      const int64_t count = std::min(small_chunk, m_.groups - g);
      image = joined(image, fill_band(memory, g, count));
      fits = splits_exactly(image, weights);
      for (int64_t panel = panel_; fits && panel < panel_end_; ++panel) {
        const uint32_t* b = memory.panel;
        if (call_.packed) {
          b = call_.packed + packed_header + m_.place(group_, panel, g);
        } else {
          weights = joined(weights, call_.packer->pack(group_, panel, g, count, memory.scratch,
                                                       memory.panel));
        }
        for (int64_t tap = 0; tap < m_.taps; ++tap) multiply(memory, b, g, count, panel, tap);
      }
    }
    k_.end();
    if (!call_.packed) {
      (*call_.ranges)[static_cast<std::size_t>(2 * task_)] = image;
      (*call_.ranges)[static_cast<std::size_t>(2 * task_ + 1)] = weights;
    }
    if (fits) store(memory);
    return fits;
  }

 private:
  ValueRange fill_band(const SmallMemory& memory, int64_t group, int64_t groups) const {
    const DenseView& v = m_.view;
    const bool half = plan_.taken == ElementType::bf16;
    const auto item = static_cast<int64_t>(item_bytes(plan_.taken));
    const char* image = static_cast<const char*>(args_.source) +
                        (image_ * plan_.problem.groups + group_) * v.channels * v.plane() * item;
    const int64_t band_words = m_.lines * m_.pitch * pair_steps;
    const int64_t lines = m_.bare ? 1 : m_.lines;
    // Columns of the image that are read.
    const int64_t first = std::max<int64_t>(0, -v.pad[2]), left = std::max<int64_t>(0, v.pad[2]);
    SplitFilterArgs a{};
    a.in_step = v.plane();
    a.taps = m_.bare ? v.plane() : std::min(v.source[2] - first, m_.pitch - left);
    a.pairs = pair_steps;
    a.out_step = pair_steps;
    a.terms = 1;
    if (!m_.bare)
      std::memset(memory.band, 0, static_cast<std::size_t>(groups * band_words) * sizeof(uint32_t));
    ValueRange range = no_values;
    for (int64_t y = 0; y < lines && a.taps > 0; ++y) {
      const int64_t line = y - v.pad[1];
      if (line < 0 || line >= v.source[1] || y % v.step[1] >= extent(plan_.problem, 1)) continue;
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t channel = (group + g) * 2 * pair_steps;
        a.in = image + (channel * v.plane() + line * v.source[2] + first) * item;
        a.channels = v.channels - channel;
        a.out = memory.band + g * band_words + (y * m_.pitch + left) * pair_steps;
        range = joined(range, (half ? k_.join_filter : k_.split_filter)(a));
      }
    }
    return range;
  }

  void multiply(const SmallMemory& memory, const uint32_t* weights, int64_t group, int64_t groups,
                int64_t panel, int64_t tap) const {
    const ConvProblem& p = plan_.problem;
    const DenseView& v = m_.view;
    const int64_t first = m_.first_vector(panel), vectors = m_.first_vector(panel + 1) - first;
    const bool start = group == 0 && tap == 0;
    const bool last = group + groups == m_.groups && tap + 1 == m_.taps;
    const int64_t column = first * small_lanes;
    PairTileArgs t{};
    t.a_row = v.step[2] * 2 * pair_steps;
    t.a_step = m_.lines * m_.pitch * 2 * pair_steps;
    t.a_block = pair_rows * t.a_row;
    t.b = weights + tap * groups * vectors * small_step;
    t.b_steps = plan_.phases[0].b_rows.data() + (vectors - 1) * small_chunk;
    t.b_pair = vectors * small_lanes;
    t.steps = groups;
    t.pairs = pair_steps;
    t.products = 1;
    t.c_row = plan_.column_block;
    t.columns = static_cast<int>(std::min(vectors * small_lanes, v.columns - column));
    t.accumulate = !start;
    t.relu = last && args_.relu;
    if (last && args_.bias)
      t.column_bias = static_cast<const float*>(args_.bias) + group_ * v.columns + column;
    // Lines of pixels in tiles as even as they come: 14 are 7 and 7. Without taps, one line.
    const bool flat = m_.bare && v.step[2] == 1;
    const int64_t lines = flat ? 1 : v.result[1], wide = flat ? v.area() : v.result[2];
    const int64_t high = ceil_div(wide, ceil_div(wide, k_.rows));
    const int64_t h = tap / p.kernel[2], w = tap % p.kernel[2];
    for (int64_t y = 0; y < lines; ++y) {
      const int64_t row = y * v.step[1] + v.tap_row(p, h);
      const auto* line = reinterpret_cast<const uint16_t*>(
          memory.band + (row * m_.pitch + v.tap_column(p, w)) * pair_steps);
      for (int64_t x = 0; x < wide; x += high) {
        t.rows = static_cast<int>(std::min(high, wide - x));
        t.a = line + x * t.a_row;
        t.c = memory.block + (y * wide + x) * plan_.column_block + column - column_;
        k_.tile(t);
      }
    }
  }

  void store(const SmallMemory& memory) const {
    const int64_t area = m_.view.area();
    const int64_t group = image_ * plan_.problem.groups + group_;
    const int64_t at = (group * m_.view.columns + column_) * area;
    const bool half = plan_.taken == ElementType::bf16;
    float* turned = half ? memory.turned : static_cast<float*>(args_.out) + at;
    plan_.isa->f32.transpose(memory.block, plan_.column_block, area, columns_, turned, area, area);
    if (half)
      plan_.isa->bfloat16.narrow(turned, columns_ * area, static_cast<uint16_t*>(args_.out) + at);
  }

  const ConvPlan& plan_;
  const SmallMap& m_;
  const PairKernels& k_;
  const ConvArgs& args_;
  const SmallCall& call_;
  const int64_t task_;
  int64_t panel_, panel_end_, column_, columns_, group_, image_;
};

}  // namespace

bool is_small_map(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  if (plan.isa->pairs.tiles || plan.direction == Direction::weight) return false;
  const DenseView v(p, plan.direction);
  if (!v.forward && (p.stride[1] != 1 || p.stride[2] != 1)) return false;
  // From 20x20 pixels to 28x28 both forms measure the same, and half a step of zeros in two costs
  // more than the border of a map (48 channels; Zen 5, November 2026).
  const int64_t depth = ceil_div(v.channels, 2 * pair_steps) * 2 * pair_steps;
  const int64_t lines = (v.result[1] - 1) * v.step[1] + extent(p, 1), most = 2500;
  return v.area() <= 400 && v.columns >= 24 && v.channels * 5 >= depth * 4 && lines <= most &&
         v.pitch <= most && lines * v.pitch <= most;
}

void plan_small_map(ConvPlan& plan) {
  const SmallMap map(plan);
  plan.packed_elements = packed_header + plan.problem.groups * map.words();
  if (!packs_in_task(plan))
    plan.shared_bytes = static_cast<std::size_t>(plan.packed_elements) * sizeof(uint32_t);
  // Every task joins the map again: about four of an image, or one a thread.
  plan.row_blocks = std::min(map.panels, ceil_div(tasks_wanted(4), plan.problem.groups));
  plan.column_block = 0;
  for (int64_t b = 0; b < plan.row_blocks; ++b)
    plan.column_block =
        std::max(plan.column_block, (map.first_vector(map.panels * (b + 1) / plan.row_blocks) -
                                     map.first_vector(map.panels * b / plan.row_blocks)) *
                                        small_lanes);
  plan.tasks = plan.problem.n * plan.problem.groups * plan.row_blocks;
  ConvPhase phase{};  // steps of panels of one, two and three vectors
  for (int64_t vectors = 1; vectors <= plan.isa->pairs.columns / small_lanes; ++vectors)
    for (int64_t g = 0; g < small_chunk; ++g) phase.b_rows.push_back(g * vectors * small_step);
  plan.phases.push_back(std::move(phase));
  Arena arena;
  SmallMemory counted(plan, map, arena);
  plan.task_bytes = arena.used();
  plan_fallback(plan);
}

void run_small_map(const ConvPlan& plan, const ConvArgs& args, const ConvArgs& wide) {
  const SmallMap map(plan);
  const PanelPacker packer(plan, map, args.other, plan.taken);
  std::vector<ValueRange> ranges;
  SmallCall call{nullptr, &packer, &ranges};
  if (args.packed) {
    std::vector<int64_t> key{static_cast<int64_t>(plan.direction), -1, plan.problem.groups,
                             plan.problem.c, plan.problem.kernel[1], plan.problem.kernel[2]};
    const auto bytes = static_cast<std::size_t>(plan.packed_elements) * sizeof(uint32_t);
    const auto make = [&](void* out) {
      pack_small_map(plan, args.packed->data(), ElementType::f32, out);
    };
    call.packed = static_cast<const uint32_t*>(args.packed->pack_for(std::move(key), bytes, make));
  } else if (packs_in_task(plan)) {
    ranges.resize(static_cast<std::size_t>(2 * plan.tasks), no_values);
  } else {
    void* shared = call_scratch(plan.shared_bytes);
    pack_small_map(plan, args.other, plan.taken, shared);
    call.packed = static_cast<const uint32_t*>(shared);
  }
  run_or_fall_back(plan, args, conv_work(plan.problem) / 4,
                   [&](int64_t task) { return SmallTask(plan, wide, map, call, task); });
  // As if all had been packed first, so that an image has the same fate alone and in a batch.
  ValueRange image = no_values, weights = no_values;
  for (std::size_t i = 0; i < ranges.size(); i += 2) {
    image = joined(image, ranges[i]);
    weights = joined(weights, ranges[i + 1]);
  }
  if (!ranges.empty() && !splits_exactly(image, weights)) run_fallback(plan, args);
}

}  // namespace pyconv
