#include "conv/plan.hpp"

#include <algorithm>
#include <initializer_list>
#include <stdexcept>

#include "conv/list.hpp"
#include "core/choice.hpp"
#include "core/cpu.hpp"

namespace pyconv {
namespace {

[[noreturn]] void reject(const std::string& why) { throw std::invalid_argument("conv: " + why); }

// Products of sizes that the drivers form stay below 2^62 bytes.
void limit_product(std::initializer_list<int64_t> factors) {
  double product = 8;
  for (int64_t f : factors) product *= static_cast<double>(f);
  if (product > 4.6e18) reject("the sizes multiply to more than 2**62 bytes");
}

// The caller has normalised the arguments; these checks keep a wrong caller from reading wild.
void check(const ConvProblem& p) {
  if (p.n < 0 || p.c < 0 || p.k < 0 || p.groups < 1) reject("negative batch, channels or groups");
  if (p.c % p.groups || p.k % p.groups) reject("channels are not divisible by groups");
  for (int i = 0; i < 3; ++i) {
    if (p.input[i] < 0 || p.kernel[i] < 1 || p.stride[i] < 1 || p.dilation[i] < 1 ||
        p.pad_lo[i] < 0 || p.pad_hi[i] < 0 || p.output[i] < 1)
      reject("a spatial size is out of range");
    for (int64_t v : {p.input[i], p.pad_lo[i], p.pad_hi[i]}) limit_product({v});
    limit_product({p.kernel[i], p.dilation[i]});
    limit_product({p.output[i], p.stride[i]});
    const int64_t extent = (p.kernel[i] - 1) * p.dilation[i] + 1;
    const int64_t padded = p.input[i] + p.pad_lo[i] + p.pad_hi[i];
    if (padded < extent || (padded - extent) / p.stride[i] + 1 != p.output[i])
      reject("the output size does not follow from the other sizes");
  }
  limit_product({p.n, p.c, p.input[0], p.input[1], p.input[2]});
  limit_product({p.n, p.k, p.output[0], p.output[1], p.output[2]});
  limit_product({p.k, p.c / p.groups, p.kernel[0], p.kernel[1], p.kernel[2]});
}

const ConvAlgorithm* find_forced(const ConvPlan& plan, const std::string& forced) {
  std::string known;
  for (const ConvAlgorithm* a : algorithms(plan.direction)) {
    known += known.empty() ? a->name : std::string(", ") + a->name;
    if (forced != a->name) continue;
    if (const char* why = a->refuses(plan))
      throw refused_algorithm(forced, why);
    return a;
  }
  throw unknown_algorithm(forced, known);
}

bool lossless(const ConvPlan& plan, const ConvAlgorithm& a) {
  return plan.stored == ElementType::bf16 && a.takes_bfloat16;
}

// Why this algorithm is passed over, or null.
const char* passed_over(const ConvPlan& plan, const ConvAlgorithm& a) {
  if (const char* why = a.refuses(plan)) return why;
  if (a.precision > plan.precision && !lossless(plan, a))
    return needed_precision(a.precision);
  return a.prefers(plan) ? nullptr : expected_slower;
}

// The level at which an algorithm is chosen. The policy is about float32: nothing less accurate
// than double sums serves float64, and what "high" loses is a hundredth of a bfloat16's rounding.
Precision chosen_at(const ConvPlan& plan, Precision precision) {
  if (plan.stored == ElementType::f64) return Precision::highest;
  const bool coarse = plan.stored == ElementType::bf16 && !plan.isa->pairs.tiles;
  return coarse ? std::max(precision, Precision::high) : precision;
}

// Bfloat16 goes first to what takes it as it lies; those that come before in the list have no such
// advantage. Null: none is fast here.
const ConvAlgorithm* find_lossless(const ConvPlan& plan) {
  for (const ConvAlgorithm* a : algorithms(plan.direction))
    if (lossless(plan, *a) && !a->refuses(plan) && a->prefers(plan)) return a;
  return nullptr;
}

void choose(ConvPlan& plan) {
  plan.algorithm = find_lossless(plan);
  if (plan.algorithm) return;
  for (const ConvAlgorithm* a : algorithms(plan.direction)) {
    const char* why = passed_over(plan, *a);
    if (!why) {
      plan.algorithm = a;
      return;
    }
    plan.refusals.emplace_back(a->name, why);
  }
}

}  // namespace

int64_t taps_of(const ConvProblem& p) { return p.kernel[0] * p.kernel[1] * p.kernel[2]; }
int64_t pixels(const int64_t (&size)[3]) { return size[0] * size[1] * size[2]; }

double conv_work(const ConvProblem& p) {
  return static_cast<double>(p.n) * static_cast<double>(p.k) *
         static_cast<double>(p.c / p.groups) * static_cast<double>(taps_of(p)) *
         static_cast<double>(pixels(p.output));
}

std::shared_ptr<const ConvPlan> make_plan(const ConvProblem& problem, Direction direction,
                                          ElementType type, Precision precision, bool packed,
                                          const std::string& forced) {
  check(problem);
  auto plan = std::make_shared<ConvPlan>();
  plan->problem = problem;
  plan->direction = direction;
  plan->type = computed_as(type);
  plan->stored = type;
  plan->packed = packed;
  plan->isa = &current_isa();
  plan->precision = chosen_at(*plan, precision);
  if (!forced.empty()) {
    plan->algorithm = find_forced(*plan, forced);
  } else {
    choose(*plan);
  }
  plan->taken = lossless(*plan, *plan->algorithm) ? plan->stored : plan->type;
  plan->algorithm->plan(*plan);
  plan_slices(*plan);
  return plan;
}

std::vector<std::string> algorithm_names(Direction direction) {
  std::vector<std::string> names;
  for (const ConvAlgorithm* a : algorithms(direction)) names.emplace_back(a->name);
  return names;
}

}  // namespace pyconv
