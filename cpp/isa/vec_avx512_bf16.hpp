// AVX-512 with products of bfloat16 pairs: a word holds two, the low half first.
#pragma once
#include <stdint.h>
#include <string.h>

#include "isa/vec_avx512.hpp"

namespace {

struct Pairs {
  __m512i v;
  static Pairs load(const uint32_t* p) { return {_mm512_loadu_si512(p)}; }
  // The two halves at p, at any of which a pair may begin, in every lane.
  static Pairs set(const uint16_t* p) {
    int word;
    memcpy(&word, p, sizeof word);
    return {_mm512_set1_epi32(word)};
  }
  Vec<float> as_floats() const { return {_mm512_castsi512_ps(v)}; }
  void store(uint32_t* p) const { _mm512_storeu_si512(p, v); }
};

// 32 bfloat16.
struct Halves {
  __m512i v;
  static constexpr int lanes = 32;
  static Halves zero() { return {_mm512_setzero_si512()}; }
  static Halves load(const uint16_t* p) { return {_mm512_loadu_si512(p)}; }
  // Lanes lo .. hi - 1 from memory, zeros elsewhere; 0 <= lo <= hi <= lanes.
  static Halves load_range(const uint16_t* p, int lo, int hi) {
    const auto below = [](int n) { return static_cast<uint32_t>((uint64_t(1) << n) - 1); };
    return {_mm512_maskz_loadu_epi16(below(hi) & ~below(lo), p)};
  }
  void store(uint32_t* p) const { _mm512_storeu_si512(p, v); }
};
// Even lanes of the 64 values a, b.
inline Halves even_halves(Halves a, Halves b) {
  const __m256i low = _mm512_cvtepi32_epi16(a.v), high = _mm512_cvtepi32_epi16(b.v);
  return {_mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1)};
}
// Words of the first and of the last 16 lanes.
inline Pairs low_pairs(Halves low, Halves high) {
  const __m512i a = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(low.v));
  const __m512i b = _mm512_cvtepu16_epi32(_mm512_castsi512_si256(high.v));
  return {_mm512_or_si512(a, _mm512_slli_epi32(b, 16))};
}
inline Pairs high_pairs(Halves low, Halves high) {
  const __m512i a = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(low.v, 1));
  const __m512i b = _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(high.v, 1));
  return {_mm512_or_si512(a, _mm512_slli_epi32(b, 16))};
}

// acc + high * high, rounded, then + low * low: two fused multiply-adds.
inline Vec<float> dot(Pairs a, Pairs b, Vec<float> acc) {
  return {_mm512_dpbf16_ps(acc.v, (__m512bh)a.v, (__m512bh)b.v)};
}

// Both rounded to nearest even.
inline Pairs round_to_pairs(Vec<float> low, Vec<float> high) {
  const __m512i order = _mm512_set_epi32(
      0x001f000f, 0x001e000e, 0x001d000d, 0x001c000c, 0x001b000b, 0x001a000a, 0x00190009,
      0x00180008, 0x00170007, 0x00160006, 0x00150005, 0x00140004, 0x00130003, 0x00120002,
      0x00110001, 0x00100000);
  const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh(high.v, low.v);
  return {_mm512_permutexvar_epi16(order, halves)};
}

// What the rounding of each half left.
inline Vec<float> rest_of_low(Vec<float> low, Pairs rounded) {
  return {_mm512_sub_ps(low.v, _mm512_castsi512_ps(_mm512_slli_epi32(rounded.v, 16)))};
}
inline Vec<float> rest_of_high(Vec<float> high, Pairs rounded) {
  const __m512i mask = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
  return {_mm512_sub_ps(high.v, _mm512_castsi512_ps(_mm512_and_si512(rounded.v, mask)))};
}

// The least absolute value that is not zero and the greatest, by their bits.
struct RangeOf {
  __m512i least = _mm512_set1_epi32(-1), most = _mm512_setzero_si512();
  void add(Vec<float> a) {
    const __m512i bits =
        _mm512_and_si512(_mm512_castps_si512(a.v), _mm512_set1_epi32(0x7fffffff));
    least = _mm512_mask_min_epu32(least, _mm512_test_epi32_mask(bits, bits), least, bits);
    most = _mm512_max_epu32(most, bits);
  }
  uint32_t least_bits() const { return static_cast<uint32_t>(_mm512_reduce_min_epu32(least)); }
  uint32_t most_bits() const { return static_cast<uint32_t>(_mm512_reduce_max_epu32(most)); }
};

// Likewise of bfloat16.
struct RangeOfHalves {
  __m512i least = _mm512_set1_epi32(-1), most = _mm512_setzero_si512();
  void add(Halves a) {
    const __m512i bits = _mm512_and_si512(a.v, _mm512_set1_epi16(0x7fff));
    least = _mm512_mask_min_epu16(least, _mm512_test_epi16_mask(bits, bits), least, bits);
    most = _mm512_max_epu16(most, bits);
  }
  // Of a word its smaller and its greater half, as the high half of 32 bits.
  uint32_t least_bits() const {
    const __m512i other = _mm512_srli_epi32(least, 16);
    const __m512i low = _mm512_and_si512(_mm512_min_epu16(least, other), _mm512_set1_epi32(0xffff));
    const uint32_t bits = static_cast<uint32_t>(_mm512_reduce_min_epu32(low));
    return bits == 0xffff ? ~uint32_t(0) : bits << 16;
  }
  uint32_t most_bits() const {
    const __m512i other = _mm512_srli_epi32(most, 16);
    const __m512i low = _mm512_and_si512(_mm512_max_epu16(most, other), _mm512_set1_epi32(0xffff));
    return static_cast<uint32_t>(_mm512_reduce_max_epu32(low)) << 16;
  }
};

}  // namespace
