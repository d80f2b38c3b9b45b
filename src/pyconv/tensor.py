"""``Tensor``, an array that knows how it was computed, and ``Primitive``, which records that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from numbers import Real
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from pyconv import rules
from pyconv.autograd import Array, Leaf, Node, is_grad_enabled, run_backward
from pyconv.rules import check_differentiable, flat_shape, plain_array
from pyconv.shapes import flag, type_error, value_error
from pyconv.shapes.checks import described

__all__ = ["Primitive", "Tensor"]

Axis: TypeAlias = "int | tuple[int, ...] | None"


class Primitive:
    """An array function with its gradient rule beside it.

    Called with plain arrays it is `function` and nothing else. If a positional argument is a
    ``Tensor``, it works on the tensors' arrays, wraps the result, and records a node where a
    gradient is wanted. Keyword arguments are never differentiated.

    ``function(*arrays, **options)`` gives the answer. ``rule(needs, residual, *arrays, **options)``
    gives the vjp: ``needs[i]`` says whether argument i wants its gradient, and ``vjp(g)`` returns
    one gradient for each argument (None where none is needed). What a vjp captures stays alive with
    the graph, so a rule captures as little as it can. The residual is the answer, or what
    ``traced(*arrays, **options) -> (answer, residual)`` hands over: it takes the place of
    `function` for operations that have to keep more than their answer.
    """

    __slots__ = ("function", "name", "rule", "traced")

    def __init__(
        self,
        name: str,
        function: Callable[..., Any],
        rule: rules.Rule,
        traced: Callable[..., tuple[Array, Any]] | None = None,
    ) -> None:
        self.name = name
        self.function = function
        self.rule = rule
        self.traced = traced

    def __repr__(self) -> str:
        return f"<primitive {self.name}>"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for arg in args:
            if isinstance(arg, Tensor):
                return self._record(args, kwargs)
        return self.function(*args, **kwargs)

    def _record(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
        arrays = [arg._data if isinstance(arg, Tensor) else arg for arg in args]
        parents = tuple(map(_graph_entry, args)) if is_grad_enabled() else ()
        needs = tuple(parent is not None for parent in parents)
        if not any(needs):
            return _wrap(np.asarray(self.function(*arrays, **kwargs)), None)
        if self.traced is None:
            answer = residual = np.asarray(self.function(*arrays, **kwargs))
        else:
            answer, residual = self.traced(*arrays, **kwargs)
        vjp = self.rule(needs, residual, *arrays, **kwargs)
        return _wrap(np.asarray(answer), Node(self.name, parents, vjp))


class Tensor:
    """An array with a reverse-mode tape.

    Operations on tensors give tensors; where one of the operands requires a gradient, so does the
    result, and ``result.backward()`` adds to ``.grad`` of every leaf below it. Gradients are plain
    NumPy arrays. Broadcasting, indexing and axis arguments are NumPy's. There is no operator
    ``==``: two tensors are equal if they are the same object; compare ``.data``.

    Parameters
    ----------
    data : array_like
        Boolean or real numbers. An array is shared, not copied: do not write into it between an
        operation that uses it and the backward pass.
    requires_grad : bool
        Whether gradients are wanted for this tensor (float32, float64, float16 or bfloat16).

    Raises
    ------
    TypeError
        If `data` is not boolean, integer or real, or if it cannot carry a gradient.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> x = pyconv.Tensor(np.array([1.0, 2.0, 3.0]), requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4., 6.])
    """

    __slots__ = ("__weakref__", "_data", "_grad", "_node", "_requires_grad")
    # ndarray's operators and ufuncs step back, so that `array * tensor` reaches __rmul__.
    __array_ufunc__ = None

    def __init__(self, data: ArrayLike | Tensor, requires_grad: bool = False) -> None:
        self._data = _data_of("Tensor", "data", data)
        self._grad: Array | None = None
        self._node: Node | None = None
        self._requires_grad = False
        self.requires_grad = requires_grad

    @property
    def data(self) -> Array:
        """The array itself; writing into it is not recorded."""
        return self._data

    @data.setter
    def data(self, value: ArrayLike | Tensor) -> None:
        array = _data_of("Tensor", "data", value)
        if self._requires_grad:
            check_differentiable("Tensor", "data", array)
        self._data = array

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def size(self) -> int:
        return self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._data.dtype

    def numpy(self) -> Array:
        """The same array as ``.data``, without its history."""
        return self._data

    def item(self) -> Any:
        """The value of a one-element tensor as a Python number (ValueError otherwise)."""
        return self._data.item()

    def detach(self) -> Tensor:
        """A tensor on the same array that is cut off from the graph."""
        return _wrap(self._data, None)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self._requires_grad:
            raise RuntimeError(
                "a Tensor that requires a gradient does not turn into an array by itself, because "
                "its history would be lost unseen: use .numpy() or .detach()"
            )
        array = self._data if dtype is None else self._data.astype(dtype, copy=False)
        return array.copy() if copy and array is self._data else array

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self._data)))

    def __bool__(self) -> bool:
        return bool(self._data)

    def __float__(self) -> float:
        return float(self._data.item())

    def __format__(self, spec: str) -> str:
        return format(self._data.item(), spec) if self.ndim == 0 and spec else repr(self)

    def __repr__(self) -> str:
        kind = type(self).__name__
        text = np.array2string(self._data, separator=", ", prefix=kind + "(")
        if self.dtype != np.float64:
            text += f", dtype={self.dtype}"
        if self._node is not None:
            text += f", grad_fn=<{self._node.name}>"
        elif self._requires_grad:
            text += ", requires_grad=True"
        return f"{kind}({text})"

    @property
    def requires_grad(self) -> bool:
        """Whether operations on this tensor are recorded. Can be set on leaves, to freeze them."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        value = flag("Tensor", "requires_grad", value)
        if self._node is not None and not value:
            raise RuntimeError("requires_grad can be changed on leaves only; use .detach()")
        if value:
            check_differentiable("Tensor", "data", self._data)
        self._requires_grad = value

    @property
    def is_leaf(self) -> bool:
        """Whether this tensor was made by hand, not by a recorded operation."""
        return self._node is None

    @property
    def grad(self) -> Array | None:
        """Gradient gathered by ``backward()``: a plain array, or None before the first one."""
        return self._grad

    @grad.setter
    def grad(self, value: Array | None) -> None:
        if value is not None:
            if not isinstance(value, np.ndarray):
                raise type_error("Tensor", "grad", "an array or None", described(value))
            if value.shape != self.shape or value.dtype != self.dtype:
                expected = f"shape {self.shape} of {self.dtype}"
                given = f"shape {value.shape} of {value.dtype}"
                raise value_error("Tensor", "grad", expected, given)
        self._grad = value

    def zero_grad(self) -> None:
        self._grad = None

    def backward(
        self, gradient: ArrayLike | Tensor | None = None, *, retain_graph: bool = False
    ) -> None:
        """Add the gradient of this tensor to ``.grad`` of every leaf that it was computed from.

        Parameters
        ----------
        gradient : array_like, optional
            Gradient of the final value for this tensor, of its shape; for one element 1 by default.
        retain_graph : bool
            Keep the graph for another backward pass. By default its buffers are freed.

        Raises
        ------
        RuntimeError
            If the tensor requires no gradient, or if its graph was freed by an earlier call.
        ValueError
            If `gradient` has another shape, or is missing for more than one element.
        """
        if not self._requires_grad:
            raise RuntimeError("backward(): neither this tensor nor its operands want a gradient")
        if gradient is None:
            if self.size != 1:
                expected = f"an array of shape {self.shape}, as that is not one element"
                raise value_error("backward", "gradient", expected, None)
            gradient = np.ones(self.shape, self.dtype)
        array = _data_of("backward", "gradient", gradient)
        if array.shape != self.shape:
            raise value_error("backward", "gradient", f"shape {self.shape}", f"shape {array.shape}")
        root: Node | Leaf = self if self._node is None else self._node
        run_backward(root, array.astype(self.dtype, copy=False), retain_graph)

    def _accumulate(self, gradient: Array) -> None:
        self._grad = gradient if self._grad is None else np.asarray(self._grad + gradient)

    def __reduce__(self) -> tuple[Any, ...]:
        if self._node is not None:
            raise RuntimeError("a Tensor with history is not copied or pickled: use .detach()")
        state = None if self._grad is None else (None, {"_grad": self._grad})
        return type(self), (self._data, self._requires_grad), state

    def __add__(self, other: Any) -> Tensor:
        return _binary(_add, self, other)

    def __radd__(self, other: Any) -> Tensor:
        return _binary(_add, self, other, swap=True)

    def __sub__(self, other: Any) -> Tensor:
        return _binary(_subtract, self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return _binary(_subtract, self, other, swap=True)

    def __mul__(self, other: Any) -> Tensor:
        return _binary(_multiply, self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return _binary(_multiply, self, other, swap=True)

    def __truediv__(self, other: Any) -> Tensor:
        return _binary(_divide, self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return _binary(_divide, self, other, swap=True)

    def __matmul__(self, other: Any) -> Tensor:
        return _binary(_matmul, self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return _binary(_matmul, self, other, swap=True)

    def __neg__(self) -> Tensor:
        return _negative._record((self,), {})

    def __pow__(self, exponent: float) -> Tensor:
        if not isinstance(exponent, Real):
            return NotImplemented
        return _power._record((self,), {"exponent": exponent})

    def __getitem__(self, index: Any) -> Tensor:
        parts = index if isinstance(index, tuple) else (index,)
        plain = tuple(part._data if isinstance(part, Tensor) else part for part in parts)
        return _take._record((self,), {"index": plain if isinstance(index, tuple) else plain[0]})

    def exp(self) -> Tensor:
        """Elementwise exponential."""
        return _exp._record((self,), {})

    def log(self) -> Tensor:
        """Elementwise natural logarithm."""
        return _log._record((self,), {})

    def sum(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Sum over all elements or over the given axes; of 16 bits in float32."""
        return _sum._record((self,), {"axis": axis, "keepdims": keepdims})

    def mean(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        """Mean over all elements or over the given axes; of 16 bits in float32."""
        return _mean._record((self,), {"axis": axis, "keepdims": keepdims})

    def astype(self, dtype: DTypeLike) -> Tensor:
        """The same values in another dtype; the gradient comes back in this one."""
        return _cast._record((self,), {"dtype": np.dtype(dtype)})

    def reshape(self, *shape: int | tuple[int, ...]) -> Tensor:
        """The same elements in another shape, given as numbers or as one tuple; one may be -1."""
        new = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
        return _reshape._record((self,), {"shape": new})

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        """Join the axes from `start_dim` to `end_dim` (both included) into one."""
        return self.reshape(flat_shape("flatten", self.shape, start_dim, end_dim))

    def transpose(self, *axes: int) -> Tensor:
        """Permute the axes as ``ndarray.transpose`` does; without arguments, reverse them."""
        order = axes or tuple(reversed(range(self.ndim)))
        return _transpose._record((self,), {"axes": order})

    @property
    def T(self) -> Tensor:  # noqa: N802  (NumPy's name)
        return self.transpose()


def _wrap(array: Array, node: Node | None) -> Tensor:
    """A tensor around a result; unlike the constructor it checks nothing."""
    tensor = Tensor.__new__(Tensor)
    tensor._data = array
    tensor._grad = None
    tensor._node = node
    tensor._requires_grad = node is not None
    return tensor


def _graph_entry(value: Any) -> Node | Leaf | None:
    if not isinstance(value, Tensor) or not value._requires_grad:
        return None
    return value if value._node is None else value._node


def _data_of(name: str, argument: str, value: Any) -> Array:
    return value._data if isinstance(value, Tensor) else plain_array(name, argument, value)


def _binary(primitive: Primitive, tensor: Tensor, other: Any, swap: bool = False) -> Tensor:
    """Apply to `tensor` and `other`. Python numbers take the tensor's dtype, as in NumPy 2."""
    if not isinstance(other, Tensor):
        if isinstance(other, (int, float)):
            real = tensor.dtype.kind not in "biu"
            other = np.asarray(other, tensor.dtype if real else None)
        elif isinstance(other, (np.ndarray, np.generic)):
            other = plain_array(primitive.name, "other", other)
        else:
            refused: Tensor = NotImplemented  # Python then asks `other`, or raises TypeError
            return refused
    return primitive._record((other, tensor) if swap else (tensor, other), {})


_add = Primitive("add", np.add, rules.add)
_subtract = Primitive("subtract", np.subtract, rules.subtract)
_multiply = Primitive("multiply", np.multiply, rules.multiply)
_divide = Primitive("divide", np.divide, rules.divide)
_matmul = Primitive("matmul", rules.matmul_function, rules.matmul)
_cast = Primitive("astype", lambda x, *, dtype: x.astype(dtype, copy=False), rules.cast)
_negative = Primitive("negative", np.negative, rules.negative)
_power = Primitive("power", rules.power_function, rules.power)
_exp = Primitive("exp", np.exp, rules.exp)
_log = Primitive("log", np.log, rules.log)
_sum = Primitive("sum", rules.sum_function, rules.sum_)
_mean = Primitive("mean", rules.mean_function, rules.mean)
_reshape = Primitive("reshape", lambda x, *, shape: x.reshape(shape), rules.reshape)
_transpose = Primitive("transpose", lambda x, *, axes: x.transpose(axes), rules.transpose)
_take = Primitive("take", lambda x, *, index: x[index], rules.take)
