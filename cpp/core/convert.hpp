// Whole arrays of 16 bits to float32 and back, on all threads.
#pragma once
#include <cstdint>

#include "core/element_type.hpp"

namespace pyconv {

void widen(ElementType half, const void* in, int64_t count, float* out);
void narrow(ElementType half, const float* in, int64_t count, void* out);  // to nearest even

}  // namespace pyconv
