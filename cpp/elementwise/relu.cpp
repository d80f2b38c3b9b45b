#include "elementwise/relu.hpp"

#include <algorithm>

#include "core/cpu.hpp"
#include "core/kernels_of.hpp"
#include "core/parallel.hpp"

namespace pyconv {
namespace {

// Calls body(first, count) for equal runs of at most 65536 elements, a multiple of 4 of them: of
// 3.06 runs the last would keep one of two threads waiting for half of the time. Whole bytes of
// bits and whole cache lines belong to a run. `arrays` are moved.
template <class T, class Body>
void for_runs(int64_t count, int arrays, const Body& body) {
  constexpr int64_t block = 65536, line = 64;
  const double bytes = static_cast<double>(count) * static_cast<double>(sizeof(T)) * arrays;
  const int64_t lines = (count + line - 1) / line;
  const int64_t tasks = std::min(lines, 4 * ((count + 4 * block - 1) / (4 * block)));
  parallel_for(tasks, bytes, [&](int64_t task) {
    const int64_t at = lines * task / tasks * line, end = lines * (task + 1) / tasks * line;
    body(at, std::min(end, count) - at);
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

template <class T>
void relu_bias_backward(const T* grad, const T* output, int64_t images, int64_t channels,
                        int64_t area, T* out, T* sums) {
  const Kernels<T>& k = kernels_of<T>(current_isa());
  const double elements = static_cast<double>(images) * static_cast<double>(channels * area);
  parallel_for(channels, elements * 3 * sizeof(T), [&](int64_t c) {
    T sum = 0;
    for (int64_t n = 0; n < images; ++n) {
      const int64_t at = (n * channels + c) * area;
      k.elementwise.relu_backward(grad + at, output + at, area, out + at);
      sum += k.sum(out + at, area);
    }
    sums[c] = sum;
  });
}

template <class T>
void relu_forward(const T* x, int64_t count, T* out, uint8_t* bits) {
  const auto kernel = kernels_of<T>(current_isa()).elementwise.relu_bits;
  for_runs<T>(count, 2, [&](int64_t at, int64_t n) { kernel(x + at, n, out + at, bits + at / 8); });
}

template <class T>
void relu_backward(const T* grad, const uint8_t* bits, int64_t count, T* out) {
  const auto kernel = kernels_of<T>(current_isa()).elementwise.relu_bits_backward;
  for_runs<T>(count, 2, [&](int64_t at, int64_t n) {
    kernel(grad + at, bits + at / 8, n, out + at);
  });
}

void relu_forward(ElementType half, const uint16_t* x, int64_t count, uint16_t* out) {
  const auto kernel = half_kernels(current_isa(), half).relu;
  for_runs<uint16_t>(count, 2, [&](int64_t at, int64_t n) { kernel(x + at, n, out + at); });
}

// A result of ReLU is a positive number, NaN or a zero without sign: only that one stops a gradient.
void relu_forward(ElementType half, const uint16_t* x, int64_t count, uint16_t* out,
                  uint8_t* bits) {
  const auto kernel = half_kernels(current_isa(), half).relu;
  for_runs<uint16_t>(count, 2, [&](int64_t at, int64_t n) {
    kernel(x + at, n, out + at);
    for (int64_t i = at; i < at + n; i += 8) {
      unsigned passes = 0;
      const int64_t some = std::min<int64_t>(8, at + n - i);
      for (int64_t j = 0; j < some; ++j) passes |= unsigned{out[i + j] != 0} << j;
      bits[i / 8] = static_cast<uint8_t>(passes);
    }
  });
}

void relu_backward(const uint16_t* grad, const uint8_t* bits, int64_t count, uint16_t* out) {
  for_runs<uint16_t>(count, 2, [&](int64_t at, int64_t n) {
    for (int64_t i = at; i < at + n; ++i)
      out[i] = bits[i / 8] >> (i % 8) & 1 ? grad[i] : uint16_t{0};
  });
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
template void relu_bias_backward(const float*, const float*, int64_t, int64_t, int64_t, float*, float*);
template void relu_backward(const double*, const double*, int64_t, double*);
template void relu_bias_backward(const double*, const double*, int64_t, int64_t, int64_t, double*, double*);
template void relu_forward(const float*, int64_t, float*, uint8_t*);
template void relu_forward(const double*, int64_t, double*, uint8_t*);
template void relu_backward(const float*, const uint8_t*, int64_t, float*);
template void relu_backward(const double*, const uint8_t*, int64_t, double*);

}  // namespace pyconv
