// Weights for small maps, filters across.
#include "conv/split_bf16_small.hpp"
#include "core/parallel.hpp"

namespace pyconv {

ValueRange PanelPacker::pack(int64_t group, int64_t panel, int64_t first, int64_t count,
                             float* scratch, uint32_t* out) const {
  const int64_t vector = m_.first_vector(panel), end = m_.first_vector(panel + 1);
  const Piece piece{group, first, count, (end - vector) * small_lanes, scratch};
  if (!m_.view.forward && m_.taps == 1)
    return turn_channels(piece, vector * small_lanes, piece.width, out);
  ValueRange range = no_values;
  for (int64_t v = vector; v < end; ++v, out += small_lanes)
    range = joined(range, !m_.view.forward ? turn_channels(piece, v * small_lanes, small_lanes, out)
                          : m_.taps > 1    ? turn_filters(piece, v * small_lanes, out)
                                           : turn_rows(piece, v * small_lanes, out));
  return range;
}

// Filters as they lie, [channel][tap]: their words [tap][pair], then filters across.
ValueRange PanelPacker::turn_filters(const Piece& o, int64_t column, uint32_t* out) const {
  const int64_t filter = m_.view.channels * m_.taps, row = m_.taps * pair_steps;
  const int64_t count = columns(column, small_lanes);
  const char* in = weight_ + (o.group * m_.view.columns + column) * filter * item_;
  SplitFilterArgs a{};
  a.in_step = a.taps = m_.taps;
  a.pairs = pair_steps;
  a.out_step = pair_steps;
  a.terms = 1;
  ValueRange range = no_values;
  for (int64_t g = 0; g < o.count; ++g) {
    const int64_t channel = (o.first + g) * 2 * pair_steps;
    a.channels = m_.view.channels - channel;
    for (int64_t f = 0; f < count; ++f) {
      a.in = in + (f * filter + channel * m_.taps) * item_;
      a.out = reinterpret_cast<uint32_t*>(o.scratch) + f * row;
      range = joined(range, (half_ ? k_.join_filter : k_.split_filter)(a));
    }
    for (int64_t tap = 0; tap < m_.taps; ++tap)
      f32_.transpose(o.scratch + tap * pair_steps, row, count, pair_steps,
                     reinterpret_cast<float*>(out + (tap * o.count + g) * pair_steps * o.width),
                     o.width, small_lanes);
  }
  return range;
}

// Without taps the pairs of a filter are neighbours.
ValueRange PanelPacker::turn_rows(const Piece& o, int64_t column, uint32_t* out) const {
  SplitRowsArgs a{};
  a.along = true;
  a.first = weight_ + (o.group * m_.view.columns + column) * m_.view.channels * item_;
  a.height = columns(column, small_lanes);
  a.width = m_.view.channels;
  a.rows = small_lanes;
  a.row_step = a.column_step = a.terms = 1;
  a.column = o.first * 2 * pair_steps;
  a.columns = o.count * 2 * pair_steps;
  a.out = reinterpret_cast<uint32_t*>(o.scratch);
  const ValueRange range = (half_ ? k_.join_rows : k_.split_rows)(a);
  f32_.transpose(o.scratch, a.columns / 2, small_lanes, a.columns / 2,
                 reinterpret_cast<float*>(out), o.width, small_lanes);
  return range;
}

// A data gradient's pairs are runs of two filters, [column][tap], that lie pages apart.
ValueRange PanelPacker::turn_channels(const Piece& o, int64_t column, int64_t wide,
                                      uint32_t* out) const {
  const int64_t row = m_.view.columns * m_.taps * item_, run = columns(column, wide) * m_.taps;
  const char* in = weight_ + o.group * m_.view.channels * row + column * m_.taps * item_;
  SplitRowsArgs a{};
  a.height = a.rows = a.column_step = a.row_step = a.terms = 1;
  a.width = run;
  a.columns = wide * m_.taps;
  a.out = reinterpret_cast<uint32_t*>(o.scratch);
  ValueRange range = no_values;
  for (int64_t pair = 0; pair < o.count * pair_steps; ++pair, out += o.width) {
    const int64_t channel = 2 * (o.first * pair_steps + pair);
    const int64_t left = m_.view.channels - channel;
    a.first = left > 0 ? in + channel * row : nullptr;
    a.second = left > 1 ? in + (channel + 1) * row : nullptr;
    for (int64_t c = channel + pages_ahead; c < channel + std::min(left, pages_ahead + 2); ++c)
      f32_.bring_near(reinterpret_cast<const float*>(in + c * row), run * item_ / 4);
    if (m_.taps == 1) a.out = out;
    range = joined(range, (half_ ? k_.join_rows : k_.split_rows)(a));
    if (m_.taps > 1)
      f32_.transpose(o.scratch, m_.taps, small_lanes, m_.taps, reinterpret_cast<float*>(out),
                     o.count * pair_steps * o.width, small_lanes);
  }
  return range;
}

void pack_small_map(const ConvPlan& plan, const void* weight, ElementType type, void* out) {
  const SmallMap map(plan);
  auto* words = static_cast<uint32_t*>(out);
  const PanelPacker packer(plan, map, weight, type);
  const int64_t tasks = plan.problem.groups * map.panels;
  std::vector<ValueRange> ranges(static_cast<std::size_t>(tasks));
  parallel_for(tasks, static_cast<double>(plan.packed_elements) * 4, [&](int64_t task) {
    const int64_t group = task / map.panels, panel = task % map.panels;
    const auto bytes = static_cast<std::size_t>(PanelPacker::scratch_words(map)) * sizeof(float);
    float* scratch = static_cast<float*>(task_scratch(bytes));
    ValueRange range = no_values;
    for (int64_t g = 0; g < map.groups; g += small_chunk) {
      uint32_t* to = words + packed_header + map.place(group, panel, g);
      const int64_t count = std::min(small_chunk, map.groups - g);
      range = joined(range, packer.pack(group, panel, g, count, scratch, to));
    }
    ranges[static_cast<std::size_t>(task)] = range;
  });
  ValueRange range = no_values;
  for (const ValueRange& r : ranges) range = joined(range, r);
  words[0] = range.least;
  words[1] = range.most;
}

}  // namespace pyconv
