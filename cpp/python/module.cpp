// The extension module: one register function per topic.
#include "python/register.hpp"

PYBIND11_MODULE(_core, m, py::mod_gil_not_used()) {
  m.doc() = "Native kernels of pyconv. Arguments are checked for safety, not for friendliness: call "
            "pyconv.arrays.";
  register_config(m);
  register_conv(m);
  register_linear(m);
  register_pool(m);
  register_elementwise(m);
  register_memory(m);
  register_kernels(m);
}
