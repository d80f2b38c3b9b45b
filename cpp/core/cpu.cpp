// Compiled with baseline flags: it must run on the processors that it rules out.
#include "core/cpu.hpp"

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#if defined(_MSC_VER) && (defined(_M_X64) || defined(_M_IX86))
#include <immintrin.h>
#include <intrin.h>
#elif defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define PYCONV_ISA(name) extern const KernelTable kernels_##name;
#define PYCONV_EXTENSION(name, base) extern const PairKernels pairs_##name;
#include "isa_list.inc"
#undef PYCONV_ISA
#undef PYCONV_EXTENSION

namespace pyconv {
namespace {

// Why there are no AMX tiles, or null; set while features are detected.
const char*& amx_refusal() {
  static const char* why = "the processor has none";
  return why;
}

[[maybe_unused]] bool tiles_allowed();

#if defined(__x86_64__) || defined(__i386__) || defined(_M_X64) || defined(_M_IX86)
struct Registers {
  uint32_t a, b, c, d;
};

Registers cpuid(uint32_t leaf, uint32_t sub = 0) {
  Registers r{};
#if defined(_MSC_VER)
  int v[4];
  __cpuidex(v, static_cast<int>(leaf), static_cast<int>(sub));
  r = {uint32_t(v[0]), uint32_t(v[1]), uint32_t(v[2]), uint32_t(v[3])};
#else
  __cpuid_count(leaf, sub, r.a, r.b, r.c, r.d);
#endif
  return r;
}

// The register files that the operating system saves on a context switch.
uint64_t saved_state() {
#if defined(_MSC_VER)
  return _xgetbv(0);
#else
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
#endif
}

// Tiles are 8 KB of state a thread: Linux wants to be asked once a process, before the first use,
// and refuses where a signal stack is too small to hold them. Null, or why not.
const char* ask_for_tiles() {
#if defined(__linux__)
  constexpr long request_permission = 0x1023, tile_data = 18;
  if (syscall(SYS_arch_prctl, request_permission, tile_data) == 0) return nullptr;
  return "the operating system refused permission";
#else
  return "pyconv asks for it on Linux only";
#endif
}

unsigned detect() {
  if (cpuid(0).a < 7) return 0;
  const Registers one = cpuid(1), seven = cpuid(7);
  const bool osxsave = one.c >> 27 & 1;
  if (!osxsave) return 0;
  const uint64_t state = saved_state();
  unsigned found = 0;
  const bool ymm = (state & 0x6) == 0x6;
  const bool fma_f16c = (one.c >> 12 & 1) && (one.c >> 29 & 1);
  if (ymm && fma_f16c && (seven.b >> 5 & 1)) found |= needs_avx2_fma;
  const bool zmm = (state & 0xe6) == 0xe6;
  const uint32_t f_dq_bw_vl = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
  if (zmm && (seven.b & f_dq_bw_vl) == f_dq_bw_vl) found |= needs_avx512;
  const bool more = seven.a >= 1;
  if ((found & needs_avx512) && more && (cpuid(7, 1).a >> 5 & 1)) found |= needs_avx512_bf16;
  const bool tiles = (seven.d >> 22 & 1) && (seven.d >> 24 & 1);  // AMX-BF16 and AMX-TILE
  if (tiles && (found & needs_avx512_bf16)) {
    if ((state >> 17 & 3) != 3)
      amx_refusal() = "the operating system does not save its registers";
    else if (!tiles_allowed())
      amx_refusal() = "PYCONV_ISA names another instruction set";
    else
      amx_refusal() = ask_for_tiles();
    if (!amx_refusal()) found |= needs_amx;
  }
  return found;
}

std::string brand() {
  if (cpuid(0x80000000u).a < 0x80000004u) return "x86-64";
  char text[49] = {};
  for (uint32_t i = 0; i < 3; ++i) {
    const Registers r = cpuid(0x80000002u + i);
    std::memcpy(text + 16 * i, &r, 16);
  }
  return text;
}
#else
unsigned detect() { return 0; }
std::string brand() { return "generic"; }
#endif

// The table of another instruction set with products of bfloat16 pairs besides.
KernelTable extended(const KernelTable& base, const PairKernels& pairs) {
  KernelTable table = base;
  table.isa = pairs.name;
  table.needs = pairs.needs;
  table.pairs = pairs;
  return table;
}

// In order of preference, made by the build from its list of instruction sets. On first use: tables
// of other files are not read while the library is loaded.
const std::vector<const KernelTable*>& built() {
#define PYCONV_ISA(name)
#define PYCONV_EXTENSION(name, base) \
  static const KernelTable kernels_##name = extended(kernels_##base, pairs_##name);
#include "isa_list.inc"
#undef PYCONV_ISA
#undef PYCONV_EXTENSION
#define PYCONV_ISA(name) &kernels_##name,
#define PYCONV_EXTENSION(name, base) &kernels_##name,
  static const std::vector<const KernelTable*> list{
#include "isa_list.inc"
  };
#undef PYCONV_ISA
#undef PYCONV_EXTENSION
  return list;
}

// Whether the processor has what the table needs and gets its products right: asked once.
bool works(const KernelTable& table) {
  static const std::vector<bool> tried = [] {
    std::vector<bool> list;
    for (const KernelTable* t : built())
      list.push_back((t->needs & ~cpu_features()) == 0 && (!t->pairs.works || t->pairs.works()));
    return list;
  }();
  for (std::size_t i = 0; i < built().size(); ++i)
    if (built()[i] == &table) return tried[i];
  return false;
}

// An unknown or unusable cap is not fatal: the Python package warns of it at import.
std::size_t first_allowed() {
  const char* cap = std::getenv("PYCONV_ISA");
  if (cap)
    for (std::size_t i = 0; i < built().size(); ++i)
      if (std::strcmp(built()[i]->isa, cap) == 0) return i;
  return 0;
}

// Permission has a price, larger signal stacks: it is not asked for where a cap rules tiles out.
bool tiles_allowed() {
  for (std::size_t i = first_allowed(); i < built().size(); ++i)
    if (built()[i]->needs & needs_amx) return true;
  return false;
}

std::atomic<const KernelTable*>& current() {
  static std::atomic<const KernelTable*> table{usable_isas().front()};
  return table;
}

}  // namespace

unsigned cpu_features() {
  static const unsigned found = detect();
  return found;
}

std::string cpu_name() { return brand(); }

std::string amx_status() {
  cpu_features();
  if (amx_refusal()) return std::string("not used: ") + amx_refusal();
  for (const KernelTable* table : built())
    if (table->needs & needs_amx)
      return works(*table) ? "usable" : "not used: a small product came out wrong";
  return "not used: the compiler of this build has no AMX";
}

std::vector<const KernelTable*> usable_isas() {
  std::vector<const KernelTable*> list;
  for (std::size_t i = first_allowed(); i < built().size(); ++i)
    if (works(*built()[i])) list.push_back(built()[i]);
  return list;
}

std::vector<std::string> built_isas() {
  std::vector<std::string> names;
  for (const KernelTable* table : built()) names.emplace_back(table->isa);
  return names;
}

const KernelTable& current_isa() { return *current().load(std::memory_order_acquire); }

void set_isa(const std::string& name) {
  for (const KernelTable* table : usable_isas())
    if (name == table->isa) return current().store(table, std::memory_order_release);
  throw std::invalid_argument("isa: '" + name + "' is not usable here; see pyconv.config.isas()");
}

}  // namespace pyconv
