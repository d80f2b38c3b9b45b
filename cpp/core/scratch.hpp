// Memory for one task at a time: a buffer per thread that grows to the largest plan it has run.
#pragma once
#include <cstddef>
#include <cstdint>
#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace pyconv {

constexpr std::size_t cache_line = 64;

// With AddressSanitizer the pieces of a buffer lie apart, and what lies between them and after the
// last is forbidden: a task that leaves its piece is caught though it stays in the buffer.
#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t forbidden_gap = 256;
inline void forbid(const void* from, std::size_t bytes) { ASAN_POISON_MEMORY_REGION(from, bytes); }
inline void allow(const void* from, std::size_t bytes) { ASAN_UNPOISON_MEMORY_REGION(from, bytes); }
#else
constexpr std::size_t forbidden_gap = 0;
inline void forbid(const void*, std::size_t) {}
inline void allow(const void*, std::size_t) {}
#endif

// A 64-byte aligned buffer; the old content is lost when it grows.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  ~AlignedBuffer() { release(); }
  void* reserve(std::size_t bytes) {
    if (bytes > size_) {
      release();
      data_ = ::operator new(bytes, std::align_val_t{cache_line});
      size_ = bytes;
    }
    allow(data_, bytes);
    forbid(static_cast<char*>(data_) + bytes, size_ - bytes);
    return data_;
  }
  const void* get() const { return data_; }
  void release() {
    allow(data_, size_);
    if (data_) ::operator delete(data_, std::align_val_t{cache_line});
    data_ = nullptr;
    size_ = 0;
  }

 private:
  void* data_ = nullptr;
  std::size_t size_ = 0;
};

// Carves aligned pieces from one buffer, or only counts them when it has none: planning and
// running share one layout.
class Arena {
 public:
  explicit Arena(void* base = nullptr) : base_(static_cast<char*>(base)) {}
  template <class T>
  T* take(int64_t count) {
    T* piece = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
    used_ += (bytes + cache_line - 1) / cache_line * cache_line + forbidden_gap;
    if (base_) {
      allow(piece, bytes);
      char* end = reinterpret_cast<char*>(piece) + bytes;
      forbid(end, static_cast<std::size_t>(base_ + used_ - end));
    }
    return piece;
  }
  std::size_t used() const { return used_; }

 private:
  char* base_;
  std::size_t used_ = 0;
};

// This thread's buffer for the task it is running.
inline void* task_scratch(std::size_t bytes) {
  static thread_local AlignedBuffer buffer;
  return buffer.reserve(bytes);
}

// This thread's buffer for the call it has made: read by the tasks of that call.
inline void* call_scratch(std::size_t bytes) {
  static thread_local AlignedBuffer buffer;
  return buffer.reserve(bytes);
}

// This thread's buffer for arrays of 16 bits as float32, while what is computed from them uses the
// other two.
inline void* widened_scratch(std::size_t bytes) {
  static thread_local AlignedBuffer buffer;
  return buffer.reserve(bytes);
}

}  // namespace pyconv
