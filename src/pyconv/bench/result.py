"""What a run has found: figures, rows of figures, and what may be compared with what."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pyconv.bench.jobs import Job
from pyconv.bench.machine import Machine
from pyconv.bench.tools import ACCURACIES, OWN, PEERS, TOOLS

#: An error beyond which a result is wrong, not rounded: such a time counts for nothing. Weight
#: gradients of large images, sums of 50,000 products, come to 1e-5 in float32, to 1e-2 in bfloat16.
WRONG = {"fp32": 1e-4, "high": 1e-3, "bf16": 1e-1}

#: A tool whose process used this many cores more than it was given has not obeyed.
EXTRA_CORES = 0.25


@dataclass
class Figure:
    """What one tool did on one job; without seconds, ``note`` says why.

    ``seconds`` is the median of ``samples``, one of each round. ``failed`` tells an error of the
    tool from a job that it does not offer. ``cores`` is processor time by time.
    """

    seconds: float | None = None
    error: float | None = None
    note: str = ""
    failed: bool = False
    cores: float | None = None
    samples: list[float] = field(default_factory=list)


class Rival(NamedTuple):
    """The best peer on a job, and its time by pyconv's."""

    name: str
    ratio: float


@dataclass
class Row:
    """One job: a figure for each tool by name, pyconv among them."""

    job: Job
    figures: dict[str, Figure] = field(default_factory=dict)

    def seconds(self, name: str) -> float | None:
        """Return a tool's time, if it has one and its result is right."""
        figure = self.figures.get(name, Figure())
        limit = WRONG[TOOLS[name].accuracy] if name in TOOLS else WRONG["fp32"]
        return None if figure.error is not None and not figure.error <= limit else figure.seconds

    def fastest(self) -> float | None:
        """Return the time of pyconv's faster float32 form."""
        return min((seconds for name in OWN[:2] if (seconds := self.seconds(name))), default=None)

    def own(self, peer: str) -> str | None:
        """Return the form of pyconv that a peer is compared with.

        That is the fastest that is at least as accurate; forms with packed weights count only
        against peers that hold theirs packed, or in bfloat16.
        """
        entry = TOOLS[peer]
        rank = ACCURACIES.index(entry.accuracy)
        forms = [
            name
            for name in OWN
            if ACCURACIES.index(TOOLS[name].accuracy) <= rank
            and (entry.packed or rank > 0 or not TOOLS[name].packed)
        ]
        timed = [(seconds, name) for name in forms if (seconds := self.seconds(name))]
        return min(timed)[1] if timed else None

    def ratio(self, name: str) -> float | None:
        """Return the peer's time by pyconv's: above 1 where pyconv is faster.

        For one of pyconv's own forms it is the time of plain ``pyconv`` by that form's.
        """
        if name in OWN:
            return self.against(name, "pyconv")
        own = self.own(name)
        return self.against(own, name) if own else None

    def against(self, own: str, peer: str) -> float | None:
        """Return the peer's time by that of one of pyconv's forms.

        It is the median of the ratios within a round: what slows the machine down for a round or
        more slows both, where their medians may come from different rounds.
        """
        theirs, ours = self.seconds(peer), self.seconds(own)
        if not theirs or not ours:
            return None
        one, other = self.figures[peer].samples, self.figures[own].samples
        if len(one) != len(other) or not one:  # a slow tool's first call is its only sample
            return theirs / ours
        return statistics.median(a / b for a, b in zip(one, other, strict=True))

    def rivals(self, accuracy: str = "fp32") -> Iterator[str]:
        """Yield the peers with a time that are at least so accurate."""
        rank = ACCURACIES.index(accuracy)
        for name in self.figures:
            near = name in PEERS and ACCURACIES.index(TOOLS[name].accuracy) <= rank
            if near and self.seconds(name):
                yield name

    def best(self) -> Rival | None:
        """Return the peer of equal accuracy, float32, that pyconv has the hardest time with."""
        found = [Rival(name, ratio) for name in self.rivals() if (ratio := self.ratio(name))]
        return min(found, key=lambda rival: rival.ratio, default=None)

    def best_at(self, own: str) -> Rival | None:
        """Return the fastest peer that is at least as accurate as one of pyconv's forms."""
        found = [
            Rival(name, ratio)
            for name in self.rivals(TOOLS[own].accuracy)
            if (ratio := self.against(own, name))
        ]
        return min(found, key=lambda rival: rival.ratio, default=None)


@dataclass
class Result:
    """All rows, and what they were measured with: the versions of tools, and why one is broken.

    ``suites`` holds the jobs of each suite by its name; a job may be in several.
    """

    rows: list[Row]
    tools: dict[str, str]
    broken: dict[str, str]
    judge: str
    threads: int
    rounds: str
    config: dict[str, Any]
    machine: Machine | None = None
    suites: dict[str, list[Job]] = field(default_factory=dict)

    def peers(self, accuracy: str = "") -> list[str]:
        """Return the tools of the run other than pyconv, of one accuracy if that is named."""
        return [
            name for name in self.tools if name in PEERS and accuracy in ("", TOOLS[name].accuracy)
        ]

    def forms(self) -> list[str]:
        """Return pyconv's forms of the run."""
        return [name for name in self.tools if name in OWN]

    def floor(self, job: Job) -> float | None:
        """Return the least seconds that the direct method takes on this machine."""
        return self.machine.floor(job) if self.machine else None

    def share(self, row: Row) -> float | None:
        """Return the part of the roofline that pyconv reaches in its faster float32 form.

        None where the time is that of a call, not of work.
        """
        if "tiny" in row.job.case.tags:
            return None
        floor, seconds = self.floor(row.job), row.fastest()
        return floor / seconds if floor and seconds else None

    def by_suite(self) -> dict[str, list[Row]]:
        """Return the rows of each suite, all under one name if there are no suites."""
        if not self.suites:
            return {"all": self.rows}
        rows = {row.job: row for row in self.rows}
        return {
            name: [rows[job] for job in jobs if job in rows] for name, jobs in self.suites.items()
        }
