#include "core/parallel.hpp"

#include <algorithm>
#include <cstdlib>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif
#if !defined(_WIN32)
#include <pthread.h>
#endif

namespace pyconv {
namespace {

std::atomic<bool> started{false};
std::atomic<bool> forked{false};

int from_environment(const char* name) {
  const char* text = std::getenv(name);
  if (!text) return 0;
  // OMP_NUM_THREADS may be a list, one entry per nesting level: the first is ours.
  const long value = std::strtol(text, nullptr, 10);
  return value > 0 && value < 4096 ? static_cast<int>(value) : 0;
}

int allowed_cpus() {
#if defined(__linux__)
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

int initial_count() {
#if !defined(_WIN32)
  pthread_atfork(nullptr, nullptr, [] { forked.store(started.load()); });
#endif
  if (const int n = from_environment("PYCONV_NUM_THREADS")) return n;
  if (const int n = from_environment("OMP_NUM_THREADS")) return n;
  return allowed_cpus();
}

std::atomic<int>& count() {
  static std::atomic<int> value{initial_count()};
  return value;
}

}  // namespace

int thread_count() { return count().load(std::memory_order_relaxed); }
void set_thread_count(int n) { count().store(n); }
bool forked_after_threads() { return forked.load(std::memory_order_relaxed); }
void note_threads_started() { started.store(true, std::memory_order_relaxed); }

}  // namespace pyconv
