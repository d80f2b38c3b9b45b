// The NEON vocabulary of 64-bit Arm: 32 registers of 16 bytes, masks as integer vectors.
#pragma once
#include <arm_neon.h>
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
  float32x4_t v;
  using Mask = uint32x4_t;
  static constexpr int lanes = 4;
  static Vec zero() { return {vdupq_n_f32(0.0f)}; }
  static Vec set(float s) { return {vdupq_n_f32(s)}; }
  static Vec load(const float* p) { return {vld1q_f32(p)}; }
  static Vec load_n(const float* p, int n) {
    return load_range(p, 0, n);
  }
  // Lanes lo .. hi - 1 from memory, zeros elsewhere; 0 <= lo <= hi <= lanes.
  static Vec load_range(const float* p, int lo, int hi) {
    float t[4] = {0, 0, 0, 0};
    for (int i = lo; i < hi && i < 4; ++i) t[i] = p[i];
    return load(t);
  }
  // Lanes lo .. hi - 1 as a mask, and the lanes of a mask from memory, those of `other` elsewhere.
  static Mask range(int lo, int hi) {
    uint32_t on[4];
    for (int i = 0; i < 4; ++i) on[i] = i >= lo && i < hi ? ~uint32_t(0) : 0;
    return vld1q_u32(on);
  }
  static Vec load_or(Mask m, const float* p, Vec other) {
    uint32_t on[4];
    vst1q_u32(on, m);
    float t[4];
    other.store(t);
    for (int i = 0; i < 4; ++i)
      if (on[i]) t[i] = p[i];
    return load(t);
  }
  // Bytes, one a lane: of memory, one value, and numbers from 0 to 255.
  using Bytes = uint8x8_t;
  static Bytes load_bytes(const uint8_t* p) {
    uint32_t four;
    memcpy(&four, p, 4);
    return vcreate_u8(four);
  }
  static Bytes load_bytes_n(const uint8_t* p, int n) {
    return vcreate_u8(load_few(p, n));
  }
  static Bytes set_bytes(uint8_t value) { return vdup_n_u8(value); }
  static Mask equal(Bytes a, Bytes b) {
    const int16x8_t halves = vmovl_s8(vreinterpret_s8_u8(vceq_u8(a, b)));
    return vreinterpretq_u32_s32(vmovl_s16(vget_low_s16(halves)));
  }
  // A mask as bits, lane 0 the lowest; those past the last lane are zero, or ignored.
  static uint32x4_t lane_bits() {
    static const uint32_t bits[4] = {1, 2, 4, 8};
    return vld1q_u32(bits);
  }
  static unsigned to_bits(Mask m) { return vaddvq_u32(vandq_u32(m, lane_bits())); }
  static Mask from_bits(unsigned bits) { return vtstq_u32(vdupq_n_u32(bits), lane_bits()); }
  uint32_t to_bytes() const {
    const uint16x4_t halves = vmovn_u32(vcvtq_u32_f32(v));
    const uint8x8_t bytes = vmovn_u16(vcombine_u16(halves, halves));
    return vget_lane_u32(vreinterpret_u32_u8(bytes), 0);
  }
  void store_bytes(uint8_t* p) const {
    const uint32_t four = to_bytes();
    memcpy(p, &four, 4);
  }
  void store_bytes_n(uint8_t* p, int n) const { store_few(to_bytes(), p, n); }
  // 16 bits a lane, as kernels/half.hpp has them: rounded to nearest even, NaN kept.
  static Vec load_float16(const uint16_t* p) {
    return {vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)))};
  }
  static Vec load_bfloat16(const uint16_t* p) {
    return {vreinterpretq_f32_u32(vshlq_n_u32(vmovl_u16(vld1_u16(p)), 16))};
  }
  void store_float16(uint16_t* p) const {
    vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v)));
  }
  void store_bfloat16(uint16_t* p) const {
    const uint32x4_t bits = vreinterpretq_u32_f32(v);
    const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    const uint32x4_t half = vaddq_u32(odd, vdupq_n_u32(0x7fff));
    const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x400000));
    const uint32x4_t rounded = vbslq_u32(vceqq_f32(v, v), vaddq_u32(bits, half), quiet);
    vst1_u16(p, vmovn_u32(vshrq_n_u32(rounded, 16)));
  }
  // A set of lanes made once for many loads.
  struct Lanes {
    int lo, hi;
  };
  static Lanes between(int lo, int hi) { return {lo, hi}; }
  static Vec load(const float* p, Lanes m) {
    return m.hi - m.lo == lanes ? load(p) : load_range(p, m.lo, m.hi);
  }
  Vec keep(Lanes m) const {
    if (m.hi - m.lo == lanes) return *this;
    float t[lanes];
    store(t);
    return load_range(t, m.lo, m.hi);
  }
  void store(float* p) const { vst1q_f32(p, v); }
  void store_n(float* p, int n) const {
    float t[4];
    store(t);
    for (int i = 0; i < n && i < 4; ++i) p[i] = t[i];
  }
  float sum() const { return vaddvq_f32(v); }
};
inline Vec<float> fma(Vec<float> a, Vec<float> b, Vec<float> c) {
  return {vfmaq_f32(c.v, a.v, b.v)};
}
inline Vec<float> add(Vec<float> a, Vec<float> b) { return {vaddq_f32(a.v, b.v)}; }
inline Vec<float> sub(Vec<float> a, Vec<float> b) { return {vsubq_f32(a.v, b.v)}; }
inline Vec<float> mul(Vec<float> a, Vec<float> b) { return {vmulq_f32(a.v, b.v)}; }
inline Vec<float> div(Vec<float> a, Vec<float> b) { return {vdivq_f32(a.v, b.v)}; }
// Where `best` stays the maximum: v is neither greater nor a NaN.
inline Vec<float>::Mask stays(Vec<float> best, Vec<float> v) {
  return vbicq_u32(vceqq_f32(v.v, v.v), vcgtq_f32(v.v, best.v));
}
// Likewise the maximum. Where the operands are equal `best` is kept.
inline Vec<float> max_or_nan(Vec<float> best, Vec<float> v) {
  return {vbslq_f32(stays(best, v), best.v, v.v)};
}
// The maximum of numbers; of equal ones that is `best`.
inline Vec<float> max_of(Vec<float> best, Vec<float> v) {
  return {vbslq_f32(vcgtq_f32(v.v, best.v), v.v, best.v)};
}
inline Vec<float>::Mask le(Vec<float> a, Vec<float> b) { return vcleq_f32(a.v, b.v); }
inline Vec<float> select(Vec<float>::Mask m, Vec<float> yes, Vec<float> no) {
  return {vbslq_f32(m, yes.v, no.v)};
}
inline Vec<float> add_where(Vec<float>::Mask m, Vec<float> a, Vec<float> b) {
  const uint32x4_t on = vandq_u32(m, vreinterpretq_u32_f32(b.v));
  return {vaddq_f32(a.v, vreinterpretq_f32_u32(on))};
}

