#include "conv/list.hpp"
#include "conv/packed_weight.hpp"
#include "conv/plan.hpp"
#include "fused/conv_pool.hpp"
#include "python/arrays.hpp"
#include "python/names.hpp"
#include "python/register.hpp"
#include "python/unlocked.hpp"

namespace pyconv {
namespace {

using Plan = std::shared_ptr<const ConvPlan>;

ConvProblem problem_from(const std::vector<int64_t>& sizes) {
  if (sizes.size() != 25) throw std::invalid_argument("sizes: expected 25 integers");
  ConvProblem p{};
  p.n = sizes[0];
  p.c = sizes[1];
  p.k = sizes[2];
  p.groups = sizes[3];
  std::size_t at = 4;
  for (int64_t* field : {p.input, p.kernel, p.stride, p.dilation, p.pad_lo, p.pad_hi, p.output})
    for (int i = 0; i < 3; ++i) field[i] = sizes[at++];
  return p;
}

Plan plan_from(const std::string& direction, const std::vector<int64_t>& sizes,
               const std::string& dtype, int precision, bool packed,
               const std::string& algorithm) {
  return make_plan(problem_from(sizes), direction_from(direction), type_named(dtype),
                   precision_from(precision), packed, algorithm);
}

int64_t source_elements(const ConvProblem& p) { return p.n * p.c * pixels(p.input); }
int64_t filter_elements(const ConvProblem& p) { return p.k * (p.c / p.groups) * taps_of(p); }
int64_t result_elements(const ConvProblem& p) { return p.n * p.k * pixels(p.output); }

// The weight is an array or a PackedWeight.
void take_weight(const py::object& weight, const ConvPlan& plan, ConvArgs& args) {
  const int64_t elements = filter_elements(plan.problem);
  const bool is_packed = py::isinstance<PackedWeight>(weight);
  if (is_packed != plan.packed)
    throw std::invalid_argument("weight: the plan is for the other of an array and a PackedWeight");
  if (is_packed) {
    const auto& packed = weight.cast<const PackedWeight&>();
    if (packed.type() != plan.stored || packed.elements() != elements)
      throw std::invalid_argument("weight: the PackedWeight has another dtype or size");
    args.packed = &packed;
    args.other = packed.data();
  } else {
    args.other = read(weight.cast<py::array>(), plan.stored, elements, "weight");
  }
}

void run(const ConvPlan& plan, const ConvArgs& args) {
  const Unlocked unlocked;
  run_plan(plan, args);
}

void forward(const Plan& plan, const py::array& x, const py::object& weight, const py::object& bias,
             py::array out, bool relu) {
  const ConvProblem& p = plan->problem;
  if (plan->direction != Direction::forward) throw std::invalid_argument("not a forward plan");
  ConvArgs args{};
  args.source = read(x, plan->stored, source_elements(p), "input");
  take_weight(weight, *plan, args);
  if (!bias.is_none()) args.bias = read(bias.cast<py::array>(), plan->stored, p.k, "bias");
  args.out = write(out, plan->stored, result_elements(p), "out");
  args.relu = relu;
  if (out.size()) run(*plan, args);
}

// The plan and the pooling are those of some images; x and out hold any number of such blocks.
void forward_pooled(const Plan& plan, const PoolProblem& pool, const py::array& x,
                    const py::object& weight, const py::object& bias, py::array out) {
  const ConvProblem& p = plan->problem;
  if (plan->direction != Direction::forward) throw std::invalid_argument("not a forward plan");
  const bool fits = p.n > 0 && pool.planes == p.n * p.k && p.output[0] == 1 &&
                    pool.input[0] == p.output[1] && pool.input[1] == p.output[2];
  if (!fits) throw std::invalid_argument("pool: is not of what the plan makes");
  const int64_t block = source_elements(p), blocks = block ? x.size() / block : 0;
  ConvArgs args{};
  args.source = read(x, plan->type, blocks * block, "input");
  take_weight(weight, *plan, args);
  if (!bias.is_none()) args.bias = read(bias.cast<py::array>(), plan->type, p.k, "bias");
  args.out = write(out, plan->type, blocks * pool.planes * pool.output[0] * pool.output[1], "out");
  args.relu = true;
  const Unlocked unlocked;
  conv_max_pool(*plan, pool, args, blocks);
}

void input_gradient(const Plan& plan, const py::array& grad, const py::object& weight,
                    py::array out) {
  const ConvProblem& p = plan->problem;
  if (plan->direction != Direction::input) throw std::invalid_argument("not an input plan");
  ConvArgs args{};
  args.source = read(grad, plan->stored, result_elements(p), "grad_output");
  take_weight(weight, *plan, args);
  args.out = write(out, plan->stored, source_elements(p), "out");
  if (out.size()) run(*plan, args);
}

void weight_gradient(const Plan& plan, const py::array& x, const py::array& grad, py::array out) {
  const ConvProblem& p = plan->problem;
  if (plan->direction != Direction::weight) throw std::invalid_argument("not a weight plan");
  ConvArgs args{};
  args.source = read(x, plan->stored, source_elements(p), "input");
  args.other = read(grad, plan->stored, result_elements(p), "grad_output");
  args.out = write(out, plan->stored, filter_elements(p), "out");
  if (out.size()) run(*plan, args);
}

std::unique_ptr<PackedWeight> pack_array(const py::array& w) {
  const ElementType type = element_type(w, "weight");
  const void* data = read(w, type, w.size(), "weight");
  return std::make_unique<PackedWeight>(data, w.size(), type);
}

// The packed copy itself, for operators that read a weight unpacked; float32 for 16 bits.
py::array packed_array(const py::object& self) {
  const auto& packed = self.cast<const PackedWeight&>();
  const bool wide = packed.type() == ElementType::f64;
  const py::dtype type = wide ? py::dtype::of<double>() : py::dtype::of<float>();
  py::array view(type, {packed.elements()}, {}, packed.data(), self);
  py::detail::array_proxy(view.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  return view;
}

}  // namespace
}  // namespace pyconv

void register_conv(py::module_& m) {
  using namespace pyconv;
  py::class_<PackedWeight>(m, "PackedWeight")
      .def(py::init(&pack_array), py::arg("weight"))
      .def_property_readonly("array", [](const py::object& self) { return packed_array(self); });
  py::class_<ConvPlan, std::shared_ptr<ConvPlan>>(m, "ConvPlan")
      .def_property_readonly("algorithm", [](const ConvPlan& p) { return p.algorithm->name; })
      .def_property_readonly("isa", [](const ConvPlan& p) { return p.isa->isa; })
      .def_property_readonly("precision",
                             [](const ConvPlan& p) { return static_cast<int>(p.precision); })
      .def_property_readonly("tasks", [](const ConvPlan& p) { return needs_of(p).tasks; })
      .def_property_readonly("task_bytes", [](const ConvPlan& p) { return needs_of(p).task_bytes; })
      .def_property_readonly("shared_bytes",
                             [](const ConvPlan& p) { return needs_of(p).shared_bytes; })
      .def_readonly("refusals", &ConvPlan::refusals);
  m.def("conv_plan", [](const std::string& direction, const std::vector<int64_t>& sizes,
                        const std::string& dtype, int precision, bool packed,
                        const std::string& algorithm) {
    return std::const_pointer_cast<ConvPlan>(
        plan_from(direction, sizes, dtype, precision, packed, algorithm));
  }, py::arg("direction"), py::arg("sizes"), py::arg("dtype"), py::arg("precision"),
     py::arg("packed"), py::arg("algorithm"));
  m.def("conv_algorithms", [](const std::string& direction) {
    return algorithm_names(direction_from(direction));
  }, py::arg("direction"));
  m.def("conv_rounding", [](const std::string& direction, const std::string& name) {
    for (const ConvAlgorithm* a : algorithms(direction_from(direction)))
      if (name == a->name) return std::make_pair(a->error_gain, a->mixes_pixels);
    throw std::invalid_argument("argument 'algorithm': '" + name + "' is unknown");
  }, py::arg("direction"), py::arg("algorithm"));
  m.def("conv_forward", [](const std::shared_ptr<ConvPlan>& plan, const py::array& x,
                           const py::object& weight, const py::object& bias, py::array out,
                           bool relu) { forward(plan, x, weight, bias, std::move(out), relu); });
  m.def("conv_relu_max_pool", [](const std::shared_ptr<ConvPlan>& plan, const PoolProblem& pool,
                                 const py::array& x, const py::object& weight,
                                 const py::object& bias, py::array out) {
    forward_pooled(plan, pool, x, weight, bias, std::move(out));
  });
  m.def("conv_input", [](const std::shared_ptr<ConvPlan>& plan, const py::array& grad,
                         const py::object& weight, py::array out) {
    input_gradient(plan, grad, weight, std::move(out));
  });
  m.def("conv_weight", [](const std::shared_ptr<ConvPlan>& plan, const py::array& x,
                          const py::array& grad, py::array out) {
    weight_gradient(plan, x, grad, std::move(out));
  });
}
