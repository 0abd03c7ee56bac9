"""How far a call is from itself, where it takes turns twice as ours and theirs do: what a ratio near 1.0 is worth."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from benchmarks.model import US, Contender, Contest, Row, Run, Scenario, Workshop

SECTION = "noise"
#: Comparisons whose first other contender is measured beside itself: some of every size and kind of contender.
CHOSEN = re.compile(
    r"images: (dense 3x3|gaussian 9|box 31x31|up 2x cubic), [^,]+, (float32|uint8 x 3)$"
    r"|layers: (bank 3x3, 64 to 64, (28x28|56x56)|depthwise 3x3, 64, 56x56|1x1, 256 to 64, 56x56)$"
    r"|layers: (stem 7x7, stride 2, 3 to 64, 224x224|transposed bank 2x2, stride 2, 64 to 32, 56x56)$"
    r"|networks: (FSRCNN|MobileNet), random weights, \w+, planes$"
    r"|commands: sharpen, (0.5 MP JPEG|2 MP TIFF|12 MP (JPEG|TIFF))$"
)
ITSELF = "itself"
#: Of how many of these rows the noise is the greatest distance from 1.0; the rest are taken for accidents.
SHARE = 0.9
#: Longer calls are as steady as those that take so many seconds, shorter ones as those that take so few.
LONGEST, SHORTEST = -2, -5
_COMMANDS = ("start-up", "commands", "batch")


def scenarios(every: Iterable[Scenario]) -> Iterator[Scenario]:
    """Those of `every` that are chosen, with one of their other contenders in our place, too."""
    for one in every:
        if CHOSEN.match(one.title):
            name = f"{one.section}: {one.name}"
            yield replace(one, section=SECTION, name=name, make=partial(_beside_itself, one.make), goals=())


def _beside_itself(make: Callable[[Workshop], Contest], shop: Workshop) -> Contest:
    """Ours goes on taking turns, so that caches and threads are as they are in the comparison itself."""
    contest = make(shop)
    rivals = (one for name, one in contest.contenders.items() if name != US)
    them = next((one for one in rivals if isinstance(one, Contender) and not one.otherwise), None)
    if them is None:
        return Contest(contenders={US: "nobody to compare with"})
    between = contest.contenders[US]
    return replace(contest, contenders={US: them, ITSELF: replace(them), "between": between}, bare={}, limit=None)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """`shares` by kind: how far from 1.0 the ratio of a call to itself is, in all but a tenth of `rows`."""

    shares: Mapping[str, float]
    rows: Mapping[str, int]

    def of(self, row: Row, name: str) -> float:
        """For the ratio to `name` of a row; 0 where no such call was measured beside itself."""
        seconds = row.figures[name].seconds
        return self.shares.get(_kind(row.section, seconds.median), 0.0) if seconds else 0.0

    def described(self) -> str:
        """A sentence; empty where none was measured."""
        if not self.shares:
            return ""
        parts = [f"{kind} {share:.1%} ({self.rows[kind]} rows)" for kind, share in self.shares.items()]
        return (
            "The same call beside itself, in turns as ours and theirs are, differs in nine of ten rows by up to: "
            f"{', '.join(parts)}."
        )


def measured(run: Run) -> Noise:
    """The noise of a run by kind of call, commands first, then by seconds."""
    apart: dict[str, list[float]] = {}
    for row in run.rows:
        figures = row.figures.get(ITSELF)
        if row.section == SECTION and figures and figures.ratio and figures.seconds:
            kind = _kind(row.name.partition(":")[0], figures.seconds.median)
            apart.setdefault(kind, []).append(math.expm1(abs(math.log(figures.ratio.median))))
    order = [_kind(section, 10.0**power) for section in ("commands", "") for power in range(SHORTEST, LONGEST + 1)]
    kinds = [kind for kind in dict.fromkeys(order) if kind in apart]
    return Noise(shares={kind: _most(apart[kind]) for kind in kinds}, rows={kind: len(apart[kind]) for kind in kinds})


def _most(distances: list[float]) -> float:
    if len(distances) < 2:
        return distances[0]
    return statistics.quantiles(distances, n=100, method="inclusive")[round(100 * SHARE) - 1]


def _kind(section: str, seconds: float) -> str:
    """
    >>> _kind("images", 3e-6), _kind("layers", 2e-3), _kind("networks", 7), _kind("commands", 7)
    ('calls below 100 us', 'calls of 1 to 10 ms', 'calls from 10 ms up', 'commands')
    """
    if section in _COMMANDS:
        return "commands"
    power = min(max(math.floor(math.log10(seconds)), SHORTEST), LONGEST)
    names = {-5: "below 100 us", -4: "of 100 us to 1 ms", -3: "of 1 to 10 ms", -2: "from 10 ms up"}
    return f"calls {names[power]}"
