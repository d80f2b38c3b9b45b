// Which products a linear layer is made of.
#include <stdexcept>

#include "core/cpu.hpp"
#include "linear/product.hpp"

namespace pyconv {
namespace {

constexpr LinearAlgorithm plain{"float32", 0};
constexpr LinearAlgorithm split[] = {{"bf16x1", 1}, {"bf16x3", 3}, {"bf16x6", 6}};

const LinearAlgorithm& find_forced(ElementType type, const std::string& forced) {
  if (forced == plain.name) return plain;
  for (const LinearAlgorithm& a : split) {
    if (forced != a.name) continue;
    if (type != ElementType::f32)
      throw std::invalid_argument("argument 'algorithm': " + forced + " multiplies float32 only");
    if (!current_isa().pairs.name)
      throw std::invalid_argument("argument 'algorithm': " + forced +
                                  " needs an instruction set with products of bfloat16");
    return a;
  }
  throw std::invalid_argument(
      "argument 'algorithm': expected one of float32, bf16x1, bf16x3, bf16x6, got '" + forced +
      "'");
}

}  // namespace

const LinearAlgorithm& linear_algorithm(Direction direction, ElementType type, int64_t rows,
                                        int64_t outputs, int64_t inputs, Precision precision,
                                        const std::string& forced) {
  if (!forced.empty()) return find_forced(type, forced);
  const PairKernels& pairs = current_isa().pairs;
  if (type != ElementType::f32 || !pairs.name) return plain;
  if (outputs < 64 || inputs < 64) return plain;
  // A forward pass of one row only reads the weight, which splitting slows by 0 to 10 %; gradients
  // wait for more rows. Few of them: 0.5 times, 64: 1.4 to 2 times as fast (Zen 5, November 2026).
  const bool forward = direction == Direction::forward;
  if (!forward && rows < 32) return plain;
  if (precision == Precision::medium) return split[0];
  // Vectors have twice the products of float32, a matrix unit sixteen times: start values, from
  // the rates of the instructions. Six terms for one row would take longer than reading it.
  if (!pairs.tiles) return plain;
  if (precision == Precision::high) return split[1];
  return forward || rows < 64 ? plain : split[2];
}

}  // namespace pyconv
