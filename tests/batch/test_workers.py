"""Processes of our own that work items off: what becomes of those that a dying one had."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from convcli.batch.workers import Death, Later, Workers
from tests.support import wait_until


def dies_at_3(item: int, ask: Any, again: bool) -> int:
    if item == 3:
        os._exit(7)
    return item * item


def takes_60(item: Path, ask: Any, again: bool) -> bool:
    ask(60)
    with item.open("a") as file:
        file.write("+")
        file.flush()
        time.sleep(0.02)
        file.write("-")
    return True


def test_what_a_dead_worker_had_not_begun_goes_to_others() -> None:
    outcomes = dict(filter(None, Workers(dies_at_3, 2).outcomes(enumerate(range(12)))))
    death = outcomes.pop(3)
    assert death == Death(7)
    assert outcomes == {number: number * number for number in range(12) if number != 3}


class Finaliser:
    """Has its process asked to end at a moment when Python forgets what handlers raise."""

    def __del__(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)


def is_asked_to_end(item: int, ask: Any, again: bool) -> int:
    Finaliser()
    time.sleep(600)
    return item


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
def test_a_worker_that_python_would_not_let_end(capfd: pytest.CaptureFixture[str]) -> None:
    (outcome,) = filter(None, Workers(is_asked_to_end, 1).outcomes([(0, 0)]))
    assert outcome == (0, Death(-signal.SIGTERM))
    assert capfd.readouterr().err == ""


def waits_at_0_for_the_last(item: tuple[int, Path], ask: Any, again: bool) -> int:
    number, last = item
    if number == 0:
        wait_until(last.exists)
    if number == 7:
        last.touch()
    return os.getpid()


def test_the_last_items_wait_for_no_busy_worker(tmp_path: Path) -> None:
    """One has 0 to do, which takes long: what it isn't given by then is for the other one, if it is among the last."""
    items = [(number, (number, tmp_path / "last")) for number in range(8)]
    made = dict(filter(None, Workers(waits_at_0_for_the_last, 2).outcomes(items, 8)))
    assert len(made) == 8 and {made[number] for number in range(4, 8)} == {made[1]} != {made[0]}


def waits_at_2_and_dies_at_3(item: int, ask: Any, again: bool) -> Any:
    if item == 2 and not again:
        return Later(lambda: time.sleep(600))
    if item == 3:
        os._exit(7)
    return Later(lambda: (item, again))


def test_what_a_dead_worker_had_all_but_finished_is_done_again() -> None:
    """The disk is still busy with 0 to 2 when item 3 takes its worker along: the fault is that of item 3 alone."""
    outcomes = dict(filter(None, Workers(waits_at_2_and_dies_at_3, 1).outcomes(enumerate(range(6)))))
    assert outcomes.pop(3) == Death(7)
    assert outcomes == {number: (number, number <= 2) for number in (0, 1, 2, 4, 5)}


def test_large_inputs_wait_for_one_another(tmp_path: Path) -> None:
    log = tmp_path / "log"
    outcomes = [pair for pair in Workers(takes_60, 3, memory=100).outcomes(enumerate([log] * 9)) if pair]
    assert len(outcomes) == 9
    assert log.read_text() == "+-" * 9


def asks_twice(item: int, ask: Any, again: bool) -> int:
    ask(60)
    ask(80)
    return item


def test_what_is_asked_for_again_takes_the_place_of_what_was_granted() -> None:
    """As for a picture that turns out not to be read in bands: nobody waits for what it has itself."""
    outcomes = dict(filter(None, Workers(asks_twice, 2, memory=100).outcomes(enumerate(range(6)))))
    assert outcomes == {number: number for number in range(6)}
