// A data gradient in one dimension: positions of the result alike modulo the stride (a residue) are
// reached by the same taps.
#pragma once
#include <algorithm>

#include "conv/plan.hpp"

namespace pyconv {

inline int64_t residues_of(const ConvProblem& p, int i) { return std::min(p.stride[i], p.input[i]); }

// Calls body(tap, offset) for every tap that reaches a residue; from its first position, the pixel of
// dy at `offset`.
template <class Body>
void for_taps(const ConvProblem& p, int i, int64_t residue, const Body& body) {
  for (int64_t tap = 0; tap < p.kernel[i]; ++tap) {
    const int64_t shift = residue + p.pad_lo[i] - tap * p.dilation[i];
    if (shift % p.stride[i] == 0) body(tap, shift / p.stride[i]);
  }
}

// The lowest offset of all residues, how far the highest is from it, and the most taps of one.
struct Reach {
  int64_t low = 0, border = 0, taps = 0;
  Reach(const ConvProblem& p, int i) {
    int64_t high = 0;
    bool any = false;
    for (int64_t residue = 0; residue < residues_of(p, i); ++residue) {
      int64_t count = 0;
      for_taps(p, i, residue, [&](int64_t, int64_t offset) {
        low = any ? std::min(low, offset) : offset;
        high = any ? std::max(high, offset) : offset;
        any = true;
        ++count;
      });
      taps = std::max(taps, count);
    }
    border = high - low;
  }
};

}  // namespace pyconv
