#include "pool/planes.hpp"

#include <numeric>

namespace pyconv {
namespace {

constexpr int64_t ceil_div(int64_t a, int64_t b) { return a > 0 ? (a + b - 1) / b : -(-a / b); }

int64_t power_of_two(int64_t least) {
  int64_t n = 1;
  while (n < least) n *= 2;
  return n;
}

}  // namespace

bool rows_fit(const PoolProblem& p) {
  const double reach = static_cast<double>(p.kernel[1] - 1) * static_cast<double>(p.dilation[1]);
  return reach <= 4.0 * static_cast<double>(p.input[1]) + 1024.0;
}

int direct_form(const PoolProblem& p) {
  const int64_t kernel = p.kernel[0], stride = p.stride[0];
  for (int axis = 0; axis < 2; ++axis) {
    const bool alike = p.kernel[axis] == kernel && p.stride[axis] == stride;
    if (!alike || p.dilation[axis] != 1 || p.pad_lo[axis] > 1) return -1;
  }
  if (kernel == 2 && stride == 2) return 0;
  return kernel == 3 && stride <= 2 ? static_cast<int>(stride) : -1;
}

ColumnTables::ColumnTables(const PoolProblem& p, bool backward) {
  const int64_t step = p.stride[1], taps = p.kernel[1];
  PoolColumns& c = columns_;
  c.period = step / std::gcd(p.dilation[1], step);
  c.parts = std::min(c.period, taps);
  c.shift = c.period * p.dilation[1] / step;
  parts_.resize(static_cast<std::size_t>(c.parts));
  for (int64_t j = 0; j < c.parts; ++j) {
    parts_[j].taps = (taps - j + c.period - 1) / c.period;
    if (backward) {
      place_backward(p, j);
    } else {
      place_forward(p, j);
    }
  }
  c.part = parts_.data();
  const int64_t behind = (taps - 1) / c.period * c.shift;
  if (backward) {
    // A part may begin before window 0, and its first window reaches `behind` further back.
    c.lead = (c.parts - 1) * p.dilation[1] / step + behind + 1;
    const int64_t last = (p.input[1] - 1 + p.pad_lo[1]) / step + 1;
    c.grad_size = c.lead + std::max(p.output[1], last) + pool_slack;
    c.part_size = ceil_div(p.input[1], step) + pool_slack;
    return;
  }
  // With stride 1 the joined row is written in place, whole.
  const int64_t whole = step == 1 ? p.pad_lo[1] + p.input[1] : 0;
  c.part_size = std::max(p.output[1] + behind, whole) + pool_slack;
  const int64_t reach = (p.kernel[0] - 1) * p.dilation[0] + 1;
  c.ring = power_of_two(std::min(reach, p.input[0]));
  taps_.resize(static_cast<std::size_t>(taps));
  for (int64_t k = 0; k < taps; ++k)
    taps_[k] = k / c.period * c.shift + k % c.period * c.part_size;
  c.tap = taps_.data();
}

// The elements of a part that windows reach and that lie inside the image.
void ColumnTables::place_forward(const PoolProblem& p, int64_t j) {
  const int64_t start = j * p.dilation[1] - p.pad_lo[1], step = p.stride[1];
  PoolPart& part = parts_[j];
  part.element = std::max<int64_t>(0, ceil_div(-start, step));
  part.column = start + part.element * step;
  const int64_t length = p.output[1] + (part.taps - 1) * columns_.shift;
  const int64_t inside = ceil_div(p.input[1] - part.column, step);
  part.count = std::max<int64_t>(0, std::min(inside, length - part.element));
}

// All columns of the image that are congruent to the part, reached by windows or not.
void ColumnTables::place_backward(const PoolProblem& p, int64_t j) {
  const int64_t start = j * p.dilation[1] - p.pad_lo[1], step = p.stride[1];
  PoolPart& part = parts_[j];
  part.element = ceil_div(-start, step);
  part.column = start + part.element * step;
  part.count = std::max<int64_t>(0, ceil_div(p.input[1] - part.column, step));
}

}  // namespace pyconv
