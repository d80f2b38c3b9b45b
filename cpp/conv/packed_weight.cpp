#include "conv/packed_weight.hpp"

#include <algorithm>
#include <cstring>
#include <memory>

#include "core/parallel.hpp"

namespace pyconv {
namespace {

// Columns are filters (forward) or input channels (data gradient).
template <class T>
void pack(const ConvPlan& plan, const T* w, T* out) {
  const ConvProblem& p = plan.problem;
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const bool forward = plan.direction == Direction::forward;
  const int64_t taps = taps_of(p), channels = p.c / p.groups, filters = p.k / p.groups;
  const int64_t columns = forward ? filters : channels, depth = plan.phases[0].depth;
  const int64_t width = int64_t{k.lanes} * k.tile_vectors, panels = ceil_div(columns, width);
  parallel_for(p.groups * panels, 2.0 * static_cast<double>(plan.packed_elements),
               [&](int64_t task) {
    const int64_t group = task / panels, first = task % panels * width;
    const int64_t count = std::min(width, columns - first);
    T* panel = out + task * width * depth;
    if (forward) {
      const T* in = w + (group * filters + first) * depth;
      k.transpose(in, depth, count, depth, panel, width, width);
      return;
    }
    for (int64_t f = 0; f < filters; ++f) {
      const T* in = w + ((group * filters + f) * channels + first) * taps;
      k.transpose(in, taps, count, taps, panel + f * taps * width, width, width);
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

PackedWeight::~PackedWeight() {
  for (Pack* pack = packs_.load(); pack;) {
    Pack* next = pack->next;
    delete pack;
    pack = next;
  }
}

const void* PackedWeight::find(const Pack* head, const std::vector<int64_t>& key) {
  for (; head; head = head->next)
    if (head->key == key) return head->data.get();
  return nullptr;
}

const void* PackedWeight::pack_for(const ConvPlan& plan) const {
  std::vector<int64_t> key{static_cast<int64_t>(plan.direction), plan.problem.groups,
                           plan.problem.c, plan.isa->f32.lanes * plan.isa->f32.tile_vectors};
  const std::size_t bytes =
      static_cast<std::size_t>(plan.packed_elements) * static_cast<std::size_t>(plan.type);
  return pack_for(std::move(key), bytes, [&](void* out) { pack_weights(plan, data_, out); });
}

const void* PackedWeight::pack_for(std::vector<int64_t> key, std::size_t bytes,
                                   const std::function<void(void*)>& make) const {
  Pack* head = packs_.load(std::memory_order_acquire);
  if (const void* found = find(head, key)) return found;
  auto made = std::make_unique<Pack>();
  make(made->data.reserve(bytes + 1));
  made->key = std::move(key);
  do {
    if (const void* found = find(head, made->key)) return found;
    made->next = head;
  } while (!packs_.compare_exchange_weak(head, made.get(), std::memory_order_acq_rel));
  return made.release()->data.get();
}

}  // namespace pyconv
