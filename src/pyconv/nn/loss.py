"""CrossEntropyLoss and MSELoss."""

from __future__ import annotations

from typing import Any

from pyconv import functional
from pyconv.functional.checks import check_fraction, check_reduction
from pyconv.nn.module import Module

__all__ = ["CrossEntropyLoss", "MSELoss"]


class CrossEntropyLoss(Module):
    """``functional.cross_entropy`` of logits and targets.

    Raises
    ------
    ValueError
        If `reduction` or `label_smoothing` is none of the allowed values.
    """

    def __init__(
        self,
        weight: Any = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        check_reduction("CrossEntropyLoss", reduction)
        check_fraction("CrossEntropyLoss", "label_smoothing", label_smoothing)
        self.weight = weight
        self.ignore_index = ignore_index
        self.reduction = reduction
        self.label_smoothing = label_smoothing

    def forward(self, input: Any, target: Any) -> Any:
        return functional.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


class MSELoss(Module):
    """``functional.mse_loss`` of two arrays or tensors.

    Raises
    ------
    ValueError
        If `reduction` is none of the allowed values.
    """

    def __init__(self, *, reduction: str = "mean") -> None:
        super().__init__()
        check_reduction("MSELoss", reduction)
        self.reduction = reduction

    def forward(self, input: Any, target: Any) -> Any:
        return functional.mse_loss(input, target, reduction=self.reduction)
