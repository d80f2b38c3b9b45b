#include "core/block_cache.hpp"

#include <algorithm>
#include <new>

#include "core/scratch.hpp"

#if defined(__linux__)
#include <sys/mman.h>
#endif
#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <unistd.h>
#endif

namespace pyconv {
namespace {

// What a training step of a small network drops and takes again, where that is a small part of the
// memory; more is the system's.
std::size_t default_limit() {
  constexpr std::size_t most = std::size_t{256} << 20;
#if defined(__unix__) || defined(__APPLE__)
  const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
  if (pages > 0 && size > 0)
    return std::min(most, static_cast<std::size_t>(pages) / 16 * static_cast<std::size_t>(size));
#endif
  return most;
}

// From here on NumPy asks for large pages too.
constexpr std::size_t large = std::size_t{4} << 20;
constexpr std::size_t page = 4096;

// Sizes that differ by less than an eighth share their blocks. With AddressSanitizer every array
// ends where its block ends, and nothing is kept.
std::size_t rounded(std::size_t bytes) {
  if (forbidden_gap > 0) return bytes;
  std::size_t step = cache_line;
  while (step * 16 < bytes) step *= 2;
  return (bytes + step - 1) / step * step;
}

void* system_block(std::size_t capacity) noexcept {
  if (capacity > static_cast<std::size_t>(-1) / 2) return nullptr;
  void* start = ::operator new(capacity + cache_line, std::align_val_t{cache_line}, std::nothrow);
  if (!start) return nullptr;
  char* block = static_cast<char*>(start) + cache_line;
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (capacity >= large) {
    char* first = block + (page - reinterpret_cast<std::size_t>(block) % page) % page;
    madvise(first, static_cast<std::size_t>(block + capacity - first) / page * page, MADV_HUGEPAGE);
  }
#endif
  *static_cast<std::size_t*>(start) = capacity;
  return block;
}

void return_to_system(void* block) noexcept {
  ::operator delete(static_cast<char*>(block) - cache_line, std::align_val_t{cache_line});
}

}  // namespace

BlockCache& BlockCache::instance() {
  static BlockCache* const cache = new BlockCache;
  return *cache;
}

BlockCache::BlockCache() : limit_(forbidden_gap > 0 ? 0 : default_limit()) {
#if defined(__unix__) || defined(__APPLE__)
  // A child must not inherit the lock of a thread that it does not have.
  pthread_atfork([] { instance().mutex_.lock(); }, [] { instance().mutex_.unlock(); },
                 [] { instance().mutex_.unlock(); });
#endif
}

std::size_t BlockCache::capacity(const void* block) noexcept {
  return *reinterpret_cast<const std::size_t*>(static_cast<const char*>(block) - cache_line);
}

void* BlockCache::take(std::size_t bytes) noexcept {
  const std::size_t wanted = rounded(bytes);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = std::find_if(blocks_.rbegin(), blocks_.rend(),
                                    [&](void* block) { return capacity(block) == wanted; });
    if (found != blocks_.rend()) {
      void* block = *found;
      blocks_.erase(std::next(found).base());
      kept_ -= wanted;
      return block;
    }
  }
  if (void* block = system_block(wanted)) return block;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    drop_oldest(0);
  }
  return system_block(wanted);
}

void BlockCache::give(void* block) noexcept {
  if (!block) return;
  const std::size_t size = capacity(block);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (size > limit_) return return_to_system(block);
  drop_oldest(limit_ - size);
  try {
    blocks_.push_back(block);
    kept_ += size;
  } catch (const std::bad_alloc&) {
    return_to_system(block);
  }
}

void BlockCache::drop_oldest(std::size_t until) {
  std::size_t dropped = 0;
  while (kept_ > until) {
    kept_ -= capacity(blocks_[dropped]);
    return_to_system(blocks_[dropped++]);
  }
  blocks_.erase(blocks_.begin(), blocks_.begin() + static_cast<std::ptrdiff_t>(dropped));
}

std::size_t BlockCache::kept() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return kept_;
}

std::size_t BlockCache::limit() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return limit_;
}

void BlockCache::set_limit(std::size_t bytes) {
  const std::lock_guard<std::mutex> lock(mutex_);
  limit_ = bytes;
  drop_oldest(limit_);
}

}  // namespace pyconv
