// The AVX2 + FMA vocabulary: 16 registers, masks as vectors.
#pragma once
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "isa/few_bytes.hpp"
#include "isa/scalar.hpp"

namespace {

template <class T>
struct Vec;

template <>
struct Vec<float> {
  __m256 v;
  using Mask = __m256;
  static constexpr int lanes = 8;
  static Vec zero() { return {_mm256_setzero_ps()}; }
  static Vec set(float s) { return {_mm256_set1_ps(s)}; }
  static Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static __m256i first(int n) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), lane);
  }
  static Vec load_n(const float* p, int n) { return {_mm256_maskload_ps(p, first(n))}; }
  // Lanes lo .. hi - 1 from memory, zeros elsewhere; 0 <= lo <= hi <= lanes.
  static Vec load_range(const float* p, int lo, int hi) {
    return {_mm256_maskload_ps(p, between(lo, hi))};
  }
  // Lanes lo .. hi - 1 as a mask, and the lanes of a mask from memory, those of `other` elsewhere.
  static Mask range(int lo, int hi) {
    return _mm256_castsi256_ps(_mm256_andnot_si256(first(lo), first(hi)));
  }
  static Vec load_or(Mask m, const float* p, Vec other) {
    return {_mm256_blendv_ps(other.v, _mm256_maskload_ps(p, _mm256_castps_si256(m)), m)};
  }
  // Bytes, one a lane: of memory, one value, and numbers from 0 to 255.
  using Bytes = __m128i;
  static Bytes load_bytes(const uint8_t* p) {
    return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
  }
  static Bytes load_bytes_n(const uint8_t* p, int n) {
    return _mm_cvtsi64_si128(static_cast<long long>(load_few(p, n)));
  }
  static Bytes set_bytes(uint8_t value) { return _mm_set1_epi8(static_cast<char>(value)); }
  static Mask equal(Bytes a, Bytes b) {
    return _mm256_castsi256_ps(_mm256_cvtepi8_epi32(_mm_cmpeq_epi8(a, b)));
  }
  // A mask as bits, lane 0 the lowest; those past the last lane are zero, or ignored.
  static unsigned to_bits(Mask m) { return static_cast<unsigned>(_mm256_movemask_ps(m)); }
  static Mask from_bits(unsigned bits) {
    const __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    const __m256i all = _mm256_set1_epi32(static_cast<int>(bits));
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(all, lane), lane));
  }
  __m128i to_bytes() const {
    const __m256i words = _mm256_cvttps_epi32(v);
    const __m128i low = _mm256_castsi256_si128(words), high = _mm256_extracti128_si256(words, 1);
    const __m128i halves = _mm_packs_epi32(low, high);
    return _mm_packus_epi16(halves, halves);
  }
  void store_bytes(uint8_t* p) const {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), to_bytes());
  }
  void store_bytes_n(uint8_t* p, int n) const {
    store_few(static_cast<uint64_t>(_mm_cvtsi128_si64(to_bytes())), p, n);
  }
  // 16 bits a lane, as kernels/half.hpp has them: rounded to nearest even, NaN kept.
  static Vec load_float16(const uint16_t* p) {
    return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))};
  }
  static Vec load_bfloat16(const uint16_t* p) {
    const __m128i halves = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16))};
  }
  void store_float16(uint16_t* p) const {
    const __m128i halves = _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), halves);
  }
  void store_bfloat16(uint16_t* p) const {
    const __m256i bits = _mm256_castps_si256(v), one = _mm256_set1_epi32(1);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), one);
    const __m256i half = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(v, v, _CMP_UNORD_Q));
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
    const __m256i rounded = _mm256_blendv_epi8(_mm256_add_epi32(bits, half), quiet, nan);
    const __m256i high = _mm256_srli_epi32(rounded, 16);
    const __m128i halves =
        _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), halves);
  }
  // A set of lanes made once for many loads.
  using Lanes = __m256i;
  static Lanes between(int lo, int hi) { return _mm256_andnot_si256(first(lo), first(hi)); }
  static Vec load(const float* p, Lanes m) { return {_mm256_maskload_ps(p, m)}; }
  Vec keep(Lanes m) const { return {_mm256_and_ps(v, _mm256_castsi256_ps(m))}; }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
  void store_n(float* p, int n) const { _mm256_maskstore_ps(p, first(n), v); }
  float sum() const {
    const __m128 h = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    const __m128 q = _mm_add_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_add_ss(q, _mm_shuffle_ps(q, q, 1)));
  }
};
inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return {_mm256_fmadd_ps(a.v, b.v, c.v)};
}
inline Vec<float> add(Vec<float> a, Vec<float> b) { return {_mm256_add_ps(a.v, b.v)}; }
inline Vec<float> sub(Vec<float> a, Vec<float> b) { return {_mm256_sub_ps(a.v, b.v)}; }
inline Vec<float> mul(Vec<float> a, Vec<float> b) { return {_mm256_mul_ps(a.v, b.v)}; }
inline Vec<float> div(Vec<float> a, Vec<float> b) { return {_mm256_div_ps(a.v, b.v)}; }
// Where `best` stays the maximum: v is neither greater nor a NaN.
inline Vec<float>::Mask stays(Vec<float> best, Vec<float> v) {
  const __m256 number = _mm256_cmp_ps(v.v, v.v, _CMP_ORD_Q);
  return _mm256_and_ps(number, _mm256_cmp_ps(v.v, best.v, _CMP_NGT_UQ));
}
// Likewise the maximum. Where the operands are equal or `best` is a NaN, max returns the second.
inline Vec<float> max_or_nan(Vec<float> best, Vec<float> v) {
  const __m256 nan = _mm256_cmp_ps(v.v, v.v, _CMP_UNORD_Q);
  return {_mm256_blendv_ps(_mm256_max_ps(v.v, best.v), v.v, nan)};
}
// The maximum of numbers; of equal ones that is `best`.
inline Vec<float> max_of(Vec<float> best, Vec<float> v) { return {_mm256_max_ps(v.v, best.v)}; }
inline Vec<float>::Mask le(Vec<float> a, Vec<float> b) {
  return _mm256_cmp_ps(a.v, b.v, _CMP_LE_OQ);
}
inline Vec<float> select(Vec<float>::Mask m, Vec<float> yes, Vec<float> no) {
  return {_mm256_blendv_ps(no.v, yes.v, m)};
}
inline Vec<float> add_where(Vec<float>::Mask m, Vec<float> a, Vec<float> b) {
  return {_mm256_add_ps(a.v, _mm256_and_ps(m, b.v))};
}

