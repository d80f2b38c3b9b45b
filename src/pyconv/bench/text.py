"""Figures as short text."""

from __future__ import annotations

from pyconv.bench.jobs import Job
from pyconv.bench.result import Row

#: Names of layers are cut to so many characters, or no table would fit a screen.
LONGEST_NAME = 31


def job_name(job: Job) -> str:
    """Return the name of the layer, cut to what a table has room for."""
    name = job.case.name
    return name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "~"


def short_direction(job: Job) -> str:
    """Return a direction and type in a few letters."""
    short = {"forward": "fwd", "input": "input", "weight": "weight"}[job.direction]
    return short if job.dtype == "float32" else f"{short} f64"


def threads_text(threads: int) -> str:
    """Return a number of threads in words."""
    return f"{threads} thread{'s' * (threads > 1)}"


def milliseconds(seconds: float | None) -> str:
    """Return a time in ms with three significant digits."""
    if seconds is None:
        return "-"
    value = seconds * 1e3
    digits = (
        0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 4 if value >= 0.01 else 5
    )
    return f"{value:.{digits}f}"


def rate(row: Row) -> str:
    """Return the effective GFLOP/s of pyconv's faster float32 form."""
    seconds = row.fastest()
    if not seconds or not row.job.flops:
        return "-"
    value = row.job.flops / seconds / 1e9
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def percent(share: float | None) -> str:
    """Return a part of one in percent."""
    return "-" if share is None else f"{share:.0%}"


def ratio_text(ratio: float | None) -> str:
    """Return a ratio with about three significant digits."""
    if ratio is None:
        return "-"
    digits = 3 if ratio < 0.1 else 2 if ratio < 10 else 1 if ratio < 100 else 0
    return f"{ratio:.{digits}f}"


def error_text(error: float | None) -> str:
    """Return an error with two significant digits."""
    return "-" if error is None else "0" if error == 0 else f"{error:.1e}"
