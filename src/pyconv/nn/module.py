"""Module and Parameter.

Parameters and child modules are ordinary attributes: a module finds them by looking through its
own ``__dict__``. So there is no registry to keep in step, pickle and deepcopy need no help, and a
subclass that assigns before ``super().__init__()`` works.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from pyconv.autograd import Array
from pyconv.dtypes import is_float
from pyconv.inplace import writable
from pyconv.nn.checks import float_dtype
from pyconv.packed import PackedWeight
from pyconv.shapes import flag, type_error, value_error
from pyconv.shapes.checks import described
from pyconv.tensor import Tensor

__all__ = ["LoadedKeys", "Module", "Parameter"]

M = TypeVar("M", bound="Module")


class Parameter(Tensor):
    """A tensor that a module finds among its attributes and an optimiser updates.

    Parameters
    ----------
    data : array_like
        float32, float64, float16 or bfloat16; an array is shared, not copied.
    requires_grad : bool
        False for a frozen parameter.
    """

    __slots__ = ("_packed",)

    def __init__(self, data: ArrayLike | Tensor, requires_grad: bool = True) -> None:
        super().__init__(data, requires_grad)
        self._packed: PackedWeight | None = None

    @property
    def packed(self) -> PackedWeight | None:
        """The packed form of exactly the present values, or None.

        The parameter's array is the read-only one of the packed form, so that the two cannot
        differ: a write into it is an error, and replacing it ends the packed form.
        """
        packed = self._packed
        if packed is not None and packed.array is not self._data:
            self._packed = packed = None
        return packed

    def pack(self) -> None:
        """Keep a packed form, and its read-only copy of the values for ``.data``."""
        if self.packed is None:
            packed = PackedWeight(self._data)
            self._data, self._packed = packed.array, packed

    def unpack(self) -> None:
        """Drop the packed form; ``.data`` is a writable array again."""
        if self.packed is not None:
            self._packed, self._data = None, self._data.copy()

    def __reduce__(self) -> tuple[Any, ...]:
        kind, (data, *rest), state = super().__reduce__()
        # Pickle would hand on that the packed form's array is read-only.
        return kind, (data if self.packed is None else data.copy(), *rest), state


class LoadedKeys(NamedTuple):
    """What ``load_state_dict`` found: both are empty when everything matched."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """Base class of layers and networks.

    A subclass assigns parameters and other modules to attributes and defines ``forward``; calling
    the module calls ``forward``.

    Examples
    --------
    >>> from pyconv import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.conv = nn.Conv2d(1, 4, 3, padding=1)
    ...     def forward(self, x):
    ...         return self.conv(x)
    >>> [name for name, _ in Net().named_parameters()]
    ['conv.weight', 'conv.bias']
    """

    training: bool = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no method forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    def __setattr__(self, name: str, value: Any) -> None:
        held = self.__dict__.get(name)
        for kind in (Parameter, Module):
            if isinstance(held, kind) and not (value is None or isinstance(value, kind)):
                expected = f"{kind.__name__} or None (new values go into .data)"
                raise type_error(type(self).__name__, name, expected, type(value).__name__)
        super().__setattr__(name, value)

    def add_module(self, name: str, module: Module) -> None:
        """Make `module` a child under `name`: for names that only exist at run time.

        Raises
        ------
        TypeError
            If `module` is not a Module.
        ValueError
            If `name` is empty, has a dot, or is the name of something else already.
        """
        if not isinstance(module, Module):
            raise type_error("add_module", "module", "a Module", described(module))
        if not isinstance(name, str) or not name or "." in name:
            raise value_error("add_module", "name", "a string without dots", repr(name))
        if hasattr(self, name) and not isinstance(getattr(self, name), Module):
            expected = f"no other attribute of {type(self).__name__}"
            raise value_error("add_module", "name", expected, repr(name))
        setattr(self, name, module)

    # -- walking ---------------------------------------------------------------------------------

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """Direct children with their names, in the order of assignment."""
        for name, value in self.__dict__.items():
            if isinstance(value, Module):
                yield name, value

    def children(self) -> Iterator[Module]:
        """Direct children."""
        for _, child in self.named_children():
            yield child

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """This module (under the name `prefix`) and all below it, each once."""
        seen: set[int] = set()
        for name, module in self._walk(prefix):
            if id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def modules(self) -> Iterator[Module]:
        """This module and all below it, each once."""
        for _, module in self.named_modules():
            yield module

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """All parameters with their dotted names; one that is shared comes once."""
        seen: set[int] = set()
        for name, parameter in self._slots(prefix):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                yield name, parameter

    def parameters(self) -> Iterator[Parameter]:
        """All parameters, each once."""
        for _, parameter in self.named_parameters():
            yield parameter

    def _walk(self, prefix: str) -> Iterator[tuple[str, Module]]:
        yield prefix, self
        for name, child in self.named_children():
            yield from child._walk(f"{prefix}.{name}" if prefix else name)

    def _slots(self, prefix: str = "") -> Iterator[tuple[str, Parameter]]:
        """Every place that holds a parameter: a shared one comes under each of its names."""
        for path, module in self._walk(prefix):
            for name, value in module.__dict__.items():
                if isinstance(value, Parameter):
                    yield f"{path}.{name}" if path else name, value

    # -- state -----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Array]:
        """Copies of all parameters under their dotted names: torch's keys and layouts.

        They are copies, so a state dict that was kept does not change as training goes on.
        """
        return {name: parameter.data.copy() for name, parameter in self._slots()}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> LoadedKeys:
        """Copy values into the parameters; dtypes are converted to the parameters'.

        Everything is checked first: on an error no parameter has changed.

        Parameters
        ----------
        state_dict : mapping of str to array_like
            From ``state_dict()``, ``pyconv.load``, or a torch module (its CPU tensors are read).
        strict : bool
            Whether missing and unexpected keys are errors. Shapes always have to fit.

        Returns
        -------
        LoadedKeys
            The missing and the unexpected keys.

        Raises
        ------
        TypeError
            If a value is not an array of numbers.
        ValueError
            If a shape differs or, with `strict`, if a key is missing or unexpected.
        """
        if not isinstance(state_dict, Mapping):
            raise type_error("load_state_dict", "state_dict", "a mapping", described(state_dict))
        slots = dict(self._slots())
        missing = [name for name in slots if name not in state_dict]
        unexpected = [str(name) for name in state_dict if name not in slots]
        problems: list[str] = []
        if strict and missing:
            problems.append("missing keys: " + ", ".join(missing))
        if strict and unexpected:
            problems.append("unexpected keys: " + ", ".join(unexpected))
        arrays: dict[str, Array] = {}
        for name, parameter in slots.items():
            if name in state_dict:
                arrays[name] = array = _checked(name, state_dict[name])
                if array.shape != parameter.shape:
                    wanted, given = parameter.shape, array.shape
                    problems.append(f"{name}: expected shape {wanted}, got {given}")
        if problems:
            head = f"load_state_dict(): argument 'state_dict' does not fit {type(self).__name__}:"
            raise ValueError("\n  ".join([head, *problems]))
        for name, array in arrays.items():
            writable(slots[name])[...] = array
        return LoadedKeys(missing, unexpected)

    def train(self: M, mode: bool = True) -> M:
        """Set training mode here and below (it matters to Dropout); returns the module.

        Training mode ends what ``pack()`` began.
        """
        mode = flag("train", "mode", mode)
        for module in self.modules():
            module.training = mode
        if mode:
            for parameter in self.parameters():
                parameter.unpack()
        return self

    def eval(self: M) -> M:
        """Leave training mode here and below; returns the module."""
        return self.train(False)

    def pack(self: M) -> M:
        """Leave training mode and pack the weights of convolutions here and below, for inference.

        A packed weight is used wherever no gradient of it is recorded: under ``no_grad()``, or if
        it is frozen. See :class:`pyconv.PackedWeight` for what it saves.

        ``weight.data`` becomes a read-only copy: writing into it is an error, and a write into the
        array that it was before no longer reaches the parameter. Whatever gives the weight other
        values (an optimiser's step, ``load_state_dict``, assigning ``weight.data``) drops the
        packed form, and so does ``train()``; call ``pack()`` again afterwards. Copies and pickles
        of the module are not packed.

        Returns
        -------
        The module.
        """
        self.eval()
        for module in self.modules():
            module._pack()
        return self

    def _pack(self) -> None:
        """Pack the weights of this very module: nothing, unless a layer can use a packed one."""

    def to(self: M, dtype: DTypeLike) -> M:
        """Convert all parameters and their gradients; returns the module.

        Parameters
        ----------
        dtype : dtype
            float32, float64, float16, or bfloat16 of the package ml_dtypes.

        Raises
        ------
        TypeError
            For another dtype.
        """
        kind = float_dtype("to", dtype)
        for parameter in self.parameters():
            if parameter.dtype == kind:
                continue
            gradient = parameter.grad
            parameter.data = parameter.data.astype(kind)
            parameter.grad = None if gradient is None else gradient.astype(kind)
        return self

    def float(self: M) -> M:
        """``to(numpy.float32)``."""
        return self.to(np.float32)

    def double(self: M) -> M:
        """``to(numpy.float64)``."""
        return self.to(np.float64)

    def half(self: M) -> M:
        """``to(numpy.float16)``."""
        return self.to(np.float16)

    def bfloat16(self: M) -> M:
        """``to(ml_dtypes.bfloat16)``; ImportError where that package is missing."""
        from ml_dtypes import bfloat16

        return self.to(bfloat16)

    def requires_grad_(self: M, requires_grad: bool = True) -> M:
        """Freeze (False) or free all parameters; returns the module."""
        for parameter in self.parameters():
            parameter.requires_grad = requires_grad
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.zero_grad()

    def extra_repr(self) -> str:
        """The arguments that ``repr`` shows."""
        return ""

    def __repr__(self) -> str:
        lines = [
            f"({name}): " + repr(child).replace("\n", "\n  ")
            for name, child in self.named_children()
        ]
        extra = self.extra_repr()
        if not lines:
            return f"{type(self).__name__}({extra})"
        body = "\n  ".join([extra, *lines] if extra else lines)
        return f"{type(self).__name__}(\n  {body}\n)"


def _checked(name: str, value: Any) -> Array:
    array: Array = value.data if isinstance(value, Tensor) else np.asarray(value)
    if array.dtype.kind not in "biuf" and not is_float(array.dtype):
        given = f"{type(value).__name__} of dtype {array.dtype} under {name!r}"
        raise type_error("load_state_dict", "state_dict", "arrays of real numbers", given)
    return array
