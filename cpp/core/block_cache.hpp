// Memory of results that were dropped, kept for results to come: a block taken again has its pages,
// where one fresh from the system is filled with zeros page by page while a kernel writes to it.
#pragma once
#include <cstddef>
#include <mutex>
#include <vector>

namespace pyconv {

class BlockCache {
 public:
  // Never destroyed: arrays may outlive everything else in the process.
  static BlockCache& instance();

  // At least `bytes`, 64-byte aligned, of any content; nullptr if there is no memory.
  void* take(std::size_t bytes) noexcept;
  void give(void* block) noexcept;
  // What a taken block holds.
  static std::size_t capacity(const void* block) noexcept;

  std::size_t kept() const;
  std::size_t limit() const;
  // Keep at most so much, from now on; 0 keeps nothing.
  void set_limit(std::size_t bytes);

 private:
  BlockCache();
  void drop_oldest(std::size_t until);

  mutable std::mutex mutex_;
  std::vector<void*> blocks_;  // the newest last
  std::size_t kept_ = 0;
  std::size_t limit_;
};

}  // namespace pyconv
