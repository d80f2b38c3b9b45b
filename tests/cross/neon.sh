#!/bin/bash
# Builds the kernels and their drivers without Python and checks them: NEON with a cross compiler
# under user-mode emulation, and every instruction set that this processor has.
#
#   tests/cross/neon.sh [neon] [native] [amx]       default: neon native
#
# amx: the tiles alone, by a static program that AMX_RUNNER may start (default: it runs here). Where
# no processor has tiles, an emulator of a whole system does, see README.md beside this file.
#
# Exit status: 0 all pass, 1 a check failed, 77 the cross compiler, the emulator or the tiles are
# missing (Debian: apt install g++-aarch64-linux-gnu qemu-user).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cpp=$(cd "$here/../../cpp" && pwd)
work=$(mktemp -d)
trap 'wait; rm -rf "$work"' EXIT

# compile OBJECT SOURCE FLAG ...: in the background, a compiler for each processor at a time.
compile() {
  local object=$1 source=$2
  shift 2
  while (($(jobs -rp | wc -l) >= $(nproc))); do wait -n; done
  "$compiler" "${flags[@]}" "$@" -c "$source" -o "$dir/$object.o" &
  compilers+=($!)
}

# unit NAME NEEDS FLAG ...: one object of kernels, as pyconv_add_isa in CMakeLists.txt makes it.
unit() {
  local name=$1 needs=$2
  shift 2
  echo "PYCONV_ISA($name)" >> "$dir/isa_list.inc"
  sed "s/@PYCONV_ISA_NAME@/$name/g; s/@PYCONV_ISA_NEEDS@/$needs/g" \
      "$cpp/isa/unit.cpp.in" > "$dir/isa_$name.cpp"
  compile "isa_$name" "$dir/isa_$name.cpp" -O2 "$@"
}

# extension NAME BASE NEEDS PRODUCTS FLAG ...: as pyconv_add_extension makes it.
extension() {
  local name=$1 base=$2 needs=$3 products=$4
  shift 4
  echo "PYCONV_EXTENSION($name, $base)" >> "$dir/isa_list.inc"
  sed "s/@PYCONV_ISA_NAME@/$name/g; s/@PYCONV_ISA_NEEDS@/$needs/g;
       s/@PYCONV_PRODUCTS@/$products/g" "$cpp/isa/extension.cpp.in" > "$dir/isa_$name.cpp"
  compile "isa_$name" "$dir/isa_$name.cpp" -O2 "$@"
}

build() {
  compiler=$1
  dir=$work/$2
  mkdir "$dir"
  flags=(-std=c++17 -ffp-contract=off -Wall -Wextra -Wshadow -Wno-unknown-pragmas -pthread
         -I "$cpp" -I "$dir")
  compilers=()
  local avx512=(-mavx512f -mavx512vl -mavx512dq -mavx512bw -mfma
                -Wno-uninitialized -Wno-maybe-uninitialized)
  local checks=("$here"/{leaf_kernels,drivers}.cpp)
  if [[ $2 == aarch64 ]]; then
    unit neon needs_nothing
  elif [[ $2 == amx ]]; then
    # Both, so that the arithmetic of one is compared with the other's.
    extension amx avx512 needs_amx tiles "${avx512[@]}" -mavx512bf16 -mamx-tile -mamx-bf16
    extension amx_emulated avx512 needs_avx512_bf16 tiles "${avx512[@]}" -mavx512bf16
    unit avx512 needs_avx512 "${avx512[@]}"
    checks=("$here"/{amx,drivers}.cpp)
  elif [[ $2 == x86_64 ]]; then
    # The tiles of AMX are emulated, so that what feeds them is checked on more processors.
    extension avx512_bf16 avx512 needs_avx512_bf16 pairs "${avx512[@]}" -mavx512bf16
    extension amx_emulated avx512 needs_avx512_bf16 tiles "${avx512[@]}" -mavx512bf16
    unit avx512 needs_avx512 "${avx512[@]}"
    unit avx2 needs_avx2_fma -mavx2 -mfma -mf16c
  fi
  unit generic needs_nothing
  local source
  for source in "${checks[@]}" "$cpp"/{core,conv,linear,pool}/*.cpp; do
    compile "$(tr / _ <<< "${source#"$cpp"/}")" "$source" -O1
  done
  local job
  for job in "${compilers[@]}"; do wait "$job"; done
  "$compiler" -pthread -static -o "$dir/checks" "$dir"/*.o
}

if [[ $# -eq 0 ]]; then set -- neon native; fi
for target in "$@"; do
  if [[ $target == native ]]; then
    build "${CXX:-g++}" "$(uname -m)"
    "$dir/checks"
    continue
  fi
  if [[ $target == amx ]]; then
    build "${CXX:-g++}" amx
    ${AMX_RUNNER:-} "$dir/checks"
    continue
  fi
  for tool in aarch64-linux-gnu-g++ qemu-aarch64; do
    if ! command -v "$tool" > /dev/null; then
      echo "skipped: $tool is missing (Debian: g++-aarch64-linux-gnu, qemu-user)"
      exit 77
    fi
  done
  build aarch64-linux-gnu-g++ aarch64
  qemu-aarch64 "$dir/checks"
done
