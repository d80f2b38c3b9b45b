"""The timing harness behind ``pyconv bench`` and the last part of ``pyconv demo``.

Reading order: :mod:`.jobs` (what is timed), :mod:`.tools` (who is timed), :mod:`.worker` (one
process for each tool), :mod:`.runner` (rounds, medians, errors), :mod:`.report` (the table and the
JSON file), :mod:`.plot` (the picture).
"""

from __future__ import annotations

from pyconv.bench.jobs import Job, select
from pyconv.bench.runner import Result, Row, run
from pyconv.bench.tools import PEERS, importable_peers

__all__ = ["PEERS", "Job", "Result", "Row", "importable_peers", "run", "select"]
