// Weight gradients with few tasks split their pixels: every share has a result of its own.
#pragma once
#include <algorithm>
#include <cstdint>

namespace pyconv {

// The sum of `count` elements of the shares' results, which lie `apart` elements apart, in order;
// `out` may be the first of them.
template <class T>
void add_shares(const T* results, int64_t count, int64_t shares, int64_t apart, T* out) {
  if (out != results) std::copy_n(results, count, out);
  for (int64_t share = 1; share < shares; ++share)
    for (int64_t i = 0; i < count; ++i) out[i] += results[share * apart + i];
}

}  // namespace pyconv
