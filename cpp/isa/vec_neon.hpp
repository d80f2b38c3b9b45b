// The NEON vocabulary of 64-bit Arm: 32 registers of 16 bytes, masks as integer vectors.
#pragma once
#include <arm_neon.h>
#include <stddef.h>

namespace {

inline void prefetch(const void* p) {
#if defined(__GNUC__)
  __builtin_prefetch(p);
#else
  (void)p;
#endif
}

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
inline Vec<float>::Mask gt(Vec<float> a, Vec<float> b) { return vcgtq_f32(a.v, b.v); }
inline Vec<float>::Mask eq(Vec<float> a, Vec<float> b) { return vceqq_f32(a.v, b.v); }
inline Vec<float>::Mask gt_or_nan(Vec<float> a, Vec<float> b) {
  return vorrq_u32(vcgtq_f32(a.v, b.v), vmvnq_u32(vceqq_f32(a.v, a.v)));
}
inline Vec<float>::Mask le(Vec<float> a, Vec<float> b) { return vcleq_f32(a.v, b.v); }
inline Vec<float> select(Vec<float>::Mask m, Vec<float> yes, Vec<float> no) {
  return {vbslq_f32(m, yes.v, no.v)};
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
inline Vec<double>::Mask gt(Vec<double> a, Vec<double> b) { return vcgtq_f64(a.v, b.v); }
inline Vec<double>::Mask eq(Vec<double> a, Vec<double> b) { return vceqq_f64(a.v, b.v); }
inline Vec<double>::Mask gt_or_nan(Vec<double> a, Vec<double> b) {
  const uint64x2_t number = vceqq_f64(a.v, a.v);
  return vorrq_u64(vcgtq_f64(a.v, b.v), veorq_u64(number, vdupq_n_u64(~0ull)));
}
inline Vec<double>::Mask le(Vec<double> a, Vec<double> b) { return vcleq_f64(a.v, b.v); }
inline Vec<double> select(Vec<double>::Mask m, Vec<double> yes, Vec<double> no) {
  return {vbslq_f64(m, yes.v, no.v)};
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

// The reverse: a and b lane by lane in turn, in two vectors.
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

}  // namespace
