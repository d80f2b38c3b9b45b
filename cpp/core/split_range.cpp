#include "core/split_range.hpp"

#include <cmath>
#include <cstring>

namespace pyconv {
namespace {

double value_of(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return static_cast<double>(value);
}

// Zeros alone split whatever they meet.
ValueRange or_one(ValueRange r) {
  constexpr uint32_t one = 0x3f800000;
  return r.most ? r : ValueRange{one, one};
}

}  // namespace

// The last bit of x is 2^-23 of it, and the smallest product of terms 2^-23 of x w: neither may
// fall below 2^-126. A sum of up to 2^27 products may not overflow. NaN has the largest bits.
bool splits_exactly(ValueRange source, ValueRange weights) {
  constexpr uint32_t infinity = 0x7f800000;
  const ValueRange x = or_one(source), w = or_one(weights);
  const double least = std::ldexp(1.0, -103);
  return x.most < infinity && w.most < infinity && value_of(x.least) >= least &&
         value_of(w.least) >= least && value_of(x.least) * value_of(w.least) >= least &&
         value_of(x.most) * value_of(w.most) <= std::ldexp(1.0, 100);
}

}  // namespace pyconv
