"""What is compared, what was found and what it is held to: plain data, also as JSON."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

#: The contender that all others are compared with.
US = "convcli"


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One go of one contender: seconds by the clock, CPU seconds of all threads and children, peak megabytes."""

    wall: float
    cpu: float
    peak: float | None = None


@dataclass(frozen=True, kw_only=True)
class Contender:
    """Somebody who takes turns. `settle` takes one for so many seconds that doesn't count. `result` gives what the last
    turn made, `output` is the file it wrote; `otherwise` says in what its result is another one, which is shown and
    doesn't count."""

    turn: Callable[[], Turn]
    settle: Callable[[float], None] | None = None
    result: Callable[[], Array] | None = None
    output: Path | None = None
    otherwise: str = ""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """Our time (or memory) over that of each of `against` is to be `most` at most; rows of one `what` go together.

    `slack` seconds more are allowed. Where the contender `proof` isn't at `most` itself, `relaxed` is asked for.
    With `cpu` seconds of CPU count instead of the clock, with `no_larger` our file must not be larger than theirs.
    """

    what: str
    against: tuple[str, ...]
    most: float
    slack: float = 0
    proof: str = ""
    relaxed: float = 0
    cpu: bool = False
    no_larger: bool = False


@dataclass(frozen=True, kw_only=True)
class Contest:
    """The contenders of a scenario; a string says why one isn't measured.

    `largest` is the largest sum that the kernel can make of the inputs: where it is said, results must be within the
    project's own bounds of each other (see `timing.apart`), `frame` samples at each side of a picture left out.
    `moved` are the bytes of the inputs, `flops` the multiplications and additions of the plain sum, where that is a
    matter of matrices; `limit` is how many megabytes we may take, known after the first turn. `bare` are calls of our
    packages that do the arithmetic and nothing else: no contenders, but what could be reached."""

    contenders: Mapping[str, Contender | str]
    largest: float = 0
    frame: int = 0
    moved: float = 0
    flops: float = 0
    limit: Callable[[], float] | None = None
    bare: Mapping[str, Callable[[], object] | Contender] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One comparison before it is made.

    Where `Contest.largest` isn't said, results may differ from ours by `tolerance` on average, in 8-bit levels for
    pictures (`relative` false), else over the mean of ours. A contender gets at most `rounds` turns, and no further one
    once it has taken `patience` seconds. A turn begins with calls that don't count, for `settle` seconds.
    """

    section: str
    name: str
    conditions: str
    make: Callable[[Workshop], Contest]
    goals: tuple[Goal, ...] = ()
    rounds: int = 5
    patience: float = 10
    settle: float = 0
    tolerance: float = 1e-3
    relative: bool = True
    quick: bool = False

    @property
    def title(self) -> str:
        return f"{self.section}: {self.name}, {self.conditions}"


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Where scenarios are made: a folder, the launcher of commands, and pictures by megapixels and file type."""

    folder: Path
    command: Callable[..., Callable[[], Turn]]
    picture: Callable[[float, str], Path]


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Median and quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """
        >>> Spread.of([1, 2, 3, 4, 5])
        Spread(median=3, low=2.0, high=4.0)
        """
        ordered = sorted(values)
        if len(ordered) < 2:
            return cls(median=ordered[0], low=ordered[0], high=ordered[0])
        low, _, high = statistics.quantiles(ordered, n=4, method="inclusive")
        return cls(median=statistics.median(ordered), low=low, high=high)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one contender of a row took. `ratio` is our time over its own: the spread over the rounds, or that of the
    minima, where a call takes less than a millisecond; `cpu_ratio` the same of CPU seconds; sizes and peaks are
    megabytes; `difference` is that of its result to ours. `note` says why it doesn't count, or isn't measured."""

    seconds: Spread | None = None
    cpu: float | None = None
    runs: int = 0
    ratio: Spread | None = None
    cpu_ratio: float | None = None
    size: float | None = None
    peak: float | None = None
    difference: float | None = None
    note: str = ""

    @property
    def counts(self) -> bool:
        return self.ratio is not None and not self.note


@dataclass(frozen=True, kw_only=True)
class Row:
    """One comparison that was made. `floor` is the seconds that the machine takes at least, by `floor_of`; `bare` the
    time of bare calls over that of others, by the name of the call, then by theirs."""

    section: str
    name: str
    conditions: str
    figures: Mapping[str, Figures]
    goals: tuple[Goal, ...] = ()
    floor: float | None = None
    floor_of: str = ""
    bare: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return f"{self.section}: {self.name}, {self.conditions}"


@dataclass(frozen=True, kw_only=True)
class Piece:
    """When and how a run, or a part of it, was made: date, our commit, minutes, the machine's load at both ends, and
    the share of its cores that others took (None where the system doesn't tell)."""

    date: str
    commit: str
    minutes: float
    load_before: float
    load_after: float
    others: float | None


@dataclass(frozen=True, kw_only=True)
class Run:
    """All that one machine gave. `facts` are machine, versions and floors as shown; `quick` runs have small pictures
    and are not held to the goals of whole commands."""

    quick: bool
    facts: Mapping[str, str]
    pieces: tuple[Piece, ...] = ()
    rows: tuple[Row, ...] = ()

    def merged(self, later: Run) -> Run:
        """These rows with those of `later`, which take the place of rows of the same title."""
        rows = {row.title: row for row in self.rows} | {row.title: row for row in later.rows}
        return Run(quick=later.quick, facts=later.facts, pieces=self.pieces + later.pieces, rows=tuple(rows.values()))


def to_json(run: Run) -> dict[str, Any]:
    return asdict(run)


def from_json(members: Mapping[str, Any]) -> Run:
    """The inverse of `to_json`."""
    pieces = tuple(Piece(**piece) for piece in members["pieces"])
    return Run(quick=members["quick"], facts=members["facts"], pieces=pieces, rows=tuple(map(_row, members["rows"])))


def _row(members: Mapping[str, Any]) -> Row:
    figures = {name: _figures(values) for name, values in members["figures"].items()}
    goals = tuple(Goal(**{**goal, "against": tuple(goal["against"])}) for goal in members["goals"])
    return Row(**{**members, "figures": figures, "goals": goals})


def _figures(members: Mapping[str, Any]) -> Figures:
    spreads = {name: Spread(**members[name]) if members[name] else None for name in ("seconds", "ratio")}
    return Figures(**{**members, **spreads})
