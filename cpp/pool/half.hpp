// Pooling of arrays of 16 bits: bands of planes become float32 in cache, never the whole array.
#pragma once
#include "core/element_type.hpp"
#include "pool/avg_pool.hpp"
#include "pool/max_pool.hpp"

namespace pyconv {

void max_pool_forward(ElementType half, const PoolProblem& problem, const uint16_t* x,
                      uint16_t* out, WindowOffsets offsets);
void max_pool_backward(ElementType half, const PoolProblem& problem, const uint16_t* grad,
                       WindowOffsets offsets, uint16_t* out);
void avg_pool_forward(ElementType half, const PoolProblem& problem, AvgRule rule,
                      const uint16_t* x, uint16_t* out);
void avg_pool_backward(ElementType half, const PoolProblem& problem, AvgRule rule,
                       const uint16_t* grad, uint16_t* out);

}  // namespace pyconv
