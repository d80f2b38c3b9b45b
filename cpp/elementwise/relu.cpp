#include "elementwise/relu.hpp"

#include <algorithm>

#include "core/cpu.hpp"
#include "core/kernels_of.hpp"
#include "core/parallel.hpp"

namespace pyconv {
namespace {

constexpr int64_t block = 65536;

// Calls body(first, count) for blocks of a run; `arrays` of them are moved.
template <class T, class Body>
void for_runs(int64_t count, int arrays, const Body& body) {
  const double bytes = static_cast<double>(count) * static_cast<double>(sizeof(T)) * arrays;
  parallel_for((count + block - 1) / block, bytes, [&](int64_t task) {
    body(task * block, std::min(block, count - task * block));
  });
}

}  // namespace

template <class T>
void relu_forward(const T* x, int64_t count, T* out) {
  const auto kernel = kernels_of<T>(current_isa()).elementwise.relu;
  for_runs<T>(count, 2, [&](int64_t at, int64_t n) { kernel(x + at, n, out + at); });
}

template <class T>
void relu_backward(const T* grad, const T* output, int64_t count, T* out) {
  const auto kernel = kernels_of<T>(current_isa()).elementwise.relu_backward;
  for_runs<T>(count, 3, [&](int64_t at, int64_t n) {
    kernel(grad + at, output + at, n, out + at);
  });
}

void relu_forward(ElementType half, const uint16_t* x, int64_t count, uint16_t* out) {
  const auto kernel = half_kernels(current_isa(), half).relu;
  for_runs<uint16_t>(count, 2, [&](int64_t at, int64_t n) { kernel(x + at, n, out + at); });
}

void relu_backward(ElementType half, const uint16_t* grad, const uint16_t* output, int64_t count,
                   uint16_t* out) {
  const auto kernel = half_kernels(current_isa(), half).relu_backward;
  for_runs<uint16_t>(count, 3, [&](int64_t at, int64_t n) {
    kernel(grad + at, output + at, n, out + at);
  });
}

template void relu_forward(const float*, int64_t, float*);
template void relu_forward(const double*, int64_t, double*);
template void relu_backward(const float*, const float*, int64_t, float*);
template void relu_backward(const double*, const double*, int64_t, double*);

}  // namespace pyconv
