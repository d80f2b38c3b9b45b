"""Suites: named lists of jobs. ``layers``, the default, are those of the published table."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from pyconv import cases
from pyconv.bench.jobs import DIRECTIONS, Job

DEFAULT = "layers"


class Suite(NamedTuple):
    """What a suite is about, its cases, and how they are run."""

    about: str
    cases: tuple[cases.Case, ...]
    directions: tuple[str, ...] = ("forward",)
    dtype: str = "float32"

    def jobs(self, directions: Sequence[str] = ()) -> list[Job]:
        """Return the jobs, in the suite's own directions if none are named."""
        return [
            Job(case, direction, self.dtype)
            for direction in directions or self.directions
            for case in self.cases
            if case.weight or direction != "weight"
        ]


def _named(prefix: str) -> tuple[cases.Case, ...]:
    """Return the layers of networks whose name begins so."""
    layers = (*cases.conv("net"), *cases.pool("net"))
    return tuple(case for case in layers if case.name.startswith(prefix))


def _all(*tags: str) -> tuple[cases.Case, ...]:
    return (*cases.conv(*tags), *cases.pool(*tags), *cases.relu(*tags))


#: The least that each operator can be asked.
TINY = tuple(cases.find(f"tiny {name}, 1x1x8x8") for name in ("conv 3x3", "max pool 2", "ReLU"))

SUITES = {
    "layers": Suite("the layers of the published table", (*_all("perf"), *TINY)),
    "lenet": Suite("LeNet-5, batch 64", _named("lenet.")),
    "alexnet": Suite("AlexNet", _named("alex.")),
    "vgg": Suite("VGG-16", _named("vgg.")),
    "resnet50": Suite("every distinct convolution of ResNet-50", _named("r50.")),
    "mobilenet": Suite("depthwise and pointwise layers of MobileNet v1 to v3", _named("mbv")),
    "deepbench": Suite("shapes of DeepBench: speech, text lines, vision", _named("deepbench.")),
    "ecg-1d": Suite("1-D convolutions of networks for electrocardiograms", _named("ecg.")),
    "pooling": Suite(
        "pooling and ReLU, forward and gradient",
        (*cases.pool("net"), *cases.relu("net")),
        ("forward", "input"),
    ),
    "backward": Suite(
        "gradients for input and weight of the published layers", _all("perf"), ("input", "weight")
    ),
    "tiny": Suite("the cost of a call, gradients included", _all("tiny"), DIRECTIONS),
    "float64": Suite("the published convolutions in float64", cases.conv("perf"), dtype="float64"),
}


def choose(
    names: Collection[str] = (DEFAULT,), layers: Iterable[str] = (), directions: Iterable[str] = ()
) -> dict[str, list[Job]]:
    """Return the jobs of each named suite, ``"all"`` being every suite.

    Parameters
    ----------
    names
        Suites.
    layers
        Keep the cases whose name contains any of these; none keeps all.
    directions
        Run these instead of the suites' own. Pooling and ReLU have no weight and so no job in
        direction ``"weight"``.

    Raises
    ------
    ValueError
        For an unknown suite or direction, or if no case has such a name.
    """
    wanted, chosen = [layer.casefold() for layer in layers], tuple(directions)
    for direction in chosen:
        if direction not in DIRECTIONS:
            raise ValueError(f"direction: got {direction!r}, expected one of {DIRECTIONS}")
    found: dict[str, list[Job]] = {}
    for name in SUITES if "all" in names else names:
        if name not in SUITES:
            raise ValueError(f"suite: got {name!r}, expected all or one of {', '.join(SUITES)}")
        jobs = [
            job
            for job in SUITES[name].jobs(chosen)
            if not wanted or any(part in job.case.name.casefold() for part in wanted)
        ]
        if jobs:
            found[name] = jobs
    if not found:
        raise ValueError(f"layers: no case has {' or '.join(map(repr, wanted))} in its name")
    return found


def unique(chosen: dict[str, list[Job]]) -> list[Job]:
    """Return the jobs of all suites, each once: several suites may hold a layer."""
    return list(dict.fromkeys(job for jobs in chosen.values() for job in jobs))
