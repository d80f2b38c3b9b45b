#include "pool/half.hpp"
#include "python/arrays.hpp"
#include "python/register.hpp"
#include "python/typed.hpp"

namespace pyconv {
namespace {

// a * b for sizes, refused where it does not fit.
int64_t product(int64_t a, int64_t b) {
  if (b > 0 && a > INT64_MAX / 16 / b) throw std::invalid_argument("sizes: too many elements");
  return a * b;
}

// One axis: what the loops rely on. Windows start inside the image or the padding before it.
void check_axis(const PoolProblem& p, int axis) {
  constexpr int64_t most = INT32_MAX;
  const int64_t parameters[] = {p.kernel[axis], p.stride[axis], p.dilation[axis]};
  for (const int64_t v : parameters)
    if (v < 1 || v > most) throw std::invalid_argument("sizes: expected kernel, stride, dilation "
                                                       "between 1 and 2**31 - 1");
  const bool padded = p.pad_lo[axis] >= 0 && p.pad_lo[axis] <= most && p.pad_hi[axis] >= 0;
  const int64_t output = p.output[axis], last = product(output, p.stride[axis]) - p.stride[axis];
  if (p.input[axis] < 1 || output < 1 || !padded || last - p.pad_lo[axis] >= p.input[axis])
    throw std::invalid_argument("sizes: the windows do not fit the image");
}

// The 15 numbers in the field order of PoolProblem.
PoolProblem problem_of(const py::tuple& sizes) {
  if (sizes.size() != 15) throw std::invalid_argument("sizes: expected 15 numbers");
  int64_t v[15];
  for (std::size_t i = 0; i < 15; ++i) {
    v[i] = PyLong_AsLongLong(PyTuple_GET_ITEM(sizes.ptr(), static_cast<Py_ssize_t>(i)));
    if (v[i] == -1 && PyErr_Occurred()) throw py::error_already_set();
  }
  const PoolProblem p{v[0],         {v[1], v[2]},   {v[3], v[4]},   {v[5], v[6]},
                      {v[7], v[8]}, {v[9], v[10]}, {v[11], v[12]}, {v[13], v[14]}};
  if (p.planes < 0) throw std::invalid_argument("sizes: expected no negative number of planes");
  check_axis(p, 0);
  check_axis(p, 1);
  return p;
}

int64_t image_elements(const PoolProblem& p) {
  return product(product(p.planes, p.input[0]), p.input[1]);
}
int64_t window_count(const PoolProblem& p) {
  return product(product(p.planes, p.output[0]), p.output[1]);
}

// Positions must be of the kind that the size of the window asks for.
WindowOffsets offsets_of(const PoolProblem& p, const py::array& array, bool writes) {
  constexpr int flags = py::array::c_style | py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  const bool narrow = p.kernel[0] * p.kernel[1] <= 256;
  const char* expected = narrow ? "offsets: expected a C-contiguous array of uint8"
                                : "offsets: expected a C-contiguous, aligned array of int32";
  const bool kind = narrow ? py::isinstance<py::array_t<uint8_t>>(array)
                           : py::isinstance<py::array_t<int32_t>>(array);
  if (!kind || (array.flags() & flags) != flags) throw std::invalid_argument(expected);
  if (array.size() != window_count(p))
    throw std::invalid_argument("offsets: expected one for each window");
  if (writes && !array.writeable()) throw std::invalid_argument("offsets: read-only");
  if (p.kernel[0] * p.kernel[1] > INT32_MAX)
    throw std::invalid_argument("sizes: positions in so large a window do not fit an int32");
  void* data = const_cast<void*>(array.data());
  WindowOffsets offsets{};
  if (narrow) {
    offsets.bytes = static_cast<uint8_t*>(data);
  } else {
    offsets.words = static_cast<int32_t*>(data);
  }
  return offsets;
}

void max_forward(const PoolProblem& p, const py::array& x, py::array& out,
                 const py::object& offsets) {
  const ElementType type = element_type(x, "x");
  WindowOffsets where{};
  if (!offsets.is_none()) where = offsets_of(p, py::cast<py::array>(offsets), true);
  typed(type,
        [&](auto* from, auto* to, auto... half) { max_pool_forward(half..., p, from, to, where); },
        read(x, type, image_elements(p), "x"), write(out, type, window_count(p), "out"));
}

void max_indices(const PoolProblem& p, const py::array& offsets, py::array& indices) {
  const WindowOffsets where = offsets_of(p, offsets, false);
  if (!py::isinstance<py::array_t<int64_t, py::array::c_style>>(indices) ||
      indices.size() != window_count(p))
    throw std::invalid_argument("indices: expected a C-contiguous array of int64, one a window");
  int64_t* to = static_cast<int64_t*>(indices.mutable_data());
  const Unlocked unlocked;
  max_pool_indices(p, where, to);
}

void max_backward(const PoolProblem& p, const py::array& grad, const py::array& offsets,
                  py::array& out) {
  const ElementType type = element_type(grad, "grad");
  const WindowOffsets where = offsets_of(p, offsets, false);
  typed(type,
        [&](auto* from, auto* to, auto... half) { max_pool_backward(half..., p, from, where, to); },
        read(grad, type, window_count(p), "grad"), write(out, type, image_elements(p), "out"));
}

void check_undilated(const PoolProblem& p) {
  if (p.dilation[0] != 1 || p.dilation[1] != 1)
    throw std::invalid_argument("problem: average pooling has no dilation");
}

void avg_forward(const PoolProblem& p, const py::array& x, py::array& out,
                 bool count_include_pad, int64_t divisor) {
  check_undilated(p);
  const ElementType type = element_type(x, "x");
  const AvgRule rule{count_include_pad, divisor};
  typed(type,
        [&](auto* from, auto* to, auto... half) { avg_pool_forward(half..., p, rule, from, to); },
        read(x, type, image_elements(p), "x"), write(out, type, window_count(p), "out"));
}

void avg_backward(const PoolProblem& p, const py::array& grad, py::array& out,
                  bool count_include_pad, int64_t divisor) {
  check_undilated(p);
  const ElementType type = element_type(grad, "grad");
  const AvgRule rule{count_include_pad, divisor};
  typed(type,
        [&](auto* from, auto* to, auto... half) { avg_pool_backward(half..., p, rule, from, to); },
        read(grad, type, window_count(p), "grad"), write(out, type, image_elements(p), "out"));
}

}  // namespace
}  // namespace pyconv

void register_pool(py::module_& m) {
  using py::arg;
  // Checked when it is made, so that calls need not.
  py::class_<PoolProblem>(m, "PoolProblem").def(py::init(&pyconv::problem_of), arg("sizes"));
  m.def("max_pool_forward", &pyconv::max_forward, arg("problem"), arg("x"), arg("out"),
        arg("offsets"));
  m.def("max_pool_indices", &pyconv::max_indices, arg("problem"), arg("offsets"), arg("indices"));
  m.def("max_pool_backward", &pyconv::max_backward, arg("problem"), arg("grad"), arg("offsets"),
        arg("out"));
  m.def("avg_pool_forward", &pyconv::avg_forward, arg("problem"), arg("x"), arg("out"),
        arg("count_include_pad"), arg("divisor"));
  m.def("avg_pool_backward", &pyconv::avg_backward, arg("problem"), arg("grad"), arg("out"),
        arg("count_include_pad"), arg("divisor"));
}
