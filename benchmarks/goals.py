"""What became of the goals, and where others are faster: judged from the rows of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from benchmarks import machine, noise
from benchmarks.model import US, Figures, Goal, Row, Run, Spread


@dataclass(frozen=True, kw_only=True)
class Reached:
    """One goal in one row: our ratio to `name`, the best of those it names, what it may be at most there, and the
    verdict."""

    name: str
    ratio: Spread
    most: float
    met: bool
    note: str = ""


def reached(goal: Goal, row: Row) -> Reached | None:
    """None where nobody whom the goal names was measured and gave the same result."""
    best = strongest(row, goal.against, cpu=goal.cpu)
    if best is None:
        return None
    ratio = _ratio(row.figures[best], cpu=goal.cpu)
    assert ratio is not None
    most = goal.most
    seconds = row.figures[best].seconds
    if goal.slack and seconds:
        most += goal.slack / seconds.median
    if goal.proof:
        proof = _ratio(row.figures.get(goal.proof, Figures()), cpu=goal.cpu)
        # Ours over theirs by ours over the proof's is the proof's over theirs.
        if proof is None or ratio.median / proof.median > goal.most:
            most = goal.relaxed
    larger = goal.no_larger and _larger(goal, row)
    note = f"{row.figures[US].size:.1f} MB is larger than {larger:.1f}" if larger else ""
    return Reached(name=best, ratio=ratio, most=most, met=ratio.median <= most and not larger, note=note)


def strongest(row: Row, names: Iterable[str], *, cpu: bool = False) -> str | None:
    """Who of `names` is the fastest beside us, of those that gave the same result."""
    rivals = [name for name in names if name != US and name in row.figures and row.figures[name].counts]
    ratios = {name: ratio.median for name in rivals if (ratio := _ratio(row.figures[name], cpu=cpu))}
    return max(ratios, key=lambda name: ratios[name], default=None)


def _ratio(figures: Figures, *, cpu: bool) -> Spread | None:
    if not figures.counts:
        return None
    if cpu:
        return Spread.of([figures.cpu_ratio]) if figures.cpu_ratio else None
    return figures.ratio


def bare(row: Row, name: str) -> dict[str, float]:
    """The time of bare calls of numpy and OpenCV over that of `name`, the fastest first: what could be reached.

    OpenCV's own results are among them.
    """
    ratios = {call: others[name] for call, others in row.bare.items() if name in others}
    them = row.figures[name].ratio
    for other, figures in row.figures.items():
        if other.startswith("cv2.") and figures.counts and figures.ratio and them:
            ratios[other] = them.median / figures.ratio.median
    return dict(sorted(ratios.items(), key=lambda pair: pair[1]))


def _larger(goal: Goal, row: Row) -> float | None:
    """The size of the smallest of their files, where ours is larger."""
    sizes = [row.figures[name].size for name in goal.against if name in row.figures and row.figures[name].counts]
    smallest, own = min((size for size in sizes if size), default=None), row.figures[US].size
    return smallest if smallest and own and own > smallest else None


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What became of a goal over all rows that have it: the row that is furthest off, how many met it, what hinders."""

    what: str
    against: str
    worst: Reached | None
    row: str
    met: int
    of: int
    near: int
    note: str

    @property
    def verdict(self) -> str:
        if not self.of:
            return f"not measured: {self.note}"
        counted = f" in {self.of - self.met} of {self.of}" if self.of > 1 and self.met < self.of else ""
        if self.near:
            counted += f", {self.near} within the noise" if self.of > 1 else ", within the noise"
        return ("met" if self.met == self.of else f"**missed**{counted}") + (f"; {self.note}" if self.note else "")


def judged(run: Run) -> list[Judged]:
    """Every goal of the run, in the order of its rows."""
    grouped: dict[str, list[tuple[Goal, Row]]] = {}
    for row in run.rows:
        for goal in row.goals:
            grouped.setdefault(goal.what, []).append((goal, row))
    unsteady = noise.measured(run)
    return [_judge(what, pairs, unsteady) for what, pairs in grouped.items()]


def within(one: Reached, row: Row, unsteady: noise.Noise) -> bool:
    """Whether a ratio above the goal is so by no more than a call is from itself."""
    return one.most < one.ratio.median <= one.most * (1 + unsteady.of(row, one.name))


def _judge(what: str, pairs: Sequence[tuple[Goal, Row]], unsteady: noise.Noise) -> Judged:
    outcomes = [(one, row) for goal, row in pairs if (one := reached(goal, row))]
    absent = [
        row.figures[name].note
        for goal, row in pairs
        if not any(other is row for _, other in outcomes)
        for name in (US, *goal.against)
        if name in row.figures
    ]
    worst, place = max(outcomes, key=lambda pair: pair[0].ratio.median / pair[0].most, default=(None, None))
    names = dict.fromkeys(name for goal, _ in pairs for name in goal.against)
    return Judged(
        what=what,
        against=" or ".join(name for name in names if any(name in row.figures for _, row in pairs)),
        worst=worst,
        row=f"{place.name}, {place.conditions}" if place else "",
        met=sum(one.met for one, _ in outcomes),
        of=len(outcomes),
        near=sum(within(one, row, unsteady) for one, row in outcomes),
        note=", ".join(
            dict.fromkeys(filter(None, [*(one.note for one, _ in outcomes), *(absent if not outcomes else [])]))
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Loss:
    """A row in which somebody is faster than we are: our ratio to the fastest, whether that is more than the noise of
    such calls, and the goal that is missed, of several the one that is furthest."""

    row: Row
    name: str
    ratio: Spread
    beyond: bool
    missed: Reached | None
    near: bool


def beside_torch(goal: Goal) -> tuple[Goal, ...]:
    """On a run without AVX-512, which onnxruntime keeps: the goal against torch alone, which does without it, too."""
    return (replace(goal, what=f"AVX2: {goal.what}", against=("torch",)),) if machine.as_avx2() else ()


#: Sections whose ratios are not ours to others: the planner's is to the best that can be forced.
_OWN = ("planner", noise.SECTION)


def losses(run: Run, *, without: Sequence[str] = ()) -> tuple[list[Loss], list[Row]]:
    """All rows with a ratio above 1.0, the worst first, and the rows that have a ratio at all.

    Whoever is named in `without` is passed over.
    """
    slower: list[Loss] = []
    counted: list[Row] = []
    unsteady = noise.measured(run)
    for row in run.rows:
        name = None if row.section in _OWN else strongest(row, row.figures.keys() - set(without))
        if name is None:
            continue
        counted.append(row)
        ratio = row.figures[name].ratio
        assert ratio is not None
        if ratio.median > 1:
            missed = [one for goal in row.goals if (one := reached(goal, row)) and not one.met]
            furthest = max(missed, key=lambda one: one.ratio.median / one.most, default=None)
            beyond = ratio.median > 1 + unsteady.of(row, name)
            near = furthest is not None and within(furthest, row, unsteady)
            slower.append(Loss(row=row, name=name, ratio=ratio, beyond=beyond, missed=furthest, near=near))
    return sorted(slower, key=lambda loss: -loss.ratio.median), counted
