#include "conv/packed_weight.hpp"

#include <cstring>
#include <memory>

#include "core/convert.hpp"

namespace pyconv {

PackedWeight::PackedWeight(const void* data, int64_t elements, ElementType type)
    : elements_(elements), type_(type) {
  const std::size_t bytes = static_cast<std::size_t>(elements) * item_bytes(computed_as(type));
  void* copy = copy_.reserve(bytes + 1);
  if (is_half(type)) {
    widen(type, data, elements, static_cast<float*>(copy));
  } else if (bytes) {
    std::memcpy(copy, data, bytes);
  }
  data_ = copy;
}

PackedWeight::~PackedWeight() {
  for (Pack* pack = packs_.load(); pack;) {
    Pack* next = pack->next;
    delete pack;
    pack = next;
  }
}

const void* PackedWeight::find(const Pack* head, const Key& key) {
  for (; head; head = head->next)
    if (head->key == key) return head->data.get();
  return nullptr;
}

const void* PackedWeight::pack_for(const ConvPlan& plan) const {
  // An algorithm belongs to one direction. The parts of a filter depend on the stride.
  const ConvProblem& p = plan.problem;
  std::vector<int64_t> key{reinterpret_cast<intptr_t>(plan.algorithm),
                           reinterpret_cast<intptr_t>(plan.isa), p.groups, p.c, p.stride[0],
                           p.stride[1], p.stride[2], plan.packed_panel};
  const std::size_t bytes =
      static_cast<std::size_t>(plan.packed_elements) * static_cast<std::size_t>(plan.type);
  return pack_for(std::move(key), bytes,
                  [&](void* out) { plan.algorithm->pack(plan, data_, out); });
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

const void* packed_for_call(const ConvPlan& plan, const ConvArgs& args) {
  if (args.packed) return args.packed->pack_for(plan);
  void* const shared = call_scratch(plan.shared_bytes);
  plan.algorithm->pack(plan, args.other, shared);
  return shared;
}

}  // namespace pyconv
