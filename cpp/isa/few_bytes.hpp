// Up to eight bytes at a time, in at most two accesses that overlap: byte by byte through memory, a
// wider load waits for the narrow stores before it.
#pragma once
#include <stdint.h>
#include <string.h>

namespace {

template <class Word>
inline uint64_t two_words(const uint8_t* p, int n) {
  constexpr int size = sizeof(Word);
  Word low, high;
  memcpy(&low, p, size);
  memcpy(&high, p + n - size, size);
  return static_cast<uint64_t>(low) | static_cast<uint64_t>(high) << (8 * (n - size));
}
// The first n of 0 to 8 bytes as a number, the first of all the lowest.
inline uint64_t load_few(const uint8_t* p, int n) {
  if (n >= 8) return two_words<uint64_t>(p, 8);
  if (n >= 4) return two_words<uint32_t>(p, n);
  if (n >= 2) return two_words<uint16_t>(p, n);
  return n > 0 ? *p : 0u;
}

template <class Word>
inline void put_words(uint64_t bytes, uint8_t* p, int n) {
  constexpr int size = sizeof(Word);
  const Word low = static_cast<Word>(bytes), high = static_cast<Word>(bytes >> (8 * (n - size)));
  memcpy(p, &low, size);
  memcpy(p + n - size, &high, size);
}
inline void store_few(uint64_t bytes, uint8_t* p, int n) {
  if (n >= 8) return put_words<uint64_t>(bytes, p, 8);
  if (n >= 4) return put_words<uint32_t>(bytes, p, n);
  if (n >= 2) return put_words<uint16_t>(bytes, p, n);
  if (n > 0) *p = static_cast<uint8_t>(bytes);
}

}  // namespace
