// The portable vocabulary: 32 bytes in a plain array. Compilers turn it into SSE2, NEON or scalar
// code by themselves, and it is the check on every other vocabulary.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "isa/scalar.hpp"

namespace {

inline uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}
inline float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

// float16 and bfloat16 in integers. Exponents of float16 are moved by 112; what is below its normal
// numbers, a multiple of 2^-24, lets one exact subtraction or one rounding addition do the rest.
inline float widen_float16(uint16_t half) {
  const uint32_t rest = static_cast<uint32_t>(half & 0x7fff) << 13;
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const float least = float_of(uint32_t(113) << 23);
  const uint32_t small = bits_of(float_of(rest + (uint32_t(113) << 23)) - least);
  const uint32_t special = rest + (uint32_t(224) << 23);
  const uint32_t quiet = rest > 0x0f800000 ? special | 0x400000 : special;
  const uint32_t large = rest >= 0x0f800000 ? quiet : rest + (uint32_t(112) << 23);
  return float_of(sign | (rest < 0x00800000 ? small : large));
}
inline uint16_t narrow_float16(float value) {
  const uint32_t bits = bits_of(value), rest = bits & 0x7fffffff;
  const uint32_t small = bits_of(float_of(rest) + 0.5f) - bits_of(0.5f);
  const uint32_t normal = (rest - (uint32_t(112) << 23) + 0xfff + (rest >> 13 & 1)) >> 13;
  const uint32_t finite = rest < 0x38800000 ? small : normal;
  const uint32_t special = rest > 0x7f800000 ? 0x7e00 | (rest >> 13 & 0x3ff) : 0x7c00;
  return static_cast<uint16_t>((bits >> 16 & 0x8000) | (rest < 0x47800000 ? finite : special));
}
inline uint16_t narrow_bfloat16(float value) {
  const uint32_t bits = bits_of(value);
  const uint32_t rounded = bits + 0x7fff + (bits >> 16 & 1);
  return static_cast<uint16_t>((value == value ? rounded : bits | 0x400000) >> 16);
}

// Masks have the width of the elements, which is what lets compilers keep them in registers.
template <int Size>
struct Integer;
template <>
struct Integer<4> {
  using Type = int32_t;
};
template <>
struct Integer<8> {
  using Type = int64_t;
};

