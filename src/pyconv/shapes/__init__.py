"""Shape arithmetic of every operator, and the messages for shapes that do not fit.

Pure Python. The functions here turn what a caller wrote (shapes, ``stride=2``, ``padding="same"``)
into a :class:`ConvProblem`, :class:`PoolProblem` or :class:`LinearProblem` of plain sizes, which is
what kernels and reference run on. All faults of shapes and hyper-parameters are found here.

Every message reads ``function(): argument 'x': expected ..., got ...``.
"""

from __future__ import annotations

from .checks import (
    MAX_BYTES,
    MAX_PARAMETER,
    check_bytes,
    divisor,
    flag,
    integer,
    integers,
    size,
    type_error,
    value_error,
)
from .conv import (
    PADDING_WORDS,
    check_bias,
    check_output_rank,
    conv_input_problem,
    conv_problem,
    conv_weight_problem,
    out_shape,
    padding_pairs,
)
from .linear import check_linear_grad, linear_problem
from .pool import (
    avg_pool_problem,
    check_pool_grad,
    max_pool_problem,
    pool_out_shape,
    pooled_length,
)
from .problems import ConvProblem, LinearProblem, PoolProblem

__all__ = [
    "MAX_BYTES",
    "MAX_PARAMETER",
    "PADDING_WORDS",
    "ConvProblem",
    "LinearProblem",
    "PoolProblem",
    "avg_pool_problem",
    "check_bias",
    "check_bytes",
    "check_linear_grad",
    "check_output_rank",
    "check_pool_grad",
    "conv_input_problem",
    "conv_problem",
    "conv_weight_problem",
    "divisor",
    "flag",
    "integer",
    "integers",
    "linear_problem",
    "max_pool_problem",
    "out_shape",
    "padding_pairs",
    "pool_out_shape",
    "pooled_length",
    "size",
    "type_error",
    "value_error",
]
