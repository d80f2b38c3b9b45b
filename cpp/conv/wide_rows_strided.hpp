// Tiles along lines for the data gradient of a strided convolution: wide_rows.cpp is all else.
#pragma once
#include "conv/plan.hpp"

namespace pyconv {

inline bool is_strided_gradient(const ConvPlan& plan) {
  const int64_t(&step)[3] = plan.problem.stride;
  return plan.direction == Direction::input && (step[1] > 1 || step[2] > 1);
}

const char* strided_rows_refuse(const ConvPlan&);
void plan_strided_rows(ConvPlan&);
void run_strided_rows(const ConvPlan&, const ConvArgs&);

}  // namespace pyconv
