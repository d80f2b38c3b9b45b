"""The result of a run as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pyconv.bench import means
from pyconv.bench.result import Result, Row
from pyconv.bench.tools import TOOLS


def row_json(result: Result, row: Row) -> dict[str, Any]:
    """Return one row as plain dicts and lists."""
    job, best, machine = row.job, row.best(), result.machine
    return {
        "name": job.case.name,
        "direction": job.direction,
        "dtype": job.dtype,
        "op": job.case.op,
        "input": job.case.input,
        "weight": job.case.weight,
        "arguments": job.case.arguments,
        "flops": job.flops,
        "bytes": job.bytes,
        "floors": {"flops": machine.arithmetic(job), "bytes": machine.memory(job)}
        if machine
        else None,
        "share": result.share(row),
        "best": best._asdict() if best else None,
        "tools": {
            name: {
                "seconds": figure.seconds,
                "gflops": job.flops / figure.seconds / 1e9 if figure.seconds else None,
                "error": figure.error,
                "ratio": row.ratio(name),
                "cores": figure.cores,
                "note": figure.note,
                "samples": figure.samples,
            }
            for name, figure in row.figures.items()
        },
    }


def as_json(result: Result) -> dict[str, Any]:
    """Return the whole result as plain dicts and lists."""
    groups = result.by_suite()
    return {
        "config": result.config,
        "tools": result.tools,
        "accuracy": {name: TOOLS[name].accuracy for name in result.tools if name in TOOLS},
        "broken": result.broken,
        "judge": result.judge,
        "threads": result.threads,
        "rounds": result.rounds,
        "machine": result.machine._asdict() if result.machine else None,
        "suites": {name: [str(row.job) for row in rows] for name, rows in groups.items()},
        "means": {
            name: {
                "best": means.geometric(means.best_ratios(rows)),
                **{peer: means.mean_ratio(rows, peer) for peer in result.peers()},
            }
            for name, rows in groups.items()
        },
        "rows": [row_json(result, row) for row in result.rows],
    }


def write_json(result: Result, path: Path) -> None:
    """Write the result as a JSON file."""
    path.write_text(json.dumps(as_json(result), separators=(",", ":"), default=str) + "\n")
