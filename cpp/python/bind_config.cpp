#include "core/cpu.hpp"
#include "core/float_state.hpp"
#include "core/parallel.hpp"
#include "python/register.hpp"

namespace {

std::vector<std::string> usable_names() {
  std::vector<std::string> names;
  for (const KernelTable* table : pyconv::usable_isas()) names.emplace_back(table->isa);
  return names;
}

py::dict build_info() {
  py::dict info;
  info["version"] = PYCONV_VERSION;
  info["compiler"] = PYCONV_COMPILER;
#if defined(_OPENMP)
  info["openmp"] = _OPENMP;
#else
  info["openmp"] = 0;
#endif
  info["cpu"] = pyconv::cpu_name();
  py::list features;
  if (pyconv::cpu_features() & needs_avx2_fma) features.append("avx2+fma");
  if (pyconv::cpu_features() & needs_avx512) features.append("avx512f+vl+dq+bw");
  if (pyconv::cpu_features() & needs_avx512_bf16) features.append("avx512_bf16");
  if (pyconv::cpu_features() & needs_amx) features.append("amx_bf16");
  info["features"] = features;
  info["amx"] = pyconv::amx_status();
  info["built_isas"] = pyconv::built_isas();
  return info;
}

}  // namespace

void register_config(py::module_& m) {
  m.def("build_info", &build_info);
  m.def("usable_isas", &usable_names);
  m.def("current_isa", [] { return std::string(pyconv::current_isa().isa); });
  m.def("set_isa", &pyconv::set_isa, py::arg("name"));
  m.def("thread_count", &pyconv::thread_count);
  m.def("can_flush_denormal", &pyconv::can_flush_denormal);
  m.def("flush_denormal", &pyconv::flush_denormal);
  m.def("set_flush_denormal", &pyconv::set_flush_denormal, py::arg("on"));
  m.def("set_thread_count", [](int n) {
    if (n < 1) throw std::invalid_argument("set_thread_count: n must be at least 1");
    pyconv::set_thread_count(n);
  }, py::arg("n"));
}
