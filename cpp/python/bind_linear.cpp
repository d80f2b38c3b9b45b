#include "linear/plan.hpp"
#include "python/arrays.hpp"
#include "python/names.hpp"
#include "python/register.hpp"
#include "python/unlocked.hpp"

namespace pyconv {
namespace {

void run(const LinearPlan& plan, const LinearArgs& args) {
  const Unlocked unlocked;
  run_linear(plan, args);
}

// x (m, k), weight (n, k), bias (n) or None -> out (m, n)
void linear_forward(const py::array& x, const py::array& weight, const py::object& bias,
                    py::array out, int64_t m, int64_t n, int64_t k, bool relu, int precision,
                    const std::string& algorithm) {
  const ElementType type = element_type(x, "input");
  LinearArgs args{read(x, type, m * k, "input"), read(weight, type, n * k, "weight"),
                  write(out, type, m * n, "out"), nullptr, relu};
  if (!bias.is_none()) args.bias = read(bias.cast<py::array>(), type, n, "bias");
  run(make_linear_plan({m, n, k}, Direction::forward, type, precision_from(precision), algorithm),
      args);
}

// grad (m, n), weight (n, k) -> out (m, k)
void linear_input(const py::array& grad, const py::array& weight, py::array out, int64_t m,
                  int64_t n, int64_t k, int precision, const std::string& algorithm) {
  const ElementType type = element_type(grad, "grad_output");
  run(make_linear_plan({m, n, k}, Direction::input, type, precision_from(precision), algorithm),
      {read(grad, type, m * n, "grad_output"), read(weight, type, n * k, "weight"),
       write(out, type, m * k, "out"), nullptr, false});
}

// x (m, k), grad (m, n) -> out (n, k)
void linear_weight(const py::array& x, const py::array& grad, py::array out, int64_t m, int64_t n,
                   int64_t k, int precision, const std::string& algorithm) {
  const ElementType type = element_type(x, "input");
  run(make_linear_plan({m, n, k}, Direction::weight, type, precision_from(precision), algorithm),
      {read(grad, type, m * n, "grad_output"), read(x, type, m * k, "input"),
       write(out, type, n * k, "out"), nullptr, false});
}

LinearPlan linear_plan(const std::string& direction, int64_t rows, int64_t outputs,
                       int64_t inputs, const std::string& dtype, int precision,
                       const std::string& algorithm) {
  return make_linear_plan({rows, outputs, inputs}, direction_from(direction), type_named(dtype),
                          precision_from(precision), algorithm);
}

std::vector<std::pair<std::string, std::string>> refusals(const LinearPlan& plan) {
  std::vector<std::pair<std::string, std::string>> list;
  for (std::size_t i = 0; i < plan.refusals.size(); ++i)
    if (plan.refusals[i]) list.emplace_back(linear_algorithms[i].name, plan.refusals[i]);
  return list;
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
  using pyconv::LinearPlan;
  py::class_<LinearPlan>(m, "LinearPlan")
      .def_property_readonly("algorithm", [](const LinearPlan& p) { return p.algorithm->name; })
      .def_property_readonly("isa", [](const LinearPlan& p) { return p.isa->isa; })
      .def_property_readonly("precision",
                             [](const LinearPlan& p) { return static_cast<int>(p.precision); })
      .def_property_readonly("tasks", [](const LinearPlan& p) { return p.needs.tasks; })
      .def_property_readonly("task_bytes", [](const LinearPlan& p) { return p.needs.task_bytes; })
      .def_property_readonly("shared_bytes",
                             [](const LinearPlan& p) { return p.needs.shared_bytes; })
      .def_property_readonly("refusals", &pyconv::refusals);
  m.def("linear_plan", &pyconv::linear_plan);
  m.def("linear_forward", &pyconv::linear_forward);
  m.def("linear_input", &pyconv::linear_input);
  m.def("linear_weight", &pyconv::linear_weight);
  m.def("bias_gradient", &pyconv::bias_gradient);
}
