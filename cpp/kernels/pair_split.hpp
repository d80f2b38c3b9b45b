// float32 to words of two bfloat16 terms: image rows of two channels with their zero border, and
// runs of a weight.
#pragma once
#include "kernels/pad.hpp"
#include "kernels/pair_table.hpp"

namespace {

template <int Terms>
void store_terms(Vec<float> low, Vec<float> high, uint32_t* out, ptrdiff_t out_term) {
  for (int term = 0; term < Terms; ++term) {
    const Pairs rounded = round_to_pairs(low, high);
    rounded.store(out + term * out_term);
    low = rest_of_low(low, rounded);
    high = rest_of_high(high, rounded);
  }
}

// Columns x .. x + lanes - 1 of a row of which lo .. hi - 1 lie in the image; `in` is where column
// 0 would be. Masks are needed only at the border.
template <int Step>
Vec<float> load_columns(const float* in, int64_t x, int64_t step, int64_t lo, int64_t hi) {
  constexpr int lanes = Vec<float>::lanes;
  if (x >= lo && x + lanes < hi) {
    if constexpr (Step == 1) return Vec<float>::load(in + x);
    if constexpr (Step == 2)
      return even_lanes(Vec<float>::load(in + 2 * x), Vec<float>::load(in + 2 * x + lanes));
  }
  if (x >= hi || x + lanes <= lo) return Vec<float>::zero();
  const int l = clamp_lanes(lo - x, lanes), h = clamp_lanes(hi - x, lanes);
  if constexpr (Step == 1) return Vec<float>::load_range(in + x, l, h);
  if constexpr (Step == 2) {
    // The last column may be the last element of the image: nothing after it is read.
    const Vec<float> a = Vec<float>::load_range(in + 2 * x, clamp_lanes(2 * l, lanes),
                                                clamp_lanes(2 * h - 1, lanes));
    const Vec<float> b =
        Vec<float>::load_range(in + 2 * x + lanes, clamp_lanes(2 * l - lanes, lanes),
                               clamp_lanes(2 * h - 1 - lanes, lanes));
    return even_lanes(a, b);
  }
  float columns[lanes];
  for (int i = 0; i < lanes; ++i) columns[i] = i >= l && i < h ? in[(x + i) * step] : 0.0f;
  return Vec<float>::load(columns);
}

// The words of one row. A plane that is missing, or a row outside, has no columns inside.
template <int Terms, int Step>
void split_row(const SplitRowsArgs& s, const float* first, const float* second, int64_t lo,
               int64_t hi, uint32_t* out, RangeOf& range) {
  constexpr int lanes = Vec<float>::lanes;
  const int64_t hi_first = first ? hi : 0, hi_second = second ? hi : 0;
  for (int64_t x = 0; x < s.columns; x += 2 * lanes) {
    const Vec<float> a = load_columns<Step>(first, x, s.column_step, lo, hi_first);
    const Vec<float> b = load_columns<Step>(first, x + lanes, s.column_step, lo, hi_first);
    range.add(a);
    range.add(b);
    if (s.along) {
      store_terms<Terms>(even_lanes(a, b), odd_lanes(a, b), out + x / 2, s.out_term);
      continue;
    }
    const Vec<float> c = load_columns<Step>(second, x, s.column_step, lo, hi_second);
    range.add(c);
    store_terms<Terms>(a, c, out + x, s.out_term);
    if (x + lanes >= s.columns) break;
    const Vec<float> d = load_columns<Step>(second, x + lanes, s.column_step, lo, hi_second);
    range.add(d);
    store_terms<Terms>(b, d, out + x + lanes, s.out_term);
  }
}

template <int Terms, int Step>
ValueRange split_rows_of(const SplitRowsArgs& s) {
  constexpr int lanes = Vec<float>::lanes;
  const int64_t lo = s.column < 0 ? (-s.column + s.column_step - 1) / s.column_step : 0;
  const int64_t inside =
      s.column < s.width ? (s.width - s.column + s.column_step - 1) / s.column_step : 0;
  const int64_t hi = inside < s.columns ? inside : s.columns;
  const auto* first = static_cast<const float*>(s.first);
  const auto* second = static_cast<const float*>(s.second);
  RangeOf range;
  uint32_t* out = s.out;
  for (int64_t r = 0; r < s.rows; ++r, out += s.along ? s.columns / 2 : s.columns) {
    const int64_t y = s.row + r * s.row_step;
    const bool reached = y >= 0 && y < s.height && lo < hi;
    const ptrdiff_t at = y * s.width + s.column;
    split_row<Terms, Step>(s, reached && first ? first + at : nullptr,
                           reached && second ? second + at : nullptr, lo, hi, out, range);
  }
  for (int64_t x = 0; x < s.tail; x += lanes)
    store_terms<Terms>(Vec<float>::zero(), Vec<float>::zero(), out + x, s.out_term);
  return {range.least_bits(), range.most_bits()};
}

template <int Terms>
ValueRange split_rows_by(const SplitRowsArgs& s) {
  if (s.column_step == 1) return split_rows_of<Terms, 1>(s);
  return s.column_step == 2 ? split_rows_of<Terms, 2>(s) : split_rows_of<Terms, 0>(s);
}

// In order: a row may be written past its end, over the start of the next.
inline ValueRange split_rows(const SplitRowsArgs& s) {
  if (s.terms == 1) return split_rows_by<1>(s);
  return s.terms == 2 ? split_rows_by<2>(s) : split_rows_by<3>(s);
}

template <int Terms>
ValueRange split_runs_of(const SplitRunsArgs& s) {
  constexpr int lanes = Vec<float>::lanes;
  RangeOf range;
  for (int64_t g = 0; g < s.groups; ++g) {
    const Vec<float> a = Vec<float>::load(s.in + g * s.in_step);
    const Vec<float> b = Vec<float>::load(s.in + g * s.in_step + lanes);
    range.add(a);
    range.add(b);
    store_terms<Terms>(even_lanes(a, b), odd_lanes(a, b), s.out + g * s.out_step, s.out_term);
  }
  return {range.least_bits(), range.most_bits()};
}

inline ValueRange split_runs(const SplitRunsArgs& s) {
  if (s.terms == 1) return split_runs_of<1>(s);
  return s.terms == 2 ? split_runs_of<2>(s) : split_runs_of<3>(s);
}

// Up to 16 taps of 16 pairs: a vector holds a pair's taps, and the words are turned as floats are.
template <int Terms>
void split_taps(const SplitFilterArgs& s, int64_t tap, uint32_t* out, RangeOf& range) {
  constexpr int lanes = Vec<float>::lanes;
  const int count = s.taps - tap < lanes ? static_cast<int>(s.taps - tap) : lanes;
  Vec<float> low[lanes], high[lanes], words[lanes];
  for (int q = 0; q < lanes; ++q) {
    const int64_t channel = 2 * q;
    const float* in = static_cast<const float*>(s.in) + channel * s.in_step + tap;
    const bool used = q < s.pairs && channel < s.channels;
    if (used) {  // the next pairs of this filter
      prefetch(in + 2 * s.pairs * s.in_step);
      prefetch(in + (2 * s.pairs + 1) * s.in_step);
    }
    low[q] = used ? Vec<float>::load_n(in, count) : Vec<float>::zero();
    high[q] = used && channel + 1 < s.channels ? Vec<float>::load_n(in + s.in_step, count)
                                               : Vec<float>::zero();
    range.add(low[q]);
    range.add(high[q]);
  }
  for (int term = 0; term < Terms; ++term, out += s.out_term) {
    for (int q = 0; q < lanes; ++q) {
      const Pairs rounded = round_to_pairs(low[q], high[q]);
      words[q] = rounded.as_floats();
      if (term + 1 < Terms) {
        low[q] = rest_of_low(low[q], rounded);
        high[q] = rest_of_high(high[q], rounded);
      }
    }
    transpose(words);
    for (int t = 0; t < count; ++t) words[t].store(reinterpret_cast<float*>(out + t * s.out_step));
  }
}

template <int Terms>
ValueRange split_filter_of(const SplitFilterArgs& s) {
  RangeOf range;
  for (int64_t tap = 0; tap < s.taps; tap += Vec<float>::lanes)
    split_taps<Terms>(s, tap, s.out + tap * s.out_step, range);
  return {range.least_bits(), range.most_bits()};
}

inline ValueRange split_filter(const SplitFilterArgs& s) {
  if (s.terms == 1) return split_filter_of<1>(s);
  return s.terms == 2 ? split_filter_of<2>(s) : split_filter_of<3>(s);
}

}  // namespace
