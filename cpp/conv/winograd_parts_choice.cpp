// Where sums of parts are expected to be faster than direct ones: what they save outweighs the
// transforms of tiles, results and raw filters.
#include "conv/winograd_parts.hpp"

namespace pyconv {
namespace {

// Measured with 5x5 filters on 7x7 to 112x112 maps of 16 to 384 channels, also 4x4 and 7x7, Zen 5,
// November 2026. Many filters on a small map cost more to transform than they save.
bool prefers_dense(const ConvPlan& plan) {
  const WinogradView v(plan);
  const ConvProblem& p = plan.problem;
  return v.rows >= 16 && v.channels >= 16 && p.kernel[1] >= 3 && p.kernel[2] >= 3 &&
         v.result_plane() >= 100 && v.rows * v.channels <= 200 * v.result_plane();
}

// Measured with 3x3 to 11x11 filters at strides 2 to 4 on 1 to 256 channels: little is saved on few
// channels, or on many where single taps or pairs are left to a phase. In float64 less fits into the
// caches.
bool prefers_strided(const ConvPlan& plan) {
  const WinogradView v(plan);
  const PartPoints at(plan.problem);
  const int64_t saved = v.channels * (taps_of(plan.problem) - at.products() / at.outputs());
  const int64_t least = plan.type == ElementType::f64 ? 100 : 70;
  return halves_products(plan.problem) && saved >= least && v.rows >= 32 &&
         v.result_plane() >= 700 && v.rows * v.channels <= 50 * v.result_plane() &&
         conv_work(plan.problem) >= 2.5e7 * static_cast<double>(plan.problem.n);
}

// Lines of taps: an estimate of the time in percent of what others take, fitted to 2000 passes drawn at
// random (4 to 17 taps, 12 to 256 channels, signals of 64 to 5000 samples and maps of 14x14 to 56x56
// pixels, the same machine). Beside the products it has the transforms: of the tiles, the results and
// the raw filters. Where it says so, signals gain 1.16 times and maps 1.17.
bool prefers_line(const ConvPlan& plan) {
  const WinogradView v(plan);
  const ConvProblem& p = plan.problem;
  const bool signal = v.result[1] == 1, strided = is_strided(p);
  if (taps_of(p) < 4 || v.rows < 16 || v.channels < 12 || (strided && !signal)) return false;
  if (!parts_quickly(p) || v.result_plane() == 0) return false;
  const PartPoints at(p);
  // Between the lines of tiles of a map lie those that only the last parts read.
  const int64_t across = ceil_div(v.result[2], at.columns.outputs);
  const int64_t pitch = signal ? across : across + at.columns.tiles - 1;
  const int64_t covered = pitch * ceil_div(v.result[1], at.rows.outputs) * at.outputs();
  const int64_t taps = std::max<int64_t>(1, taps_of(p) / p.stride[2]);
  const int64_t products = products_percent(p) * (signal && !strided ? 112 : 116) * covered /
                           (100 * v.result_plane());
  const int64_t transforms = 400 / (v.rows * taps) + 1350 / (v.channels * taps);
  const int64_t filters = plan.packed ? 0 : (signal ? 2500 : 4000) / v.result_plane();
  return products + transforms + filters < (signal ? 100 : 97);
}

// Strided data gradients: an estimate as for lines, fitted to 1600 passes of 3x3 to 11x11 filters at
// strides 2 to 4, 8 to 256 channels, maps of 14 to 112 pixels, and to 660 of signals (the same machine;
// rms 0.1 and 0.05). Where it says so, maps gain 1.27 times at stride 2, signals 1.14.
bool prefers_gradient(const ConvPlan& plan) {
  const WinogradView v(plan);
  const ConvProblem& p = plan.problem;
  const bool signal = v.result[1] == 1;
  if (!parts_quickly(p) || v.rows < 16 || v.channels < 16 || v.result_plane() == 0) return false;
  if (one_line(p) ? !signal : p.stride[1] != 2 || p.stride[2] != 2) return false;
  const PartsGrid<float> g(plan);
  const int64_t cells = g.width_of_result * ceil_div(v.result[1], g.stride[1]);
  const int64_t covered = g.down * (signal ? g.across : g.pitch * g.bands);
  int64_t products = 0;
  for (const PartPoints& one : g.of) products += one.products();
  const int64_t taps = std::max<int64_t>(1, taps_of(p) / (p.stride[1] * p.stride[2]));
  const int64_t results = (signal ? 425 : 1600) / (v.rows * taps);
  const int64_t tiles = (signal ? 1300 : 3900) / (v.channels * taps);
  const int64_t filters = plan.packed ? 0 : 3800 / cells;
  return 105 * products * covered / (taps_of(p) * cells) + results + tiles + filters <
         (signal ? 98 : 95);
}

}  // namespace

bool prefers_parts(const ConvPlan& plan) {
  const ConvProblem& p = plan.problem;
  if (is_strided(p) && plan.direction == Direction::input) return prefers_gradient(plan);
  if (one_line(p)) return prefers_line(plan);
  return (is_strided(p) ? prefers_strided(plan) : prefers_dense(plan)) &&
         tiles_fit(p, plan.direction == Direction::forward ? p.output : p.input, 2);
}

}  // namespace pyconv
