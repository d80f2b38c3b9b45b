#include "pool/half.hpp"

#include "pool/planes.hpp"

namespace pyconv {
namespace {

// Elements of the larger side that a task widens at a time: both sides stay in a first-level cache.
// (2x2 on 56x56 took 91 us with 16384, 61 with 6144.)
constexpr int64_t band_elements = 6144;

// Some rows of windows of some planes, as a problem of its own.
struct Band {
  PoolProblem problem;
  int64_t plane, first_in, row;  // in the whole problem: rows of a plane of image and result
};

Band band_of(const PoolProblem& p, int64_t plane, int64_t planes, int64_t row, int64_t rows) {
  Band band{p, plane, 0, row};
  band.problem.planes = planes;
  if (rows == p.output[0]) return band;
  const int64_t first = row * p.stride[0] - p.pad_lo[0];
  const int64_t reach = (p.kernel[0] - 1) * p.dilation[0] + 1;
  band.first_in = std::max<int64_t>(0, first);
  const int64_t last = first + (rows - 1) * p.stride[0] + reach;
  const int64_t end = std::min(p.input[0], std::max(last, band.first_in + 1));
  band.problem.input[0] = end - band.first_in;
  band.problem.output[0] = rows;
  band.problem.pad_lo[0] = band.first_in - first;
  // Only windows at the end of the image see what lies behind it.
  if (end < p.input[0]) band.problem.pad_hi[0] = 0;
  return band;
}

// Calls body(band) for bands of rows of one plane, or of several whole planes.
template <class Body>
void for_bands(const PoolProblem& p, bool by_rows, const Body& body) {
  const int64_t in = p.input[0] * p.input[1], out = p.output[0] * p.output[1];
  const int64_t plane = std::max(in, out);
  const int64_t group = std::max<int64_t>(1, band_elements / plane);
  const int64_t wanted = by_rows ? std::max<int64_t>(1, plane / band_elements) : 1;
  const int64_t strips = std::min(p.output[0], wanted);
  const int64_t groups = (p.planes + group - 1) / group;
  const double taps = static_cast<double>(p.kernel[0] + p.kernel[1]);
  const double work = traffic(p, sizeof(float)) + outputs(p) * taps / 4;
  parallel_for(groups * strips, work, [&](int64_t task) {
    const int64_t first = task / strips * group, strip = task % strips;
    const int64_t row = p.output[0] * strip / strips;
    const int64_t end = p.output[0] * (strip + 1) / strips;
    body(band_of(p, first, std::min(group, p.planes - first), row, end - row));
  });
}

// A band of the image and of the result as float32, on the thread of a task.
struct WideBand {
  int64_t in, out;                 // how many elements
  int64_t in_at, out_at;           // where they lie in the whole arrays
  float *in_values, *out_values;
  WideBand(const PoolProblem& p, const Band& band) {
    const PoolProblem& q = band.problem;
    in = q.planes * q.input[0] * q.input[1];
    out = q.planes * q.output[0] * q.output[1];
    in_at = (band.plane * p.input[0] + band.first_in) * p.input[1];
    out_at = (band.plane * p.output[0] + band.row) * p.output[1];
    Arena counted;
    take(counted);
    Arena arena(widened_scratch(counted.used()));
    take(arena);
  }

 private:
  void take(Arena& arena) {
    in_values = arena.take<float>(in);
    out_values = arena.take<float>(out);
  }
};

WindowOffsets offsets_at(WindowOffsets offsets, int64_t at) {
  if (offsets.bytes) offsets.bytes += at;
  if (offsets.words) offsets.words += at;
  return offsets;
}

// forward(band problem, image, result, first result) between widening and narrowing.
template <class Forward>
void run_forward(ElementType half, const PoolProblem& p, const uint16_t* x, uint16_t* out,
                 const Forward& forward) {
  const HalfKernels& k = half_kernels(current_isa(), half);
  for_bands(p, true, [&](const Band& band) {
    const WideBand wide(p, band);
    k.widen(x + wide.in_at, wide.in, wide.in_values);
    forward(band.problem, wide.in_values, wide.out_values, wide.out_at);
    k.narrow(wide.out_values, wide.out, out + wide.out_at);
  });
}

// Likewise with the gradients of windows, whole planes at a time: windows of two bands would share
// rows of the image.
template <class Backward>
void run_backward(ElementType half, const PoolProblem& p, const uint16_t* grad, uint16_t* out,
                  const Backward& backward) {
  const HalfKernels& k = half_kernels(current_isa(), half);
  for_bands(p, false, [&](const Band& band) {
    const WideBand wide(p, band);
    k.widen(grad + wide.out_at, wide.out, wide.out_values);
    backward(band.problem, wide.out_values, wide.in_values, wide.out_at);
    k.narrow(wide.in_values, wide.in, out + wide.in_at);
  });
}

}  // namespace

void max_pool_forward(ElementType half, const PoolProblem& p, const uint16_t* x, uint16_t* out,
                      WindowOffsets offsets) {
  run_forward(half, p, x, out, [&](const PoolProblem& q, const float* in, float* to, int64_t at) {
    max_pool_forward(q, in, to, offsets_at(offsets, at));
  });
}

void max_pool_backward(ElementType half, const PoolProblem& p, const uint16_t* grad,
                       WindowOffsets offsets, uint16_t* out) {
  run_backward(half, p, grad, out,
               [&](const PoolProblem& q, const float* in, float* to, int64_t at) {
    max_pool_backward(q, in, offsets_at(offsets, at), to);
  });
}

void avg_pool_forward(ElementType half, const PoolProblem& p, AvgRule rule, const uint16_t* x,
                      uint16_t* out) {
  run_forward(half, p, x, out, [&](const PoolProblem& q, const float* in, float* to, int64_t) {
    avg_pool_forward(q, rule, in, to);
  });
}

void avg_pool_backward(ElementType half, const PoolProblem& p, AvgRule rule, const uint16_t* grad,
                       uint16_t* out) {
  run_backward(half, p, grad, out, [&](const PoolProblem& q, const float* in, float* to, int64_t) {
    avg_pool_backward(q, rule, in, to);
  });
}

}  // namespace pyconv
