// The kernels of a table for an element type.
#pragma once
#include "core/element_type.hpp"
#include "kernels/table.hpp"

namespace pyconv {

template <class T>
const Kernels<T>& kernels_of(const KernelTable& table);
template <>
inline const Kernels<float>& kernels_of(const KernelTable& table) {
  return table.f32;
}
template <>
inline const Kernels<double>& kernels_of(const KernelTable& table) {
  return table.f64;
}

inline const HalfKernels& half_kernels(const KernelTable& table, ElementType half) {
  return half == ElementType::f16 ? table.float16 : table.bfloat16;
}

}  // namespace pyconv
