// The AVX-512 vocabulary (F, VL, DQ, BW): 32 registers, masked loads and stores for tails.
#pragma once
#include <immintrin.h>
#include <stddef.h>

namespace {


inline void prefetch(const void* p) { _mm_prefetch(static_cast<const char*>(p), _MM_HINT_T0); }

template <class T>
struct Vec;

template <>
struct Vec<float> {
  __m512 v;
  using Mask = __mmask16;
  static constexpr int lanes = 16;
  static Vec zero() { return {_mm512_setzero_ps()}; }
  static Vec set(float s) { return {_mm512_set1_ps(s)}; }
  static Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static Mask first(int n) { return static_cast<Mask>((1u << n) - 1u); }
  static Vec load_n(const float* p, int n) { return {_mm512_maskz_loadu_ps(first(n), p)}; }
  // Lanes lo .. hi - 1 from memory, zeros elsewhere; 0 <= lo <= hi <= lanes.
  static Vec load_range(const float* p, int lo, int hi) {
    return {_mm512_maskz_loadu_ps(static_cast<Mask>(first(hi) & ~first(lo)), p)};
  }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  void store_n(float* p, int n) const { _mm512_mask_storeu_ps(p, first(n), v); }
  float sum() const { return _mm512_reduce_add_ps(v); }
};
inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return {_mm512_fmadd_ps(a.v, b.v, c.v)};
}
inline Vec<float> add(Vec<float> a, Vec<float> b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Vec<float> sub(Vec<float> a, Vec<float> b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Vec<float> mul(Vec<float> a, Vec<float> b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Vec<float> div(Vec<float> a, Vec<float> b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Vec<float>::Mask gt(Vec<float> a, Vec<float> b) {
  return _mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ);
}
inline Vec<float>::Mask eq(Vec<float> a, Vec<float> b) {
  return _mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ);
}
inline Vec<float>::Mask gt_or_nan(Vec<float> a, Vec<float> b) {
  return static_cast<__mmask16>(gt(a, b) | _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q));
}
inline Vec<float>::Mask le(Vec<float> a, Vec<float> b) {
  return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ);
}
inline Vec<float> select(Vec<float>::Mask m, Vec<float> yes, Vec<float> no) {
  return {_mm512_mask_blend_ps(m, no.v, yes.v)};
}

template <>
struct Vec<double> {
  __m512d v;
  using Mask = __mmask8;
  static constexpr int lanes = 8;
  static Vec zero() { return {_mm512_setzero_pd()}; }
  static Vec set(double s) { return {_mm512_set1_pd(s)}; }
  static Vec load(const double* p) { return {_mm512_loadu_pd(p)}; }
  static Mask first(int n) { return static_cast<Mask>((1u << n) - 1u); }
  static Vec load_n(const double* p, int n) { return {_mm512_maskz_loadu_pd(first(n), p)}; }
  static Vec load_range(const double* p, int lo, int hi) {
    return {_mm512_maskz_loadu_pd(static_cast<Mask>(first(hi) & ~first(lo)), p)};
  }
  void store(double* p) const { _mm512_storeu_pd(p, v); }
  void store_n(double* p, int n) const { _mm512_mask_storeu_pd(p, first(n), v); }
  double sum() const { return _mm512_reduce_add_pd(v); }
};
inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return {_mm512_fmadd_pd(a.v, b.v, c.v)};
}
inline Vec<double> add(Vec<double> a, Vec<double> b) { return {_mm512_add_pd(a.v, b.v)}; }
inline Vec<double> sub(Vec<double> a, Vec<double> b) { return {_mm512_sub_pd(a.v, b.v)}; }
inline Vec<double> mul(Vec<double> a, Vec<double> b) { return {_mm512_mul_pd(a.v, b.v)}; }
inline Vec<double> div(Vec<double> a, Vec<double> b) { return {_mm512_div_pd(a.v, b.v)}; }
inline Vec<double>::Mask gt(Vec<double> a, Vec<double> b) {
  return _mm512_cmp_pd_mask(a.v, b.v, _CMP_GT_OQ);
}
inline Vec<double>::Mask eq(Vec<double> a, Vec<double> b) {
  return _mm512_cmp_pd_mask(a.v, b.v, _CMP_EQ_OQ);
}
inline Vec<double>::Mask gt_or_nan(Vec<double> a, Vec<double> b) {
  return static_cast<__mmask8>(gt(a, b) | _mm512_cmp_pd_mask(a.v, a.v, _CMP_UNORD_Q));
}
inline Vec<double>::Mask le(Vec<double> a, Vec<double> b) {
  return _mm512_cmp_pd_mask(a.v, b.v, _CMP_LE_OQ);
}
inline Vec<double> select(Vec<double>::Mask m, Vec<double> yes, Vec<double> no) {
  return {_mm512_mask_blend_pd(m, no.v, yes.v)};
}

