// What every pooling driver needs: the tables of a problem, and its split into tasks.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/cpu.hpp"
#include "core/kernels_of.hpp"
#include "core/parallel.hpp"
#include "core/scratch.hpp"
#include "kernels/table.hpp"

namespace pyconv {

// Where windows meet the columns of an image: owns what PoolColumns points to.
class ColumnTables {
 public:
  ColumnTables(const PoolProblem& problem, bool backward);
  const PoolColumns& columns() const { return columns_; }

 private:
  void place_forward(const PoolProblem& problem, int64_t part);
  void place_backward(const PoolProblem& problem, int64_t part);
  PoolColumns columns_{};
  std::vector<PoolPart> parts_;
  std::vector<ptrdiff_t> taps_;
};

// Whether split rows stay near the size of the rows of the image; windows far wider than it take
// the plain loops, whose cost is that of the elements inside.
bool rows_fit(const PoolProblem& problem);

// The place of these windows among the direct kernels of PoolKernels, or -1.
int direct_form(const PoolProblem& problem);

// Scratch of the direct forward kernels; no vector is shorter than 2 elements.
inline std::size_t direct_scratch(const PoolProblem& p) {
  return static_cast<std::size_t>((p.output[1] + 1) / 2) * pool_strip_bytes;
}

// The part of a window that lies inside the image, along one axis.
struct Span {
  int64_t first_tap, begin, end, step;  // begin, begin + step, ... below end
};
inline Span span(const PoolProblem& p, int axis, int64_t window) {
  const int64_t start = window * p.stride[axis] - p.pad_lo[axis], step = p.dilation[axis];
  const int64_t first = start < 0 ? (-start + step - 1) / step : 0;
  const int64_t reach = start + (p.kernel[axis] - 1) * step + 1;
  return {first, start + first * step, std::min(reach, p.input[axis]), step};
}

// Calls body(plane, planes, row, rows) for blocks of at most about 64 thousand elements of the
// larger of image and result. `rows` counts those of one result plane; work is as for
// parallel_for. Small planes make a multiple of 4 equal groups, because the rest of a division is
// a task that most threads would wait for: 256 planes of 28x28 were 83, 83, 83 and 7.
template <class Body>
void for_blocks(const PoolProblem& p, int64_t rows, double work, const Body& body) {
  constexpr int64_t block = 65536;
  const int64_t plane = std::max(p.input[0] * p.input[1], p.output[0] * p.output[1]);
  const int64_t strips = std::min(rows, std::max<int64_t>(1, plane / block));
  const int64_t fours = (p.planes * plane + 4 * block - 1) / (4 * block);
  const int64_t groups = plane < block / 8 ? std::min(p.planes, 4 * fours) : p.planes;
  parallel_for(groups * strips, work, [&](int64_t task) {
    const int64_t group = task / strips, strip = task % strips;
    const int64_t first = p.planes * group / groups, last = p.planes * (group + 1) / groups;
    const int64_t row = rows * strip / strips, end = rows * (strip + 1) / strips;
    body(first, last - first, row, end - row);
  });
}

// Bytes moved: what pooling costs but for large windows.
inline double traffic(const PoolProblem& p, std::size_t item) {
  const double image = static_cast<double>(p.input[0]) * static_cast<double>(p.input[1]);
  const double result = static_cast<double>(p.output[0]) * static_cast<double>(p.output[1]);
  return static_cast<double>(p.planes) * (image + result) * static_cast<double>(item);
}
inline double outputs(const PoolProblem& p) {
  return static_cast<double>(p.planes) * static_cast<double>(p.output[0] * p.output[1]);
}

// Work as parallel_for counts it, with so many steps a window. 2x2 windows move their bytes in 0.6 of
// the time that this allows: 512x14x14 (0.5 MB, 3.9 us) takes as long on two threads as on one.
inline double window_work(const PoolProblem& p, std::size_t item, double steps) {
  const double work = traffic(p, item) + outputs(p) * steps / 4;
  return direct_form(p) == 0 ? 0.6 * work : work;
}

}  // namespace pyconv