template <>
struct Vec<double> {
  float64x2_t v;
  using Mask = uint64x2_t;
  static constexpr int lanes = 2;
  static Vec zero() { return {vdupq_n_f64(0.0)}; }
  static Vec set(double s) { return {vdupq_n_f64(s)}; }
  static Vec load(const double* p) { return {vld1q_f64(p)}; }
  static Vec load_n(const double* p, int n) {
    return load_range(p, 0, n);
  }
  static Vec load_range(const double* p, int lo, int hi) {
    double t[2] = {0, 0};
    for (int i = lo; i < hi && i < 2; ++i) t[i] = p[i];
    return load(t);
  }
  // Lanes lo .. hi - 1 as a mask, and the lanes of a mask from memory, those of `other` elsewhere.
  static Mask range(int lo, int hi) {
    uint64_t on[2];
    for (int i = 0; i < 2; ++i) on[i] = i >= lo && i < hi ? ~uint64_t(0) : 0;
    return vld1q_u64(on);
  }
  static Vec load_or(Mask m, const double* p, Vec other) {
    uint64_t on[2];
    vst1q_u64(on, m);
    double t[2];
    other.store(t);
    for (int i = 0; i < 2; ++i)
      if (on[i]) t[i] = p[i];
    return load(t);
  }
  // Bytes, one a lane: of memory, one value, and numbers from 0 to 255.
  struct Bytes {
    uint8_t of[2];
  };
  static Bytes load_bytes(const uint8_t* p) { return {{p[0], p[1]}}; }
  static Bytes load_bytes_n(const uint8_t* p, int n) {
    Bytes b{};
    for (int i = 0; i < n && i < 2; ++i) b.of[i] = p[i];
    return b;
  }
  static Bytes set_bytes(uint8_t value) { return {{value, value}}; }
  static Mask equal(Bytes a, Bytes b) {
    const uint64_t on[2] = {a.of[0] == b.of[0] ? ~0ull : 0ull, a.of[1] == b.of[1] ? ~0ull : 0ull};
    return vld1q_u64(on);
  }
  static unsigned to_bits(Mask m) {
    return static_cast<unsigned>((vgetq_lane_u64(m, 0) & 1) | (vgetq_lane_u64(m, 1) & 2));
  }
  static Mask from_bits(unsigned bits) {
    const uint64_t on[2] = {bits & 1 ? ~0ull : 0ull, bits & 2 ? ~0ull : 0ull};
    return vld1q_u64(on);
  }
  void store_bytes(uint8_t* p) const {
    p[0] = static_cast<uint8_t>(static_cast<int>(vgetq_lane_f64(v, 0)));
    p[1] = static_cast<uint8_t>(static_cast<int>(vgetq_lane_f64(v, 1)));
  }
  void store_bytes_n(uint8_t* p, int n) const {
    if (n > 0) p[0] = static_cast<uint8_t>(static_cast<int>(vgetq_lane_f64(v, 0)));
    if (n > 1) p[1] = static_cast<uint8_t>(static_cast<int>(vgetq_lane_f64(v, 1)));
  }
  // A set of lanes made once for many loads.
  struct Lanes {
    int lo, hi;
  };
  static Lanes between(int lo, int hi) { return {lo, hi}; }
  static Vec load(const double* p, Lanes m) {
    return m.hi - m.lo == lanes ? load(p) : load_range(p, m.lo, m.hi);
  }
  Vec keep(Lanes m) const {
    if (m.hi - m.lo == lanes) return *this;
    double t[lanes];
    store(t);
    return load_range(t, m.lo, m.hi);
  }
  void store(double* p) const { vst1q_f64(p, v); }
  void store_n(double* p, int n) const {
    double t[2];
    store(t);
    for (int i = 0; i < n && i < 2; ++i) p[i] = t[i];
  }
  double sum() const { return vaddvq_f64(v); }
};
inline Vec<double> fma(Vec<double> a, Vec<double> b, Vec<double> c) {
  return {vfmaq_f64(c.v, a.v, b.v)};
}
inline Vec<double> add(Vec<double> a, Vec<double> b) { return {vaddq_f64(a.v, b.v)}; }
inline Vec<double> sub(Vec<double> a, Vec<double> b) { return {vsubq_f64(a.v, b.v)}; }
inline Vec<double> mul(Vec<double> a, Vec<double> b) { return {vmulq_f64(a.v, b.v)}; }
inline Vec<double> div(Vec<double> a, Vec<double> b) { return {vdivq_f64(a.v, b.v)}; }
// Where `best` stays the maximum: v is neither greater nor a NaN.
inline Vec<double>::Mask stays(Vec<double> best, Vec<double> v) {
  return vbicq_u64(vceqq_f64(v.v, v.v), vcgtq_f64(v.v, best.v));
}
// Likewise the maximum. Where the operands are equal `best` is kept.
inline Vec<double> max_or_nan(Vec<double> best, Vec<double> v) {
  return {vbslq_f64(stays(best, v), best.v, v.v)};
}
// The maximum of numbers; of equal ones that is `best`.
inline Vec<double> max_of(Vec<double> best, Vec<double> v) {
  return {vbslq_f64(vcgtq_f64(v.v, best.v), v.v, best.v)};
}
inline Vec<double>::Mask le(Vec<double> a, Vec<double> b) { return vcleq_f64(a.v, b.v); }
inline Vec<double> select(Vec<double>::Mask m, Vec<double> yes, Vec<double> no) {
  return {vbslq_f64(m, yes.v, no.v)};
}
inline Vec<double> add_where(Vec<double>::Mask m, Vec<double> a, Vec<double> b) {
  const uint64x2_t on = vandq_u64(m, vreinterpretq_u64_f64(b.v));
  return {vaddq_f64(a.v, vreinterpretq_f64_u64(on))};
}

