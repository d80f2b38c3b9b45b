// What the checks share: the kernels under test, guarded memory, small integers, failures.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "core/cpu.hpp"
#include "core/kernels_of.hpp"

template <class T>
const Kernels<T>& kernels_under_test() {
  return pyconv::kernels_of<T>(pyconv::current_isa());
}

inline int64_t failures = 0, comparisons = 0;

// Tells of the first failures only: one wrong index makes thousands.
inline void fail(const char* what, int64_t at, double got, double expected) {
  if (++failures <= 20)
    std::printf("FAILED %s at %lld: %g instead of %g\n", what, static_cast<long long>(at), got,
                expected);
}

template <class T>
void expect(const char* what, int64_t at, T got, T expected) {
  ++comparisons;
  if (!(got == expected || (got != got && expected != expected)))
    fail(what, at, static_cast<double>(got), static_cast<double>(expected));
}

// Small integers, on which every sum is exact in any order.
inline int small_integer() {
  static uint32_t state = 12345;
  state = state * 1664525u + 1013904223u;
  return static_cast<int>(state >> 16) % 7 - 3;
}

// Values between canaries that are NaN: what is read from them shows in the result.
template <class T>
class Guarded {
 public:
  explicit Guarded(int64_t count, bool random = false) : bytes_((count + 2 * margin) * sizeof(T)) {
    std::memset(bytes_.data(), canary, bytes_.size());
    count_ = count;
    if (random)
      for (int64_t i = 0; i < count; ++i) (*this)[i] = static_cast<T>(small_integer());
  }
  T* data() { return reinterpret_cast<T*>(bytes_.data()) + margin; }
  T& operator[](int64_t i) { return data()[i]; }
  int64_t size() const { return count_; }
  bool untouched(int64_t i) {
    const unsigned char* p = reinterpret_cast<unsigned char*>(data() + i);
    for (std::size_t b = 0; b < sizeof(T); ++b)
      if (p[b] != canary) return false;
    return true;
  }
  void check(const char* what) {
    for (int64_t i = 1; i <= margin; ++i) {
      if (!untouched(-i)) fail(what, -i, 0, 0);
      if (!untouched(count_ + i - 1)) fail(what, count_ + i - 1, 0, 0);
    }
  }
  // For gaps between rows, which belong to nobody.
  void check_gap(const char* what, int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i)
      if (!untouched(i)) fail(what, i, 0, 0);
  }

 private:
  static constexpr int64_t margin = 128;
  static constexpr unsigned char canary = 0xff;
  std::vector<unsigned char> bytes_;
  int64_t count_;
};

template <class T>
T clamped(T value, bool relu) {
  return relu && value <= T(0) ? T(0) : value;
}

// Every pass of the drivers on these kernels.
template <class T>
void check_relu_bits();
template <class T>
void check_pooling();
template <class T>
void check_convolution();
