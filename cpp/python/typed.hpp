// From the element type of arrays to typed pointers.
#pragma once
#include <cstdint>

#include "core/with_type.hpp"
#include "python/unlocked.hpp"

namespace pyconv {

template <class T>
const T* typed_pointer(const void* data) {
  return static_cast<const T*>(data);
}
template <class T>
T* typed_pointer(void* data) {
  return static_cast<T*>(data);
}

// Calls f(pointers ..., type ...) without the interpreter's lock; only for arrays of 16 bits there
// is a last argument, which format they have.
template <class F, class... Data>
void typed(ElementType type, const F& f, Data*... data) {
  const Unlocked unlocked;
  if (is_half(type)) {
    f(typed_pointer<uint16_t>(data)..., type);
  } else {
    with_type(type, [&](auto tag) { f(typed_pointer<decltype(tag)>(data)...); });
  }
}

}  // namespace pyconv
