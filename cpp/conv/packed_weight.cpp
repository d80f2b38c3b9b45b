#include "conv/packed_weight.hpp"

#include <cstring>
#include <memory>

namespace pyconv {

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

const void* PackedWeight::find(const Pack* head, const Key& key) {
  for (; head; head = head->next)
    if (head->key == key) return head->data.get();
  return nullptr;
}

const void* PackedWeight::pack_for(const ConvPlan& plan) const {
  const Key key{plan.algorithm, plan.isa, plan.problem.groups, plan.problem.c};
  Pack* head = packs_.load(std::memory_order_acquire);
  if (const void* found = find(head, key)) return found;
  auto made = std::make_unique<Pack>();
  const std::size_t bytes =
      static_cast<std::size_t>(plan.packed_elements) * static_cast<std::size_t>(plan.type);
  plan.algorithm->pack(plan, data_, made->data.reserve(bytes + 1));
  made->key = key;
  do {
    if (const void* found = find(head, made->key)) return found;
    made->next = head;
  } while (!packs_.compare_exchange_weak(head, made.get(), std::memory_order_acq_rel));
  return made.release()->data.get();
}

}  // namespace pyconv
