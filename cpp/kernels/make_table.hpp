// Collects the kernels of this unit into its one exported symbol.
#pragma once
#include "kernels/avg_gather.hpp"
#include "kernels/avg_pool.hpp"
#include "kernels/copy.hpp"
#include "kernels/depthwise.hpp"
#include "kernels/depthwise_strip.hpp"
#include "kernels/depthwise_weight.hpp"
#include "kernels/dot.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/gather.hpp"
#include "kernels/half.hpp"
#include "kernels/max_gather.hpp"
#include "kernels/max_pool.hpp"
#include "kernels/pad.hpp"
#include "kernels/pool_direct.hpp"
#include "kernels/tall_tile.hpp"
#include "kernels/tile.hpp"
#include "kernels/transpose.hpp"
#include "kernels/winograd.hpp"

namespace {

template <class T, int R, int V>
constexpr void fill_row(Kernels<T>& k) {
  if constexpr (V > 0) {
    k.tile[R - 1][V - 1] = &gemm_tile<T, R, V>;
    k.dot[R - 1][V - 1] = &dot_tile<T, R, V>;
    fill_row<T, R, V - 1>(k);
  }
}

template <class T, int R>
constexpr void fill_tiles(Kernels<T>& k) {
  if constexpr (R > 0) {
    fill_row<T, R, tile_vectors>(k);
    fill_tiles<T, R - 1>(k);
  }
}

template <class T, int R>
constexpr void fill_tall(Kernels<T>& k) {
  if constexpr (R > 0) {
    k.tall[R - 1] = &tall_tile<T, R>;
    fill_tall<T, R - 1>(k);
  }
}

template <class T, class H, class W>
constexpr WinogradKernels<T> make_winograd() {
  WinogradKernels<T> k{};
  for (int i = 0; i < 2; ++i) {
    k.tile[i + 1] = i ? W::outputs : H::outputs;
    k.side[i + 1] = i ? W::points : H::points;
    k.reach[i + 1] = i ? W::inputs : H::inputs;
    k.step[i + 1] = i ? W::step : H::step;
    k.filter_side[i + 1] = i ? W::filters : H::filters;
  }
  k.tile[0] = k.side[0] = k.reach[0] = k.step[0] = k.filter_side[0] = 1;
  k.filter_lanes = true;
  k.input = &winograd_input<T, H, W>;
  k.pixels = &winograd_pixels<T, H, W>;
  k.filter = &winograd_filter<T, H, W>;
  return k;
}

template <class T, class H, class W>
constexpr WinogradKernels<T> with_tile_lanes() {
  WinogradKernels<T> k = make_winograd<T, H, W>();
  k.filter_lanes = false;
  k.output = &winograd_output<T, H, W>;
  k.gradient = &winograd_gradient<T, H, W>;
  k.weight = &winograd_weight<T, H, W>;
  return k;
}

template <class T, int M>
constexpr void fill_winograd(WinogradKernels<T> (&k)[3]) {
  k[0] = with_tile_lanes<T, Minimal<M>, Minimal<M>>();
  k[1] = with_tile_lanes<T, Minimal<1>, Minimal<M>>();
  k[2] = with_tile_lanes<T, Minimal<M>, Minimal<1>>();
}

template <class T, int Form, int K, int Step>
constexpr void fill_direct(PoolKernels<T>& k) {
  k.max_forward_direct[Form] = &pool_direct<T, MaxValues, K, Step>;
  k.max_offsets_direct[Form] = &pool_direct<T, MaxPositions, K, Step>;
  k.avg_forward_direct[Form] = &pool_direct<T, Means, K, Step>;
  k.max_gather[Form] = &max_gather<T, K, Step>;
  k.avg_gather[Form] = &avg_gather<T, K, Step>;
}

template <class T>
constexpr PoolKernels<T> pool_kernels() {
  PoolKernels<T> k{};
  k.max_forward = &max_forward<T>;
  k.max_offsets = &max_offsets<T>;
  k.avg_forward = &avg_forward<T>;
  k.avg_backward = &avg_backward<T>;
  k.plane_means = &plane_means<T>;
  k.plane_fill = &plane_fill<T>;
  fill_direct<T, 0, 2, 2>(k);
  fill_direct<T, 1, 3, 1>(k);
  fill_direct<T, 2, 3, 2>(k);
  return k;
}

template <class T>
constexpr Kernels<T> make_kernels() {
  Kernels<T> k{};
  k.lanes = Vec<T>::lanes;
  k.tile_rows = tile_rows;
  k.tile_vectors = tile_vectors;
  k.tall_rows = tall_rows;
  fill_tiles<T, tile_rows>(k);
  fill_tall<T, tall_rows>(k);
  k.gather = &gather<T>;
  k.transpose = &transpose_matrix<T>;
  k.bring_near = &bring_near<T>;
  k.pad = &pad_strip<T>;
  k.merge_rows = &merge_rows<T>;
  k.spread = &spread<T>;
  k.depthwise = &depthwise<T>;
  k.depthwise_weight = &depthwise_weight<T>;
  k.strip = &strip<T>;
  k.strip_weight = &strip_weight<T>;
  k.sum = &sum_values<T>;
  k.fma_chains = &fma_chains<T>;
  fill_winograd<T, 2>(k.winograd[0]);
  fill_winograd<T, 4>(k.winograd[1]);
  k.winograd_stride[0] = make_winograd<T, Halving, Halving>();
  k.winograd_stride[1] = make_winograd<T, Doubling, Doubling>();
  k.pool = pool_kernels<T>();
  k.elementwise = {&relu<T>, &relu_backward<T>, &relu_bits<T>, &relu_bits_backward<T>};
  return k;
}

}  // namespace
