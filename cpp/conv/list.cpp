// The map of the library: the algorithms of each pass, in the order in which they are asked.
#include "conv/list.hpp"

namespace pyconv {
namespace {

const ConvAlgorithm* const forward[] = {
    &depthwise_forward, &bf16x1_forward,         &bf16x3_forward, &bf16x6_forward,
    &pointwise_forward, &channel_vector_forward, &direct_forward, &implicit_gemm_forward,
    &naive_forward};
const ConvAlgorithm* const input[] = {
    &depthwise_input, &bf16x1_input,         &bf16x3_input, &bf16x6_input,
    &pointwise_input, &channel_vector_input, &direct_input, &implicit_gemm_input,
    &naive_input};
const ConvAlgorithm* const weight[] = {
    &depthwise_weight, &bf16x1_weight,        &bf16x3_weight, &bf16x6_weight,
    &direct_weight,    &implicit_gemm_weight, &naive_weight};

}  // namespace

AlgorithmList algorithms(Direction direction) {
  switch (direction) {
    case Direction::forward: return {std::begin(forward), std::end(forward)};
    case Direction::input: return {std::begin(input), std::end(input)};
    default: return {std::begin(weight), std::end(weight)};
  }
}

}  // namespace pyconv