template <class T>
struct Vec {
  static constexpr int lanes = static_cast<int>(32 / sizeof(T));
  struct Mask {
    typename Integer<sizeof(T)>::Type on[32 / sizeof(T)];
  };
  T v[32 / sizeof(T)];
  static Vec zero() { return set(T(0)); }
  static Vec set(T s) {
    Vec r;
    for (int i = 0; i < lanes; ++i) r.v[i] = s;
    return r;
  }
  static Vec load(const T* p) {
    Vec r;
    for (int i = 0; i < lanes; ++i) r.v[i] = p[i];
    return r;
  }
  static Vec load_n(const T* p, int n) { return load_range(p, 0, n); }
  // Lanes lo .. hi - 1 from memory, zeros elsewhere; 0 <= lo <= hi <= lanes.
  // Not inline: it would stand in an unrolled kernel a hundred times.
#if defined(__GNUC__)
  __attribute__((noinline))
#endif
  static Vec load_range(const T* p, int lo, int hi) {
    Vec r = zero();
    for (int i = lo; i < hi && i < lanes; ++i) r.v[i] = p[i];
    return r;
  }
  // Lanes lo .. hi - 1 as a mask, and the lanes of a mask from memory, those of `other` elsewhere.
  static Mask range(int lo, int hi) {
    Mask m;
    for (int i = 0; i < lanes; ++i) m.on[i] = i >= lo && i < hi;
    return m;
  }
  static Vec load_or(Mask m, const T* p, Vec other) {
    for (int i = 0; i < lanes; ++i)
      if (m.on[i]) other.v[i] = p[i];
    return other;
  }
  // Bytes, one a lane: of memory, one value, and numbers from 0 to 255.
  struct Bytes {
    uint8_t of[32 / sizeof(T)];
  };
  static Bytes load_bytes(const uint8_t* p) { return load_bytes_n(p, lanes); }
  static Bytes load_bytes_n(const uint8_t* p, int n) {
    Bytes b{};
    for (int i = 0; i < n && i < lanes; ++i) b.of[i] = p[i];
    return b;
  }
  static Bytes set_bytes(uint8_t value) {
    Bytes b;
    for (int i = 0; i < lanes; ++i) b.of[i] = value;
    return b;
  }
  static Mask equal(Bytes a, Bytes b) {
    Mask m;
    for (int i = 0; i < lanes; ++i) m.on[i] = a.of[i] == b.of[i];
    return m;
  }
  // A mask as bits, lane 0 the lowest; those past the last lane are zero, or ignored.
  static unsigned to_bits(Mask m) {
    unsigned bits = 0;
    for (int i = 0; i < lanes; ++i) bits |= static_cast<unsigned>(m.on[i] != 0) << i;
    return bits;
  }
  static Mask from_bits(unsigned bits) {
    Mask m;
    for (int i = 0; i < lanes; ++i) m.on[i] = (bits >> i & 1) != 0;
    return m;
  }
  void store_bytes(uint8_t* p) const {
    store_bytes_n(p, lanes);
  }
  void store_bytes_n(uint8_t* p, int n) const {
    for (int i = 0; i < n && i < lanes; ++i) p[i] = static_cast<uint8_t>(static_cast<int>(v[i]));
  }
  // 16 bits a lane, as kernels/half.hpp has them: rounded to nearest even, NaN kept.
  static Vec load_float16(const uint16_t* p) {
    Vec r;
    for (int i = 0; i < lanes; ++i) r.v[i] = widen_float16(p[i]);
    return r;
  }
  static Vec load_bfloat16(const uint16_t* p) {
    Vec r;
    for (int i = 0; i < lanes; ++i) r.v[i] = float_of(static_cast<uint32_t>(p[i]) << 16);
    return r;
  }
  void store_float16(uint16_t* p) const {
    for (int i = 0; i < lanes; ++i) p[i] = narrow_float16(v[i]);
  }
  void store_bfloat16(uint16_t* p) const {
    for (int i = 0; i < lanes; ++i) p[i] = narrow_bfloat16(v[i]);
  }
  // A set of lanes made once for many loads.
  struct Lanes {
    int lo, hi;
  };
  static Lanes between(int lo, int hi) { return {lo, hi}; }
  static Vec load(const T* p, Lanes m) {
    return m.hi - m.lo == lanes ? load(p) : load_range(p, m.lo, m.hi);
  }
  Vec keep(Lanes m) const { return m.hi - m.lo == lanes ? *this : load_range(v, m.lo, m.hi); }
  void store(T* p) const {
    for (int i = 0; i < lanes; ++i) p[i] = v[i];
  }
  void store_n(T* p, int n) const {
    for (int i = 0; i < n && i < lanes; ++i) p[i] = v[i];
  }
  T sum() const {
    T half[lanes / 2];
    for (int i = 0; i < lanes / 2; ++i) half[i] = v[i] + v[i + lanes / 2];
    T s = half[0];
    for (int i = 1; i < lanes / 2; ++i) s += half[i];
    return s;
  }
};

template <class T>
inline Vec<T> fma(Vec<T> a, Vec<T> b, Vec<T> c) {
  for (int i = 0; i < Vec<T>::lanes; ++i) c.v[i] += a.v[i] * b.v[i];
  return c;
}
template <class T>
inline Vec<T> add(Vec<T> a, Vec<T> b) {
  for (int i = 0; i < Vec<T>::lanes; ++i) a.v[i] += b.v[i];
  return a;
}
template <class T>
inline Vec<T> sub(Vec<T> a, Vec<T> b) {
  for (int i = 0; i < Vec<T>::lanes; ++i) a.v[i] -= b.v[i];
  return a;
}
template <class T>
inline Vec<T> mul(Vec<T> a, Vec<T> b) {
  for (int i = 0; i < Vec<T>::lanes; ++i) a.v[i] *= b.v[i];
  return a;
}
template <class T>
inline Vec<T> div(Vec<T> a, Vec<T> b) {
  for (int i = 0; i < Vec<T>::lanes; ++i) a.v[i] /= b.v[i];
  return a;
}
// Where `best` stays the maximum: v is neither greater nor a NaN.
template <class T>
inline typename Vec<T>::Mask stays(Vec<T> best, Vec<T> v) {
  typename Vec<T>::Mask m;
  for (int i = 0; i < Vec<T>::lanes; ++i) m.on[i] = !(v.v[i] > best.v[i]) & (v.v[i] == v.v[i]);
  return m;
}
// Likewise the maximum. Where the operands are equal `best` is kept.
template <class T>
inline Vec<T> max_or_nan(Vec<T> best, Vec<T> v) {
  for (int i = 0; i < Vec<T>::lanes; ++i)
    best.v[i] = (!(v.v[i] > best.v[i]) & (v.v[i] == v.v[i])) ? best.v[i] : v.v[i];
  return best;
}
// The maximum of numbers; of equal ones that is `best`.
template <class T>
inline Vec<T> max_of(Vec<T> best, Vec<T> v) {
  for (int i = 0; i < Vec<T>::lanes; ++i) best.v[i] = v.v[i] > best.v[i] ? v.v[i] : best.v[i];
  return best;
}
template <class T>
inline typename Vec<T>::Mask le(Vec<T> a, Vec<T> b) {
  typename Vec<T>::Mask m;
  for (int i = 0; i < Vec<T>::lanes; ++i) m.on[i] = a.v[i] <= b.v[i];
  return m;
}
template <class T>
inline Vec<T> select(typename Vec<T>::Mask m, Vec<T> yes, Vec<T> no) {
  for (int i = 0; i < Vec<T>::lanes; ++i) no.v[i] = m.on[i] ? yes.v[i] : no.v[i];
  return no;
}
template <class T>
inline Vec<T> add_where(typename Vec<T>::Mask m, Vec<T> a, Vec<T> b) {
  for (int i = 0; i < Vec<T>::lanes; ++i) a.v[i] += m.on[i] ? b.v[i] : T(0);
  return a;
}

