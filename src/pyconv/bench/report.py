"""The result of a run as text for the screen."""

from __future__ import annotations

from collections.abc import Iterator

from pyconv.bench import means
from pyconv.bench.result import EXTRA_CORES, Figure, Result, Row
from pyconv.bench.text import (
    error_text,
    job_name,
    milliseconds,
    percent,
    rate,
    ratio_text,
    short_direction,
    threads_text,
)
from pyconv.bench.tools import TOOLS
from pyconv.cli.table import format_table

#: pyconv's forms that compute float32 in less; they have a table of their own.
LEVELS = ("pyconv-high", "pyconv-medium")


def format_result(result: Result) -> str:
    """Return the tables, the means and the legend."""
    sections = []
    shown: set[int] = set()
    for name, rows in result.by_suite().items():
        fresh = [row for row in rows if id(row) not in shown]
        shown.update(map(id, fresh))
        if fresh:
            title = f"{name}\n" if result.suites else ""
            sections.append(title + layers_table(result, fresh))
        levels = [name for name in lower_forms(result) if name in LEVELS]
        halves = [name for name in lower_forms(result) if name not in LEVELS]
        sections.append(reduced_table("lower accuracy", result, fresh, levels))
        sections.append(reduced_table("bfloat16", result, fresh, halves))
    sections += [
        means.format_means(result),
        "\n".join([*summaries(result), *faults(result), *disobedient(result)]),
        legend(result),
    ]
    return "\n\n".join(section for section in sections if section)


def layers_table(result: Result, rows: list[Row]) -> str:
    """Return the table of the float32 tools."""
    peers = result.peers("fp32")
    packed = "pyconv-packed" in result.tools
    header = ["layer", "pass", "ms", *(["packed"] if packed else []), "GFLOP/s"]
    header += [*(["roof"] if result.machine else []), "error"]
    header += ["vs best", "best", "its error"] if peers else []
    lines = []
    for row in rows:
        own = row.figures["pyconv"]
        line = [job_name(row.job), short_direction(row.job), milliseconds(own.seconds)]
        if packed:
            line.append(ratio_text(row.ratio("pyconv-packed")))
        line.append(rate(row))
        if result.machine:
            line.append(percent(result.share(row)))
        line.append(error_text(own.error))
        if peers:
            line += best_cells(row)
        lines.append([*line, *(ratio_text(row.ratio(peer)) for peer in peers)])
    return format_table([*header, *(TOOLS[peer].label for peer in peers)], lines, left=2)


def best_cells(row: Row) -> tuple[str, str, str]:
    """Return the ratio to the best peer, a mark where it is a loss, its name and its error."""
    best = row.best()
    if best is None:
        return "-", "-", "-"
    mark = " " if best.ratio >= 1 else "<"
    error = row.figures[best.name].error
    return f"{mark}{ratio_text(best.ratio)}", TOOLS[best.name].label, error_text(error)


def lower_forms(result: Result) -> list[str]:
    """Return the tools of the run that compute in less than float32, pyconv's first."""
    return [name for name in result.tools if name in TOOLS and TOOLS[name].accuracy != "fp32"]


def reduced_table(title: str, result: Result, rows: list[Row], names: list[str]) -> str:
    """Return a table of tools of lower accuracy: time, error and, for ours, the ratio."""
    own = [name for name in names if name in result.forms()]
    header = [title, "pass"]
    for name in names:
        label = TOOLS[name].label
        header += [f"{label} ms", "error", "vs best"] if name in own else [label, "error"]
    lines = []
    for row in rows:
        if not any(row.figures.get(name, Figure()).seconds for name in names):
            continue
        line = [job_name(row.job), short_direction(row.job)]
        for name in names:
            figure = row.figures.get(name, Figure())
            cells = [error_text(figure.error)]
            if name in own:
                best = row.best_at(name)
                line += [milliseconds(figure.seconds), *cells]
                line.append(ratio_text(best.ratio if best else None))
            else:
                ratio = row.against(own[0], name) if own else row.ratio(name)
                line += [ratio_text(ratio), *cells]
        lines.append(line)
    return format_table(header, lines, left=2) if lines else ""


