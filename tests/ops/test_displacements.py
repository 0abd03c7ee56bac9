"""Rules of displacement against their formulas in float64, sampled by scipy, on pictures of any size."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.engine.borders import source_indices
from convcli.engine.sampled.parts import Fit
from convcli.engine.sampled.smooth import Still, tiles
from convcli.ops import reads, sampling, sources
from convcli.ops.displacements import DISPLACEMENTS

#: The error of float32 that the project allows, on a picture of noise from 0 to 1: the steepest there is.
FLOAT32 = 1e-5


def swirl(y: Any, x: Any, size: tuple[int, int], angle: float, radius: float) -> tuple[Any, Any]:
    middle, half = [(n - 1) / 2 for n in size], max(min(size) - 1, 1) / 2
    y, x = y - middle[0], x - middle[1]
    near = np.maximum(0, 1 - np.hypot(y, x) / (radius * half))
    turn = np.radians(angle) * near**2 * (3 - 2 * near)
    return (
        y * np.cos(turn) + x * np.sin(turn) + middle[0],
        x * np.cos(turn) - y * np.sin(turn) + middle[1],
    )


def lens(y: Any, x: Any, size: tuple[int, int], strength: float, radius: float) -> tuple[Any, Any]:
    middle, half = [(n - 1) / 2 for n in size], max(min(size) - 1, 1) / 2
    y, x = y - middle[0], x - middle[1]
    share = strength * np.maximum(0, 1 - (y * y + x * x) / (radius * half) ** 2)
    return y * (1 - share) + middle[0], x * (1 - share) + middle[1]


def jitter(y: Any, x: Any, size: tuple[int, int], amplitude: float, seed: int) -> tuple[Any, Any]:
    """Plain integers of Python, without a limit."""

    def mix(z: int) -> int:
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
        return z ^ (z >> 31)

    start = mix((seed + 0x9E3779B97F4A7C15) % 2**64)
    places = zip(y.ravel().astype(int).tolist(), x.ravel().astype(int).tolist(), strict=True)
    hashes = [mix((a * 2**21 + b) % 2**64 ^ start) for a, b in places]
    shares = np.array([(z >> 40, z & 0xFFFFFF) for z in hashes]).reshape(*y.shape, 2) / 2**24
    return y + amplitude * (2 * shares[..., 0] - 1), x + amplitude * (2 * shares[..., 1] - 1)


RULES: list[tuple[Any, dict[str, float]]] = [
    *((swirl, {"angle": angle, "radius": radius}) for angle, radius in [(120, 0.9), (-700, 0.5), (5, 3), (0, 1)]),
    *((lens, {"strength": strength, "radius": radius}) for strength, radius in [(0.5, 0.7), (-4, 1), (0.99, 5)]),
    *((jitter, {"amplitude": amplitude, "seed": seed}) for amplitude, seed in [(3, 0), (60.5, 2**53), (0, 1)]),
]


@pytest.mark.parametrize("shape", [(1, 1), (2, 9), (64, 65), (130, 300), (333, 258)], ids=str)
@pytest.mark.parametrize(("rule", "parameters"), RULES, ids=lambda part: getattr(part, "__name__", str(part)))
def test_rules_are_their_formulas(rule: Any, parameters: dict[str, float], shape: tuple[int, int]) -> None:
    values = np.random.default_rng(0).random(shape)
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(float)
    places = rule(rows, columns, shape, **parameters)
    expected = ndimage.map_coordinates(values.astype(np.float32).astype(float), places, order=1, mode="nearest")
    kernel = convcli.load(
        {"type": "deformable", "weights": [[1]], "offsets": {rule.__name__: parameters}, "border": "replicate"}
    )
    assert np.abs(kernel.apply(values.astype(np.float32)) - expected).max() <= FLOAT32
    assert np.abs(kernel.apply(values.astype(np.float32).astype(float)) - expected).max() <= 1e-6


@pytest.mark.parametrize("reach", [None, 0.7, 9, 200])
@pytest.mark.parametrize("angle", [25, 90, 600])
def test_rounded_places_move_no_sample_of_a_chessboard_too_far(angle: float, reach: float | None) -> None:
    """Nothing is steeper: where a place is rounded down and to the right, samples are off by both. By a rule, whose
    pictures are turned by any angle, and by an array, with offsets that differ by so many pixels at random."""
    shape = (520, 700)
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(float)
    values = ((rows + columns) % 2).astype(np.float32)
    places = np.stack(swirl(rows, columns, shape, angle, 1.3))
    offsets: Any = {"swirl": {"angle": angle, "radius": 1.3}}
    if reach is not None:
        places += np.random.default_rng(0).uniform(-reach, reach, places.shape)
        offsets = places - (rows, columns)
    expected = ndimage.map_coordinates(values.astype(float), places, order=1, mode="nearest")
    kernel = convcli.load({"type": "deformable", "weights": [[1]], "offsets": offsets, "border": "replicate"})
    assert np.abs(kernel.apply(values) - expected).max() <= FLOAT32


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("rule", ["swirl", "lens"])
def test_places_are_known_far_from_the_corner_of_a_large_picture(rule: str, channels: int) -> None:
    """A narrow strip of it is enough: where float32 counts in steps of 1/2,048 of a pixel."""
    shape = (40, 9000)
    values = np.random.default_rng(0).random((*shape, channels), np.float32)
    parameters: dict[str, float] = {"swirl": {"angle": 90, "radius": 8}, "lens": {"strength": 0.4, "radius": 9}}[rule]
    places = {"swirl": swirl, "lens": lens}[rule](*np.mgrid[: shape[0], : shape[1]].astype(float), shape, **parameters)
    kernel = convcli.load(
        {"type": "deformable", "weights": [[1]], "offsets": {rule: parameters}, "border": "replicate"}
    )
    y = kernel.apply(values)
    for c in range(channels):
        expected = ndimage.map_coordinates(values[..., c].astype(float), places, order=1, mode="nearest")
        assert np.abs(y[..., c] - expected).max() <= FLOAT32


@pytest.mark.parametrize("border", ["reflect", "wrap", "zero"])
def test_a_rule_on_several_taps_is_an_array_of_offsets(border: str) -> None:
    """Strides, dilation, padding and a volume: each tap reads as far from its place as the rule says there."""
    shape, x = (70, 90), np.random.default_rng(0).random((3, 70, 90), np.float32)
    weights = np.random.default_rng(1).standard_normal((3, 2)).tolist()
    fields: dict[str, Any] = {
        "type": "deformable", "weights": weights, "stride": [2, 3], "dilation": [4, 5], "padding": [[5, 1], [2, 9]],
        "border": border,
    }  # fmt: skip
    size = convcli.load(fields | {"offsets": {"swirl": {}}}).output_shape(shape)
    offsets = np.empty((3, 2, 2, *size))
    for i, j in np.ndindex(3, 2):
        rows, columns = np.meshgrid(
            np.arange(size[0]) * 2.0 - 5 + 4 * i, np.arange(size[1]) * 3.0 - 2 + 5 * j, indexing="ij"
        )
        read = swirl(rows, columns, shape, 90, 1)
        offsets[i, j] = read[0] - rows, read[1] - columns
    expected = convcli.load(fields | {"offsets": offsets.reshape(12, *size)}).apply(x.astype(float), "zyx")
    y = convcli.load(fields | {"offsets": {"swirl": {}}}).apply(x, "zyx")
    assert np.abs(y - expected).max() <= FLOAT32 * np.abs(weights).sum()


@pytest.mark.parametrize("far", [1e5, 3e7, 1e12, -1e9])
@pytest.mark.parametrize("border", ["reflect", "symmetric", "wrap", "replicate", "zero"])
def test_offsets_that_all_lie_far_outside(border: str, far: float) -> None:
    """Whole numbers of pixels beyond those that float32 tells apart."""
    x = np.random.default_rng(0).random((30, 40), np.float32)
    offsets = np.full((2, 30, 40), far, np.float32)
    down = source_indices(np.arange(30) + int(offsets[0, 0, 0]), 30, border)
    right = source_indices(np.arange(40) + int(offsets[0, 0, 0]), 40, border)
    expected = np.where((down < 0)[:, None] | (right < 0), 0, x[np.ix_(down, right)])
    y = convcli.load({"type": "deformable", "weights": [[1]], "offsets": offsets, "border": border}).apply(x)
    np.testing.assert_allclose(y, expected, atol=1e-6)


@pytest.mark.parametrize("border", ["reflect", "wrap", "zero", 700])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("shape", [(40, 50), (150, 170), (700, 600)], ids=str)
def test_16_bits_are_the_floats_rounded(border: Any, channels: int, shape: tuple[int, int]) -> None:
    """By one call, in parts, in bands; again with places that are kept."""
    x = np.random.default_rng(0).integers(0, 1 << 16, (*shape, channels), np.uint16)
    for rule in ({"swirl": {"angle": 200, "radius": 1.4}}, {"jitter": {"amplitude": 9}}):
        kernel = convcli.load({"type": "deformable", "weights": [[1]], "offsets": rule, "border": border})
        y = kernel.apply(x)
        np.testing.assert_array_equal(y, np.rint(kernel.apply(x.astype(np.float32))))
        np.testing.assert_array_equal(kernel.apply(x), y)
        assert np.abs(y - kernel.apply(x.astype(np.float64))).max() < 1.4


@pytest.mark.parametrize("border", ["reflect", "symmetric", "replicate", "wrap", "zero", 7])
@pytest.mark.parametrize(("shape", "reach"), [((1, 1), 9), ((1, 7), 20), ((30, 40), 80), ((120, 90), 5)], ids=str)
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_small_pictures_are_read_in_one_call(
    border: Any, shape: tuple[int, int], reach: float, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes and floats, past all edges, with a NaN in the middle: as numpy reads them, at places in float64."""
    calls: list[int] = []
    remap = cv2.remap
    monkeypatch.setattr(cv2, "remap", lambda *them: (calls.append(1), remap(*them))[1])
    rng = np.random.default_rng(channels)
    x = rng.integers(0, 256, (*shape, channels), np.uint8)
    places = jitter(*np.mgrid[: shape[0], : shape[1]].astype(float), shape, reach, 4)
    nearest = [np.floor(place).astype(int) for place in places]
    exact: Any = np.zeros(x.shape)
    for corner in np.ndindex(2, 2):
        share: Any = 1.0
        indices = []
        for axis, step in enumerate(corner):
            part = places[axis] - nearest[axis]
            share = share * (part if step else 1 - part)
            indices.append(source_indices(nearest[axis] + step, shape[axis], "zero" if border == 7 else border))
        outside = ((indices[0] < 0) | (indices[1] < 0))[..., None]
        exact += share[..., None] * np.where(outside, border if border == 7 else 0, x[indices[0], indices[1]])
    kernel = convcli.load(
        {
            "type": "deformable",
            "weights": [[1]],
            "offsets": {"jitter": {"amplitude": reach, "seed": 4}},
            "border": border,
        }
    )
    assert np.abs(kernel.apply(x) - exact).max() <= 0.51 and len(calls) == 1
    assert np.abs(kernel.apply(x.astype(np.float32)) - exact).max() <= 255 * FLOAT32 and len(calls) == 2
    x = x.astype(np.float32)
    x[shape[0] // 2, shape[1] // 2] = np.nan
    y = kernel.apply(x)
    expected = kernel.apply(x.astype(float))
    assert np.array_equal(np.isnan(y), np.isnan(expected))
    np.testing.assert_allclose(y, expected, rtol=0, atol=255 * FLOAT32)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("layout", ["cyx", "yxc"])
def test_kept_places_are_those_of_a_new_kernel(groups: int, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bits do not depend on what a kernel did before, nor on what it may keep."""
    rng = np.random.default_rng(groups)
    fields = {
        "type": "deformable", "weights": rng.standard_normal((6, 8, 3, 3)), "padding": 1,
        "offsets": rng.standard_normal((groups * 18, 150, 160)).astype(np.float32),
        "mask": rng.random((groups * 9, 150, 160), np.float32),
    }  # fmt: skip
    x = rng.random([{"c": 8, "y": 150, "x": 160}[axis] for axis in layout], np.float32)
    kernel = convcli.load(fields)
    several = [kernel.apply(x, layout) for _ in range(3)]
    expected = convcli.load(fields).apply(x, layout)
    assert all(np.array_equal(y, expected) for y in several)


def test_kernels_of_very_many_taps_take_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of outputs are as narrow as it takes: places of all taps are made of a few outputs at a time."""
    fields = {"type": "deformable", "weights": {"box": {"size": 71}}, "offsets": {"follow": {"strength": 0.8}}}
    x = np.random.default_rng(0).random((3, 100), np.float32)
    results, peaks = [], []
    for most in (sampling.MOST_PLACES, sampling.MOST_PLACES, 1 << 18):
        monkeypatch.setattr(sampling, "MOST_PLACES", most)
        tracemalloc.start()
        results.append(convcli.load(fields).apply(x))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 32 * sampling.MOST_PLACES < peaks[1]
    assert np.abs(results[2] - results[1]).max() < 1e-5


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("rule", ["swirl", "lens", "jitter"])
def test_places_of_the_picture_before_are_read_again(
    rule: str, dtype: str, channels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only those of one size, of as many blocks as there is room for; the results are the same to the last bit."""
    calls: list[int] = []
    fields, polynomials = sources.Displaced.of, reads.tiles
    for size in (600, 700):
        x = (255 * np.random.default_rng(size).random((size, 500, channels))).astype(dtype)
        first = convcli.load({"type": "deformable", "weights": [[1]], "offsets": {rule: {}}}).apply(x)
        for room, anew in ((1 << 26, False), (1 << 19, True)):
            kernel = convcli.load({"type": "deformable", "weights": [[1]], "offsets": {rule: {}}})
            monkeypatch.setattr(reads, "KEPT_BYTES", room)
            assert all(np.array_equal(kernel.apply(x), first) for _ in range(3))
            assert np.array_equal(kernel.apply(x[:-1]), kernel.apply(x[:-1]))
            monkeypatch.setattr(sources.Displaced, "of", lambda *them: (calls.append(1), fields(*them))[1])
            monkeypatch.setattr(reads, "tiles", lambda *them: (calls.append(1), polynomials(*them))[1])
            kernel.apply(x[:-1])
            monkeypatch.undo()
            assert bool(calls) == anew
            calls.clear()


@pytest.mark.parametrize("taps", [((1, 1), 1, 1), ((3, 2), 2, 3)], ids=["one", "six"])
@pytest.mark.parametrize("shape", [(300, 450), (1300, 1000)], ids=str)
@pytest.mark.parametrize(
    ("rule", "parameters"),
    [one for one in RULES if one[0] is not jitter],
    ids=lambda part: getattr(part, "__name__", str(part)),
)
def test_polynomials_are_the_formula(
    rule: Any, parameters: dict[str, float], shape: tuple[int, int], taps: tuple[tuple[int, int], int, int]
) -> None:
    """Every output is in one tile, whose window holds all that it reads; where none will do, the formula does."""
    (kh, kw), stride, dilation = taps
    height, width = 200, shape[1] // stride
    displacement = DISPLACEMENTS[rule.__name__]
    smooth = sources.Displaced(displacement, parameters, shape).smooth
    assert smooth
    rows = (np.arange(kh) * dilation - 1.0)[:, None] + stride * np.arange(height)
    columns = (np.arange(kw) * dilation - 4.0)[:, None] + stride * np.arange(width)
    covered = np.zeros((height, width), int)
    own = np.meshgrid(rows.ravel(), columns.ravel(), indexing="ij")
    exact = [place.reshape(kh, height, kw, width).swapaxes(1, 2) for place in rule(*own, shape, **parameters)]
    polynomials = 0
    for part, reading in tiles(smooth, rows, columns, Fit((1 << 20, 1 << 20), "wrap")):
        covered[part.rows, part.columns] += 1
        if reading is None:
            continue
        polynomials += 1
        corner = [start for start, _ in part.window]
        if isinstance(reading, Still):
            places = np.meshgrid(*(np.arange(*ends) for ends in part.window), indexing="ij")
            places = [place[reading.steps][None, None] for place in places]
        else:
            places = [place + first for place, first in zip(reading.of_outputs(), corner, strict=True)]
        for place, expected, (start, stop) in zip(places, exact, part.window, strict=True):
            expected = expected[..., part.rows, part.columns]
            assert np.abs(place - expected).max() <= 1e-6
            assert start <= expected.min() + 1e-6 and expected.max() - 1e-6 <= stop - 1
    assert (covered == 1).all() and polynomials


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize(("channels", "groups"), [(3, 3), (4, 2), (4, 4), (6, 2)])
@pytest.mark.parametrize("shape", [(6, 7), (150, 420)], ids=str)
def test_groups_of_channels_are_moved_each_by_its_own_offsets(
    shape: tuple[int, int], channels: int, groups: int, dtype: str
) -> None:
    """A single tap moves all channels of a pixel together only where they have the same offsets."""
    rng = np.random.default_rng(groups)
    x = rng.integers(0, 256, (*shape, channels)).astype(dtype)
    offsets = rng.uniform(-3, 3, (groups, 2, *shape))
    fields = {"type": "deformable", "weights": [[1]], "border": "replicate"}
    y = convcli.load(fields | {"offsets": offsets.reshape(-1, *shape)}).apply(x)
    for channel in range(channels):
        places = np.mgrid[: shape[0], : shape[1]] + offsets[channel * groups // channels]
        exact = ndimage.map_coordinates(x[..., channel].astype(float), places, order=1, mode="nearest")
        assert np.abs(y[..., channel] - exact).max() <= (0.51 if x.dtype.kind == "u" else 255 * FLOAT32)


@pytest.mark.parametrize("shape", [(9, 8, 2), (2, 9, 8)], ids=str)
def test_offsets_that_are_refused_come_with_what_mends_them(
    shape: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pairs of each pixel, and planes with a NaN and an infinity: the line of the hint makes a file that is taken."""
    monkeypatch.chdir(tmp_path)
    offsets = np.random.default_rng(0).standard_normal(shape)
    if shape[0] == 2:
        offsets[0, 1, 1], offsets[1, 2, 3] = np.nan, -np.inf
    np.save("offsets.npy", offsets)
    Path("moved.yaml").write_text("type: deformable\nweights: [[1]]\noffsets: offsets.npy\n")
    with pytest.raises(convcli.ConvcliError) as refused:
        convcli.load("moved.yaml").apply(np.zeros((9, 8)))
    exec(refused.value.hint.removeprefix("with numpy: "), {"np": np})
    assert convcli.load("moved.yaml").apply(np.ones((9, 8))).shape == (9, 8)
