#include "core/float_state.hpp"

#include <atomic>
#include <cstdlib>
#include <cstring>

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace pyconv {
namespace {

// The register that rules rounding, traps and subnormal numbers.
#if defined(__x86_64__) || defined(_M_X64)
constexpr uint64_t control_plain = 0x1f80, control_flushing = 0x8040;  // traps masked; FTZ and DAZ
uint64_t control_register() { return _mm_getcsr(); }
void set_control_register(uint64_t bits) { _mm_setcsr(static_cast<unsigned>(bits)); }
#elif defined(__aarch64__) && !defined(_MSC_VER)
constexpr uint64_t control_plain = 0, control_flushing = 1u << 24;  // FZ
uint64_t control_register() {
  uint64_t bits;
  __asm__ volatile("mrs %0, fpcr" : "=r"(bits));
  return bits;
}
void set_control_register(uint64_t bits) { __asm__ volatile("msr fpcr, %0" : : "r"(bits)); }
#else
constexpr uint64_t control_plain = 0, control_flushing = 0;
uint64_t control_register() { return 0; }
void set_control_register(uint64_t) {}
#endif

bool from_environment() {
  const char* text = std::getenv("PYCONV_FLUSH_DENORMAL");
  return text && std::strcmp(text, "1") == 0;
}

std::atomic<bool>& flush() {
  static std::atomic<bool> value{from_environment()};
  return value;
}

}  // namespace

bool can_flush_denormal() { return control_flushing != 0; }
bool flush_denormal() { return flush().load(std::memory_order_relaxed); }
void set_flush_denormal(bool on) { flush().store(on, std::memory_order_relaxed); }

FloatState::FloatState() : before_(control_register()) {
  const uint64_t wanted = control_plain | (flush_denormal() ? control_flushing : 0);
  if (before_ != wanted) set_control_register(wanted);
}

// Written always: the kernels have left status flags behind, which NumPy would take for its own.
FloatState::~FloatState() { set_control_register(before_); }

}  // namespace pyconv
