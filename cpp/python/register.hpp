#pragma once
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

namespace py = pybind11;

void register_config(py::module_& m);
void register_conv(py::module_& m);
void register_linear(py::module_& m);
void register_pool(py::module_& m);
void register_elementwise(py::module_& m);
void register_memory(py::module_& m);
void register_kernels(py::module_& m);
