#include "linear/product.hpp"
#include "python/arrays.hpp"
#include "python/register.hpp"
#include "python/unlocked.hpp"

namespace pyconv {
namespace {

const LinearAlgorithm& choose(Direction direction, ElementType type, int64_t rows,
                              int64_t outputs, int64_t inputs, int precision,
                              const std::string& algorithm) {
  if (precision < 0 || precision > 2) throw std::invalid_argument("precision: expected 0, 1 or 2");
  return linear_algorithm(direction, type, rows, outputs, inputs,
                          static_cast<Precision>(precision), algorithm);
}

void run(const Product& q, ElementType type, const LinearAlgorithm& algorithm) {
  if (q.rows == 0 || q.columns == 0) return;
  const Unlocked unlocked;
  multiply(q, type, algorithm);
}

// x (m, k), weight (n, k), bias (n) or None -> out (m, n)
void linear_forward(const py::array& x, const py::array& weight, const py::object& bias,
                    py::array out, int64_t m, int64_t n, int64_t k, bool relu, int precision,
                    const std::string& algorithm) {
  const ElementType type = element_type(x, "input");
  Product q{m, n, k, read(x, type, m * k, "input"), k, 1, read(weight, type, n * k, "weight"),
            k, true, write(out, type, m * n, "out"), nullptr, relu};
  if (!bias.is_none()) q.column_bias = read(bias.cast<py::array>(), type, n, "bias");
  run(q, type, choose(Direction::forward, type, m, n, k, precision, algorithm));
}

// grad (m, n), weight (n, k) -> out (m, k)
void linear_input(const py::array& grad, const py::array& weight, py::array out, int64_t m,
                  int64_t n, int64_t k, int precision, const std::string& algorithm) {
  const ElementType type = element_type(grad, "grad_output");
  run({m, k, n, read(grad, type, m * n, "grad_output"), n, 1, read(weight, type, n * k, "weight"),
       k, false, write(out, type, m * k, "out"), nullptr, false}, type,
      choose(Direction::input, type, m, n, k, precision, algorithm));
}

// x (m, k), grad (m, n) -> out (n, k)
void linear_weight(const py::array& x, const py::array& grad, py::array out, int64_t m, int64_t n,
                   int64_t k, int precision, const std::string& algorithm) {
  const ElementType type = element_type(x, "input");
  run({n, k, m, read(grad, type, m * n, "grad_output"), 1, n, read(x, type, m * k, "input"),
       k, false, write(out, type, n * k, "out"), nullptr, false}, type,
      choose(Direction::weight, type, m, n, k, precision, algorithm));
}

// grad (images, channels, area) -> out (channels)
void bias_gradient(const py::array& grad, py::array out, int64_t images, int64_t channels,
                   int64_t area) {
  const ElementType type = element_type(grad, "grad_output");
  const void* in = read(grad, type, images * channels * area, "grad_output");
  void* result = write(out, type, channels, "out");
  const Unlocked unlocked;
  sum_channels(in, images, channels, area, result, type);
}

}  // namespace
}  // namespace pyconv

void register_linear(py::module_& m) {
  m.def("linear_forward", &pyconv::linear_forward);
  m.def("linear_input", &pyconv::linear_input);
  m.def("linear_weight", &pyconv::linear_weight);
  m.def("bias_gradient", &pyconv::bias_gradient);
}
