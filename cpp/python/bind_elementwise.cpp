#include "elementwise/relu.hpp"
#include "python/arrays.hpp"
#include "python/register.hpp"

namespace pyconv {
namespace {

void forward(const py::array& x, py::array& out) {
  const ElementType type = element_type(x, "x");
  const int64_t count = x.size();
  const void* from = read(x, type, count, "x");
  void* to = write(out, type, count, "out");
  const py::gil_scoped_release unlocked;
  if (is_half(type)) {
    relu_forward(type, static_cast<const uint16_t*>(from), count, static_cast<uint16_t*>(to));
  } else if (type == ElementType::f32) {
    relu_forward(static_cast<const float*>(from), count, static_cast<float*>(to));
  } else {
    relu_forward(static_cast<const double*>(from), count, static_cast<double*>(to));
  }
}

template <class T>
void backward_of(const void* grad, const void* output, int64_t count, void* out) {
  relu_backward(static_cast<const T*>(grad), static_cast<const T*>(output), count,
                static_cast<T*>(out));
}

void backward(const py::array& grad, const py::array& output, py::array& out) {
  const ElementType type = element_type(grad, "grad");
  const int64_t count = grad.size();
  const void* g = read(grad, type, count, "grad");
  const void* y = read(output, type, count, "output");
  void* to = write(out, type, count, "out");
  const py::gil_scoped_release unlocked;
  if (is_half(type)) {
    relu_backward(type, static_cast<const uint16_t*>(g), static_cast<const uint16_t*>(y), count,
                  static_cast<uint16_t*>(to));
  } else if (type == ElementType::f32) {
    backward_of<float>(g, y, count, to);
  } else {
    backward_of<double>(g, y, count, to);
  }
}

}  // namespace
}  // namespace pyconv

void register_elementwise(py::module_& m) {
  using py::arg;
  m.def("relu_forward", &pyconv::forward, arg("x"), arg("out"));
  m.def("relu_backward", &pyconv::backward, arg("grad"), arg("output"), arg("out"));
}
