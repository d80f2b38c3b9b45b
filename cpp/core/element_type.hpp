// What the numbers of an array are. Those of 16 bits are computed as float32 and rounded once.
#pragma once
#include <cstddef>

namespace pyconv {

enum class ElementType : int { f16 = 1, bf16 = 2, f32 = 4, f64 = 8 };

inline bool is_half(ElementType t) { return t == ElementType::f16 || t == ElementType::bf16; }
inline ElementType computed_as(ElementType t) { return is_half(t) ? ElementType::f32 : t; }
inline std::size_t item_bytes(ElementType t) {
  return is_half(t) ? 2 : static_cast<std::size_t>(t);
}

}  // namespace pyconv