// Holds a value in a register: compilers otherwise repeat a load in every product that uses it.
template <class T>
inline void hold(Vec<T>& a) {
#if defined(__GNUC__)
  __asm__("" : "+w"(a.v));
#else
  (void)a;
#endif
}

// Even and odd lanes of the 2 * lanes values a, b: the split that stride 2 needs.
inline Vec<float> even_lanes(Vec<float> a, Vec<float> b) { return {vuzp1q_f32(a.v, b.v)}; }
inline Vec<float> odd_lanes(Vec<float> a, Vec<float> b) { return {vuzp2q_f32(a.v, b.v)}; }
inline Vec<double> even_lanes(Vec<double> a, Vec<double> b) { return {vuzp1q_f64(a.v, b.v)}; }
inline Vec<double> odd_lanes(Vec<double> a, Vec<double> b) { return {vuzp2q_f64(a.v, b.v)}; }

// Lanes of the pair a, b from lane By of a on.
template <int By>
inline Vec<float> slide(Vec<float> a, Vec<float> b) {
  return {vextq_f32(a.v, b.v, By)};
}
template <int By>
inline Vec<double> slide(Vec<double> a, Vec<double> b) {
  return {vextq_f64(a.v, b.v, By)};
}

// Lanes of the pair a, b in any order: lane i is lane `from[i]` of the pair, zero where negative.
template <class T>
struct Picks {
  uint8x16_t bytes;  // of the pair's 32; those past them read as zero
  static Picks of(const int32_t (&from)[16 / sizeof(T)]) {
    constexpr int size = static_cast<int>(sizeof(T));
    uint8_t at[16];
    for (int i = 0; i < 16; ++i) {
      const int32_t lane = from[i / size];
      at[i] = static_cast<uint8_t>(lane < 0 ? 255 : lane * size + i % size);
    }
    return {vld1q_u8(at)};
  }
};
inline Vec<float> pick(Vec<float> a, Vec<float> b, const Picks<float>& p) {
  const uint8x16x2_t pair = {{vreinterpretq_u8_f32(a.v), vreinterpretq_u8_f32(b.v)}};
  return {vreinterpretq_f32_u8(vqtbl2q_u8(pair, p.bytes))};
}
inline Vec<double> pick(Vec<double> a, Vec<double> b, const Picks<double>& p) {
  const uint8x16x2_t pair = {{vreinterpretq_u8_f64(a.v), vreinterpretq_u8_f64(b.v)}};
  return {vreinterpretq_f64_u8(vqtbl2q_u8(pair, p.bytes))};
}

