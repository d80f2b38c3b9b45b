#include "conv/packed_weight.hpp"

#include <cstring>

#include "core/parallel.hpp"

namespace pyconv {
namespace {

// depth index = channel * taps + tap. Forward: a filter is contiguous over depth already.
template <class T>
void pack_forward_panel(const T* w, int64_t depth, int64_t rows, int64_t height, T* out) {
  for (int64_t i = 0; i < height; ++i)
    for (int64_t p = 0; p < depth; ++p) out[p * height + i] = i < rows ? w[i * depth + p] : T(0);
}

// Data gradient: rows are input channels, depth runs over (filter, tap of this phase).
template <class T>
void pack_input_panel(const ConvPlan& plan, const ConvPhase& phase, const T* w, int64_t rows,
                      int64_t height, T* out) {
  const ConvProblem& p = plan.problem;
  const int64_t taps = taps_of(p), channels = p.c / p.groups, filters = p.k / p.groups;
  const int64_t used = static_cast<int64_t>(phase.taps.size());
  for (int64_t f = 0; f < filters; ++f, w += channels * taps) {
    for (int64_t t = 0; t < used; ++t, out += height) {
      const T* in = w + phase.filter_tap[static_cast<std::size_t>(t)];
      for (int64_t i = 0; i < height; ++i) out[i] = i < rows ? in[i * taps] : T(0);
    }
  }
}

template <class T>
void pack(const ConvPlan& plan, const T* w, T* out) {
  const ConvProblem& p = plan.problem;
  const bool forward = plan.direction == Direction::forward;
  const int64_t height = kernels_of<T>(*plan.isa).tile_rows;
  const int64_t m = forward ? p.k / p.groups : p.c / p.groups;
  const int64_t panels = ceil_div(m, height), taps = taps_of(p), channels = p.c / p.groups;
  const int64_t filters = p.k / p.groups;
  const int64_t per_phase = p.groups * panels;
  const auto tasks = static_cast<int64_t>(plan.phases.size()) * per_phase;
  parallel_for(tasks, 4.0 * static_cast<double>(plan.packed_elements), [&](int64_t task) {
    const ConvPhase& phase = plan.phases[static_cast<std::size_t>(task / per_phase)];
    const int64_t group = task % per_phase / panels, row = task % panels * height;
    const int64_t rows = m - row < height ? m - row : height;
    T* panel = out + phase.pack_offset + (task % per_phase) * height * phase.depth;
    if (forward) {
      const int64_t depth = channels * taps;
      pack_forward_panel(w + (group * filters + row) * depth, depth, rows, height, panel);
    } else {
      pack_input_panel(plan, phase, w + (group * filters * channels + row) * taps, rows, height,
                       panel);
    }
  });
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
                           plan.isa->f64.tile_rows, p.groups};
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
