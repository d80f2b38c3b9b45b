"""Gradients against central differences along a random direction, in float64."""

import numpy as np

from pyconv import Tensor


def directional_error(function, *arrays, seed=0, step=1e-6):
    """|<v, J^T u> - (<u, f(x + h v)> - <u, f(x - h v)>) / 2h|, relative to <|v|, |J^T u|>.

    `function` takes and returns tensors; u and v are random. One number judges all operands.
    """
    rng = np.random.default_rng(seed)
    directions = [rng.standard_normal(a.shape) for a in arrays]
    tensors = [Tensor(a.copy(), requires_grad=True) for a in arrays]
    answer = function(*tensors)
    weight = rng.standard_normal(answer.shape)
    answer.backward(weight)
    for tensor in tensors:
        assert type(tensor.grad) is np.ndarray
        assert tensor.grad.shape == tensor.shape
        assert tensor.grad.dtype == tensor.dtype
    products = [v * t.grad for v, t in zip(directions, tensors, strict=True)]
    exact = sum(float(p.sum()) for p in products)
    scale = sum(float(np.abs(p).sum()) for p in products)

    def along(sign):
        moved = [Tensor(a + sign * step * v) for a, v in zip(arrays, directions, strict=True)]
        return float((weight * function(*moved).data).sum())

    numeric = (along(1) - along(-1)) / (2 * step)
    return abs(exact - numeric) / max(scale, 1e-3)


def check(function, *arrays, tolerance=1e-7, **options):
    error = directional_error(function, *arrays, **options)
    assert error < tolerance, f"gradient is off by {error:.1e} of its size"
