// The portable vocabulary: 32 bytes in a plain array. Compilers turn it into SSE2, NEON or scalar
// code by themselves, and it is the check on every other vocabulary.
#pragma once
#include <stddef.h>
#include <stdint.h>

namespace {

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

inline void prefetch(const void* p) {
#if defined(__GNUC__)
  __builtin_prefetch(p);
#else
  (void)p;
#endif
}

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
  static Vec load_range(const T* p, int lo, int hi) {
    Vec r = zero();
    for (int i = lo; i < hi && i < lanes; ++i) r.v[i] = p[i];
    return r;
  }
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
template <class T>
inline typename Vec<T>::Mask gt(Vec<T> a, Vec<T> b) {
  typename Vec<T>::Mask m;
  for (int i = 0; i < Vec<T>::lanes; ++i) m.on[i] = a.v[i] > b.v[i];
  return m;
}
template <class T>
inline typename Vec<T>::Mask eq(Vec<T> a, Vec<T> b) {
  typename Vec<T>::Mask m;
  for (int i = 0; i < Vec<T>::lanes; ++i) m.on[i] = a.v[i] == b.v[i];
  return m;
}
template <class T>
inline typename Vec<T>::Mask gt_or_nan(Vec<T> a, Vec<T> b) {
  typename Vec<T>::Mask m;
  for (int i = 0; i < Vec<T>::lanes; ++i) m.on[i] = (a.v[i] > b.v[i]) | (a.v[i] != a.v[i]);
  return m;
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

// The reverse: a and b lane by lane in turn, in two vectors.
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

}  // namespace
