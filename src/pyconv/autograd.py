"""The tape: grad mode, nodes, and the backward walk over them.

This file knows nothing of ``Tensor`` and nothing of convolution. A graph is made of ``Node``s, one
for each recorded operation, and of leaves, the tensors whose gradient is wanted. A node holds its
parents and one closure (the vector-Jacobian product of its operation), never the tensor that came
out of it. So references only point from results back to operands: there are no cycles, and a graph
is freed by reference counting as soon as its result goes out of scope.

Rules every vjp keeps: it does not write into the gradient that it is given (others may share it),
and an array that it returns is either that gradient, a view, or a new array that it does not keep.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, ParamSpec, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "Leaf", "Node", "Vjp", "is_grad_enabled", "no_grad", "run_backward"]

Array = NDArray[Any]
Vjp = Callable[[Array], "tuple[Array | None, ...]"]

P = ParamSpec("P")
R = TypeVar("R")


class _GradMode(threading.local):
    """`off` counts the no_grad blocks that the thread is in, so they nest in any way."""

    off: int = 0


class _Graveyard(threading.local):
    """Parents of nodes that have died in this thread, waiting to be let go one by one."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Node | Leaf | None, ...]] = []
        self.emptying = False


_mode = _GradMode()
_graveyard = _Graveyard()
_accumulate_lock = threading.Lock()


def is_grad_enabled() -> bool:
    """Return whether operations of the calling thread are recorded."""
    return _mode.off == 0


class no_grad:  # noqa: N801  (torch's name)
    """Context manager and decorator: operations inside are not recorded.

    The mode belongs to the thread: other threads go on recording.

    Examples
    --------
    >>> import numpy as np, pyconv
    >>> x = pyconv.Tensor(np.ones(3), requires_grad=True)
    >>> with pyconv.no_grad():
    ...     y = x * 2
    >>> y.requires_grad
    False
    """

    def __enter__(self) -> None:
        _mode.off += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _mode.off -= 1

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            with self:
                return function(*args, **kwargs)

        return wrapped


class Leaf(Protocol):
    """What the walk needs of a tensor that gradients end in."""

    def _accumulate(self, gradient: Array) -> None: ...


class Node:
    """One recorded operation.

    ``parents`` has one entry for each positional argument of the operation: the node or leaf that
    wants its gradient, or None. ``vjp`` maps the gradient of the result to a tuple of the same
    length; it is None once the graph has been walked and its buffers have been given back.
    """

    __slots__ = ("__weakref__", "name", "parents", "vjp")

    def __init__(self, name: str, parents: tuple[Node | Leaf | None, ...], vjp: Vjp) -> None:
        self.name = name
        self.parents = parents
        self.vjp: Vjp | None = vjp

    def release(self) -> None:
        """Give the buffers back; the node stays as the mark of a spent graph."""
        self.parents = ()
        self.vjp = None

    def __del__(self, graveyard: _Graveyard = _graveyard) -> None:
        # Without this, the end of a deep graph is one chain of nested deallocations, which CPython
        # bounds by a number of levels that a thread with a small stack does not have.
        if not self.parents:
            return
        graveyard.waiting.append(self.parents)
        self.parents = ()
        if not graveyard.emptying:
            graveyard.emptying = True
            try:
                while graveyard.waiting:
                    graveyard.waiting.pop()
            finally:
                graveyard.emptying = False


def _count_uses(root: Node | Leaf) -> dict[Node | Leaf, int]:
    """How many times each node or leaf below `root` is an operand there. Iterative on purpose:
    a recursive walk would end at some thousand layers."""
    uses: dict[Node | Leaf, int] = {root: 0}
    stack: list[Node] = [root] if isinstance(root, Node) else []
    while stack:
        node = stack.pop()
        if node.vjp is None:
            raise RuntimeError(
                f"backward(): this graph was walked before and its buffers are freed (at the "
                f"operation {node.name!r}); compute the result again, or pass retain_graph=True "
                "to the first backward()"
            )
        for parent in node.parents:
            if parent is None:
                continue
            if parent in uses:
                uses[parent] += 1
            else:
                uses[parent] = 1
                if isinstance(parent, Node):
                    stack.append(parent)
    return uses


class _Pending:
    """Gradients on their way. `own` marks sums that nobody else holds: they may be written to."""

    def __init__(self) -> None:
        self.value: dict[Node | Leaf, Array] = {}
        self.own: set[Node | Leaf] = set()

    def add(self, target: Node | Leaf, gradient: Array, fresh: bool) -> None:
        held = self.value.get(target)
        if held is None:
            self.value[target] = gradient
            if fresh:
                self.own.add(target)
        elif target in self.own:
            held += gradient
        else:
            self.value[target] = np.asarray(held + gradient)
            self.own.add(target)


def run_backward(root: Node | Leaf, gradient: Array, retain_graph: bool = False) -> None:
    """Walk the graph below `root` once and add to the leaves' gradients.

    A node is visited when every use of its result has delivered its part (Kahn's order), so each
    vjp runs exactly once. Leaves are written at the very end: an exception on the way leaves all
    gradients as they were.

    Parameters
    ----------
    root : Node or Leaf
        Where to start.
    gradient : ndarray
        Gradient of the final value with respect to the root's value. It is not written to.
    retain_graph : bool
        Keep the buffers, so that the graph can be walked again.

    Raises
    ------
    RuntimeError
        If a part of the graph has been walked before and was freed.
    """
    uses = _count_uses(root)
    pending = _Pending()
    pending.add(root, gradient, fresh=False)
    ready: list[Node] = [root] if isinstance(root, Node) else []
    while ready:
        node = ready.pop()
        incoming = pending.value.pop(node)
        pending.own.discard(node)
        assert node.vjp is not None  # _count_uses has looked at every node
        outgoing = node.vjp(incoming)
        parents = node.parents
        if not retain_graph:
            node.release()
        for position, (parent, part) in enumerate(zip(parents, outgoing, strict=True)):
            if parent is None:
                continue
            if part is None:
                raise RuntimeError(f"the gradient rule of {node.name!r} left out an operand")
            shared = part is incoming or any(part is other for other in outgoing[:position])
            array = np.asarray(part)  # NumPy's functions turn () arrays into scalars
            pending.add(parent, array, fresh=array.flags.owndata and not shared)
            uses[parent] -= 1
            if uses[parent] == 0 and isinstance(parent, Node):
                ready.append(parent)
    _deliver(pending)


def _deliver(pending: _Pending) -> None:
    with _accumulate_lock:
        for leaf, gradient in pending.value.items():
            assert not isinstance(leaf, Node)
            leaf._accumulate(gradient if leaf in pending.own else gradient.copy())
