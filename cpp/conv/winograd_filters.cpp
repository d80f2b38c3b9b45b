// The filters of a Winograd convolution, transformed and packed in panels for the tile.
#include "conv/winograd.hpp"
#include "core/parallel.hpp"

namespace pyconv {
namespace {

// Filters are read in blocks of so many channels: in a data gradient the filters of one channel lie
// far apart, but next to those of the next panel.
constexpr int64_t filter_channels = 16;

// [group][panel of filters][point][channel][filter of the panel], the last panel filled with zeros.
template <class T>
void transform_filters(const ConvPlan& plan, const T* weight, T* out) {
  const WinogradView v(plan);
  const WinogradGrid<T> g(plan);
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const auto bytes = static_cast<std::size_t>(9 * g.filters * filter_channels) * sizeof(T);
  const int64_t chunks = ceil_div(v.channels, filter_channels);
  parallel_for(plan.problem.groups * chunks * g.filter_panels,
               2.0 * static_cast<double>(plan.packed_elements), [&](int64_t task) {
    const int64_t panel = task % g.filter_panels, row = panel * g.filters;
    const int64_t from = task / g.filter_panels % chunks * filter_channels;
    const int64_t to = std::min(v.channels, from + filter_channels);
    const int64_t group = task / g.filter_panels / chunks;
    const int64_t count = std::min(g.filters, v.rows - row);
    T* taps = static_cast<T*>(task_scratch(bytes));  // [channel][tap][filter]
    const T* in = weight + group * v.rows * v.channels * 9;
    if (v.forward)
      k.transpose(in + (row * v.channels + from) * 9, v.channels * 9, count, (to - from) * 9, taps,
                  g.filters, g.filters);
    T* points = out + (group * g.filter_panels + panel) * g.points * g.filter_point;
    for (int64_t c = from; c < to; ++c) {
      T* tap = taps + (c - from) * 9 * g.filters;
      if (!v.forward)
        k.transpose(in + (c * v.rows + row) * 9, 9, count, 9, tap, g.filters, g.filters);
      for (int64_t i = 0; i < g.filters; i += g.lanes) {
        const T* first = v.forward ? tap + i : tap + 8 * g.filters + i;
        winograd_kernels<T>(plan).filter(first, v.forward ? g.filters : -g.filters, g.lanes,
                                points + c * g.filters + i, g.filter_point);
      }
    }
  });
}

}  // namespace

void pack_winograd(const ConvPlan& plan, const void* weight, void* out) {
  if (plan.type == ElementType::f32) {
    transform_filters(plan, static_cast<const float*>(weight), static_cast<float*>(out));
  } else {
    transform_filters(plan, static_cast<const double*>(weight), static_cast<double*>(out));
  }
}

}  // namespace pyconv
