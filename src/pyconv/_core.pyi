from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8] | npt.NDArray[np.int32]

class PackedWeight:
    def __init__(self, weight: Array) -> None: ...
    @property
    def array(self) -> Array: ...

class ConvPlan:
    @property
    def algorithm(self) -> str: ...
    @property
    def isa(self) -> str: ...
    @property
    def precision(self) -> int: ...
    @property
    def tasks(self) -> int: ...
    @property
    def task_bytes(self) -> int: ...
    @property
    def shared_bytes(self) -> int: ...
    @property
    def refusals(self) -> list[tuple[str, str]]: ...

def conv_plan(
    direction: str,
    sizes: tuple[int, ...],
    dtype: str,
    precision: int,
    packed: bool,
    algorithm: str,
) -> ConvPlan: ...
def conv_algorithms(direction: str) -> list[str]: ...
def conv_rounding(direction: str, algorithm: str) -> tuple[float, bool]: ...
def conv_forward(
    plan: ConvPlan,
    input: Array,
    weight: Array | PackedWeight,
    bias: Array | None,
    out: Array,
    relu: bool,
    /,
) -> None: ...
def conv_relu_max_pool(
    plan: ConvPlan,
    pool: PoolProblem,
    input: Array,
    weight: Array | PackedWeight,
    bias: Array | None,
    out: Array,
    /,
) -> None: ...
def conv_input(
    plan: ConvPlan, grad_output: Array, weight: Array | PackedWeight, out: Array, /
) -> None: ...
def conv_weight(plan: ConvPlan, input: Array, grad_output: Array, out: Array, /) -> None: ...

class LinearPlan:
    @property
    def algorithm(self) -> str: ...
    @property
    def isa(self) -> str: ...
    @property
    def precision(self) -> int: ...
    @property
    def tasks(self) -> int: ...
    @property
    def task_bytes(self) -> int: ...
    @property
    def shared_bytes(self) -> int: ...
    @property
    def refusals(self) -> list[tuple[str, str]]: ...

def linear_plan(
    direction: str,
    rows: int,
    out_features: int,
    in_features: int,
    dtype: str,
    precision: int,
    algorithm: str,
    /,
) -> LinearPlan: ...
def linear_forward(
    input: Array,
    weight: Array,
    bias: Array | None,
    out: Array,
    rows: int,
    out_features: int,
    in_features: int,
    relu: bool,
    precision: int,
    algorithm: str,
    /,
) -> None: ...
def linear_input(
    grad_output: Array,
    weight: Array,
    out: Array,
    rows: int,
    out_features: int,
    in_features: int,
    precision: int,
    algorithm: str,
    /,
) -> None: ...
def linear_weight(
    input: Array,
    grad_output: Array,
    out: Array,
    rows: int,
    out_features: int,
    in_features: int,
    precision: int,
    algorithm: str,
    /,
) -> None: ...
def bias_gradient(
    grad_output: Array, out: Array, images: int, channels: int, area: int, /
) -> None: ...

class PoolProblem:
    def __init__(self, sizes: tuple[int, ...]) -> None: ...

def max_pool_forward(
    problem: PoolProblem, input: Array, out: Array, offsets: Bytes | None, /
) -> None: ...
def max_pool_indices(
    problem: PoolProblem, offsets: Bytes, indices: npt.NDArray[np.int64], /
) -> None: ...
def max_pool_backward(
    problem: PoolProblem, grad_output: Array, offsets: Bytes, out: Array, /
) -> None: ...
def avg_pool_forward(
    problem: PoolProblem, input: Array, out: Array, count_include_pad: bool, divisor: int, /
) -> None: ...
def avg_pool_backward(
    problem: PoolProblem,
    grad_output: Array,
    out: Array,
    count_include_pad: bool,
    divisor: int,
    /,
) -> None: ...
def relu_forward(input: Array, out: Array, /) -> None: ...
def relu_bias_backward(
    grad_output: Array,
    output: Array,
    out: Array,
    sums: Array,
    images: int,
    channels: int,
    area: int,
    /,
) -> None: ...
def relu_backward(grad_output: Array, output: Array, out: Array, /) -> None: ...
def relu_forward_bits(input: Array, out: Array, bits: Bytes, /) -> None: ...
def relu_backward_bits(grad_output: Array, bits: Bytes, out: Array, /) -> None: ...
def build_info() -> dict[str, Any]: ...
def usable_isas() -> list[str]: ...
def current_isa() -> str: ...
def set_isa(name: str) -> None: ...
def thread_count() -> int: ...
def set_thread_count(n: int) -> None: ...
def can_flush_denormal() -> bool: ...
def flush_denormal() -> bool: ...
def set_flush_denormal(on: bool) -> None: ...
def tile_product(isa: str, a: Array, b: Array, c: Array) -> None: ...
def tile_shape(isa: str, element_bytes: int) -> tuple[int, int]: ...
def time_tile(isa: str, element_bytes: int, depth: int, repeats: int) -> float: ...
def peak_rate(isa: str, element_bytes: int, steps: int) -> float: ...
