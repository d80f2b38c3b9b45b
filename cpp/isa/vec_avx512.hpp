// The AVX-512 vocabulary (F, VL, DQ, BW): 32 registers, masked loads and stores for tails.
#pragma once
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#include "isa/scalar.hpp"

namespace {

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
    return {_mm512_maskz_loadu_ps(between(lo, hi), p)};
  }
  // Lanes lo .. hi - 1 as a mask, and the lanes of a mask from memory, those of `other` elsewhere.
  static Mask range(int lo, int hi) { return static_cast<Mask>(first(hi) & ~first(lo)); }
  static Vec load_or(Mask m, const float* p, Vec other) {
    return {_mm512_mask_loadu_ps(other.v, m, p)};
  }
  // Bytes, one a lane: of memory, one value, and numbers from 0 to 255.
  using Bytes = __m128i;
  static Bytes load_bytes(const uint8_t* p) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  }
  static Bytes load_bytes_n(const uint8_t* p, int n) { return _mm_maskz_loadu_epi8(first(n), p); }
  static Bytes set_bytes(uint8_t value) { return _mm_set1_epi8(static_cast<char>(value)); }
  static Mask equal(Bytes a, Bytes b) {
    return _mm_cmpeq_epi8_mask(a, b);
  }
  // A mask as bits, lane 0 the lowest; those past the last lane are zero, or ignored.
  static unsigned to_bits(Mask m) { return m; }
  static Mask from_bits(unsigned bits) { return static_cast<Mask>(bits); }
  void store_bytes(uint8_t* p) const {
    const __m128i bytes = _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(v));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), bytes);
  }
  void store_bytes_n(uint8_t* p, int n) const {
    _mm_mask_storeu_epi8(p, first(n), _mm512_cvtepi32_epi8(_mm512_cvttps_epi32(v)));
  }
  // 16 bits a lane, as kernels/half.hpp has them: rounded to nearest even, NaN kept.
  static Vec load_float16(const uint16_t* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static Vec load_bfloat16(const uint16_t* p) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16))};
  }
  void store_float16(uint16_t* p) const {
    const __m256i halves = _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), halves);
  }
  void store_bfloat16(uint16_t* p) const {
    const __m512i bits = _mm512_castps_si512(v), one = _mm512_set1_epi32(1);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), one);
    const __m512i half = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
    const __m512i quiet = _mm512_set1_epi32(0x400000);
    const Mask nan = _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q);
    const __m512i rounded =
        _mm512_mask_or_epi32(_mm512_add_epi32(bits, half), nan, bits, quiet);
    const __m256i halves = _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), halves);
  }
  // A set of lanes made once for many loads.
  using Lanes = __mmask16;
  static Lanes between(int lo, int hi) { return static_cast<Lanes>(first(hi) & ~first(lo)); }
  static Vec load(const float* p, Lanes m) { return {_mm512_maskz_loadu_ps(m, p)}; }
  Vec keep(Lanes m) const { return {_mm512_maskz_mov_ps(m, v)}; }  // zeros elsewhere
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
// Where `best` stays the maximum: v is neither greater nor a NaN.
inline Vec<float>::Mask stays(Vec<float> best, Vec<float> v) {
  const Vec<float>::Mask number = _mm512_cmp_ps_mask(v.v, v.v, _CMP_ORD_Q);
  return _mm512_mask_cmp_ps_mask(number, v.v, best.v, _CMP_NGT_UQ);
}
// Likewise the maximum. Where the operands are equal or `best` is a NaN, max returns the second.
inline Vec<float> max_or_nan(Vec<float> best, Vec<float> v) {
  const Vec<float>::Mask number = _mm512_cmp_ps_mask(v.v, v.v, _CMP_ORD_Q);
  return {_mm512_mask_max_ps(v.v, number, v.v, best.v)};
}
// The maximum of numbers; of equal ones that is `best`.
inline Vec<float> max_of(Vec<float> best, Vec<float> v) { return {_mm512_max_ps(v.v, best.v)}; }
inline Vec<float>::Mask le(Vec<float> a, Vec<float> b) {
  return _mm512_cmp_ps_mask(a.v, b.v, _CMP_LE_OQ);
}
inline Vec<float> select(Vec<float>::Mask m, Vec<float> yes, Vec<float> no) {
  return {_mm512_mask_blend_ps(m, no.v, yes.v)};
}
inline Vec<float> add_where(Vec<float>::Mask m, Vec<float> a, Vec<float> b) {
  return {_mm512_mask_add_ps(a.v, m, a.v, b.v)};
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
    return {_mm512_maskz_loadu_pd(between(lo, hi), p)};
  }
  // Lanes lo .. hi - 1 as a mask, and the lanes of a mask from memory, those of `other` elsewhere.
  static Mask range(int lo, int hi) { return static_cast<Mask>(first(hi) & ~first(lo)); }
  static Vec load_or(Mask m, const double* p, Vec other) {
    return {_mm512_mask_loadu_pd(other.v, m, p)};
  }
  // Bytes, one a lane: of memory, one value, and numbers from 0 to 255.
  using Bytes = __m128i;
  static Bytes load_bytes(const uint8_t* p) {
    return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  }
  static Bytes load_bytes_n(const uint8_t* p, int n) { return _mm_maskz_loadu_epi8(first(n), p); }
  static Bytes set_bytes(uint8_t value) { return _mm_set1_epi8(static_cast<char>(value)); }
  static Mask equal(Bytes a, Bytes b) {
    return static_cast<Mask>(_mm_cmpeq_epi8_mask(a, b));
  }
  static unsigned to_bits(Mask m) { return m; }
  static Mask from_bits(unsigned bits) { return static_cast<Mask>(bits); }
  void store_bytes(uint8_t* p) const {
    const __m128i bytes = _mm256_cvtepi32_epi8(_mm512_cvttpd_epi32(v));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), bytes);
  }
  void store_bytes_n(uint8_t* p, int n) const {
    _mm_mask_storeu_epi8(p, first(n), _mm256_cvtepi32_epi8(_mm512_cvttpd_epi32(v)));
  }
  // A set of lanes made once for many loads.
  using Lanes = __mmask8;
  static Lanes between(int lo, int hi) { return static_cast<Lanes>(first(hi) & ~first(lo)); }
  static Vec load(const double* p, Lanes m) { return {_mm512_maskz_loadu_pd(m, p)}; }
  Vec keep(Lanes m) const { return {_mm512_maskz_mov_pd(m, v)}; }  // zeros elsewhere
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
// Where `best` stays the maximum: v is neither greater nor a NaN.
inline Vec<double>::Mask stays(Vec<double> best, Vec<double> v) {
  const Vec<double>::Mask number = _mm512_cmp_pd_mask(v.v, v.v, _CMP_ORD_Q);
  return _mm512_mask_cmp_pd_mask(number, v.v, best.v, _CMP_NGT_UQ);
}
// Likewise the maximum. Where the operands are equal or `best` is a NaN, max returns the second.
inline Vec<double> max_or_nan(Vec<double> best, Vec<double> v) {
  const Vec<double>::Mask number = _mm512_cmp_pd_mask(v.v, v.v, _CMP_ORD_Q);
  return {_mm512_mask_max_pd(v.v, number, v.v, best.v)};
}
// The maximum of numbers; of equal ones that is `best`.
inline Vec<double> max_of(Vec<double> best, Vec<double> v) { return {_mm512_max_pd(v.v, best.v)}; }
inline Vec<double>::Mask le(Vec<double> a, Vec<double> b) {
  return _mm512_cmp_pd_mask(a.v, b.v, _CMP_LE_OQ);
}
inline Vec<double> select(Vec<double>::Mask m, Vec<double> yes, Vec<double> no) {
  return {_mm512_mask_blend_pd(m, no.v, yes.v)};
}
inline Vec<double> add_where(Vec<double>::Mask m, Vec<double> a, Vec<double> b) {
  return {_mm512_mask_add_pd(a.v, m, a.v, b.v)};
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

// Lanes of the pair a, b from lane By of a on.
template <int By>
inline Vec<float> slide(Vec<float> a, Vec<float> b) {
  const __m512i low = _mm512_castps_si512(a.v), high = _mm512_castps_si512(b.v);
  return {_mm512_castsi512_ps(_mm512_alignr_epi32(high, low, By))};
}
template <int By>
inline Vec<double> slide(Vec<double> a, Vec<double> b) {
  const __m512i low = _mm512_castpd_si512(a.v), high = _mm512_castpd_si512(b.v);
  return {_mm512_castsi512_pd(_mm512_alignr_epi64(high, low, By))};
}

// Lanes of the pair a, b in any order: lane i is lane `from[i]` of the pair, zero where negative.
template <class T>
struct Picks;
template <>
struct Picks<float> {
  __m512i index;
  __mmask16 keep;
  static Picks of(const int32_t (&from)[16]) {
    const __m512i lane = _mm512_loadu_si512(from);
    return {lane, _mm512_cmpge_epi32_mask(lane, _mm512_setzero_si512())};
  }
};
template <>
struct Picks<double> {
  __m512i index;
  __mmask8 keep;
  static Picks of(const int32_t (&from)[8]) {
    const __m256i narrow = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    const __m512i lane = _mm512_cvtepi32_epi64(narrow);
    return {lane, _mm512_cmpge_epi64_mask(lane, _mm512_setzero_si512())};
  }
};
inline Vec<float> pick(Vec<float> a, Vec<float> b, const Picks<float>& p) {
  return {_mm512_maskz_permutex2var_ps(p.keep, a.v, p.index, b.v)};
}
inline Vec<double> pick(Vec<double> a, Vec<double> b, const Picks<double>& p) {
  return {_mm512_maskz_permutex2var_pd(p.keep, a.v, p.index, b.v)};
}

// The reverse of even_lanes and odd_lanes: a and b lane by lane in turn, in two vectors.
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
constexpr int tall_rows = 12;  // of a tile of one vector

// Rows of results that a depthwise kernel holds: 7 divides the usual maps (7, 14, 28, 56, 112).
#if defined(__SANITIZE_ADDRESS__)
constexpr int depthwise_rows = 2;  // instrumented, more take minutes to compile
#else
constexpr int depthwise_rows = 7;
#endif

}  // namespace
