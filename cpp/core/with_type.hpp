// From the element type of a computation to a type of C++.
#pragma once
#include "core/element_type.hpp"

namespace pyconv {

// Calls f(tag) with a zero of the type that `computed` names, for its type alone:
//   with_type(plan.type, [&](auto tag) { run_typed<decltype(tag)>(plan, args); });
template <class F>
auto with_type(ElementType computed, const F& f) {
  return computed == ElementType::f32 ? f(float{}) : f(double{});
}

}  // namespace pyconv
