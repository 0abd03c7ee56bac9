"""Kernels whose only tap is 1: no bit of any sample changes, whatever it means as a number."""

from __future__ import annotations

import itertools
import mmap
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.filtering import Chain, Treatment, filter_pixels, paging, parse_channels, steps

DTYPES = [
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64",
]  # fmt: skip
MIDDLE = [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
IDENTITIES: dict[str, dict[str, Any]] = {
    "one tap": {"weights": [[1]]},
    "3x3": {"weights": MIDDLE},
    "flipped, divided": {"weights": [[0, 0, 0], [0, 2, 0], [0, 0, 0]], "flip": True, "divisor": "sum"},
    "dilated": {"weights": MIDDLE, "dilation": 4},
    "padded": {"weights": MIDDLE, "padding": 1},
    "even": {"weights": [[1, 0], [0, 0]]},
    "large enough for Fourier": {"weights": np.pad([[1.0]], 15)},
    "separable": {"type": "separable", "taps": [0, 1, 0]},
    "separable, dilated": {"type": "separable", "taps": [0, 0, 1, 0, 0], "dilation": 2},
    "along x": {"axes": "x", "weights": [0, 1, 0]},
    "depthwise": {"weights": np.pad(np.ones((3, 1, 1, 1)), ((0, 0), (0, 0), (1, 1), (1, 1))), "groups": 3},
}
BORDERS = ["reflect", "symmetric", "replicate", "wrap", "zero"]


def any_bits(dtype: str, *shape: int) -> Any:
    """Every value that a dtype has: of floats also NaN of any payload, quiet or not, infinities, -0.0, denormals."""
    kind, random = np.dtype(dtype), np.random.default_rng(1)
    if dtype == "bool":
        return random.random(shape) < 0.5
    x = np.frombuffer(random.bytes(int(np.prod(shape)) * kind.itemsize), kind).reshape(shape).copy()
    flat = x.ravel()
    if kind.kind == "f":
        quiet = np.array(np.nan, kind).view(f"u{kind.itemsize}")
        flat[:5] = -0.0, np.inf, -np.inf, np.finfo(kind).smallest_subnormal, np.finfo(kind).max
        flat[5:8].view(quiet.dtype)[...] = quiet | 5, quiet - 1, ~np.zeros_like(quiet)
    else:
        flat[:2] = np.iinfo(kind).min, np.iinfo(kind).max
    return x


def same_bits(actual: Any, wanted: Any) -> bool:
    return bool(actual.dtype == wanted.dtype and actual.shape == wanted.shape and actual.tobytes() == wanted.tobytes())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", IDENTITIES)
def test_no_bit_changes(name: str, dtype: str) -> None:
    x = any_bits(dtype, 36, 41, 3)
    before = x.tobytes()
    for border in BORDERS:
        kernel = convcli.load({**IDENTITIES[name], "border": border})
        assert kernel.copies
        result = kernel.apply(x)
        assert same_bits(result, x), border
        assert not np.shares_memory(result, x) and result.flags.writeable
        assert same_bits(filter_pixels(x, Chain([kernel, kernel]), axes="yx").array, x), border
    assert x.tobytes() == before


@pytest.mark.parametrize("layout", ["yxc", "cyx", "xyc", "ycx", "zyx", "xy", "zyxc", "czyx"])
@pytest.mark.parametrize("dtype", ["uint64", "float32"])
def test_in_every_layout(dtype: str, layout: str) -> None:
    x = any_bits(dtype, *({"z": 5, "y": 33, "x": 40, "c": 3}[axis] for axis in layout))
    # Read-only, turned about, not contiguous, and of other byte order.
    for view in (x, x[..., ::-1], x[::2], x.astype(x.dtype.newbyteorder()), np.asfortranarray(x)):
        view.flags.writeable = False
        for name in ("one tap", "3x3", "separable, dilated"):
            result = convcli.load(IDENTITIES[name]).apply(view, layout)
            assert np.array_equal(result.astype(x.dtype).view("u8" if dtype == "uint64" else "u4"), bits(view, x.dtype))


def bits(view: Any, dtype: Any) -> Any:
    return np.ascontiguousarray(view.astype(dtype)).view(f"u{dtype.itemsize}")


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float64"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_moved_and_thinned_out(dtype: str, stride: int, border: str) -> None:
    """A tap that is not in the middle moves the picture, with its border; every bit that arrives is as it was."""
    x = any_bits(dtype, 23, 30)
    place = np.arange(x.size, dtype=np.int64).reshape(x.shape) + 1
    mode = {
        "reflect": "mirror",
        "symmetric": "reflect",
        "replicate": "nearest",
        "wrap": "grid-wrap",
        "zero": "constant",
    }
    for tap in itertools.product(range(3), range(3)):
        weights = np.zeros((3, 3))
        weights[tap] = 1
        moved = ndimage.correlate(place, weights, mode=mode[border])[::stride, ::stride]  # type: ignore[call-overload]
        wanted = np.append(np.zeros(1, x.dtype), x)[moved]
        assert same_bits(convcli.apply(x, {"weights": weights, "stride": stride, "border": border}), wanted)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint64", "int16", "float32", "float64"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_no_treatment_changes_a_bit(channels: int, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does alpha, whatever colour is hidden under it."""
    monkeypatch.setattr(paging, "GRAIN", mmap.PAGESIZE)
    monkeypatch.setattr(steps, "_STEP_BYTES", 1 << 12)
    pixels = any_bits(dtype, 40, 31, channels)
    if channels in (2, 4):
        pixels[10:20, :, -1] = 0
        pixels[30:, :, -1] = 1 if pixels.dtype.kind == "f" else np.iinfo(dtype).max
    chain = Chain([convcli.load("identity"), convcli.load(IDENTITIES["separable"])])
    names = ["all", "luma", *(["r", "g,b"] if channels > 2 else []), *(["alpha"] if channels in (2, 4) else [])]
    for name, alpha, linear, whole in itertools.product(
        names, ("filter", "keep", "drop"), (False, True), (False, True)
    ):
        if (name == "luma" and linear) or (name == "alpha" and alpha != "filter"):
            continue
        monkeypatch.setattr(steps, "goes_in_rows", lambda picture, pixels, whole=whole: not whole)
        treatment = Treatment(channels=parse_channels(name), alpha=alpha, linear=linear)
        wanted = pixels[..., : channels - (alpha == "drop" and channels in (2, 4))]
        result = filter_pixels(pixels.copy(), chain, treatment)
        assert same_bits(result.array, wanted), treatment
        assert result.below == result.above == 0
        assert {stage.algorithm.name for stage in result.stages} == {"copy"}


def test_what_computes_is_no_copy() -> None:
    others: list[dict[str, Any]] = [
        {"weights": [[2]]}, {"weights": [[-1]]}, {"weights": [[1, 1]]}, {"weights": [[0]]},
        {"weights": [[1]], "bias": 1}, {"weights": [[[[1]], [[0]]]]},
        {"type": "separable", "taps": {"y": [1], "x": [0.5]}},
    ]  # fmt: skip
    for fields in others:
        kernel = convcli.load(fields)
        assert not kernel.copies and kernel.algorithm().name != "copy"
    assert "copy" in str(convcli.plan("identity", (30, 40, 3)))
