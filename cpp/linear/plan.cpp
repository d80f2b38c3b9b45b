#include "linear/plan.hpp"

#include <algorithm>
#include <vector>

#include "core/choice.hpp"
#include "core/cpu.hpp"
#include "linear/split_product.hpp"

namespace pyconv {
namespace {

Product product_of(const LinearProblem& p, Direction direction) {
  Product q{};
  const bool weight = direction == Direction::weight;
  const int64_t left_columns = direction == Direction::forward ? p.inputs : p.outputs;
  q.rows = weight ? p.outputs : p.rows;
  q.columns = direction == Direction::forward ? p.outputs : p.inputs;
  q.depth = weight ? p.rows : left_columns;
  q.a_row = weight ? 1 : left_columns;
  q.a_col = weight ? left_columns : 1;
  q.b_stride = p.inputs;
  q.b_transposed = direction == Direction::forward;
  return q;
}

// Why it cannot run, or null.
const char* refuses(const LinearPlan& plan, const LinearAlgorithm& a) {
  if (!a.products) return nullptr;
  if (plan.type != ElementType::f32) return "it multiplies float32 only";
  if (!plan.isa->pairs.name) return "the instruction set has no products of bfloat16";
  return nullptr;
}

bool prefers(const LinearPlan& plan, const LinearAlgorithm& a) {
  if (!a.products) return true;
  const LinearProblem& p = plan.problem;
  if (p.outputs < 64 || p.inputs < 64) return false;
  // A forward pass of one row only reads the weight, which splitting slows by 0 to 10 %; gradients
  // wait for more rows. Few of them: 0.5 times, 64: 1.4 to 2 times as fast (Zen 5, November 2026).
  const bool forward = plan.direction == Direction::forward;
  if (!forward && p.rows < 32) return false;
  if (a.products == 1) return true;
  // Vectors have twice the products of float32, a matrix unit sixteen times: start values, from
  // the rates of the instructions. Six terms for one row would take longer than reading it.
  if (!plan.isa->pairs.tiles) return false;
  return a.products == 3 || (!forward && p.rows >= 64);
}

const char* passed_over(const LinearPlan& plan, const LinearAlgorithm& a) {
  if (const char* why = refuses(plan, a)) return why;
  if (a.precision > plan.precision) return needed_precision(a.precision);
  return prefers(plan, a) ? nullptr : expected_slower;
}

const LinearAlgorithm* find_forced(const LinearPlan& plan, const std::string& forced) {
  std::string known;
  for (const LinearAlgorithm& a : linear_algorithms) {
    known += known.empty() ? a.name : std::string(", ") + a.name;
    if (forced != a.name) continue;
    if (const char* why = refuses(plan, a)) throw refused_algorithm(forced, why);
    return &a;
  }
  throw unknown_algorithm(forced, known);
}

void choose(LinearPlan& plan) {
  for (std::size_t i = 0; !plan.algorithm; ++i) {
    plan.refusals[i] = passed_over(plan, linear_algorithms[i]);
    if (!plan.refusals[i]) plan.algorithm = &linear_algorithms[i];
  }
}

}  // namespace

LinearPlan make_linear_plan(const LinearProblem& problem, Direction direction, ElementType type,
                            Precision precision, const std::string& forced) {
  LinearPlan plan{problem, direction, type, precision, &current_isa(),
                  product_of(problem, direction)};
  if (type == ElementType::f64) plan.precision = Precision::highest;
  if (forced.empty()) {
    choose(plan);
  } else {
    plan.algorithm = find_forced(plan, forced);
  }
  const ProductNeeds direct = product_needs(plan.product, type, *plan.isa);
  plan.needs = direct;
  if (plan.algorithm->products) {
    plan.needs = split_needs(plan.product, *plan.isa, plan.algorithm->products);
    // For rows that cannot be split.
    plan.needs.task_bytes = std::max(plan.needs.task_bytes, direct.task_bytes);
  }
  return plan;
}

void run_linear(const LinearPlan& plan, const LinearArgs& args) {
  Product q = plan.product;
  if (q.rows == 0 || q.columns == 0) return;
  q.a = args.left;
  q.b = args.right;
  q.c = args.out;
  q.column_bias = args.bias;
  q.relu = args.relu;
  if (!plan.algorithm->products) return multiply(q, plan.type, *plan.isa);
  const std::vector<bool> forbidden = multiply_split(q, *plan.isa, plan.algorithm->products);
  const auto rows = static_cast<std::size_t>(q.rows);
  for (std::size_t row = 0, end; row < rows; row = end + 1) {
    for (end = row; end < rows && forbidden[end];) ++end;
    if (end == row) continue;
    Product part = q;
    part.rows = static_cast<int64_t>(end - row);
    part.a = static_cast<const float*>(q.a) + static_cast<int64_t>(row) * q.a_row;
    part.c = static_cast<float*>(q.c) + static_cast<int64_t>(row) * q.columns;
    multiply(part, plan.type, *plan.isa);
  }
}

}  // namespace pyconv
