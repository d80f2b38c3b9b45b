"""Rules that hold for the whole repository, most of them by reading the sources."""

from __future__ import annotations

import ast
import inspect
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from pyconv import _core, arrays, reference

ROOT = Path(__file__).resolve().parent.parent
CPP = ROOT / "cpp"
PACKAGE = ROOT / "src" / "pyconv"
SOURCES = (".py", ".pyi", ".hpp", ".cpp", ".in", ".sh")


def _files(*folders: str, suffixes: tuple[str, ...] = SOURCES) -> list[Path]:
    return sorted(
        path
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.suffix in suffixes and path.is_file()
    )


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _includes(path: Path) -> list[str]:
    return re.findall(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', path.read_text(), re.MULTILINE)


def _offenders(files: list[Path], pattern: str, allowed: str = "") -> list[str]:
    """Return where `pattern` occurs in files whose name does not begin with `allowed`."""
    return [
        f"{_name(path)}:{number}: {line.strip()}"
        for path in files
        if not (allowed and _name(path).startswith(allowed))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(pattern, line)
    ]


# The layers of cpp/.


def test_only_the_bindings_know_python() -> None:
    found = _offenders(_files("cpp"), r"pybind11|Python\.h|\bpy::", "cpp/python/")
    assert not found
    found = _offenders(_files("cpp"), r'#\s*include\s*"python/', "cpp/python/")
    assert not found


def test_openmp_is_in_one_header() -> None:
    found = _offenders(_files("cpp"), r"omp\.h|#\s*pragma\s+omp|\bomp_", "cpp/core/parallel.hpp")
    assert not found


def test_intrinsics_are_in_the_vocabularies() -> None:
    pattern = r"[a-z]mmintrin\.h|immintrin\.h|x86intrin\.h|arm_neon\.h|\b_mm\d*_|\bv[a-z]+q_[fu]\d"
    # Neither detection (not of GCC or Clang) nor the control register needs vectors.
    scalar = ("cpp/core/cpu.cpp:", "cpp/core/float_state.cpp:")
    found = _offenders(_files("cpp"), pattern, "cpp/isa/vec_")
    assert [place for place in found if not place.startswith(scalar)] == []


def _include_rule(folder: str) -> tuple[str, ...]:
    """Return what the files of a folder may include, besides the standard library."""
    drivers = ("core/", "kernels/table.hpp", "isa_list.inc")
    return {
        "isa": (
            "kernels/make_table.hpp",
            "kernels/make_@PYCONV_PRODUCTS@.hpp",
            "isa/vec_",
            "isa/scalar.hpp",
            "isa/few_bytes.hpp",
        ),
        "kernels": ("kernels/", "core/problem.hpp"),
        "core": drivers,
        "pool": (*drivers, "pool/"),
        "elementwise": (*drivers, "elementwise/"),
        "conv": (*drivers, "conv/"),
        "linear": (*drivers, "linear/", "conv/plan.hpp"),
        "fused": ("core/", "conv/plan.hpp", "pool/max_pool.hpp", "fused/"),
        "python": ("core/", "conv/", "linear/", "pool/", "elementwise/", "fused/", "python/"),
    }[folder]


def test_includes_follow_the_layers() -> None:
    bad = [
        f"{_name(path)}: {name}"
        for path in _files("cpp", suffixes=(".hpp", ".cpp", ".in"))
        for name in _includes(path)
        if ("/" in name or name.endswith(".inc"))
        and not name.startswith(("pybind11/", "numpy/", "sys/", "sanitizer/"))
        if not name.startswith(_include_rule(path.relative_to(CPP).parts[0]))
    ]
    assert not bad


def test_kernels_include_c_headers_only() -> None:
    """A C++ header could bring in an inline function that the linker then shares between ISAs."""
    allowed = {"stddef.h", "stdint.h", "string.h", "immintrin.h", "arm_neon.h"}
    bad = [
        f"{_name(path)}: {name}"
        for path in _files("cpp/kernels", "cpp/isa", suffixes=(".hpp", ".in"))
        for name in _includes(path)
        if "/" not in name and name not in allowed
    ]
    assert not bad
    assert _includes(CPP / "core" / "problem.hpp") == ["stdint.h"]


# The objects of the instruction sets.

_RUNTIME = {"memcpy", "memset", "memmove", "__stack_chk_fail"}


class _Unit(NamedTuple):
    template: str
    symbol: str
    needs: str
    products: str
    flags: list[str]


def _flags(text: str) -> list[str]:
    return [flag for flag in text.split() if flag.startswith("-")]


def _units() -> dict[str, _Unit]:
    """Return the units that CMakeLists.txt makes with GCC or Clang."""
    text = (ROOT / "CMakeLists.txt").read_text()
    calls = re.findall(r"^\s*pyconv_add_isa\((\w+) (\w+)\s*([^)]*)\)", text, re.MULTILINE)
    units = {
        name: _Unit("unit", "kernels", needs, "", _flags(flags))
        for name, needs, flags in calls
        if not flags.startswith("/")
    }
    assert set(units) >= {"avx512", "avx2", "neon", "generic"}
    calls = re.findall(r"^\s*pyconv_add_extension\((\w+) (\w+) (\w+) (\w+)([^)]*)\)", text, re.M)
    assert {call[0] for call in calls} >= {"amx", "avx512_bf16"}
    for name, base, needs, products, flags in calls:
        if name != "amx_emulated":  # for tests only
            every = [*units[base].flags, *_flags(flags)]
            units[name] = _Unit("extension", "pairs", needs, products, every)
    return units


def _compiler(isa: str) -> str:
    native = isa == "generic" or isa in _core.build_info()["built_isas"]
    name = "g++" if native else "aarch64-linux-gnu-g++" if isa == "neon" else ""
    missing = [tool for tool in (name or f"a compiler for {isa}", "nm") if not shutil.which(tool)]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not found")
    return name


def _symbols(isa: str, folder: Path) -> list[tuple[str, str]]:
    """Compile a unit and return the type and the name of each of its external symbols."""
    compiler = _compiler(isa)
    made_from = _units()[isa]
    source = (CPP / "isa" / f"{made_from.template}.cpp.in").read_text()
    unit, made = folder / f"isa_{isa}.cpp", folder / f"isa_{isa}.o"
    source = source.replace("@PYCONV_ISA_NAME@", isa).replace("@PYCONV_ISA_NEEDS@", made_from.needs)
    source = source.replace("@PYCONV_PRODUCTS@", made_from.products)
    unit.write_text(source)
    # Not optimised, in a seventh of the time: what is not inlined can only export more.
    options = ["-std=c++17", "-O0", "-fno-exceptions", "-fPIC", "-fvisibility=hidden", "-w"]
    command = [
        compiler,
        *options,
        *made_from.flags,
        "-I",
        str(CPP),
        "-c",
        str(unit),
        "-o",
        str(made),
    ]
    subprocess.run(command, check=True, timeout=120)
    listed = subprocess.run(
        ["nm", "--extern-only", "--format=posix", str(made)],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return [(line.split()[1], line.split()[0]) for line in listed.splitlines()]


@pytest.mark.parametrize("isa", sorted(_units()))
def test_a_unit_exports_its_table_and_nothing_else(isa: str, tmp_path: Path) -> None:
    """What a unit shared with others by name might run on a processor that cannot."""
    symbols = _symbols(isa, tmp_path)
    defined = [(kind, name) for kind, name in symbols if kind != "U"]
    assert [name for _, name in defined] == [f"{_units()[isa].symbol}_{isa}"]
    assert defined[0][0] in "DR", "the table is data, set at compile time"
    assert {name for kind, name in symbols if kind == "U"} <= _RUNTIME


# Sizes and style.


def test_files_are_short() -> None:
    files = _files("src", "tests", "cpp", "benchmarks")
    lengths = {_name(path): len(path.read_text().splitlines()) for path in files}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_functions_are_short() -> None:
    long = {
        f"{_name(path)}: {name}": length
        for path in _files("src", "tests", "benchmarks", suffixes=(".py",))
        for name, length in _functions(path)
        if length > 60
    }
    assert long == {}


def test_nothing_is_left_unfinished() -> None:
    words = [first + second for first, second in (("TO", "DO"), ("FIX", "ME"), ("XX", "X"))]
    files = _files("src", "tests", "cpp", "benchmarks")
    assert not _offenders(files, rf"\b({'|'.join(words)})\b")
    assert not _offenders(files, "#if" + " 0")


def test_no_flag_breaks_floating_point_or_other_processors() -> None:
    files = [*_files("src", "cpp", "tests"), ROOT / "CMakeLists.txt", ROOT / "pyproject.toml"]
    assert not _offenders(files, "-ffast" + "-math|-march" + "=native|-O" + "fast|-fl" + "to\\b")


# The Python side.


def _imports(path: Path) -> set[str]:
    """Return the full names of what a file of the package imports."""
    package = path.relative_to(PACKAGE.parent).with_suffix("").parts[:-1]
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [
        ("reference", r"pyconv\.(?!reference|shapes)"),
        ("shapes", r"pyconv\.(?!shapes)|numpy"),
        ("arrays", r"pyconv\.(tensor|autograd|functional|nn|optim|rules|reference|cases)"),
        ("cases", r"pyconv\.(?!cases|shapes)"),
        ("nn", r"pyconv\.(_core|arrays)"),
        ("optim", r"pyconv\.(_core|arrays|nn)"),
    ],
)
def test_packages_import_only_what_lies_below(folder: str, forbidden: str) -> None:
    bad = {
        f"{_name(path)}: {name}"
        for path in _files(f"src/pyconv/{folder}", suffixes=(".py",))
        for name in _imports(path)
        if re.match(forbidden, name)
    }
    assert not bad


def test_the_reference_has_the_functions_of_arrays() -> None:
    names = set(arrays.__all__)
    assert names <= set(reference.__all__)
    for name in sorted(names):
        ours = inspect.signature(getattr(arrays, name)).parameters.values()
        theirs = inspect.signature(getattr(reference, name)).parameters.values()
        choices = ("out", "algorithm", "precision")
        kept = [(p.name, p.kind, p.default) for p in ours if p.name not in choices]
        assert kept == [(p.name, p.kind, p.default) for p in theirs], name


def test_the_stub_names_what_the_extension_has() -> None:
    body = ast.parse((PACKAGE / "_core.pyi").read_text()).body
    stub = {node.name: node for node in body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    assert set(stub) == {name for name in dir(_core) if not name.startswith("_")}
    for name, node in stub.items():
        if isinstance(node, ast.ClassDef):
            members = {f.name for f in node.body if isinstance(f, ast.FunctionDef)} - {"__init__"}
            assert members == {m for m in dir(getattr(_core, name)) if not m.startswith("_")}


def test_environment_variables_are_in_the_readme() -> None:
    sources = [path.read_text() for path in _files("src", "cpp")]
    strings = {name for text in sources for name in re.findall(r'"(PYCONV_[A-Z0-9_]+)"', text)}
    assert {"PYCONV_ISA", "PYCONV_NUM_THREADS", "PYCONV_CACHE_MB"} <= strings
    readme = (ROOT / "README.md").read_text()
    assert not [name for name in strings if f"`{name}`" not in readme]


def test_the_version_is_in_one_place() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    version = re.search(r'^version = "([^"]+)"', text, re.MULTILINE)
    assert version
    assert _core.build_info()["version"] == version[1]
    whole = rf"(?<![\d.]){re.escape(version[1])}(?![\d.])"
    places = [*_files("src", "cpp", "tests"), ROOT / "CMakeLists.txt", ROOT / "README.md"]
    assert not _offenders(places, whole)


def test_importing_pyconv_loads_nothing_heavy() -> None:
    script = (
        "import sys, numpy; before = set(sys.modules); import pyconv\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    loaded = set(done.stdout.split())
    assert "pyconv._core" in loaded
    ours = {name.split(".")[1] for name in loaded if name.startswith("pyconv.")}
    light = {
        "_core",
        "arrays",
        "config",
        "denormals",
        "dtypes",
        "environment",
        "explanation",
        "grad",
        "memory",
        "packed",
        "precision",
        "shapes",
    }
    assert ours <= light
    others = {name.split(".")[0] for name in loaded} - {"pyconv"}
    assert others <= set(sys.stdlib_module_names) | {"numpy"}, "a dependency nobody declared"