template <>
struct Vec<double> {
  __m256d v;
  using Mask = __m256d;
  static constexpr int lanes = 4;
  static Vec zero() { return {_mm256_setzero_pd()}; }
  static Vec set(double s) { return {_mm256_set1_pd(s)}; }
  static Vec load(const double* p) { return {_mm256_loadu_pd(p)}; }
  static __m256i first(int n) {
    return _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
  }
  static Vec load_n(const double* p, int n) { return {_mm256_maskload_pd(p, first(n))}; }
  static Vec load_range(const double* p, int lo, int hi) {
    return {_mm256_maskload_pd(p, between(lo, hi))};
  }
  // Lanes lo .. hi - 1 as a mask, and the lanes of a mask from memory, those of `other` elsewhere.
  static Mask range(int lo, int hi) {
    return _mm256_castsi256_pd(_mm256_andnot_si256(first(lo), first(hi)));
  }
  static Vec load_or(Mask m, const double* p, Vec other) {
    return {_mm256_blendv_pd(other.v, _mm256_maskload_pd(p, _mm256_castpd_si256(m)), m)};
  }
  // Bytes, one a lane: of memory, one value, and numbers from 0 to 255.
  using Bytes = __m128i;
  static Bytes load_bytes(const uint8_t* p) {
    int four;
    memcpy(&four, p, 4);
    return _mm_cvtsi32_si128(four);
  }
  static Bytes load_bytes_n(const uint8_t* p, int n) {
    return _mm_cvtsi32_si128(static_cast<int>(load_few(p, n)));
  }
  static Bytes set_bytes(uint8_t value) { return _mm_set1_epi8(static_cast<char>(value)); }
  static Mask equal(Bytes a, Bytes b) {
    return _mm256_castsi256_pd(_mm256_cvtepi8_epi64(_mm_cmpeq_epi8(a, b)));
  }
  static unsigned to_bits(Mask m) { return static_cast<unsigned>(_mm256_movemask_pd(m)); }
  static Mask from_bits(unsigned bits) {
    const __m256i lane = _mm256_setr_epi64x(1, 2, 4, 8);
    const __m256i all = _mm256_set1_epi64x(static_cast<int>(bits));
    return _mm256_castsi256_pd(_mm256_cmpeq_epi64(_mm256_and_si256(all, lane), lane));
  }
  int to_bytes() const {
    const __m128i words = _mm256_cvttpd_epi32(v), halves = _mm_packs_epi32(words, words);
    return _mm_cvtsi128_si32(_mm_packus_epi16(halves, halves));
  }
  void store_bytes(uint8_t* p) const {
    const int four = to_bytes();
    memcpy(p, &four, 4);
  }
  void store_bytes_n(uint8_t* p, int n) const {
    store_few(static_cast<uint32_t>(to_bytes()), p, n);
  }
  // A set of lanes made once for many loads.
  using Lanes = __m256i;
  static Lanes between(int lo, int hi) { return _mm256_andnot_si256(first(lo), first(hi)); }
  static Vec load(const double* p, Lanes m) { return {_mm256_maskload_pd(p, m)}; }
  Vec keep(Lanes m) const { return {_mm256_and_pd(v, _mm256_castsi256_pd(m))}; }
  void store(double* p) const { _mm256_storeu_pd(p, v); }
  void store_n(double* p, int n) const { _mm256_maskstore_pd(p, first(n), v); }
  double sum() const {
    const __m128d h = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(h, _mm_unpackhi_pd(h, h)));
  }
};
inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return {_mm256_fmadd_pd(a.v, b.v, c.v)};
}
inline Vec<double> add(Vec<double> a, Vec<double> b) { return {_mm256_add_pd(a.v, b.v)}; }
inline Vec<double> sub(Vec<double> a, Vec<double> b) { return {_mm256_sub_pd(a.v, b.v)}; }
inline Vec<double> mul(Vec<double> a, Vec<double> b) { return {_mm256_mul_pd(a.v, b.v)}; }
inline Vec<double> div(Vec<double> a, Vec<double> b) { return {_mm256_div_pd(a.v, b.v)}; }
// Where `best` stays the maximum: v is neither greater nor a NaN.
inline Vec<double>::Mask stays(Vec<double> best, Vec<double> v) {
  const __m256d number = _mm256_cmp_pd(v.v, v.v, _CMP_ORD_Q);
  return _mm256_and_pd(number, _mm256_cmp_pd(v.v, best.v, _CMP_NGT_UQ));
}
// Likewise the maximum. Where the operands are equal or `best` is a NaN, max returns the second.
inline Vec<double> max_or_nan(Vec<double> best, Vec<double> v) {
  const __m256d nan = _mm256_cmp_pd(v.v, v.v, _CMP_UNORD_Q);
  return {_mm256_blendv_pd(_mm256_max_pd(v.v, best.v), v.v, nan)};
}
// The maximum of numbers; of equal ones that is `best`.
inline Vec<double> max_of(Vec<double> best, Vec<double> v) { return {_mm256_max_pd(v.v, best.v)}; }
inline Vec<double>::Mask le(Vec<double> a, Vec<double> b) {
  return _mm256_cmp_pd(a.v, b.v, _CMP_LE_OQ);
}
inline Vec<double> select(Vec<double>::Mask m, Vec<double> yes, Vec<double> no) {
  return {_mm256_blendv_pd(no.v, yes.v, m)};
}
inline Vec<double> add_where(Vec<double>::Mask m, Vec<double> a, Vec<double> b) {
  return {_mm256_add_pd(a.v, _mm256_and_pd(m, b.v))};
}

