"""`record` against `dataclasses.dataclass(frozen=True)`: the same class made both ways behaves the same. And faces."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import pickle
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from convcli.records import record

MAKERS = (record, dataclasses.dataclass(frozen=True, kw_only=True))


def point(maker: Callable[[Any], Any]) -> Any:
    class Point:
        y: int
        x: int = 0
        tags: list[str] = dataclasses.field(default_factory=list, compare=False)
        secret: str = dataclasses.field(default="", repr=False)
        rank: ClassVar[int] = 2

    return maker(Point)


def deeper(maker: Callable[[Any], Any]) -> Any:
    class Deep(point(maker)):  # type: ignore[misc]
        z: int
        y: int = 5

        def __post_init__(self) -> None:
            if self.z < 0:
                raise ValueError("z is negative")

    return maker(Deep)


@record(kw_only=False)
class Pair:
    first: int
    second: int = 2


@pytest.mark.parametrize("make", [point, deeper])
def test_values_are_those_of_a_dataclass(make: Callable[[Any], Any]) -> None:
    ours, theirs = (make(maker) for maker in MAKERS)
    supplied = {"y": 1, "z": 3} if make is deeper else {"y": 1}
    for values in (supplied, {**supplied, "x": 4, "tags": ["a"]}, {**supplied, "secret": "s"}):
        mine, other = ours(**values), theirs(**values)
        assert repr(mine) == repr(other)
        assert hash(mine) == hash(other)
        assert dataclasses.asdict(mine) == dataclasses.asdict(other)
        assert dataclasses.replace(mine, x=9) == ours(**{**values, "x": 9})
        assert mine == ours(**values) != dataclasses.replace(mine, x=9)
        assert mine != other
        assert copy.deepcopy(mine) == mine
    assert ours(**supplied).tags is not ours(**supplied).tags
    assert ours.__match_args__ == theirs.__match_args__


@pytest.mark.parametrize("maker", MAKERS)
def test_wrong_fields_are_refused(maker: Callable[[Any], Any]) -> None:
    kind = point(maker)
    for values in ({}, {"x": 1}, {"y": 1, "w": 2}, {"y": 1, "rank": 3}):
        with pytest.raises(TypeError):
            kind(**values)
    with pytest.raises(TypeError):
        kind(1)
    with pytest.raises(ValueError, match="negative"):
        deeper(maker)(z=-1)


@pytest.mark.parametrize("maker", MAKERS)
def test_nothing_can_be_changed(maker: Callable[[Any], Any]) -> None:
    one = point(maker)(y=1)
    for change in (lambda: setattr(one, "y", 2), lambda: setattr(one, "new", 2), lambda: delattr(one, "y")):
        with pytest.raises(dataclasses.FrozenInstanceError):
            change()
    assert one.y == 1


def test_positional_fields() -> None:
    assert Pair(1) == Pair(first=1, second=2) == Pair(1, second=2)
    assert repr(Pair(1, 3)) == "Pair(first=1, second=3)"
    assert pickle.loads(pickle.dumps(Pair(1, 3))) == Pair(1, 3)
    match Pair(1, 3):
        case Pair(first, second):
            assert (first, second) == (1, 3)
    for arguments, named in (((), {}), ((1, 2, 3), {}), ((1,), {"first": 1}), ((1,), {"third": 1})):
        with pytest.raises(TypeError):
            Pair(*arguments, **named)


def test_without_eq_only_the_same_object_is_equal() -> None:
    @record(eq=False)
    class Thing:
        size: int

    one = Thing(size=1)
    assert one == one != Thing(size=1)
    assert hash(one) != hash(Thing(size=1))


@pytest.mark.parametrize("room", ["batch", "batch.names", "batch.workers", "networks", "reports", "spec"])
def test_a_face_has_the_names_that_it_lists_and_no_others(room: str) -> None:
    face = importlib.import_module(f"convcli.{room}")
    assert face.__all__
    assert all(getattr(face, name) is not None for name in face.__all__)
    with pytest.raises(AttributeError, match=rf"module 'convcli\.{room}' has no attribute 'nothing'"):
        _ = face.nothing