// Holds a value in a register: compilers otherwise repeat a load in every product that uses it.
template <class T>
inline void hold(Vec<T>& a) {
#if defined(__GNUC__)
  __asm__("" : "+v"(a.v));
#else
  (void)a;
#endif
}

// Even and odd lanes of the 2 * lanes values a, b: the split that stride 2 needs.
inline Vec<float> even_lanes(Vec<float> a, Vec<float> b) {
  const __m512i i = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  return {_mm512_permutex2var_ps(a.v, i, b.v)};
}
inline Vec<float> odd_lanes(Vec<float> a, Vec<float> b) {
  const __m512i i = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
  return {_mm512_permutex2var_ps(a.v, i, b.v)};
}
inline Vec<double> even_lanes(Vec<double> a, Vec<double> b) {
  const __m512i i = _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0);
  return {_mm512_permutex2var_pd(a.v, i, b.v)};
}
inline Vec<double> odd_lanes(Vec<double> a, Vec<double> b) {
  const __m512i i = _mm512_set_epi64(15, 13, 11, 9, 7, 5, 3, 1);
  return {_mm512_permutex2var_pd(a.v, i, b.v)};
}

// The reverse: a and b lane by lane in turn, in two vectors.
inline void interleave(Vec<float> a, Vec<float> b, Vec<float>& low, Vec<float>& high) {
  const __m512i l = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const __m512i h = _mm512_add_epi32(l, _mm512_set1_epi32(8));
  low = {_mm512_permutex2var_ps(a.v, l, b.v)};
  high = {_mm512_permutex2var_ps(a.v, h, b.v)};
}
inline void interleave(Vec<double> a, Vec<double> b, Vec<double>& low, Vec<double>& high) {
  const __m512i l = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0);
  const __m512i h = _mm512_add_epi64(l, _mm512_set1_epi64(4));
  low = {_mm512_permutex2var_pd(a.v, l, b.v)};
  high = {_mm512_permutex2var_pd(a.v, h, b.v)};
}

// Transposes in place the lanes x lanes block held one row a register.
inline void transpose(Vec<float> (&r)[16]) {
  __m512 t[16];
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_ps(r[2 * i].v, r[2 * i + 1].v);
    t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i].v, r[2 * i + 1].v);
  }
  __m512 u[16];
  for (int i = 0; i < 4; ++i) {
    u[4 * i] = _mm512_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
    u[4 * i + 1] = _mm512_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
    u[4 * i + 2] = _mm512_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
    u[4 * i + 3] = _mm512_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    const __m512 a = _mm512_shuffle_f32x4(u[i], u[4 + i], 0x88);
    const __m512 b = _mm512_shuffle_f32x4(u[i], u[4 + i], 0xdd);
    const __m512 c = _mm512_shuffle_f32x4(u[8 + i], u[12 + i], 0x88);
    const __m512 d = _mm512_shuffle_f32x4(u[8 + i], u[12 + i], 0xdd);
    r[i].v = _mm512_shuffle_f32x4(a, c, 0x88);
    r[8 + i].v = _mm512_shuffle_f32x4(a, c, 0xdd);
    r[4 + i].v = _mm512_shuffle_f32x4(b, d, 0x88);
    r[12 + i].v = _mm512_shuffle_f32x4(b, d, 0xdd);
  }
}
inline void transpose(Vec<double> (&r)[8]) {
  __m512d t[8];
  for (int i = 0; i < 4; ++i) {
    t[2 * i] = _mm512_unpacklo_pd(r[2 * i].v, r[2 * i + 1].v);
    t[2 * i + 1] = _mm512_unpackhi_pd(r[2 * i].v, r[2 * i + 1].v);
  }
  for (int i = 0; i < 2; ++i) {
    const __m512d a = _mm512_shuffle_f64x2(t[i], t[2 + i], 0x88);
    const __m512d b = _mm512_shuffle_f64x2(t[i], t[2 + i], 0xdd);
    const __m512d c = _mm512_shuffle_f64x2(t[4 + i], t[6 + i], 0x88);
    const __m512d d = _mm512_shuffle_f64x2(t[4 + i], t[6 + i], 0xdd);
    r[i].v = _mm512_shuffle_f64x2(a, c, 0x88);
    r[4 + i].v = _mm512_shuffle_f64x2(a, c, 0xdd);
    r[2 + i].v = _mm512_shuffle_f64x2(b, d, 0x88);
    r[6 + i].v = _mm512_shuffle_f64x2(b, d, 0xdd);
  }
}

// Register tile of the GEMM: rows (broadcast) x vectors. 24 accumulators, 3 columns, 1 broadcast.
constexpr int tile_rows = 8;
constexpr int tile_vectors = 3;

}  // namespace
