#include "core/convert.hpp"

#include <algorithm>

#include "core/cpu.hpp"
#include "core/kernels_of.hpp"
#include "core/parallel.hpp"

namespace pyconv {
namespace {

// Calls body(first, count) for blocks that stay in a second-level cache on their way.
template <class Body>
void for_blocks(int64_t count, const Body& body) {
  constexpr int64_t block = 65536;
  parallel_for((count + block - 1) / block, static_cast<double>(count) * 6, [&](int64_t task) {
    body(task * block, std::min(block, count - task * block));
  });
}

}  // namespace

void widen(ElementType half, const void* in, int64_t count, float* out) {
  const HalfKernels& k = half_kernels(current_isa(), half);
  const auto* from = static_cast<const uint16_t*>(in);
  for_blocks(count, [&](int64_t at, int64_t n) { k.widen(from + at, n, out + at); });
}

void narrow(ElementType half, const float* in, int64_t count, void* out) {
  const HalfKernels& k = half_kernels(current_isa(), half);
  auto* to = static_cast<uint16_t*>(out);
  for_blocks(count, [&](int64_t at, int64_t n) { k.narrow(in + at, n, to + at); });
}

}  // namespace pyconv
