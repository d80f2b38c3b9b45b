#include "fused/conv_pool.hpp"

#include "core/parallel.hpp"
#include "core/scratch.hpp"
#include "pool/max_pool.hpp"

namespace pyconv {
namespace {

// What lies between the two passes of one block. Not task_scratch, which both use inside.
void* between(std::size_t bytes) {
  static thread_local AlignedBuffer buffer;
  return buffer.reserve(bytes);
}

template <class T>
void run_block(const ConvPlan& plan, const PoolProblem& pool, const ConvArgs& args, int64_t block) {
  const ConvProblem& p = plan.problem;
  const int64_t made = p.n * p.k * pixels(p.output);
  ConvArgs one = args;
  one.source = static_cast<const T*>(args.source) + block * p.n * p.c * pixels(p.input);
  one.out = between(static_cast<std::size_t>(made) * sizeof(T));
  plan.algorithm->run(plan, one);
  const int64_t pooled = pool.planes * pool.output[0] * pool.output[1];
  max_pool_forward(pool, static_cast<const T*>(one.out),
                   static_cast<T*>(args.out) + block * pooled, WindowOffsets{});
}

template <class T>
void run_blocks(const ConvPlan& plan, const PoolProblem& pool, const ConvArgs& args,
                int64_t blocks) {
  // Few blocks are shared out by the tasks inside each.
  if (blocks < 2 * thread_count()) {
    for (int64_t i = 0; i < blocks; ++i) run_block<T>(plan, pool, args, i);
    return;
  }
  const double work = conv_work(plan.problem) / 2 * static_cast<double>(blocks);
  parallel_for(blocks, work, [&](int64_t i) { run_block<T>(plan, pool, args, i); });
}

}  // namespace

void conv_max_pool(const ConvPlan& plan, const PoolProblem& pool, const ConvArgs& args,
                   int64_t blocks) {
  with_type(plan.type, [&](auto tag) { run_blocks<decltype(tag)>(plan, pool, args, blocks); });
}

}  // namespace pyconv
