// Convolution, ReLU and maximum pooling, a few images at a time: what the convolution writes is
// pooled while it is in a near cache and never goes to memory. The same bits as one after the other.
#pragma once
#include "conv/plan.hpp"

namespace pyconv {

// `plan` (forward) and `pool` are those of one block of images, `blocks` the number of blocks behind
// args.source and, pooled, behind args.out.
void conv_max_pool(const ConvPlan& plan, const PoolProblem& pool, const ConvArgs& args,
                   int64_t blocks);

}  // namespace pyconv
