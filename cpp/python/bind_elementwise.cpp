#include "elementwise/relu.hpp"
#include "python/arrays.hpp"
#include "python/register.hpp"
#include "python/typed.hpp"

namespace pyconv {
namespace {

void forward(const py::array& x, py::array& out) {
  const ElementType type = element_type(x, "x");
  const int64_t count = x.size();
  typed(type, [&](auto* from, auto* to, auto... half) { relu_forward(half..., from, count, to); },
        read(x, type, count, "x"), write(out, type, count, "out"));
}

void backward(const py::array& grad, const py::array& output, py::array& out) {
  const ElementType type = element_type(grad, "grad");
  const int64_t count = grad.size();
  typed(type,
        [&](auto* g, auto* y, auto* to, auto... half) { relu_backward(half..., g, y, count, to); },
        read(grad, type, count, "grad"), read(output, type, count, "output"),
        write(out, type, count, "out"));
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
  check_bits(bits, count);
  auto* mask = static_cast<uint8_t*>(bits.mutable_data());
  typed(type,
        [&](auto* from, auto* to, auto... half) { relu_forward(half..., from, count, to, mask); },
        read(x, type, count, "x"), write(out, type, count, "out"));
}

void backward_bits(const py::array& grad, const py::array& bits, py::array& out) {
  const ElementType type = element_type(grad, "grad");
  const int64_t count = grad.size();
  check_bits(bits, count);
  const auto* mask = static_cast<const uint8_t*>(bits.data());
  typed(type, [&](auto* from, auto* to, auto...) { relu_backward(from, mask, count, to); },
        read(grad, type, count, "grad"), write(out, type, count, "out"));
}

// grad, output (images, channels, area) -> out likewise, sums (channels)
void bias_backward(const py::array& grad, const py::array& output, py::array& out,
                   py::array& sums, int64_t images, int64_t channels, int64_t area) {
  const ElementType type = element_type(grad, "grad");
  const int64_t count = images * channels * area;
  if (is_half(type)) throw py::type_error("grad: expected an array of float32 or float64");
  typed(type,
        [&](auto* g, auto* y, auto* to, auto* sum, auto... half) {
          if constexpr (sizeof...(half) == 0)
            relu_bias_backward(g, y, images, channels, area, to, sum);
        },
        read(grad, type, count, "grad"), read(output, type, count, "output"),
        write(out, type, count, "out"), write(sums, type, channels, "sums"));
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