// Holds a value in a register: compilers otherwise repeat a load in every product that uses it.
template <class T>
inline void hold(Vec<T>& a) {
#if defined(__GNUC__)
  __asm__("" : "+x"(a.v));
#else
  (void)a;
#endif
}

// Even and odd lanes of the 2 * lanes values a, b: the split that stride 2 needs.
inline Vec<float> even_lanes(Vec<float> a, Vec<float> b) {
  const __m256 s = _mm256_shuffle_ps(a.v, b.v, 0x88);
  return {_mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(s), 0xd8))};
}
inline Vec<float> odd_lanes(Vec<float> a, Vec<float> b) {
  const __m256 s = _mm256_shuffle_ps(a.v, b.v, 0xdd);
  return {_mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(s), 0xd8))};
}
inline Vec<double> even_lanes(Vec<double> a, Vec<double> b) {
  return {_mm256_permute4x64_pd(_mm256_unpacklo_pd(a.v, b.v), 0xd8)};
}
inline Vec<double> odd_lanes(Vec<double> a, Vec<double> b) {
  return {_mm256_permute4x64_pd(_mm256_unpackhi_pd(a.v, b.v), 0xd8)};
}

// Lanes of the pair a, b from lane By of a on.
template <int Bytes>
inline __m256i slide_bytes(__m256i a, __m256i b) {
  const __m256i middle = _mm256_permute2x128_si256(a, b, 0x21);
  if constexpr (Bytes < 16) return _mm256_alignr_epi8(middle, a, Bytes);
  return _mm256_alignr_epi8(b, middle, Bytes % 16);
}
template <int By>
inline Vec<float> slide(Vec<float> a, Vec<float> b) {
  const __m256i low = _mm256_castps_si256(a.v), high = _mm256_castps_si256(b.v);
  return {_mm256_castsi256_ps(slide_bytes<4 * By>(low, high))};
}
template <int By>
inline Vec<double> slide(Vec<double> a, Vec<double> b) {
  const __m256i low = _mm256_castpd_si256(a.v), high = _mm256_castpd_si256(b.v);
  return {_mm256_castsi256_pd(slide_bytes<8 * By>(low, high))};
}

