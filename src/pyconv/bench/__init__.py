"""The timing harness behind ``pyconv bench`` and the last part of ``pyconv demo``.

Reading order: :mod:`.jobs` and :mod:`.suites` (what is timed), :mod:`.tools` (who is timed),
:mod:`.worker` and :mod:`.process` (one process for each tool), :mod:`.machine` (the floors),
:mod:`.runner` (rounds, errors), :mod:`.result` (medians, ratios), :mod:`.report` and :mod:`.means`
(the tables), :mod:`.record` (JSON), :mod:`.plot` (pictures).
"""

from __future__ import annotations

from pyconv.bench.jobs import Job
from pyconv.bench.result import Result, Row
from pyconv.bench.runner import run
from pyconv.bench.suites import SUITES, choose, unique
from pyconv.bench.tools import OWN, PEERS, TOOLS, importable, importable_peers

__all__ = [
    "OWN",
    "PEERS",
    "SUITES",
    "TOOLS",
    "Job",
    "Result",
    "Row",
    "choose",
    "importable",
    "importable_peers",
    "run",
    "unique",
]
