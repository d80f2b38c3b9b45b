// Arrays of bfloat16 to words of two: what pair_split.hpp makes of float32, without rounding.
#pragma once
#include "kernels/pad.hpp"
#include "kernels/pair_table.hpp"

namespace {

// Columns x .. x + 31 of a row of which lo .. hi - 1 lie in the image; `in` is where column 0 would
// be. Masks are needed only at the border.
template <int Step>
Halves load_halves(const uint16_t* in, int64_t x, int64_t step, int64_t lo, int64_t hi) {
  constexpr int lanes = Halves::lanes;
  if (x >= lo && x + lanes < hi) {
    if constexpr (Step == 1) return Halves::load(in + x);
    if constexpr (Step == 2)
      return even_halves(Halves::load(in + 2 * x), Halves::load(in + 2 * x + lanes));
  }
  if (x >= hi || x + lanes <= lo) return Halves::zero();
  const int l = clamp_lanes(lo - x, lanes), h = clamp_lanes(hi - x, lanes);
  if constexpr (Step == 1) return Halves::load_range(in + x, l, h);
  if constexpr (Step == 2) {
    // The last column may be the last element of the image: nothing after it is read.
    const Halves a = Halves::load_range(in + 2 * x, clamp_lanes(2 * l, lanes),
                                        clamp_lanes(2 * h - 1, lanes));
    const Halves b = Halves::load_range(in + 2 * x + lanes, clamp_lanes(2 * l - lanes, lanes),
                                        clamp_lanes(2 * h - 1 - lanes, lanes));
    return even_halves(a, b);
  }
  uint16_t columns[lanes];
  for (int i = 0; i < lanes; ++i)
    columns[i] = i >= l && i < h ? in[(x + i) * step] : uint16_t(0);
  return Halves::load(columns);
}

// The words of one row. A plane that is missing, or a row outside, has no columns inside.
template <int Step>
void join_row(const SplitRowsArgs& s, const uint16_t* first, const uint16_t* second, int64_t lo,
              int64_t hi, uint32_t* out, RangeOfHalves& range) {
  constexpr int lanes = Halves::lanes, words = lanes / 2;
  const int64_t hi_first = first ? hi : 0, hi_second = second ? hi : 0;
  for (int64_t x = 0; x < s.columns; x += lanes) {
    const Halves a = load_halves<Step>(first, x, s.column_step, lo, hi_first);
    range.add(a);
    if (s.along) {
      a.store(out + x / 2);
      continue;
    }
    const Halves c = load_halves<Step>(second, x, s.column_step, lo, hi_second);
    range.add(c);
    low_pairs(a, c).store(out + x);
    if (x + words < s.columns) high_pairs(a, c).store(out + x + words);
  }
}

template <int Step>
ValueRange join_rows_of(const SplitRowsArgs& s) {
  const int64_t lo = s.column < 0 ? (-s.column + s.column_step - 1) / s.column_step : 0;
  const int64_t inside =
      s.column < s.width ? (s.width - s.column + s.column_step - 1) / s.column_step : 0;
  const int64_t hi = inside < s.columns ? inside : s.columns;
  const auto* first = static_cast<const uint16_t*>(s.first);
  const auto* second = static_cast<const uint16_t*>(s.second);
  RangeOfHalves range;
  uint32_t* out = s.out;
  for (int64_t r = 0; r < s.rows; ++r, out += s.along ? s.columns / 2 : s.columns) {
    const int64_t y = s.row + r * s.row_step;
    const bool reached = y >= 0 && y < s.height && lo < hi;
    const ptrdiff_t at = y * s.width + s.column;
    join_row<Step>(s, reached && first ? first + at : nullptr,
                   reached && second ? second + at : nullptr, lo, hi, out, range);
  }
  for (int64_t x = 0; x < s.tail; x += Halves::lanes / 2) Halves::zero().store(out + x);
  return {range.least_bits(), range.most_bits()};
}

// In order: a row may be written past its end, over the start of the next.
inline ValueRange join_rows(const SplitRowsArgs& s) {
  if (s.column_step == 1) return join_rows_of<1>(s);
  return s.column_step == 2 ? join_rows_of<2>(s) : join_rows_of<0>(s);
}

// Up to 16 taps of 16 pairs: a vector holds a pair's taps, and the words are turned as floats are.
inline void join_taps(const SplitFilterArgs& s, int64_t tap, uint32_t* out, RangeOfHalves& range) {
  constexpr int lanes = Vec<float>::lanes;
  const int count = s.taps - tap < lanes ? static_cast<int>(s.taps - tap) : lanes;
  const auto* filter = static_cast<const uint16_t*>(s.in) + tap;
  Vec<float> words[lanes];
  for (int q = 0; q < lanes; ++q) {
    const int64_t channel = 2 * q;
    const bool used = q < s.pairs && channel < s.channels;
    const uint16_t* in = filter + channel * s.in_step;
    if (used) prefetch(in + 2 * s.pairs * s.in_step);  // the next pairs of this filter
    const Halves low = used ? Halves::load_range(in, 0, count) : Halves::zero();
    const Halves high = used && channel + 1 < s.channels
                            ? Halves::load_range(in + s.in_step, 0, count)
                            : Halves::zero();
    const Pairs pairs = low_pairs(low, high);
    range.add({pairs.v});
    words[q] = pairs.as_floats();
  }
  transpose(words);
  for (int t = 0; t < count; ++t) words[t].store(reinterpret_cast<float*>(out + t * s.out_step));
}

inline ValueRange join_filter(const SplitFilterArgs& s) {
  RangeOfHalves range;
  for (int64_t tap = 0; tap < s.taps; tap += Vec<float>::lanes)
    join_taps(s, tap, s.out + tap * s.out_step, range);
  return {range.least_bits(), range.most_bits()};
}

}  // namespace