// Nothing to hold: the compiler decides where these arrays live.
template <class T>
inline void hold(Vec<T>&) {}

// Even and odd lanes of the 2 * lanes values a, b: the split that stride 2 needs.
template <class T>
inline Vec<T> even_lanes(Vec<T> a, Vec<T> b) {
  Vec<T> r;
  for (int i = 0; i < Vec<T>::lanes / 2; ++i) {
    r.v[i] = a.v[2 * i];
    r.v[i + Vec<T>::lanes / 2] = b.v[2 * i];
  }
  return r;
}
template <class T>
inline Vec<T> odd_lanes(Vec<T> a, Vec<T> b) {
  Vec<T> r;
  for (int i = 0; i < Vec<T>::lanes / 2; ++i) {
    r.v[i] = a.v[2 * i + 1];
    r.v[i + Vec<T>::lanes / 2] = b.v[2 * i + 1];
  }
  return r;
}

// Lanes of the pair a, b from lane By of a on.
template <int By, class T>
inline Vec<T> slide(Vec<T> a, Vec<T> b) {
  Vec<T> r;
  for (int i = 0; i < Vec<T>::lanes; ++i)
    r.v[i] = i + By < Vec<T>::lanes ? a.v[i + By] : b.v[i + By - Vec<T>::lanes];
  return r;
}

// Lanes of the pair a, b in any order: lane i is lane `from[i]` of the pair, zero where negative.
template <class T>
struct Picks {
  int32_t from[32 / sizeof(T)];
  static Picks of(const int32_t (&from)[32 / sizeof(T)]) {
    Picks p;
    for (int i = 0; i < Vec<T>::lanes; ++i) p.from[i] = from[i];
    return p;
  }
};
// Not inline, like load_range.
template <class T>
#if defined(__GNUC__)
__attribute__((noinline))
#endif
Vec<T> pick(Vec<T> a, Vec<T> b, const Picks<T>& p) {
  Vec<T> r = Vec<T>::zero();
  for (int i = 0; i < Vec<T>::lanes; ++i) {
    const int from = p.from[i];
    if (from >= 0) r.v[i] = from < Vec<T>::lanes ? a.v[from] : b.v[from - Vec<T>::lanes];
  }
  return r;
}

// The reverse of even_lanes and odd_lanes: a and b lane by lane in turn, in two vectors.
template <class T>
inline void interleave(Vec<T> a, Vec<T> b, Vec<T>& low, Vec<T>& high) {
  constexpr int half = Vec<T>::lanes / 2;
  for (int i = 0; i < half; ++i) {
    low.v[2 * i] = a.v[i];
    low.v[2 * i + 1] = b.v[i];
    high.v[2 * i] = a.v[i + half];
    high.v[2 * i + 1] = b.v[i + half];
  }
}

// Transposes in place the lanes x lanes block held one row a register.
template <class T>
inline void transpose(Vec<T> (&r)[32 / sizeof(T)]) {
  for (int i = 0; i < Vec<T>::lanes; ++i) {
    for (int j = 0; j < i; ++j) {
      const T t = r[i].v[j];
      r[i].v[j] = r[j].v[i];
      r[j].v[i] = t;
    }
  }
}

// Register tile of the GEMM: rows (broadcast) x vectors, for the 16 SSE2 registers.
constexpr int tile_rows = 4;
constexpr int tile_vectors = 1;
constexpr int tall_rows = tile_rows;  // of a tile of one vector

// Rows of results that a depthwise kernel holds: more only make larger code of this one.
constexpr int depthwise_rows = 2;

}  // namespace
