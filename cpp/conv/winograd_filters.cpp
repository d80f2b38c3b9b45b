// The filters of a Winograd convolution, transformed and packed in panels for the tile.
#include "conv/winograd.hpp"
#include "core/parallel.hpp"

namespace pyconv {
namespace {

// [group][panel of filters][point][channel][filter of the panel].
template <class T>
void transform_filters(const ConvPlan& plan, const T* weight, T* out) {
  const WinogradView v(plan);
  const WinogradGrid<T> g(plan);
  const int64_t chunks = ceil_div(v.channels, filter_channels);
  const std::size_t bytes = static_cast<std::size_t>(filter_taps(plan, g.filters)) * sizeof(T);
  parallel_for(plan.problem.groups * chunks * g.filter_panels,
               2.0 * static_cast<double>(plan.packed_elements), [&](int64_t task) {
    const int64_t panel = task % g.filter_panels, group = task / g.filter_panels / chunks;
    const int64_t from = task / g.filter_panels % chunks * filter_channels;
    T* taps = static_cast<T*>(task_scratch(bytes));
    T* points = out + (group * g.filter_panels + panel) * g.filter_points * g.filter_point;
    transform_panel(plan, weight, group, panel, from, std::min(v.channels, from + filter_channels),
                    points + from * g.filters, g.filter_point, taps);
  });
}

}  // namespace

template <class T>
void transform_panel(const ConvPlan& plan, const T* weight, int64_t group, int64_t panel,
                     int64_t from, int64_t to, T* points, int64_t point, T* taps) {
  const WinogradGrid<T> g(plan);
  const bool forward = plan.direction == Direction::forward;
  FilterPart part;
  const int64_t taps_of_filter = taps_of(plan.problem);
  for (int64_t i = 0; i < taps_of_filter; ++i)
    part.taps[i] = (forward ? i : taps_of_filter - 1 - i) * g.filters;
  for (int64_t i = 0; i < g.filter_points; ++i) part.points[i] = i * point;
  transform_parts(plan, weight, g.filters, group, panel, from, to, points, &part, 1, taps);
}
template void transform_panel(const ConvPlan&, const float*, int64_t, int64_t, int64_t, int64_t,
                              float*, int64_t, float*);
template void transform_panel(const ConvPlan&, const double*, int64_t, int64_t, int64_t, int64_t,
                              double*, int64_t, double*);

template <class T>
void transform_parts(const ConvPlan& plan, const T* weight, int64_t filters, int64_t group,
                     int64_t panel, int64_t from, int64_t to, T* points, const FilterPart* parts,
                     int64_t count, T* taps) {
  const WinogradView v(plan);
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const WinogradKernels<T>& w = winograd_kernels<T>(plan);
  const int64_t size = taps_of(plan.problem);
  const int64_t row = panel * filters, full = std::min(filters, v.rows - row);
  const T* in = weight + group * v.rows * v.channels * size;
  for (int64_t c = from; c < to; ++c, points += filters) {
    const int64_t i = (c - from) % filter_channels, n = std::min(filter_channels, to - c);
    T* tap = taps + (v.forward ? i : 0) * size * filters;
    if (!v.forward) {
      if (c + pages_ahead < to)
        k.bring_near(in + ((c + pages_ahead) * v.rows + row) * size, full * size);
      k.transpose(in + (c * v.rows + row) * size, size, full, size, tap, filters, filters);
    } else if (i == 0) {
      k.transpose(in + (row * v.channels + c) * size, v.channels * size, full, n * size, taps,
                  filters, filters);
    }
    for (int64_t j = 0; j < count; ++j)
      w.filter({tap, parts[j].taps, filters, points, parts[j].points});
  }
}
template void transform_parts(const ConvPlan&, const float*, int64_t, int64_t, int64_t, int64_t,
                              int64_t, float*, const FilterPart*, int64_t, float*);
template void transform_parts(const ConvPlan&, const double*, int64_t, int64_t, int64_t, int64_t,
                              int64_t, double*, const FilterPart*, int64_t, double*);

void pack_winograd(const ConvPlan& plan, const void* weight, void* out) {
  with_type(plan.type, [&](auto tag) {
    using T = decltype(tag);
    transform_filters(plan, static_cast<const T*>(weight), static_cast<T*>(out));
  });
}

}  // namespace pyconv
