// For what must dissolve in the loop that calls it: vectors handed to a function that is called stay
// in memory, and of recursions GCC merges equal steps before it inlines them, and then warns about
// the wrong array.
#pragma once

#if defined(__GNUC__)
#define PYCONV_UNROLLED inline __attribute__((always_inline))
#define PYCONV_LIKELY(condition) __builtin_expect(condition, 1)
#else
#define PYCONV_UNROLLED inline
#define PYCONV_LIKELY(condition) (condition)
#endif
