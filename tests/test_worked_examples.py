"""Examples worked by hand in lecture slides, on the kernels and on the reference."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from pyconv import arrays, reference

DATA = json.loads((Path(__file__).parent / "data" / "worked_examples.json").read_text())
EXAMPLES = {example["name"]: example for example in DATA["examples"]}
FILTERS = DATA["filter_gallery"]["filters"]


def _of(*ops: str) -> list[str]:
    return [name for name, example in EXAMPLES.items() if example["op"] in ops]


@pytest.fixture(params=[arrays, reference], ids=["kernels", "reference"])
def backend(request: pytest.FixtureRequest) -> ModuleType:
    module: ModuleType = request.param
    return module


@pytest.fixture(params=[np.float32, np.float64])
def dtype(request: pytest.FixtureRequest) -> Any:
    return request.param


def _plane(values: Any, dtype: Any) -> Any:
    """Return the values with an image and a channel dimension before them."""
    return np.array(values, dtype=dtype)[None, None]


def _close(actual: Any, expected: Any, digits: int = 0) -> None:
    """Compare to the precision of the dtype, or to the decimal `digits` printed."""
    tolerance = 10.0**-digits if digits else 8 * float(np.finfo(actual.dtype).eps)
    np.testing.assert_allclose(actual, np.array(expected), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", _of("conv1d", "conv2d"))
def test_convolution(name: str, backend: ModuleType, dtype: Any) -> None:
    example = EXAMPLES[name]
    x, w = _plane(example["input"], dtype), _plane(example["filter"], dtype)
    bias = np.array([example["bias"]], dtype) if "bias" in example else None
    convolve = getattr(backend, example["op"])
    hyper = {"padding": example["padding"], "stride": example.get("stride", 1)}
    y = convolve(x, w, bias, **hyper)
    _close(y[0, 0], example["output"])
    if "output_shape" in example:
        assert y[0, 0].shape == tuple(example["output_shape"])
        _close(convolve(x, w, bias, padding="full")[0, 0], example["output"])
    if "relu" in example:
        _close(backend.relu(y)[0, 0], example["relu"])
        _close(convolve(x, w, bias, **hyper, relu=True)[0, 0], example["relu"])
    if "printed_there" in example:
        assert (np.abs(y[0, 0] - np.array(example["printed_there"])) > 1e-4).sum() == 1
    if "weights_with_bias" in example:
        inputs = x.size
        assert w.size + 1 == example["weights_with_bias"]
        assert inputs * inputs + inputs == example["fully_connected_10_to_10_weights_with_bias"]


@pytest.mark.parametrize("name", _of("max_pool2d"))
def test_max_pooling(name: str, backend: ModuleType, dtype: Any) -> None:
    example = EXAMPLES[name]
    y = backend.max_pool2d(_plane(example["input"], dtype), example["kernel"], example["stride"])
    assert y[0, 0].tolist() == np.array(example["output"], dtype).tolist()


@pytest.mark.parametrize("name", _of("conv2d_mean"))
def test_features_of_an_x(name: str, backend: ModuleType, dtype: Any) -> None:
    """Convolution, ReLU and pooling of the picture of an X, to the nine decimals printed."""
    example = EXAMPLES[name]
    w = _plane(example["filter"], dtype)
    y = backend.conv2d(_plane(example["input"], dtype), w / w.dtype.type(w.size))
    digits = 6 if dtype is np.float32 else 8
    _close(y[0, 0], example["output"], digits)
    _close(backend.relu(y)[0, 0], example["relu"], digits)
    pooled = backend.max_pool2d(y, 2, 2, ceil_mode=True)
    _close(pooled[0, 0], example["max_pool_2_stride_2_ceil"], digits)


def test_backpropagation(backend: ModuleType, dtype: Any) -> None:
    """A network of one convolution, ReLU and one fully connected layer, squared error."""
    example = EXAMPLES["backprop_regression"]
    x, w1 = _plane(example["x"], dtype), _plane(example["w1"], dtype)
    w2 = np.array([example["w2"]], dtype)
    z = backend.conv1d(x, w1, padding=1)
    _close(z[0, 0], example["Z"])
    a1 = backend.relu(z)
    _close(a1[0, 0], example["A1"])
    a2 = backend.linear(a1.reshape(1, -1), w2)
    _close(a2, [[example["A2"]]])
    error = a2 - dtype(example["y"])
    _close(error * error, [[example["loss"]]])
    da2 = 2 * error
    _close(backend.linear_weight(a1.reshape(1, -1), da2)[0], example["dL_dW2"])
    da1 = backend.linear_input(w2, da2)
    _close(da1[0], example["dL_dA1"])
    dz = backend.relu_backward(da1.reshape(z.shape), a1)
    _close(backend.conv1d_weight(x, w1.shape, dz, padding=1)[0, 0], example["dL_dW1"])


def test_filters_on_a_plain_image(backend: ModuleType, dtype: Any) -> None:
    """Blur keeps a plain image, filters for lines and edges find nothing on it."""
    plain = np.ones((1, 1, 6, 7), dtype)
    for name, values in FILTERS.items():
        y = backend.conv2d(plain, _plane(values, dtype))
        _close(y, np.full(y.shape, 1.0 if name == "blur" else 0.0))


@pytest.mark.parametrize("line", ["horizontal_lines", "vertical_lines", "lines_45", "lines_135"])
def test_filters_find_their_lines(line: str, backend: ModuleType, dtype: Any) -> None:
    """Of the four filters for lines, the one of its direction answers a line most."""
    pictures = {
        "horizontal_lines": np.outer([0, 0, 0, 1, 0, 0, 0], np.ones(7)),
        "vertical_lines": np.outer(np.ones(7), [0, 0, 0, 1, 0, 0, 0]),
        "lines_45": np.eye(7)[::-1],
        "lines_135": np.eye(7),
    }
    image = _plane(pictures[line], dtype)
    answers = {
        name: backend.conv2d(image, _plane(FILTERS[name], dtype))[0, 0, 2, 2] for name in pictures
    }
    assert max(answers, key=lambda name: float(answers[name])) == line
    assert answers[line] == 6
