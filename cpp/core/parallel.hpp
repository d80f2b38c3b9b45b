// The only file with OpenMP: independent tasks on the threads of this process.
//
// A task writes what no other task writes, so neither the number of threads nor their order can
// change a result. Work under about 30 microseconds runs on the calling thread, or under 5 while
// the other threads are awake.
#pragma once
#include <atomic>
#include <cstdint>
#include <exception>

#include "core/float_state.hpp"

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace pyconv {

int thread_count();           // what parallel_for may use

// Tasks to cut a layer into where each repeats some work of the others: `least`, which a few threads
// share evenly, and one for every thread. It may not touch the order of any sum.
int64_t tasks_wanted(int64_t least);

void set_thread_count(int);   // at least 1
bool forked_after_threads();  // true in a child whose parent had started a team
void note_threads_started();
void note_threads_used();             // they wait for more, awake at first
bool threads_are_awake(double work);  // asked before `work`, which is done alone if they are not

// The tasks of a call: a run of them for each thread, which takes from the others' runs when its own
// is done. What a thread writes in one call it mostly writes in the next: where caches are not shared
// by all cores, lines that another core has written come from far (see benchmarks/notes.md).
class TaskRuns {
 public:
  static constexpr int most = 64;
  TaskRuns(int64_t tasks, int threads) : count_(threads < most ? threads : most) {
    for (int i = 0; i < count_; ++i) {
      runs_[i].next.store(tasks * i / count_, std::memory_order_relaxed);
      runs_[i].end = tasks * (i + 1) / count_;
    }
  }
  // Calls body(task) until no task is left that nobody has taken.
  template <class Body>
  void work(int thread, const Body& body) {
    for (int i = 0; i < count_; ++i) {
      Run& run = runs_[(thread + i) % count_];
      while (run.next.load(std::memory_order_relaxed) < run.end) {
        const int64_t task = run.next.fetch_add(1, std::memory_order_relaxed);
        if (task < run.end) body(task);
      }
    }
  }

 private:
  struct alignas(128) Run {
    std::atomic<int64_t> next;
    int64_t end;
  };
  const int count_;
  Run runs_[most];
};

constexpr double serial_work = 1.5e6;  // operations (or bytes) one core does in some 30 us
constexpr double short_work = 4e5;     // awake threads start in 0.5 to 1 us, asleep in 5 to 50

// Calls body(task) for every task in 0 .. tasks - 1; `work` is the cost of them all. The first
// exception thrown by a body is thrown again here.
template <class Body>
void parallel_for(int64_t tasks, double work, const Body& body) {
#if defined(_OPENMP)
  const int64_t limit = thread_count();
  const int threads = static_cast<int>(tasks < limit ? tasks : limit);
  // libgomp cannot start a team in a child forked from a process that had one: run serially.
  if (threads > 1 && work > short_work && !omp_in_parallel() && !forked_after_threads() &&
      (work > serial_work || threads_are_awake(work))) {
    note_threads_started();
    std::exception_ptr error;
    std::atomic<bool> failed{false};
    TaskRuns runs(tasks, threads);
#pragma omp parallel num_threads(threads)
    {
      const FloatState state;
      runs.work(omp_get_thread_num(), [&](int64_t task) {
        try {
          if (!failed.load(std::memory_order_relaxed)) body(task);
        } catch (...) {
          if (!failed.exchange(true)) error = std::current_exception();
        }
      });
    }
    note_threads_used();
    if (failed.load()) std::rethrow_exception(error);
    return;
  }
#else
  (void)work;
#endif
  for (int64_t task = 0; task < tasks; ++task) body(task);
}

}  // namespace pyconv
