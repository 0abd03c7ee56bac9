"""Rows and contenders for the tests of the benchmark program, with figures that are said instead of measured."""

from __future__ import annotations

import numpy as np

from benchmarks.model import US, Contender, Contest, Figures, Goal, Piece, Row, Run, Scenario, Spread, Turn
from benchmarks.timing import measure


def scripted(*walls: float, result: float = 0) -> Contender:
    """A contender whose turns take the given seconds, one after the other."""
    waiting = list(walls)
    turn = lambda: Turn(wall=(wall := waiting.pop(0)), cpu=2 * wall, peak=10 * wall)
    return Contender(turn=turn, result=lambda: np.full((4, 4), 10 + result))


def scenario(**fields: object) -> Scenario:
    usual = {"section": "library", "name": "n", "conditions": "c", "make": lambda shop: Contest(contenders={})}
    return Scenario(**{**usual, **fields})  # type: ignore[arg-type]


def actual(rounds: int, **contenders: Contender | str) -> dict[str, Figures]:
    return measure(scenario(tolerance=0.1, patience=30), Contest(contenders=contenders), rounds=rounds)


def figures(ratio: float, **fields: object) -> Figures:
    usual = {
        "seconds": Spread.of([1 / ratio]),
        "cpu": 1.0,
        "runs": 3,
        "ratio": Spread.of([ratio]),
        "cpu_ratio": ratio,
    }
    return Figures(**{**usual, **fields})  # type: ignore[arg-type]


def row(name: str, goals: tuple[Goal, ...] = (), **peers: Figures) -> Row:
    own = figures(1, seconds=Spread.of([1.0]), size=2.0)
    return Row(section="commands", name=name, conditions="12 MP PNG", goals=goals, figures={US: own, **peers})


def run_of(*rows: Row) -> Run:
    piece = Piece(date="2026-01-02", commit="abc", minutes=2, load_before=0.1, load_after=1.5, others=0.02)
    return Run(quick=False, facts={"Machine": "m"}, pieces=(piece,), rows=rows)
