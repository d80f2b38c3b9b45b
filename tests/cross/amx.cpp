// AMX tiles, on hardware that has them or under an emulator of a whole system: that the operating
// system grants them, that every product of every pass is right to the last bit, that each thread
// has its own, and that none is left in use.
//
// Exit status: 0 all pass, 1 a check failed, 77 there are no tiles.
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <sys/syscall.h>
#include <unistd.h>

#include "checks.hpp"
#include "conv/list.hpp"
#include "linear/plan.hpp"

namespace {

struct Layer {
  int64_t n, c, k, groups, height, width, kernel, stride, dilation, pad;
};

// Full and partial tiles of rows, pairs and columns; several steps, chunks and tasks; phases.
const Layer layers[] = {
    {1, 32, 32, 1, 8, 16, 1, 1, 1, 0},  {2, 70, 50, 1, 9, 21, 3, 1, 1, 1},
    {1, 33, 17, 1, 11, 19, 3, 2, 1, 1}, {1, 1, 1, 1, 5, 5, 3, 1, 1, 1},
    {2, 24, 40, 2, 7, 13, 3, 1, 2, 2},  {1, 5, 66, 1, 17, 18, 5, 3, 1, 2},
    {1, 130, 3, 1, 4, 40, 1, 1, 1, 0},  {1, 3, 16, 1, 22, 25, 7, 2, 1, 3},
};
const char* const names[] = {"bf16x1", "bf16x3", "bf16x6"};
const Direction directions[] = {Direction::forward, Direction::input, Direction::weight};

ConvProblem problem_of(const Layer& l) {
  ConvProblem p{};
  p.n = l.n;
  p.c = l.c;
  p.k = l.k;
  p.groups = l.groups;
  const int64_t input[3] = {1, l.height, l.width};
  for (int i = 0; i < 3; ++i) {
    p.input[i] = input[i];
    p.kernel[i] = i ? l.kernel : 1;
    p.stride[i] = i ? l.stride : 1;
    p.dilation[i] = i ? l.dilation : 1;
    p.pad_lo[i] = p.pad_hi[i] = i ? l.pad : 0;
    const int64_t reach = (p.kernel[i] - 1) * p.dilation[i] + 1;
    p.output[i] = (p.input[i] + 2 * p.pad_lo[i] - reach) / p.stride[i] + 1;
  }
  return p;
}

// All 24 bits of numbers in [-1, 1), from a seed.
std::vector<float> numbers(int64_t count, uint32_t seed, bool integers) {
  std::vector<float> list(static_cast<std::size_t>(count));
  for (float& value : list) {
    seed = seed * 1664525u + 1013904223u;
    value = integers ? static_cast<float>(static_cast<int>(seed >> 16) % 7 - 3)
                     : static_cast<float>(static_cast<int32_t>(seed)) / 2147483648.0f;
  }
  return list;
}

std::vector<float> run(const Layer& l, Direction direction, const char* name, bool integers) {
  const ConvProblem p = problem_of(l);
  const int64_t x = p.n * p.c * pyconv::pixels(p.input), y = p.n * p.k * pyconv::pixels(p.output);
  const int64_t w = p.k * (p.c / p.groups) * pyconv::taps_of(p);
  const bool forward = direction == Direction::forward, weight = direction == Direction::weight;
  const std::vector<float> source = numbers(direction == Direction::input ? y : x, 1, integers);
  const std::vector<float> other = numbers(weight ? y : w, 2, integers);
  std::vector<float> out(static_cast<std::size_t>(forward ? y : weight ? w : x));
  pyconv::ConvArgs args{};
  args.source = source.data();
  args.other = other.data();
  args.out = out.data();
  const auto plan = pyconv::make_plan(p, direction, pyconv::ElementType::f32, Precision::highest,
                                      false, name);
  plan->algorithm->run(*plan, args);
  return out;
}

// Tells of the first difference of an array.
void compare(const std::string& what, const std::vector<float>& got,
             const std::vector<float>& expected) {
  bool right = true;
  for (std::size_t i = 0; i < expected.size(); ++i, ++comparisons) {
    if (!right || std::memcmp(&got[i], &expected[i], sizeof(float)) == 0) continue;
    if (got[i] == 0 && expected[i] == 0) continue;
    right = false;
    fail(what.c_str(), static_cast<int64_t>(i), static_cast<double>(got[i]),
         static_cast<double>(expected[i]));
  }
}

// Whether this thread's tiles hold anything that the operating system has to save.
bool tiles_in_use() {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(1));
  return low >> 17 & 3;
}

