// What kernels tell a compiler or a processor about addresses: the same on every instruction set.
#pragma once

namespace {

// Keeps a compiler from computing ahead what follows from this value: it has no registers for it.
template <class T>
inline void hold(const T*& p) {
#if defined(__GNUC__)
  __asm__("" : "+r"(p));
#else
  (void)p;
#endif
}
inline void hold(unsigned& bits) {
#if defined(__GNUC__)
  __asm__("" : "+r"(bits));
#else
  (void)bits;
#endif
}

// Asks for the cache line at p, which may lie anywhere.
inline void prefetch(const void* p) {
#if defined(__GNUC__)
  __builtin_prefetch(p);
#else
  (void)p;
#endif
}

}  // namespace
