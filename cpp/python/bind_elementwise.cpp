#include "elementwise/relu.hpp"
#include "python/arrays.hpp"
#include "python/register.hpp"
#include "python/unlocked.hpp"

namespace pyconv {
namespace {

void forward(const py::array& x, py::array& out) {
  const ElementType type = element_type(x, "x");
  const int64_t count = x.size();
  const void* from = read(x, type, count, "x");
  void* to = write(out, type, count, "out");
  const Unlocked unlocked;
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
  const Unlocked unlocked;
  if (is_half(type)) {
    relu_backward(type, static_cast<const uint16_t*>(g), static_cast<const uint16_t*>(y), count,
                  static_cast<uint16_t*>(to));
  } else if (type == ElementType::f32) {
    backward_of<float>(g, y, count, to);
  } else {
    backward_of<double>(g, y, count, to);
  }
}

// One bit for each of `count` elements.
void check_bits(const py::array& bits, int64_t count) {
  const bool contiguous = (bits.flags() & py::array::c_style) != 0;
  if (!py::isinstance<py::array_t<uint8_t>>(bits) || !contiguous || bits.size() != (count + 7) / 8)
    throw std::invalid_argument("bits: expected a C-contiguous array of uint8, one bit an element");
}

void forward_bits(const py::array& x, py::array& out, py::array& bits) {
  const ElementType type = element_type(x, "x");
  const int64_t count = x.size();
  const void* from = read(x, type, count, "x");
  void* to = write(out, type, count, "out");
  check_bits(bits, count);
  auto* mask = static_cast<uint8_t*>(bits.mutable_data());
  const Unlocked unlocked;
  if (is_half(type)) {
    relu_forward(type, static_cast<const uint16_t*>(from), count, static_cast<uint16_t*>(to), mask);
  } else if (type == ElementType::f32) {
    relu_forward(static_cast<const float*>(from), count, static_cast<float*>(to), mask);
  } else {
    relu_forward(static_cast<const double*>(from), count, static_cast<double*>(to), mask);
  }
}

void backward_bits(const py::array& grad, const py::array& bits, py::array& out) {
  const ElementType type = element_type(grad, "grad");
  const int64_t count = grad.size();
  const void* from = read(grad, type, count, "grad");
  void* to = write(out, type, count, "out");
  check_bits(bits, count);
  const auto* mask = static_cast<const uint8_t*>(bits.data());
  const Unlocked unlocked;
  if (is_half(type)) {
    relu_backward(static_cast<const uint16_t*>(from), mask, count, static_cast<uint16_t*>(to));
  } else if (type == ElementType::f32) {
    relu_backward(static_cast<const float*>(from), mask, count, static_cast<float*>(to));
  } else {
    relu_backward(static_cast<const double*>(from), mask, count, static_cast<double*>(to));
  }
}

// grad, output (images, channels, area) -> out likewise, sums (channels)
void bias_backward(const py::array& grad, const py::array& output, py::array& out,
                   py::array& sums, int64_t images, int64_t channels, int64_t area) {
  const ElementType type = element_type(grad, "grad");
  const int64_t count = images * channels * area;
  const void* g = read(grad, type, count, "grad");
  const void* y = read(output, type, count, "output");
  void* to = write(out, type, count, "out");
  void* sum = write(sums, type, channels, "sums");
  if (is_half(type)) throw py::type_error("grad: expected an array of float32 or float64");
  const Unlocked unlocked;
  if (type == ElementType::f32) {
    relu_bias_backward(static_cast<const float*>(g), static_cast<const float*>(y), images,
                       channels, area, static_cast<float*>(to), static_cast<float*>(sum));
  } else {
    relu_bias_backward(static_cast<const double*>(g), static_cast<const double*>(y), images,
                       channels, area, static_cast<double*>(to), static_cast<double*>(sum));
  }
}

}  // namespace
}  // namespace pyconv

void register_elementwise(py::module_& m) {
  using py::arg;
  m.def("relu_forward", &pyconv::forward, arg("x"), arg("out"));
  m.def("relu_backward", &pyconv::backward, arg("grad"), arg("output"), arg("out"));
  m.def("relu_forward_bits", &pyconv::forward_bits, arg("x"), arg("out"), arg("bits"));
  m.def("relu_backward_bits", &pyconv::backward_bits, arg("grad"), arg("bits"), arg("out"));
  m.def("relu_bias_backward", &pyconv::bias_backward);
}
