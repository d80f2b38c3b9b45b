// A weight with its packed forms: packing happens once per plan and lasts as long as the object.
#pragma once
#include <atomic>
#include <functional>
#include <vector>

#include "conv/plan.hpp"
#include "core/scratch.hpp"

namespace pyconv {

class PackedWeight {
 public:
  // Takes a copy, so that a later write to the caller's array cannot disagree with the packs; of an
  // array of 16 bits as float32.
  PackedWeight(const void* data, int64_t elements, ElementType type);
  ~PackedWeight();
  PackedWeight(const PackedWeight&) = delete;
  PackedWeight& operator=(const PackedWeight&) = delete;

  const void* data() const { return data_; }
  int64_t elements() const { return elements_; }
  ElementType type() const { return type_; }

  // The pack for this plan, made on first use; safe from several threads at once. No lock is held
  // meanwhile, which a forked child would inherit: two threads may both pack, and one pack is kept.
  const void* pack_for(const ConvPlan& plan) const;
  // The same for any form: `make` fills the bytes given.
  const void* pack_for(std::vector<int64_t> key, std::size_t bytes,
                       const std::function<void(void*)>& make) const;

 private:
  using Key = std::vector<int64_t>;
  struct Pack {
    Key key;
    AlignedBuffer data;
    Pack* next;
  };
  static const void* find(const Pack* head, const Key& key);

  AlignedBuffer copy_;
  const void* data_;
  int64_t elements_;
  ElementType type_;
  mutable std::atomic<Pack*> packs_{nullptr};
};

// What `plan.algorithm` packs of the weight of a call: by its PackedWeight, or into the memory that all
// tasks of the call share, which is for that alone.
const void* packed_for_call(const ConvPlan& plan, const ConvArgs& args);

}  // namespace pyconv
