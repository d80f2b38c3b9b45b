// The map of the library: the algorithms of each pass, in the order in which they are asked.
#include "conv/list.hpp"

namespace pyconv {
namespace {

const ConvAlgorithm* const forward[] = {
    &depthwise_forward,    &depthwise_strip_forward, &wide_rows_forward,
    &bf16x1_forward,       &bf16x3_forward,          &winograd_4x4_forward,
    &bf16x6_forward,       &pointwise_forward,       &winograd_2x2_forward,
    &winograd_parts_forward, &channel_vector_forward, &implicit_gemm_forward,
    &naive_forward};
const ConvAlgorithm* const input[] = {
    &depthwise_input,     &depthwise_strip_input, &wide_rows_input,
    &bf16x1_input,        &bf16x3_input,          &winograd_4x4_input,
    &bf16x6_input,        &pointwise_input,       &winograd_2x2_input,
    &winograd_parts_input, &channel_vector_input, &direct_input,
    &implicit_gemm_input, &naive_input};
const ConvAlgorithm* const weight[] = {
    &depthwise_weight,     &depthwise_strip_weight, &bf16x1_weight,
    &bf16x3_weight,        &winograd_4x4_weight,    &bf16x6_weight,
    &winograd_2x2_weight,  &winograd_parts_weight,  &wide_rows_weight,
    &pointwise_weight,     &direct_weight,          &implicit_gemm_weight,
    &naive_weight};

}  // namespace

AlgorithmList algorithms(Direction direction) {
  switch (direction) {
    case Direction::forward: return {std::begin(forward), std::end(forward)};
    case Direction::input: return {std::begin(input), std::end(input)};
    default: return {std::begin(weight), std::end(weight)};
  }
}

}  // namespace pyconv
