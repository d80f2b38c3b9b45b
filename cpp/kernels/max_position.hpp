// A maximum and where it is. Positions travel as numbers of the element type beside the values and
// become bytes when they are stored.
#pragma once
#include "kernels/pool_rows.hpp"

namespace {

template <class T>
struct Position {
  Vec<T> best, tap;
};

template <class T>
inline void take(Vec<T> v, Vec<T> tap, Position<T>& held) {
  const auto stay = stays(held.best, v);
  held.best = select(stay, held.best, v);
  held.tap = select(stay, held.tap, tap);
}

template <class T>
inline void store(const Position<T>& p, T* out, uint8_t* offsets, Whole) {
  p.best.store(out);
  p.tap.store_bytes(offsets);
}
template <class T>
inline void store(const Position<T>& p, T* out, uint8_t* offsets, Part part) {
  p.best.store_n(out, part.n);
  p.tap.store_bytes_n(offsets, part.n);
}

}  // namespace
