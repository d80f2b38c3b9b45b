// Every algorithm, by the file that holds it.
#pragma once
#include <vector>

#include "conv/plan.hpp"

namespace pyconv {

extern const ConvAlgorithm depthwise_forward, depthwise_input, depthwise_weight;  // depthwise*.cpp
extern const ConvAlgorithm depthwise_strip_forward, depthwise_strip_weight;  // depthwise_strip.cpp
extern const ConvAlgorithm depthwise_strip_input;  // depthwise_strip_input.cpp
extern const ConvAlgorithm channel_vector_forward, channel_vector_input;  // channel_vector.cpp
extern const ConvAlgorithm wide_rows_forward, wide_rows_input;  // wide_rows.cpp
extern const ConvAlgorithm wide_rows_weight;  // wide_rows_weight.cpp
extern const ConvAlgorithm winograd_2x2_forward, winograd_2x2_input;  // winograd.cpp
extern const ConvAlgorithm winograd_4x4_forward, winograd_4x4_input;  // winograd.cpp
extern const ConvAlgorithm winograd_2x2_weight, winograd_4x4_weight;  // winograd_weight.cpp
extern const ConvAlgorithm winograd_parts_forward, winograd_parts_input;  // winograd_parts.cpp
extern const ConvAlgorithm winograd_parts_weight;  // winograd_parts_weight.cpp
extern const ConvAlgorithm bf16x1_forward, bf16x3_forward, bf16x6_forward;  // split_bf16.cpp
extern const ConvAlgorithm bf16x1_input, bf16x3_input, bf16x6_input;  // split_bf16.cpp
extern const ConvAlgorithm bf16x1_weight, bf16x3_weight, bf16x6_weight;  // split_bf16_weight.cpp
extern const ConvAlgorithm pointwise_forward, pointwise_input;  // implicit_gemm.cpp
extern const ConvAlgorithm pointwise_weight;  // pointwise_weight.cpp
extern const ConvAlgorithm direct_input;  // implicit_gemm.cpp
extern const ConvAlgorithm implicit_gemm_forward, implicit_gemm_input;  // implicit_gemm.cpp
extern const ConvAlgorithm direct_weight, implicit_gemm_weight;  // weight_gemm.cpp
extern const ConvAlgorithm naive_forward, naive_input, naive_weight;  // naive.cpp

using AlgorithmList = std::vector<const ConvAlgorithm*>;
AlgorithmList algorithms(Direction);  // in order of choice

// Where the precision admits it.
inline bool would_run(const ConvAlgorithm& a, const ConvPlan& plan) {
  return !a.refuses(plan) && a.prefers(plan);
}

}  // namespace pyconv
