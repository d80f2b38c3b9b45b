// The floating-point state that kernels run in: rounding to nearest, no traps, subnormal numbers
// kept unless switched off. A caller's own state (another library's start-up code, fesetround,
// feenableexcept) cannot change a result, nor can the workers' differ from the caller's.
#pragma once
#include <cstdint>

namespace pyconv {

bool can_flush_denormal();
bool flush_denormal();
void set_flush_denormal(bool);

// Sets the state of this thread and puts back what was there, status flags included.
class FloatState {
 public:
  FloatState();
  ~FloatState();
  FloatState(const FloatState&) = delete;
  FloatState& operator=(const FloatState&) = delete;

 private:
  uint64_t before_;
};

}  // namespace pyconv
