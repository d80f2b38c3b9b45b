#include "conv/turned_weights.hpp"

#include <algorithm>
#include <cstring>

#include "core/kernels_of.hpp"
#include "core/parallel.hpp"
#include "core/with_type.hpp"

namespace pyconv {
namespace {

// Few enough that a line of each stays in a set of a first-level cache.
constexpr int64_t filters_at_once = 8;

struct Weights {
  int64_t filters, channels, panels;  // of a group
  int rows;
  explicit Weights(const ConvPlan& plan)
      : filters(plan.problem.k / plan.problem.groups),
        channels(plan.problem.c / plan.problem.groups),
        rows(plan.type == ElementType::f64 ? plan.isa->f64.tile_rows : plan.isa->f32.tile_rows) {
    panels = ceil_div(channels, rows);
  }
};

// Filters p .. end - 1. The length of a row is known when this is compiled: it is a move or two.
template <int Rows, class T>
void turn_filters(const Weights& w, const T* weight, int64_t p, int64_t end, T* out) {
  const int64_t whole = w.channels / Rows, panel = turned_panel<T>(w.filters, Rows);
  for (int64_t i = 0; i < w.panels; ++i)
    for (int64_t f = p; f < end; ++f) {
      const T* from = weight + f * w.channels + i * Rows;
      T* to = out + i * panel + f * Rows;
      if (i < whole) {
        std::memcpy(to, from, Rows * sizeof(T));
      } else {
        std::copy_n(from, w.channels - whole * Rows, to);
      }
    }
}

template <class T>
void turn_typed(const ConvPlan& plan, const T* weight, T* out) {
  const Weights w(plan);
  const int64_t blocks = ceil_div(w.filters, filters_at_once);
  parallel_for(plan.problem.groups * blocks, 2.0 * static_cast<double>(turned_elements(plan)),
               [&](int64_t task) {
    const int64_t group = task / blocks, p = task % blocks * filters_at_once;
    const int64_t end = std::min(w.filters, p + filters_at_once);
    const T* from = weight + group * w.filters * w.channels;
    T* to = out + group * w.panels * turned_panel<T>(w.filters, w.rows);
    switch (w.rows) {
      case 4: return turn_filters<4>(w, from, p, end, to);
      case 6: return turn_filters<6>(w, from, p, end, to);
      default: return turn_filters<8>(w, from, p, end, to);
    }
  });
}

}  // namespace

// Measured with 32 to 2048 channels on 7x7 to 112x112 maps, AVX2 on Zen 5, November 2026: 1.03 to
// 1.08 where turned weights fit a second-level cache and many columns use them, 1.05 to 1.37 where
// filters lie whole pages apart. The tiles of AVX-512 are wide enough to wait for none: 0.6 to
// 1.03 there, but for 32 channels (1.0 to 1.1).
bool turns_weights(const ConvPlan& plan) {
  const bool wide = plan.isa->f32.lanes * plan.isa->f32.tile_vectors > 16;
  if (plan.direction != Direction::input || wide) return false;
  const ConvProblem& p = plan.problem;
  const int64_t columns = p.n * pixels(p.output), filter = p.c / p.groups;
  const int64_t weights = p.k / p.groups * filter;
  const bool pages = filter > 0 && filter * static_cast<int64_t>(plan.type) % 4096 == 0;
  return columns >= (pages ? 196 : 700) && (pages || weights <= 65536);
}

int64_t turned_elements(const ConvPlan& plan) {
  const Weights w(plan);
  const int64_t panel = with_type(plan.type, [&](auto tag) {
    return turned_panel<decltype(tag)>(w.filters, w.rows);
  });
  return plan.problem.groups * w.panels * panel;
}

void turn_weights(const ConvPlan& plan, const void* weight, void* out) {
  with_type(plan.type, [&](auto tag) {
    using T = decltype(tag);
    turn_typed(plan, static_cast<const T*>(weight), static_cast<T*>(out));
  });
}

}  // namespace pyconv
