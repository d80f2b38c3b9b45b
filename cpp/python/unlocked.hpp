// What surrounds every kernel called from Python.
#pragma once
#include <pybind11/pybind11.h>

#include "core/float_state.hpp"

namespace pyconv {

// The interpreter's lock is released, the thread is in the kernels' floating-point state.
class Unlocked {
  pybind11::gil_scoped_release lock_;
  FloatState state_;
};

}  // namespace pyconv
