// Planes side by side at every pixel: what a weight gradient by Winograd's filtering transforms.
#pragma once
#include <algorithm>

#include "kernels/table.hpp"

namespace pyconv {

// Pixels x .. x + pixels - 1 of row y of `count` planes of a size, [pixel][plane] with `wide`
// planes; zeros outside the image and from column `end` on.
template <class T>
void lay_row(const Kernels<T>& k, const T* planes, const int64_t (&size)[3], int64_t end, int64_t y,
             int64_t x, int64_t pixels, int64_t count, int64_t wide, T* out) {
  const bool inside = y >= 0 && y < size[1];
  const int64_t from = inside ? std::clamp<int64_t>(-x, 0, pixels) : pixels;
  const int64_t to = inside ? std::clamp(end - x, from, pixels) : pixels;
  std::fill_n(out, from * wide, T(0));
  if (to > from)
    k.transpose(planes + y * size[2] + x + from, size[1] * size[2], count, to - from,
                out + from * wide, wide, (count + k.lanes - 1) / k.lanes * k.lanes);
  std::fill_n(out + to * wide, (pixels - to) * wide, T(0));
}

}  // namespace pyconv
