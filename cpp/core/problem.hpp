// The sizes of one call: plain data, shared by planning, drivers and kernels of every device.
#pragma once
#include <stdint.h>

// Up to three spatial dimensions (depth, height, width); a lower rank has leading ones.
struct ConvProblem {
  int64_t n, c, k, groups;
  int64_t input[3], kernel[3], stride[3], dilation[3], pad_lo[3], pad_hi[3], output[3];
};

// planes = batch times channels; two spatial dimensions (height, width).
struct PoolProblem {
  int64_t planes;
  int64_t input[2], kernel[2], stride[2], dilation[2], pad_lo[2], pad_hi[2], output[2];
};

enum class Direction : int { forward = 0, input = 1, weight = 2 };

// What a caller allows float32 results to lose. highest: no less accurate than a chain of float32
// fused multiply-adds; high: about 4e-6 of the largest result; medium: about 4e-3.
enum class Precision : int { highest = 0, high = 1, medium = 2 };