void check_permission() {
  constexpr long query = 0x1022;
  uint64_t granted = 0;
  if (syscall(SYS_arch_prctl, query, &granted) != 0 || !(granted >> 18 & 1))
    fail("permission", 0, static_cast<double>(granted), 1 << 18);
}

bool has(const char* isa) {
  for (const KernelTable* table : pyconv::usable_isas())
    if (std::strcmp(table->isa, isa) == 0) return true;
  return false;
}

// Small integers against plain loops; all bits against the same tiles in plain arithmetic.
template <class Layers>
void check_products(const char* what, const Layers& list, const char* plain) {
  for (const auto& l : list)
    for (Direction d : directions)
      for (const char* name : names) {
        const std::string where = std::string(what) + ", " + name + ", pass " +
                                  std::to_string(static_cast<int>(d)) + ", layer " +
                                  std::to_string(&l - list);
        pyconv::set_isa("amx");
        compare(where, run(l, d, name, true), run(l, d, plain, true));
        const std::vector<float> real = run(l, d, name, false);
        if (tiles_in_use()) fail("tiles left in use", 0, 1, 0);
        if (!has("amx_emulated")) continue;
        pyconv::set_isa("amx_emulated");
        compare(where + ", all bits", real, run(l, d, name, false));
      }
  pyconv::set_isa("amx");
}

struct Linear {
  int64_t rows, outputs, inputs;
};
const Linear linears[] = {{33, 65, 48}, {1, 17, 70}, {70, 50, 130}, {300, 3, 33}};

std::vector<float> run(const Linear& l, Direction direction, const char* name, bool integers) {
  const std::vector<float> x = numbers(l.rows * l.inputs, 1, integers);
  const std::vector<float> w = numbers(l.outputs * l.inputs, 2, integers);
  const std::vector<float> g = numbers(l.rows * l.outputs, 3, integers);
  std::vector<float> out(x.size() + w.size() + g.size());
  const bool forward = direction == Direction::forward, weight = direction == Direction::weight;
  const auto plan = pyconv::make_linear_plan({l.rows, l.outputs, l.inputs}, direction,
                                             pyconv::ElementType::f32, Precision::highest, name);
  pyconv::run_linear(plan, {(forward ? x : g).data(), (weight ? x : w).data(), out.data(),
                            nullptr, false});
  return out;
}

// Threads that are interrupted between products of different shapes.
void check_threads() {
  constexpr int threads = 4, rounds = 6;
  std::vector<std::vector<float>> expected;
  for (int t = 0; t < threads; ++t)
    expected.push_back(run(layers[t], directions[t % 3], names[2], false));
  std::vector<int> wrong(threads, 0);
  std::vector<std::thread> team;
  for (int t = 0; t < threads; ++t)
    team.emplace_back([&, t] {
      for (int round = 0; round < rounds; ++round) {
        if (run(layers[t], directions[t % 3], names[2], false) !=
            expected[static_cast<std::size_t>(t)])
          wrong[static_cast<std::size_t>(t)] = 1;
        std::this_thread::yield();
      }
      if (tiles_in_use()) wrong[static_cast<std::size_t>(t)] = 1;
    });
  for (std::thread& thread : team) thread.join();
  for (int t = 0; t < threads; ++t) expect("thread", t, wrong[static_cast<std::size_t>(t)], 0);
}

}  // namespace

int main() {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::string status = pyconv::amx_status();
  std::printf("%s: AMX %s\n", pyconv::cpu_name().c_str(), status.c_str());
  if (status.compare(0, 8, "not used") == 0) return 77;
  pyconv::set_isa("amx");
  check_permission();
  check_products("linear", linears, "gemm");
  std::printf("linear: %lld comparisons, %lld failures\n", static_cast<long long>(comparisons),
              static_cast<long long>(failures));
  check_products("conv", layers, "naive");
  check_threads();
  check_convolution<float>();
  if (tiles_in_use()) fail("tiles left in use", 0, 1, 0);
  std::printf("amx: %lld comparisons, %lld failures%s\n", static_cast<long long>(comparisons),
              static_cast<long long>(failures),
              has("amx_emulated") ? ", bits compared with plain arithmetic" : "");
  return failures ? 1 : 0;
}
