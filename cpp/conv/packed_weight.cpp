#include "conv/packed_weight.hpp"

#include <algorithm>
#include <cstring>

#include "core/parallel.hpp"

namespace pyconv {
namespace {

// Filters packed by one task: their panels of the data gradient are then contiguous pieces.
constexpr int64_t filters_at_once = 16;

// Forward: rows are filters, each contiguous over depth = (channel, tap).
template <class T>
void pack_filters(const ConvPlan& plan, const T* w, T* out) {
  const ConvProblem& p = plan.problem;
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const int64_t height = k.tile_rows, filters = p.k / p.groups;
  const int64_t depth = p.c / p.groups * taps_of(p), panels = ceil_div(filters, height);
  parallel_for(p.groups * panels, 2.0 * static_cast<double>(plan.packed_elements),
               [&](int64_t task) {
    const int64_t group = task / panels, row = task % panels * height;
    k.transpose(w + (group * filters + row) * depth, depth, std::min(height, filters - row), depth,
                out + task * height * depth, height, height);
  });
}

// Data gradient: rows are input channels, depth = (filter, tap of the phase). One filter holds the
// taps of all its channels, so a panel's share of it is a small matrix to transpose.
template <class T>
void pack_channels(const ConvPlan& plan, const ConvPhase& phase, const T* w, int64_t first,
                   int64_t last, T* out) {
  const ConvProblem& p = plan.problem;
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const int64_t taps = taps_of(p), channels = p.c / p.groups, height = k.tile_rows;
  const auto used = static_cast<int64_t>(phase.taps.size());
  for (int64_t row = 0; row < channels; row += height) {
    const int64_t rows = std::min(height, channels - row);
    T* panel = out + (row * phase.depth) + first * used * height;
    for (int64_t f = first; f < last; ++f, panel += used * height) {
      const T* in = w + (f * channels + row) * taps;
      if (used == taps) {
        k.transpose(in, taps, rows, taps, panel, height, height);
        continue;
      }
      for (int64_t t = 0; t < used; ++t)
        for (int64_t i = 0; i < height; ++i)
          panel[t * height + i] =
              i < rows ? in[i * taps + phase.filter_tap[static_cast<std::size_t>(t)]] : T(0);
    }
  }
}

template <class T>
void pack_gradients(const ConvPlan& plan, const T* w, T* out) {
  const ConvProblem& p = plan.problem;
  const int64_t filters = p.k / p.groups, channels = p.c / p.groups;
  const int64_t height = kernels_of<T>(*plan.isa).tile_rows;
  const int64_t blocks = ceil_div(filters, filters_at_once), per_phase = p.groups * blocks;
  const auto tasks = static_cast<int64_t>(plan.phases.size()) * per_phase;
  parallel_for(tasks, 2.0 * static_cast<double>(plan.packed_elements), [&](int64_t task) {
    const ConvPhase& phase = plan.phases[static_cast<std::size_t>(task / per_phase)];
    const int64_t group = task % per_phase / blocks, first = task % blocks * filters_at_once;
    const int64_t size = ceil_div(channels, height) * height * phase.depth;
    pack_channels(plan, phase, w + group * filters * channels * taps_of(p), first,
                  std::min(first + filters_at_once, filters),
                  out + phase.pack_offset + group * size);
  });
}

// Filters side by side: column panels [group][panel][depth][tile width].
template <class T>
void pack_columns(const ConvPlan& plan, const T* w, T* out) {
  const ConvProblem& p = plan.problem;
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const int64_t width = int64_t{k.lanes} * k.tile_vectors, filters = p.k / p.groups;
  const int64_t depth = p.c / p.groups * taps_of(p), panels = ceil_div(filters, width);
  parallel_for(p.groups * panels, 2.0 * static_cast<double>(plan.packed_elements),
               [&](int64_t task) {
    const int64_t group = task / panels, first = task % panels * width;
    k.transpose(w + (group * filters + first) * depth, depth, std::min(width, filters - first),
                depth, out + task * width * depth, width, width);
  });
}

template <class T>
void pack(const ConvPlan& plan, const T* w, T* out) {
  if (plan.filters_as_columns) {
    pack_columns(plan, w, out);
  } else if (plan.direction == Direction::forward) {
    pack_filters(plan, w, out);
  } else {
    pack_gradients(plan, w, out);
  }
}

}  // namespace

void pack_weights(const ConvPlan& plan, const void* weight, void* out) {
  if (plan.type == ElementType::f32) {
    pack(plan, static_cast<const float*>(weight), static_cast<float*>(out));
  } else {
    pack(plan, static_cast<const double*>(weight), static_cast<double*>(out));
  }
}

PackedWeight::PackedWeight(const void* data, int64_t elements, ElementType type)
    : elements_(elements), type_(type) {
  const std::size_t bytes = static_cast<std::size_t>(elements) * static_cast<std::size_t>(type);
  void* copy = copy_.reserve(bytes + 1);
  if (bytes) std::memcpy(copy, data, bytes);
  data_ = copy;
}

const void* PackedWeight::pack_for(const ConvPlan& plan) const {
  const ConvProblem& p = plan.problem;
  const bool forward = plan.direction == Direction::forward;
  std::vector<int64_t> key{static_cast<int64_t>(plan.direction), plan.isa->f32.tile_rows,
                           plan.isa->f64.tile_rows, p.groups, plan.filters_as_columns};
  // The residues of a strided data gradient depend on the geometry; a forward pack does not.
  if (!forward) {
    for (int i = 0; i < 3; ++i)
      for (int64_t v : {p.kernel[i], p.stride[i], p.dilation[i], p.pad_lo[i], p.input[i] < p.stride[i] ? p.input[i] : p.stride[i]})
        key.push_back(v);
  }
  std::lock_guard<std::mutex> lock(mutex_);
  std::unique_ptr<AlignedBuffer>& slot = packs_[key];
  if (!slot) {
    auto made = std::make_unique<AlignedBuffer>();
    const std::size_t bytes =
        static_cast<std::size_t>(plan.packed_elements) * static_cast<std::size_t>(plan.type);
    pack_weights(plan, data_, made->reserve(bytes + 1));
    slot = std::move(made);
  }
  return slot->reserve(0);
}

}  // namespace pyconv
