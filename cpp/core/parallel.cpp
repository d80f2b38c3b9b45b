#include "core/parallel.hpp"

#include <algorithm>
#include <chrono>
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

// Threads that wait at once asleep, or for want of a processor, are never awake.
bool threads_spin() {
  const char* policy = std::getenv("OMP_WAIT_POLICY");
  return !policy || (*policy != 'p' && *policy != 'P');
}

// The team of a calling thread. Runtimes let it spin for some time after its last work (libgomp for
// more than 100 us), which is when short work is worth sharing.
struct Team {
  std::chrono::steady_clock::time_point seen;
  double work = 0;  // since it slept: enough of it in short order is worth waking the team
};
thread_local Team team;

constexpr std::chrono::microseconds nap{50};
constexpr double waking_work = 10 * serial_work;

}  // namespace

bool threads_are_awake(double work) {
  static const bool spin = threads_spin();
  static const int processors = allowed_cpus();
  if (!spin || thread_count() > processors) return false;
  const auto now = std::chrono::steady_clock::now();
  if (now - team.seen > nap) team.work = 0;
  team.seen = now;
  team.work += work;
  return team.work > waking_work;
}

void note_threads_used() {
  team.seen = std::chrono::steady_clock::now();
  team.work = waking_work;
}

int thread_count() { return count().load(std::memory_order_relaxed); }
void set_thread_count(int n) { count().store(n); }
int64_t tasks_wanted(int64_t least) {
  constexpr int64_t most = 64;  // what is repeated outweighs the threads in the end
  return std::max(least, std::min<int64_t>(thread_count(), most));
}

bool forked_after_threads() { return forked.load(std::memory_order_relaxed); }
void note_threads_started() { started.store(true, std::memory_order_relaxed); }

}  // namespace pyconv
