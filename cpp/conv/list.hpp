// Every algorithm, by the file that holds it.
#pragma once
#include <vector>

#include "conv/plan.hpp"

namespace pyconv {

extern const ConvAlgorithm depthwise_forward, depthwise_input, depthwise_weight;  // depthwise*.cpp
extern const ConvAlgorithm channel_vector_forward, channel_vector_input;          // channel_vector.cpp
extern const ConvAlgorithm pointwise_forward, pointwise_input;                    // implicit_gemm.cpp
extern const ConvAlgorithm direct_forward, direct_input;                          // implicit_gemm.cpp
extern const ConvAlgorithm implicit_gemm_forward, implicit_gemm_input;            // implicit_gemm.cpp
extern const ConvAlgorithm bf16x1_forward, bf16x3_forward, bf16x6_forward;        // split_bf16.cpp
extern const ConvAlgorithm bf16x1_input, bf16x3_input, bf16x6_input;              // split_bf16.cpp
extern const ConvAlgorithm bf16x1_weight, bf16x3_weight, bf16x6_weight;  // split_bf16_weight.cpp
extern const ConvAlgorithm direct_weight, implicit_gemm_weight;                   // weight_gemm.cpp
extern const ConvAlgorithm naive_forward, naive_input, naive_weight;              // naive.cpp

using AlgorithmList = std::vector<const ConvAlgorithm*>;
AlgorithmList algorithms(Direction);  // in order of choice

}  // namespace pyconv