// The reverse of even_lanes and odd_lanes: a and b lane by lane in turn, in two vectors.
inline void interleave(Vec<float> a, Vec<float> b, Vec<float>& low, Vec<float>& high) {
  low = {vzip1q_f32(a.v, b.v)};
  high = {vzip2q_f32(a.v, b.v)};
}
inline void interleave(Vec<double> a, Vec<double> b, Vec<double>& low, Vec<double>& high) {
  low = {vzip1q_f64(a.v, b.v)};
  high = {vzip2q_f64(a.v, b.v)};
}

// Transposes in place the lanes x lanes block held one row a register.
inline void transpose(Vec<double> (&r)[2]) {
  const float64x2_t t = vtrn1q_f64(r[0].v, r[1].v);
  r[1].v = vtrn2q_f64(r[0].v, r[1].v);
  r[0].v = t;
}
inline void transpose(Vec<float> (&r)[4]) {
  const float64x2_t a = vreinterpretq_f64_f32(vtrn1q_f32(r[0].v, r[1].v));
  const float64x2_t b = vreinterpretq_f64_f32(vtrn2q_f32(r[0].v, r[1].v));
  const float64x2_t c = vreinterpretq_f64_f32(vtrn1q_f32(r[2].v, r[3].v));
  const float64x2_t d = vreinterpretq_f64_f32(vtrn2q_f32(r[2].v, r[3].v));
  r[0].v = vreinterpretq_f32_f64(vtrn1q_f64(a, c));
  r[1].v = vreinterpretq_f32_f64(vtrn1q_f64(b, d));
  r[2].v = vreinterpretq_f32_f64(vtrn2q_f64(a, c));
  r[3].v = vreinterpretq_f32_f64(vtrn2q_f64(b, d));
}

// Register tile of the GEMM: rows (broadcast) x vectors. 24 accumulators, 3 columns, 1 broadcast.
constexpr int tile_rows = 8;
constexpr int tile_vectors = 3;
constexpr int tall_rows = tile_rows;  // of a tile of one vector

// Rows of results that a depthwise kernel holds: 7 divides the usual maps (7, 14, 28, 56, 112).
constexpr int depthwise_rows = 7;

}  // namespace
