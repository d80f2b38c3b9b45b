// Memory for one task at a time: a buffer per thread that grows to the largest plan it has run.
#pragma once
#include <cstddef>
#include <cstdint>
#include <new>

namespace pyconv {

constexpr std::size_t cache_line = 64;

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
    return data_;
  }
  const void* get() const { return data_; }
  void release() {
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
    used_ += (bytes + cache_line - 1) / cache_line * cache_line;
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