// Lanes of the pair a, b in any order: lane i is lane `from[i]` of the pair, zero where negative.
template <class T>
struct Picks {
  __m256i index;        // in halves of 32 bits, within either vector
  __m256 second, keep;  // lanes of b, lanes that are not zero
  static Picks of(const int32_t (&from)[32 / sizeof(T)]) {
    constexpr int words = sizeof(T) / 4, lanes = 8 / words;
    int32_t at[8], high[8], on[8];
    for (int i = 0; i < 8; ++i) {
      const int32_t lane = from[i / words];
      at[i] = lane % lanes * words + i % words;
      high[i] = lane >= lanes ? -1 : 0;
      on[i] = lane >= 0 ? -1 : 0;
    }
    return {load(at), _mm256_castsi256_ps(load(high)), _mm256_castsi256_ps(load(on))};
  }
  static __m256i load(const int32_t (&p)[8]) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
  }
  __m256 operator()(__m256 a, __m256 b) const {
    const __m256 x = _mm256_permutevar8x32_ps(a, index), y = _mm256_permutevar8x32_ps(b, index);
    return _mm256_and_ps(keep, _mm256_blendv_ps(x, y, second));
  }
};
inline Vec<float> pick(Vec<float> a, Vec<float> b, const Picks<float>& p) {
  return {p(a.v, b.v)};
}
inline Vec<double> pick(Vec<double> a, Vec<double> b, const Picks<double>& p) {
  return {_mm256_castps_pd(p(_mm256_castpd_ps(a.v), _mm256_castpd_ps(b.v)))};
}

// The reverse of even_lanes and odd_lanes: a and b lane by lane in turn, in two vectors.
inline void interleave(Vec<float> a, Vec<float> b, Vec<float>& low, Vec<float>& high) {
  const __m256 l = _mm256_unpacklo_ps(a.v, b.v), h = _mm256_unpackhi_ps(a.v, b.v);
  low = {_mm256_permute2f128_ps(l, h, 0x20)};
  high = {_mm256_permute2f128_ps(l, h, 0x31)};
}
inline void interleave(Vec<double> a, Vec<double> b, Vec<double>& low, Vec<double>& high) {
  const __m256d l = _mm256_unpacklo_pd(a.v, b.v), h = _mm256_unpackhi_pd(a.v, b.v);
  low = {_mm256_permute2f128_pd(l, h, 0x20)};
  high = {_mm256_permute2f128_pd(l, h, 0x31)};
}

// Transposes in place the lanes x lanes block held one row a register.
inline void transpose(Vec<float> (&r)[8]) {
  __m256 t[8];
  for (int i = 0; i < 4; ++i) {
    t[2 * i] = _mm256_unpacklo_ps(r[2 * i].v, r[2 * i + 1].v);
    t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i].v, r[2 * i + 1].v);
  }
  __m256 u[8];
  for (int i = 0; i < 2; ++i) {
    u[4 * i] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0x44);
    u[4 * i + 1] = _mm256_shuffle_ps(t[4 * i], t[4 * i + 2], 0xee);
    u[4 * i + 2] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0x44);
    u[4 * i + 3] = _mm256_shuffle_ps(t[4 * i + 1], t[4 * i + 3], 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    r[i].v = _mm256_permute2f128_ps(u[i], u[4 + i], 0x20);
    r[4 + i].v = _mm256_permute2f128_ps(u[i], u[4 + i], 0x31);
  }
}
inline void transpose(Vec<double> (&r)[4]) {
  const __m256d a = _mm256_unpacklo_pd(r[0].v, r[1].v);
  const __m256d b = _mm256_unpackhi_pd(r[0].v, r[1].v);
  const __m256d c = _mm256_unpacklo_pd(r[2].v, r[3].v);
  const __m256d d = _mm256_unpackhi_pd(r[2].v, r[3].v);
  r[0].v = _mm256_permute2f128_pd(a, c, 0x20);
  r[1].v = _mm256_permute2f128_pd(b, d, 0x20);
  r[2].v = _mm256_permute2f128_pd(a, c, 0x31);
  r[3].v = _mm256_permute2f128_pd(b, d, 0x31);
}

// Register tile of the GEMM: rows (broadcast) x vectors. 12 accumulators, 2 columns, 1 broadcast.
constexpr int tile_rows = 6;
constexpr int tile_vectors = 2;
constexpr int tall_rows = tile_rows;  // of a tile of one vector: 12 were no faster

// Rows of results that a depthwise kernel holds: 7 divides the usual maps (7, 14, 28, 56, 112).
#if defined(__SANITIZE_ADDRESS__)
constexpr int depthwise_rows = 2;  // instrumented, more take minutes to compile
#else
constexpr int depthwise_rows = 7;
#endif

}  // namespace
