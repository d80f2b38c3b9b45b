// What the Python layer calls by name or number.
#pragma once
#include <stdexcept>
#include <string>

#include "core/element_type.hpp"
#include "core/problem.hpp"

namespace pyconv {

inline Direction direction_from(const std::string& name) {
  if (name == "forward") return Direction::forward;
  if (name == "input") return Direction::input;
  if (name == "weight") return Direction::weight;
  throw std::invalid_argument("argument 'direction': expected 'forward', 'input' or 'weight', got '" +
                              name + "'");
}

inline ElementType type_named(const std::string& name) {
  if (name == "float32") return ElementType::f32;
  if (name == "float64") return ElementType::f64;
  if (name == "float16") return ElementType::f16;
  if (name == "bfloat16") return ElementType::bf16;
  throw std::invalid_argument("dtype: expected float32, float64, float16 or bfloat16");
}

inline Precision precision_from(int level) {
  if (level < 0 || level > 2) throw std::invalid_argument("precision: expected 0, 1 or 2");
  return static_cast<Precision>(level);
}

}  // namespace pyconv
