// Views of NumPy arrays that the Python layer has prepared, checked again for safety.
#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <atomic>
#include <stdexcept>
#include <string>

#include "conv/plan.hpp"

namespace pyconv {

namespace py = pybind11;

// bfloat16 comes from another package, which registers it under a number of this process.
inline bool is_bfloat16(const py::dtype& type) {
  static std::atomic<int> known{-1};
  const int number = type.num();
  if (number == known.load(std::memory_order_relaxed)) return true;
  constexpr int first_registered = 256;
  if (number < first_registered || type.itemsize() != 2) return false;
  const py::object name = type.attr("name");
  if (!py::isinstance<py::str>(name) || name.cast<std::string>() != "bfloat16") return false;
  known.store(number, std::memory_order_relaxed);
  return true;
}

inline ElementType element_type(const py::array& a, const char* name) {
  constexpr int float16 = 23;  // NPY_HALF, which pybind11 does not name
  const py::dtype type = a.dtype();
  const int number = type.num();
  if (number == py::detail::npy_api::NPY_FLOAT_) return ElementType::f32;
  if (number == py::detail::npy_api::NPY_DOUBLE_) return ElementType::f64;
  if (number == float16) return ElementType::f16;
  if (is_bfloat16(type)) return ElementType::bf16;
  throw py::type_error(std::string(name) +
                       ": expected an array of float32, float64, float16 or bfloat16");
}

// C-contiguous, aligned, native, of the given type and number of elements.
inline void check_array(const py::array& a, ElementType type, int64_t elements, const char* name) {
  constexpr int flags = py::array::c_style | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  if (element_type(a, name) != type)
    throw py::type_error(std::string(name) + ": the dtype differs from the plan's");
  if ((a.flags() & flags) != flags || a.dtype().byteorder() == '>')
    throw std::invalid_argument(std::string(name) + ": expected a C-contiguous, aligned array");
  if (a.size() != elements)
    throw std::invalid_argument(std::string(name) + ": has " + std::to_string(a.size()) +
                                " elements, expected " + std::to_string(elements));
}

inline const void* read(const py::array& a, ElementType type, int64_t elements, const char* name) {
  check_array(a, type, elements, name);
  return a.data();
}

inline void* write(py::array& a, ElementType type, int64_t elements, const char* name) {
  check_array(a, type, elements, name);
  return a.mutable_data();  // throws if read-only
}

}  // namespace pyconv
