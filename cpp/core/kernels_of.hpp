// The kernels of a table for an element type.
#pragma once
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

}  // namespace pyconv
