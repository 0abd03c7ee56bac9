"""Offsets by rule from the picture: against eigenvectors of a structure tensor made by scipy, and by what must hold."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.errors import KernelError
from convcli.ops.orientations import ORIENTATIONS

#: numpy's names of the borders.
PADS = {"reflect": "reflect", "symmetric": "symmetric", "replicate": "edge", "wrap": "wrap", "zero": "constant"}
SHARES = {1: [1.0], 3: [0.299, 0.587, 0.114]}

RULES: list[tuple[str, dict[str, float]]] = [
    ("along", {"sigma": 1, "around": 3}),
    ("along", {"sigma": 0, "around": 1.3}),
    ("follow", {"sigma": 1.2, "around": 2, "strength": 0.8, "squeeze": 0.8, "spread": 0.8}),
    ("follow", {"sigma": 0.7, "around": 0.8, "strength": 2, "squeeze": 0.3, "spread": 0}),
]


def texture(height: int, width: int, channels: int = 1, seed: int = 0) -> Any:
    """Smooth noise, which has a direction everywhere."""
    noise = np.random.default_rng(seed).random((height, width, channels))
    return ndimage.gaussian_filter(noise, (1, 1, 0), mode="mirror")


def filtered(x: Any, weights: Any, rule: str, p: dict[str, float], border: str, stride: int = 1) -> Any:
    """A float64 loop over the taps, with the eigenvectors of the tensor at every pixel."""
    reach = 60
    padded = np.pad(x, [(reach, reach), (reach, reach), (0, 0)], PADS[border])
    channels = x.shape[2]
    grey = padded @ np.array(SHARES.get(channels, [1 / channels] * channels))
    smooth = ndimage.gaussian_filter(grey, p["sigma"]) if p["sigma"] else grey
    gradient = [ndimage.correlate1d(smooth, [-0.5, 0, 0.5], axis) for axis in (0, 1)]
    tensor = np.empty((*grey.shape, 2, 2))
    for i in (0, 1):
        for j in (0, 1):
            product = gradient[i] * gradient[j]
            tensor[..., i, j] = ndimage.gaussian_filter(product, p["around"])
    values, vectors = np.linalg.eigh(tensor[reach:-reach, reach:-reach])
    tangent, normal = vectors[..., 0], vectors[..., 1]
    tangent = tangent * np.where(tangent[..., 1:] < 0, -1, 1)  # rightwards
    normal = np.stack([tangent[..., 1], -tangent[..., 0]], -1)
    coherence = ((values[..., 1] - values[..., 0]) / values.sum(-1))[..., None]
    rows, columns = np.mgrid[: x.shape[0], : x.shape[1]]
    y: Any = np.zeros(x.shape)
    for (i, j), weight in np.ndenumerate(weights):
        v, u = i - (weights.shape[0] - 1) / 2, j - (weights.shape[1] - 1) / 2
        if rule == "along":
            place = u * tangent + v * normal
        else:
            place = np.array([v, u])
            far = p["strength"] * coherence + p["spread"] * (1 - coherence)
            near = -p["squeeze"] * coherence + p["spread"] * (1 - coherence)
            place = place + far * (tangent @ place)[..., None] * tangent + near * (normal @ place)[..., None] * normal
        at = [rows + place[..., 0] + reach, columns + place[..., 1] + reach]
        for channel in range(channels):
            y[..., channel] += weight * ndimage.map_coordinates(padded[..., channel], at, order=1)
    return y[::stride, ::stride]


def fields(rule: str, p: dict[str, float], weights: Any, **more: Any) -> dict[str, Any]:
    return {"type": "deformable", "weights": weights, "offsets": {rule: p}, **more}


@pytest.mark.parametrize("border", PADS)
@pytest.mark.parametrize(("rule", "p"), RULES, ids=str)
def test_against_eigenvectors(rule: str, p: dict[str, float], border: str) -> None:
    rng = np.random.default_rng(3)
    for number, (taps, channels, stride) in enumerate([((1, 9), 1, 1), ((5, 3), 3, 1), ((3, 1), 4, 2), ((1, 7), 2, 3)]):
        x, weights = texture(41, 53, channels, number), rng.standard_normal(taps)
        weights += weights[::-1, ::-1]  # an edge has two ends, and either may come first where it is upright
        wanted = filtered(x, weights, rule, p, border, stride)
        for dtype, within in ((np.float64, 1e-9), (np.float32, 1e-5)):
            y = convcli.load(fields(rule, p, weights, border=border, stride=stride)).apply(x.astype(dtype))
            assert y.shape == wanted.shape
            assert np.abs(y - wanted).max() <= within * np.abs(wanted).max()


@pytest.mark.parametrize("degrees", range(0, 180, 15))
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_a_row_of_taps_lies_along_a_straight_edge(degrees: int, dtype: str) -> None:
    """A ramp across an edge, smeared along it, stays what it is; smeared across it, it does not."""
    rows, columns = np.mgrid[:64, :64] - 31.5
    across = columns * math.sin(math.radians(degrees)) + rows * math.cos(math.radians(degrees))
    top = 1.0 if dtype == "float32" else np.iinfo(dtype).max
    x = (top / (1 + np.exp(-across / 2))).astype(dtype)
    inner = np.s_[12:-12, 12:-12]
    row, column = [1 / 11] * 11, [[1 / 11]] * 11
    smeared = [convcli.load(fields("along", {}, w)).apply(x).astype(float) for w in ([row], column)]
    changes = [np.abs(y - x.astype(float))[inner].max() / top for y in smeared]
    assert changes[0] < 0.012 and changes[1] > 0.08


@pytest.mark.parametrize("kernel", ["brush", "smooth-edges"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_flat_pictures_stay(kernel: str, dtype: str, channels: int) -> None:
    for value in (0, 1, 77, 255):
        x = np.full((40, 33, channels), value, dtype)
        assert np.allclose(convcli.load(kernel).apply(x), x, rtol=1e-6, atol=0)


@pytest.mark.parametrize("kernel", ["brush", "smooth-edges"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_turned_picture_gives_the_turned_result(kernel: str, channels: int) -> None:
    x = texture(90, 71, channels)
    loaded = convcli.load(kernel)
    y = loaded.apply(x)
    for turns in (1, 2, 3):
        assert np.abs(loaded.apply(np.rot90(x, turns)) - np.rot90(y, turns)).max() < 1e-9
    assert np.abs(loaded.apply(x[:, ::-1]) - y[:, ::-1]).max() < 1e-9
    assert np.abs(loaded.apply(100 * x) - 100 * y).max() < 1e-7


def test_nan_stays_near() -> None:
    """Where no direction is known taps stay in their places: a NaN is seen by those that reach it, not by others."""
    x = texture(80, 80)[..., 0].astype(np.float32)
    x[40, 40] = np.nan
    lost = np.argwhere(np.isnan(convcli.load("brush").apply(x)))
    assert 1 <= len(lost) <= 40 and np.abs(lost - 40).max() <= 8


def test_rows_that_are_read_suffice() -> None:
    """A band gives the same result where nothing but its rows are there."""
    for kernel in ("brush", "smooth-edges", "brush:sigma=3,around=6,dilation=2", "smooth-edges:spread=4,stride=2"):
        loaded, x = convcli.load(kernel), texture(300, 40, 3)
        whole = loaded.apply(x)
        for start, stop in ((0, 3), (71, 72), (len(whole) - 5, len(whole))):
            first, last = loaded.rows_read(start, stop, (300, 40))
            only = np.full_like(x, np.nan)
            only[max(0, first) : last] = x[max(0, first) : last]
            assert np.isfinite(loaded.apply(only)[start:stop]).all()
            assert np.array_equal(loaded.apply(only)[start:stop], whole[start:stop])


def test_a_volume_goes_slice_by_slice() -> None:
    x = np.stack([texture(30, 30, 1, seed) for seed in range(3)])
    y = convcli.load("brush").apply(x, "zyxc")
    assert all(np.array_equal(y[z], convcli.load("brush").apply(x[z])) for z in range(3))


def test_nothing_of_a_picture_is_kept() -> None:
    kernel = convcli.load("brush")
    first, second = texture(50, 60, 3, 1), texture(50, 60, 3, 2)
    kernel.apply(first)
    assert np.array_equal(kernel.apply(second), convcli.load("brush").apply(second))
    assert "_memory" not in kernel.__dict__


@pytest.mark.parametrize(
    ("offsets", "fact"),
    [
        ("{along: {sigma: -1}}", "'sigma' is -1; it must be at least 0"),
        ("{follow: {squeeze: 2}}", "'squeeze' is 2; it must be at most 1"),
        ("{along: {width: 2}}", "rule 'along' has no parameter 'width'"),
        ("{allong: {}}", "unknown rule 'allong'"),
    ],
)
def test_wrong_rules(offsets: str, fact: str) -> None:
    with pytest.raises(KernelError, match=fact) as caught:
        convcli.load(f"{{type: deformable, weights: [[1, 1, 1]], offsets: {offsets}}}")
    assert str(caught.value).startswith("inline kernel:1:")


def test_rules_are_described() -> None:
    assert all(rule.about and rule.parameters for rule in ORIENTATIONS.values())
