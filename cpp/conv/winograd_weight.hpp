// The tasks of a weight gradient by Winograd's filtering: some filters and a panel of channels.
// Where that gives too few the tiles are split into shares as well, a share being some chunks of
// them; the products of the shares are added in a fixed order.
#pragma once
#include <atomic>

#include "conv/weight_shares.hpp"
#include "conv/winograd.hpp"
#include "core/parallel.hpp"

namespace pyconv {

// `depth`: tiles of a chunk. `products`: of a filter and a channel.
template <class T>
void plan_weight_tasks(ConvPlan& plan, int64_t chunks, int64_t depth, int64_t products) {
  const ConvProblem& p = plan.problem;
  const Kernels<T>& k = kernels_of<T>(*plan.isa);
  const int64_t filters = std::max<int64_t>(1, p.k / p.groups), wide = panel_filters(k);
  plan.row_block = ceil_div(ceil_div(filters, ceil_div(filters, 64)), wide) * wide;
  plan.row_blocks = ceil_div(filters, plan.row_block);
  plan.column_block = int64_t{k.lanes} * k.tile_vectors;
  ConvPhase phase{};
  phase.columns = ceil_div(std::max<int64_t>(1, p.c / p.groups), k.lanes);
  phase.column_blocks = ceil_div(phase.columns, k.tile_vectors);
  const int64_t outputs = p.groups * plan.row_blocks * phase.column_blocks;
  plan.splits = std::clamp<int64_t>(ceil_div(4, outputs), 1, std::max<int64_t>(1, chunks / 2));
  plan.tasks = outputs * plan.splits;
  plan.left = {1, offsets(depth, plan.row_block)};
  phase.b_rows = offsets(depth, plan.column_block);
  plan.phases.push_back(std::move(phase));
  const int64_t task = products * plan.row_block * plan.column_block;
  plan.shared_bytes = static_cast<std::size_t>(plan.splits > 1 ? plan.tasks * task : 0) * sizeof(T);
}

// The filters and channels of output 0 .. tasks / splits - 1.
struct WeightBlock {
  int64_t filter, filters, channel, channels;  // the first of those of all groups, how many
  int64_t result;                              // their place in dw, counted in pairs of both
  WeightBlock(const ConvPlan& plan, int64_t lanes, int64_t output) {
    const ConvProblem& p = plan.problem;
    const int64_t panels = plan.phases[0].column_blocks;
    const Range vectors = part_of(plan.phases[0].columns, output % panels, panels);
    const int64_t group = output / panels / plan.row_blocks, from = vectors.from * lanes;
    const int64_t row = output / panels % plan.row_blocks * plan.row_block;
    channel = group * (p.c / p.groups) + from;
    channels = std::min(vectors.to * lanes, p.c / p.groups) - from;
    filter = group * (p.k / p.groups) + row;
    filters = std::min(plan.row_block, p.k / p.groups - row);
    result = filter * (p.c / p.groups) + from;
  }
};

// Task(plan, args, output, share) has own_products() if there is one share; multiply(products) adds
// up those of a share; finish(products, apart) makes results of those of all shares, `apart`
// elements apart, and returns false if one is not finite.
template <class T, class Task>
void run_weight_tasks(const ConvPlan& plan, const ConvArgs& args, double work) {
  std::atomic<bool> finite{true};
  if (plan.splits == 1) {
    parallel_for(plan.tasks, work, [&](int64_t output) {
      const Task task(plan, args, output, 0);
      task.multiply(task.own_products());
      if (!task.finish(task.own_products(), 0)) finite = false;
    });
  } else {
    T* shared = static_cast<T*>(call_scratch(plan.shared_bytes));
    const int64_t outputs = plan.tasks / plan.splits;
    const int64_t apart = static_cast<int64_t>(plan.shared_bytes / sizeof(T)) / plan.tasks;
    parallel_for(plan.tasks, work, [&](int64_t task) {
      Task(plan, args, task / plan.splits, task % plan.splits).multiply(shared + task * apart);
    });
    parallel_for(outputs, static_cast<double>(plan.shared_bytes) / 4, [&](int64_t output) {
      const T* products = shared + output * plan.splits * apart;
      if (!Task(plan, args, output, 0).finish(products, apart)) finite = false;
    });
  }
  if (!finite) run_fallback(plan, args);
}

}  // namespace pyconv
