"""Layouts of arrays in Python: what nobody doubts, what seems to have its channels first, and what chains take."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import convcli
from convcli.errors import UsageError
from convcli.ops.layouts import default
from tests.support import run

TAKEN = {
    (480,): "x", (480, 640): "yx", (3, 480): "yx", (1, 640): "yx", (480, 3): "yx", (480, 640, 3): "yxc",
    (480, 640, 1): "yxc", (3, 480, 3): "yxc", (4, 480, 2): "yxc", (1, 1, 4): "yxc", (3, 3, 3): "yxc",
    (7, 7, 512): "yxc", (480, 640, 31): "yxc",
    (145, 145, 220): "yxc", (40, 50, 60): "yxc", (3, 480, 640, 3): "zyxc", (1, 3, 480, 3): "zyxc",
    (8, 480, 640, 4): "zyxc", (16, 7, 7, 512): "zyxc",
}  # fmt: skip


DOUBTED = {
    (3, 480, 640): "cyx", (1, 480, 640): "cyx", (4, 480, 640): "cyx", (2, 480, 640): "cyx", (3, 3, 5): "cyx",
    (4, 4, 512): "cyx", (5, 20, 640): "cyx", (5, 480, 640): "cyx",
    (8, 3, 480, 640): "zcyx", (1, 3, 480, 640): "zcyx", (3, 20, 480, 640): "czyx",
}  # fmt: skip


@pytest.mark.parametrize("shape", TAKEN, ids=str)
def test_layouts_that_nobody_doubts(shape: tuple[int, ...]) -> None:
    assert default(shape) == TAKEN[shape]


@pytest.mark.parametrize("shape", DOUBTED, ids=str)
def test_channels_that_seem_to_come_first(shape: tuple[int, ...], here: Path) -> None:
    """Refused, and what the hint says is taken, in Python and in a shell; so is the default, where it is said."""
    x = np.random.default_rng(0).random([min(n, 20) for n in shape], np.float32)
    kernel = "{axes: x, weights: [1, 2, 1]}"
    with pytest.raises(UsageError, match=f"looks like {DOUBTED[shape]}") as caught:
        convcli.apply(x, kernel)
    typed = re.search(r"layout='(\w+)'", caught.value.hint)
    assert typed and typed[1] == DOUBTED[shape]
    wanted = convcli.apply(x, kernel, typed[1])
    assert wanted.shape == x.shape and not np.array_equal(
        wanted, convcli.apply(x, kernel, {3: "yxc", 4: "zyxc"}[x.ndim])
    )
    np.save("x.npy", x)
    refused = run("apply", "x.npy", "-k", kernel, "-o", "y.npy")
    assert refused.code == 1 and f"Error: x.npy: an array of shape {x.shape} looks like" in refused.err
    assert not Path("y.npy").exists()
    option = re.search(r"--layout \w+", refused.err)
    assert option
    assert run("apply", "x.npy", "-k", kernel, "-o", "y.npy", *option[0].split()).code == 0
    assert np.array_equal(np.load("y.npy"), wanted)


def test_a_bank_says_which_axis_has_the_channels(here: Path) -> None:
    """Small features of many channels are what they are where a bank takes as many; pictures for it are not."""
    bank = convcli.load({"weights": np.ones((2, 16, 1, 1))})
    features = np.random.default_rng(0).random((4, 4, 16))
    assert bank.apply(features).shape == (4, 4, 2)
    with pytest.raises(UsageError, match="looks like cyx"):
        convcli.load("luma").apply(np.ones((3, 20, 30)))
    np.save("features.npy", features)
    np.save("w.npy", np.ones((2, 16, 1, 1)))
    assert run("apply", "features.npy", "-k", "{weights: w.npy}", "-o", "out.npy").code == 0


def test_a_volume_of_few_slices_says_so() -> None:
    x = np.random.default_rng(0).random((3, 20, 30))
    kernel = {"axes": "zyx", "weights": np.ones((3, 3, 3))}
    with pytest.raises(UsageError, match="looks like cyx") as caught:
        convcli.apply(x, kernel)
    assert "zyx" in caught.value.hint
    assert convcli.apply(x, kernel, "zyx").shape == x.shape


@pytest.mark.parametrize("shape", [(1, 1, 3), (5, 1, 4), (1, 5, 3), (5, 7, 3)])
def test_chains_take_arrays_however_they_lie(shape: tuple[int, ...]) -> None:
    """Of columns that are one pixel wide OpenCV minds strides that numpy takes for any."""
    pixels = np.random.default_rng(0).random(shape, np.float32)
    planes = np.moveaxis(np.ascontiguousarray(np.moveaxis(pixels, 2, 0)), 0, 2)
    for chain in (["sobel-x", "gaussian:activation=relu"], ["motion", "gaussian:sigma=12"], ["box", "box:size=9"]):
        expected = convcli.apply(pixels, chain)
        for view in (planes, np.asfortranarray(pixels), pixels[::-1].copy()[::-1], np.repeat(pixels, 2, 1)[:, ::2]):
            np.testing.assert_allclose(convcli.apply(view, chain), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "shape, arguments, doubted",
    [
        ((40, 50, 60), [], True),
        ((40, 50, 60), ["--layout", "yxc"], False),
        ((40, 50, 60), ["--layout", "zyx"], False),
        ((7, 7, 64), [], True),
        ((60, 70, 8), [], False),
        ((4, 5, 3), [], False),
        ((9, 8), [], False),
    ],
)  # fmt: skip
def test_channels_as_many_as_rows_are_told_of(
    here: Path, shape: tuple[int, ...], arguments: list[str], doubted: bool
) -> None:
    """A volume would be filtered plane by plane along another axis, without a word; what is asked for is done."""
    np.save("x.npy", np.ones(shape, np.float32))
    result = run("apply", "x.npy", "-k", "box", "-o", "y.npy", *arguments)
    expected = f"Warning: x.npy: {shape[-1]} channels of {shape[0]} x {shape[1]} samples: an array of shape {shape} "
    assert result.code == 0
    assert result.err == (f"{expected}is read as yxc; --layout zyx makes it a volume\n" if doubted else "")
