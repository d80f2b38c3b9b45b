// Leaf kernels of every usable instruction set, for tests and for the tile benchmark.
#include <algorithm>
#include <chrono>
#include <vector>

#include "core/cpu.hpp"
#include "core/scratch.hpp"
#include "conv/plan.hpp"
#include "python/arrays.hpp"
#include "python/register.hpp"
#include "python/unlocked.hpp"

namespace pyconv {
namespace {

const KernelTable& table_named(const std::string& isa) {
  for (const KernelTable* table : usable_isas())
    if (isa == table->isa) return *table;
  throw std::invalid_argument("isa: '" + isa + "' is not usable here");
}

// c (rows, columns) = a (rows, depth) b (depth, columns), by one register tile: a tall one where
// there are more rows than others have.
template <class T>
void tile_product(const KernelTable& table, const py::array& a, const py::array& b, py::array c) {
  const Kernels<T>& k = kernels_of<T>(table);
  const auto type = static_cast<ElementType>(sizeof(T));
  const int64_t rows = a.shape(0), depth = a.shape(1), columns = b.shape(1);
  const int64_t most = columns <= k.lanes ? k.tall_rows : k.tile_rows;
  if (rows < 1 || rows > most || columns < 1 || columns > k.lanes * k.tile_vectors)
    throw std::invalid_argument("a, b: larger than the register tile");
  TileArgs<T> t{};
  t.a = static_cast<const T*>(read(a, type, rows * depth, "a"));
  const auto a_cols = offsets(depth, 1);
  t.a_row = depth;
  t.a_cols = a_cols.data();
  t.b = static_cast<const T*>(read(b, type, depth * columns, "b"));
  const auto b_rows = offsets(depth, columns);
  t.b_rows = b_rows.data();
  t.c = static_cast<T*>(write(c, type, rows * columns, "c"));
  t.c_row = columns;
  t.depth = depth;
  t.columns = static_cast<int>(columns);
  if (rows <= k.tile_rows) return k.tile[rows - 1][ceil_div(columns, k.lanes) - 1](t);
  std::vector<T> whole(static_cast<std::size_t>(depth * k.lanes));
  for (int64_t i = 0; i < depth; ++i)
    std::copy_n(t.b + i * columns, columns, whole.data() + i * k.lanes);
  t.b = whole.data();
  t.b_row = k.lanes;
  k.tall[rows - 1](t);
}

// Seconds for `repeats` full tiles of the given depth, from panels in cache.
template <class T>
double time_tile(const KernelTable& table, int64_t depth, int64_t repeats) {
  const Kernels<T>& k = kernels_of<T>(table);
  const int64_t width = k.lanes * k.tile_vectors;
  AlignedBuffer buffer;
  const int64_t total = depth * (k.tile_rows + width) + k.tile_rows * width;
  T* a = static_cast<T*>(buffer.reserve(static_cast<std::size_t>(total) * sizeof(T)));
  for (int64_t i = 0; i < total; ++i) a[i] = T(1) / T(i % 7 + 1);
  TileArgs<T> t{};
  t.b = a;
  const auto b_rows = offsets(depth, width);
  t.b_rows = b_rows.data();
  t.a = a + depth * width;
  const auto a_cols = offsets(depth, 1);
  t.a_row = depth;
  t.a_cols = a_cols.data();
  t.c = a + depth * (width + k.tile_rows);
  t.c_row = width;
  t.depth = depth;
  t.columns = static_cast<int>(width);
  const auto start = std::chrono::steady_clock::now();
  for (int64_t r = 0; r < repeats; ++r) k.tile[k.tile_rows - 1][k.tile_vectors - 1](t);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Flops a second of independent multiply-adds in registers, on one core.
template <class T>
double peak_rate(const KernelTable& table, int64_t steps) {
  const Kernels<T>& k = kernels_of<T>(table);
  const auto start = std::chrono::steady_clock::now();
  const T result = k.fma_chains(steps);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  // The result is finite whatever happens; reading it keeps the loop from being removed.
  return result == result ? 2.0 * 12 * k.lanes * static_cast<double>(steps) / seconds : 0.0;
}

}  // namespace
}  // namespace pyconv

void register_kernels(py::module_& m) {
  using namespace pyconv;
  m.def("tile_product", [](const std::string& isa, const py::array& a, const py::array& b,
                           py::array c) {
    if (a.ndim() != 2 || b.ndim() != 2 || c.ndim() != 2 || a.shape(1) != b.shape(0))
      throw std::invalid_argument("a, b, c: expected matrices that can be multiplied");
    if (is_half(element_type(a, "a"))) throw py::type_error("a: expected float32 or float64");
    with_type(element_type(a, "a"), [&](auto tag) {
      tile_product<decltype(tag)>(table_named(isa), a, b, std::move(c));
    });
  }, py::arg("isa"), py::arg("a"), py::arg("b"), py::arg("c"));
  m.def("tile_shape", [](const std::string& isa, int element_bytes) {
    const KernelTable& t = table_named(isa);
    return element_bytes == 4
               ? std::make_pair(t.f32.tile_rows, t.f32.lanes * t.f32.tile_vectors)
               : std::make_pair(t.f64.tile_rows, t.f64.lanes * t.f64.tile_vectors);
  }, py::arg("isa"), py::arg("element_bytes"));
  m.def("tall_tile_shape", [](const std::string& isa, int element_bytes) {
    const KernelTable& t = table_named(isa);
    return element_bytes == 4 ? std::make_pair(t.f32.tall_rows, t.f32.lanes)
                              : std::make_pair(t.f64.tall_rows, t.f64.lanes);
  }, py::arg("isa"), py::arg("element_bytes"));
  m.def("time_tile", [](const std::string& isa, int element_bytes, int64_t depth,
                        int64_t repeats) {
    if (depth < 1 || depth > 65536 || repeats < 1)
      throw std::invalid_argument("depth, repeats: out of range");
    const Unlocked unlocked;
    return element_bytes == 4 ? time_tile<float>(table_named(isa), depth, repeats)
                              : time_tile<double>(table_named(isa), depth, repeats);
  }, py::arg("isa"), py::arg("element_bytes"), py::arg("depth"), py::arg("repeats"));
  m.def("peak_rate", [](const std::string& isa, int element_bytes, int64_t steps) {
    if (steps < 1) throw std::invalid_argument("steps: expected at least 1");
    const Unlocked unlocked;
    return element_bytes == 4 ? peak_rate<float>(table_named(isa), steps)
                              : peak_rate<double>(table_named(isa), steps);
  }, py::arg("isa"), py::arg("element_bytes"), py::arg("steps"));
}