def legend(result: Result) -> str:
    """Return what the columns mean and what was measured with."""
    lines = [
        "ms: pyconv on plain weights. packed: that time by the one with a PackedWeight. "
        "GFLOP/s: flops of the direct method by time.",
        "Times are medians over the rounds, ratios medians of the ratio within a round.",
        f"error: max|d| / max|y| against {result.judge}. Columns of peers: the peer's time by "
        "pyconv's, above 1 where pyconv is faster;",
        "peers that hold packed weights (ort, ovino, jax) meet pyconv's faster form, others its "
        "plain one. vs best: the least of these; < marks a loss.",
    ]
    if result.machine:
        lines.append(floors_text(result))
    if lower_forms(result):
        lines.append(
            "lower accuracy: pyconv on float32 at these levels; bfloat16: on arrays of bfloat16, "
            "with plain weights (ov-bf16 holds packed ones).\n"
            "vs best there: the fastest peer at least as accurate, its time by pyconv's. Columns "
            "of peers: their time by that of pyconv on arrays of bfloat16."
        )
    versions = {TOOLS[name].package: f"{TOOLS[name].package} {version}"
                for name, version in result.tools.items() if name in TOOLS}  # fmt: skip
    lines.append(
        f"{threads_text(result.threads)} each, median of {result.rounds}; "
        + ", ".join(versions.values())
    )
    return "\n".join(lines)


def floors_text(result: Result) -> str:
    """Return the measured floors."""
    machine = result.machine
    assert machine is not None
    known = sorted(machine.bandwidth)
    least, most = (machine.bandwidth[size] / 1e9 for size in (known[0], known[-1]))
    return (
        "roof: least possible time by pyconv's, of flops / peak and bytes / bandwidth: "
        f"{machine.flops['float32'] / 1e9:.0f} GFLOP/s ({machine.isa}), copies of "
        f"{known[0] >> 20} MB {least:.0f} GB/s, of {known[-1] >> 20} MB {most:.0f} GB/s."
    )


def faults(result: Result) -> list[str]:
    """Return one line for each tool that did not start and each way in which one failed."""
    lines = [f"{name} left out: {reason}" for name, reason in result.broken.items()]
    found: dict[tuple[str, str], list[str]] = {}
    for row in result.rows:
        for name, figure in row.figures.items():
            if figure.failed and result.broken.get(name) != figure.note:
                found.setdefault((name, figure.note), []).append(str(row.job))
            elif figure.seconds and not row.seconds(name):
                note = f"wrong result, error {error_text(figure.error)}"
                found.setdefault((name, note), []).append(str(row.job))
    for (name, note), jobs in found.items():
        others = f" and {len(jobs) - 1} others" if len(jobs) > 1 else ""
        lines.append(f"{name} failed on {jobs[0]}{others}: {note}")
    return lines


def disobedient(result: Result) -> Iterator[str]:
    """Yield a line for each tool that kept more cores busy than it was given threads."""
    for name in result.tools:
        taken = [row.figures[name].cores or 0 for row in result.rows if name in row.figures]
        if max(taken, default=0) > result.threads + EXTRA_CORES:
            yield f"{name} kept {max(taken):.1f} cores busy with {result.threads} threads asked for"


def summaries(result: Result) -> Iterator[str]:
    """Yield one line for each peer: how often pyconv wins and by how much."""
    for peer in result.peers():
        rated = [(ratio, row) for row in result.rows if (ratio := row.ratio(peer))]
        if not rated:
            yield f"{peer}: does none of these"
            continue
        worst, row = min(rated, key=lambda entry: entry[0])
        yield (
            f"{peer}: faster on {sum(ratio >= 1 for ratio, _ in rated)} of {len(rated)}, "
            f"geometric mean {ratio_text(means.geometric(ratio for ratio, _ in rated))}, "
            f"least {ratio_text(worst)} ({row.job})"
        )
