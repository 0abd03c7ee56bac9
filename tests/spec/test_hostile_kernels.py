"""Kernel files that mean harm: deep, large, repeated without end, programs, random."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import convcli
from convcli.errors import ConvcliError, KernelError
from tests.support import KERNELS, counted_calls, spawn

#: Calls of functions that reading a small file takes.
FEW = 10_000


def nested(levels: int) -> dict[str, str]:
    return {
        "brackets": "weights: " + "[" * levels,
        "closed brackets": "weights: " + "[" * levels + "]" * levels,
        "braces": "{a: " * levels,
        "dashes": "weights:\n  " + "- " * levels + "1\n",
        "keys": "".join(f"{' ' * level}a:\n" for level in range(min(levels, 3000))),
        "questions": "? " * levels,
    }


@pytest.mark.parametrize("form", nested(1))
def test_deep_nesting_is_refused_at_once(form: str, tmp_path: Path) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text(nested(200_000)[form])
    with counted_calls() as calls, pytest.raises(KernelError, match="nested more than 32 levels deep"):
        convcli.load(path)
    assert len(calls) < FEW


def test_deep_nesting_does_not_kill_the_process(tmp_path: Path) -> None:
    path = tmp_path / "deep.yaml"
    path.write_text("weights: " + "[" * 200_000)
    result = spawn("apply", "absent.png", "-k", path, "-o", tmp_path / "out.png")
    assert result.code == 2
    # libyaml may get there first: from 1,000 levels on it refuses, and it looks ahead.
    assert re.match(rf"Error: {re.escape(str(path))}:1:(41|10\d\d): nested more than 32 levels deep\n", result.err)


def test_a_bomb_of_aliases_is_refused_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 60)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join([*lines, "weights: *a59"]))
    with counted_calls() as calls, pytest.raises(KernelError, match="anchors and aliases"):
        convcli.load(path)
    assert len(calls) < FEW


def test_a_very_large_file_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_text("weights: [[" + "1, " * 6_000_000 + "1]]")
    with (
        counted_calls() as calls,
        pytest.raises(KernelError, match=r"more than .*\n  hint: keep large weights in a \.npy file"),
    ):
        convcli.load(path)
    assert len(calls) < FEW


def test_text_that_is_no_unicode_is_refused() -> None:
    with pytest.raises(KernelError, match=r"inline kernel:1:3: not valid YAML: the character U\+DCFF"):
        convcli.load("[[\udcff]]")


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> Any:
            return Path.touch, (tmp_path / "exploded",)

    np.save(tmp_path / "w.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "w.npz", w=np.array([Bomb()], dtype=object))
    for name in ("w.npy", "w.npz"):
        (tmp_path / "k.yaml").write_text(f"weights: {name}\n")
        with pytest.raises(KernelError, match="not real numbers"):
            convcli.load(tmp_path / "k.yaml")
    assert not (tmp_path / "exploded").exists()


ALPHABET = st.sampled_from(
    [*" \n\t:,-[]{}#&*!|>'\"%@`?~<0123456789.eE", "weights", "taps", "type", "dense", "separable", "stride", "gaussian"]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ALPHABET, max_size=40).map("".join))
def test_any_text_is_a_kernel_or_an_error_of_our_own(text: str) -> None:
    try:
        convcli.load(text + "\n")
    except ConvcliError as error:
        assert str(error)


SOURCES = [path.read_text(encoding="utf-8") for path in sorted(KERNELS.glob("*.yaml")) if path.stem != "ripple"]


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SOURCES), st.data())
def test_a_damaged_kernel_is_a_kernel_or_an_error_of_our_own(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(start + 12, len(text))))
    try:
        convcli.load(text[:start] + data.draw(st.lists(ALPHABET, max_size=4).map("".join)) + text[stop:] + "\n")
    except ConvcliError as error:
        assert str(error)
