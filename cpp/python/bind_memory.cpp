// Arrays for results: NumPy's own, with memory from a cache where they are large.
#define PY_ARRAY_UNIQUE_SYMBOL pyconv_numpy
#define NPY_NO_DEPRECATED_API NPY_1_22_API_VERSION
#define NPY_TARGET_VERSION NPY_1_22_API_VERSION
#include <Python.h>
#include <numpy/arrayobject.h>

#include <cstring>
#include <limits>

#include "core/block_cache.hpp"
#include "python/register.hpp"

namespace {

using pyconv::BlockCache;

void* take(void*, std::size_t bytes) { return BlockCache::instance().take(bytes); }
void give(void*, void* block, std::size_t) { BlockCache::instance().give(block); }

void* take_zeros(void*, std::size_t count, std::size_t size) {
  if (size > 0 && count > std::numeric_limits<std::size_t>::max() / size) return nullptr;
  void* block = BlockCache::instance().take(count * size);
  return block ? std::memset(block, 0, count * size) : nullptr;
}

void* resize(void*, void* block, std::size_t bytes) {
  if (block && bytes <= BlockCache::capacity(block)) return block;
  void* larger = BlockCache::instance().take(bytes);
  if (larger && block) {
    std::memcpy(larger, block, BlockCache::capacity(block));
    BlockCache::instance().give(block);
  }
  return larger;
}

PyDataMem_Handler handler = {"pyconv", 1, {nullptr, take, take_zeros, resize, give}};
PyObject* handler_capsule = nullptr;

// Smaller arrays cost the two changes of the allocator (0.2 us) more than they gain, and malloc
// serves them from memory that it has.
constexpr npy_intp cached_bytes = 64 << 10;

PyObject* new_array(PyArray_Descr* type, int rank, const npy_intp* sizes) {
  Py_INCREF(type);
  return PyArray_NewFromDescr(&PyArray_Type, type, rank, sizes, nullptr, nullptr, 0, nullptr);
}

PyObject* new_cached_array(PyArray_Descr* type, int rank, const npy_intp* sizes) {
  PyObject* before = PyDataMem_SetHandler(handler_capsule);
  if (!before) return nullptr;
  PyObject* array = new_array(type, rank, sizes);
  PyObject* ours = PyDataMem_SetHandler(before);
  Py_DECREF(before);
  if (!ours) {
    Py_XDECREF(array);
    return nullptr;
  }
  Py_DECREF(ours);
  return array;
}

constexpr Py_ssize_t max_rank = 64;  // as NumPy has it

// empty(shape, dtype): numpy.empty for a tuple of ints and a dtype, as quick for small shapes.
PyObject* empty(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (count != 2 || !PyTuple_Check(arguments[0]) || !PyArray_DescrCheck(arguments[1]) ||
      PyTuple_GET_SIZE(arguments[0]) > max_rank) {
    PyErr_SetString(PyExc_TypeError, "empty: expected a tuple of ints and a dtype");
    return nullptr;
  }
  auto* type = reinterpret_cast<PyArray_Descr*>(arguments[1]);
  const int rank = static_cast<int>(PyTuple_GET_SIZE(arguments[0]));
  npy_intp sizes[max_rank];
  double bytes = static_cast<double>(PyDataType_ELSIZE(type));
  for (int i = 0; i < rank; ++i) {
    sizes[i] = PyNumber_AsSsize_t(PyTuple_GET_ITEM(arguments[0], i), PyExc_OverflowError);
    if (sizes[i] == -1 && PyErr_Occurred()) return nullptr;
    bytes *= static_cast<double>(sizes[i]);
  }
  const bool cached = bytes >= static_cast<double>(cached_bytes);
  return cached ? new_cached_array(type, rank, sizes) : new_array(type, rank, sizes);
}

PyMethodDef empty_method = {"empty", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(empty)),
                            METH_FASTCALL, "numpy.empty, with memory from the cache of results"};

}  // namespace

void register_memory(py::module_& m) {
  if (_import_array() < 0) throw py::error_already_set();
  handler_capsule = PyCapsule_New(&handler, "mem_handler", nullptr);
  PyObject* function = PyCFunction_New(&empty_method, nullptr);
  if (!handler_capsule || !function) throw py::error_already_set();
  m.add_object("empty", py::reinterpret_steal<py::object>(function));
  m.def("cached_bytes", [] { return BlockCache::instance().kept(); });
  m.def("cache_limit", [] { return BlockCache::instance().limit(); });
  m.def("set_cache_limit", [](std::size_t bytes) { BlockCache::instance().set_limit(bytes); },
        py::arg("bytes"));
}
