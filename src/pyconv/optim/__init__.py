"""Optimisers with torch.optim's names and formulas."""

from pyconv.optim.adam import Adam
from pyconv.optim.optimizer import Optimizer
from pyconv.optim.sgd import SGD

__all__ = ["SGD", "Adam", "Optimizer"]
