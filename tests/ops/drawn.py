"""What random kernels and arrays are drawn from, and how results are compared with the float64 references."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import reference as ref
from hypothesis import HealthCheck, settings, strategies as st
from scipy import ndimage

import convcli

FLOAT32, FLOAT64 = 1e-5, 1e-12
INTEGERS = ("uint8", "uint16", "int16", "int32")


def examples(count: int) -> Callable[[Any], Any]:
    """Hypothesis bounded and repeatable."""
    quiet = list(HealthCheck)
    return settings(max_examples=count, derandomize=True, deadline=None, database=None, suppress_health_check=quiet)


@dataclass(kw_only=True)
class Drawn:
    """A geometry: what the library is told (`fields`) and the same in the words of the references."""

    rank: int
    taps: list[int]
    spatial: list[int]
    fields: dict[str, Any]
    plain: dict[str, Any]
    rng: np.random.Generator = field(repr=False)

    def normal(self, *shape: int) -> Any:
        """Standard normal numbers that float32 holds."""
        return self.rng.standard_normal(shape).astype(np.float32)


def sometimes_one_number(draw: Any, values: list[int]) -> Any:
    """The list, or one number where all entries agree (both mean the same)."""
    return values[0] if len(set(values)) == 1 and draw(st.booleans()) else values


@st.composite
def geometries(draw: Any, *, ranks: tuple[int, ...] = (1, 2, 3), transposed: bool = False) -> Drawn:
    """Any rank, taps, stride, dilation, padding and border; the output has at least one sample."""
    rank = draw(st.sampled_from(ranks))
    most = {1: 9, 2: 5, 3: 3}[rank]
    several = {"min_size": rank, "max_size": rank}
    taps = draw(st.lists(st.integers(1, most), **several))
    stride = draw(st.lists(st.integers(1, 4), **several))
    dilation = draw(st.lists(st.integers(1, 3), **several))
    border = draw(st.sampled_from(ref.WITH_NUMBER))
    extents = [d * (k - 1) + 1 for k, d in zip(taps, dilation, strict=True)]
    kind = draw(st.sampled_from(["same", "valid", "given"]))
    said = int(border) if border.isdigit() else border
    fields: dict[str, Any] = {"border": said, "padding": kind, "axes": "zyx"[3 - rank :]}
    fields["stride"], fields["dilation"] = sometimes_one_number(draw, stride), sometimes_one_number(draw, dilation)
    plain: dict[str, Any] = {"border": border, "stride": stride, "dilation": dilation}
    padding = [(0, 0)] * rank
    if kind == "given":
        padding = [(draw(st.integers(0, 4)), draw(st.integers(0, 4))) for _ in range(rank)]
        fields["padding"] = [list(pair) for pair in padding]
    if not transposed and kind == "same":
        padding = ref.same_padding(taps, dilation)
    if transposed:
        spatial = draw(st.lists(st.integers(1, 5), **several))
        extra = [draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)]
        if kind == "same":
            padding, extra = same_transposed(taps, stride, dilation)
        else:
            fields["output_padding"] = sometimes_one_number(draw, extra)
        plain["output_padding"] = extra
        for a in range(rank):
            need = sum(padding[a]) - extra[a] - extents[a]
            spatial[a] = max(spatial[a], 1 + -(-(need + 1) // stride[a]))
    else:
        room = draw(st.lists(st.integers(0, 6), **several))
        spatial = [
            1 + more if kind == "same" else max(1, e - sum(p)) + more
            for e, p, more in zip(extents, padding, room, strict=True)
        ]
    plain["padding"] = padding
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    return Drawn(rank=rank, taps=taps, spatial=spatial, fields=fields, plain=plain, rng=rng)


def same_transposed(taps: list[int], stride: list[int], dilation: list[int]) -> tuple[list[tuple[int, int]], list[int]]:
    """`padding: same` for a transposed kernel: the output is input x stride.

    Pixel centres meet where extent and stride are both odd or both even; else the kernel's middle falls on the first
    output of the sample's block. The end is whatever is left, as negative padding, which the references allow.
    """
    padding = []
    for k, s, d in zip(taps, stride, dilation, strict=True):
        e = d * (k - 1) + 1
        before = (e - s) // 2 if (e - s) % 2 == 0 else (e - 1) // 2
        padding.append((before, e - s - before))
    return padding, [0] * len(taps)


def run(fields: dict[str, Any], x: Any, rank: int, dtype: Any = np.float32) -> Any:
    """The library's answer, channels first as the references'."""
    y = convcli.load(fields).apply(ref.channels_last(x).astype(dtype), layout=ref.layout(rank))
    assert y.dtype == dtype
    return ref.channels_first(y)


def agree(fields: dict[str, Any], x: Any, expected: Any, weights: Any, rank: int) -> None:
    """float32 and float64 both answer as expected."""
    for dtype, tolerance in ((np.float32, FLOAT32), (np.float64, FLOAT64)):
        y = run(fields, x, rank, dtype)
        assert y.shape == expected.shape
        worst = np.abs(y - expected).max() / ref.scale(weights, x, expected)
        assert worst <= tolerance, f"{dtype.__name__}: {worst:.2e}"


def with_bias(drawn: Drawn, wanted: bool, outputs: int) -> Any:
    """A bias for `outputs` channels, put in the fields too; None where not wanted."""
    if not wanted:
        return None
    bias = drawn.normal(outputs)
    drawn.fields["bias"] = bias
    return bias


def output_size(drawn: Drawn) -> list[int]:
    """The spatial sizes of a convolution's output."""
    names = ("stride", "dilation", "padding")
    return [
        ref.dense_length(n, taps=k, stride=s, dilation=d, pads=p)
        for n, k, s, d, p in zip(drawn.spatial, drawn.taps, *(drawn.plain[name] for name in names), strict=True)
    ]


def drawn_offsets(drawn: Drawn, count: int, size: list[int], reach: str) -> Any:
    """Offsets that are small, whole, mostly far outside, or zero in places; float32 holds them."""
    offsets = drawn.rng.standard_normal((count, *size))
    if reach == "whole":
        offsets = np.round(2 * offsets)
    elif reach == "far":
        offsets = offsets * drawn.rng.choice([1, 20, 300], size=offsets.shape)
    elif reach == "patchy":
        offsets = offsets * (drawn.rng.random(offsets.shape) < 0.3)
    return offsets.astype(np.float32)


def quantised(exact: Any, dtype: str) -> Any:
    """Rounded half to even and clipped to what the integer type holds."""
    limits = np.iinfo(dtype)
    return np.clip(np.rint(exact), limits.min, limits.max)


def pixels(rng: np.random.Generator, dtype: str, shape: tuple[int, ...]) -> Any:
    """Integers of the whole range, the limits more often than the rest."""
    limits = np.iinfo(dtype)
    x = rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    return np.where(rng.random(shape) < 0.2, rng.choice(np.array([limits.min, limits.max], dtype), shape), x)


def right_integers(y: Any, exact: Any, dtype: str, size: float) -> None:
    """Nearest to the exact result (not merely within one of it), and clipped rather than wrapped.

    Float arithmetic may move a result across a tie: half a unit, and an error relative to `size` (`reference.scale`),
    is what it may be off.
    """
    assert y.dtype == dtype
    assert y.shape == exact.shape
    limits = np.iinfo(dtype)
    slack = (1e-6 if limits.bits <= 16 else FLOAT64) * size
    assert np.abs(y - np.clip(exact, limits.min, limits.max)).max() <= 0.5 + min(0.5, slack)
    assert np.abs(y.astype(np.float64) - quantised(exact, dtype)).max() <= 1
    assert (y[exact > limits.max + 1.0] == limits.max).all()
    assert (y[exact < limits.min - 1.0] == limits.min).all()


def correlated(x: Any, weights: Any, border: str) -> Any:
    """scipy's correlation of an odd kernel with every channel of `x` (channels last), for larger pictures."""
    mode = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "wrap": "wrap", "zero": "constant"}
    planes = [ndimage.correlate(np.float64(x[..., c]), weights, mode=mode[border]) for c in range(x.shape[-1])]
    return np.stack(planes, axis=-1)


def every_way() -> dict[str, dict[str, Any]]:
    """Kernels for 6 channels through every algorithm; no weight is near 0."""
    rng = np.random.default_rng(0)

    def weights(*shape: int) -> Any:
        return rng.choice([-1, 1], shape) * rng.uniform(0.5, 2, shape)

    return {
        "planes": {"weights": weights(3, 5)},
        "bank of a few pairs": {"weights": weights(2, 6, 3, 3)},
        "bank of many pairs": {"weights": weights(8, 6, 3, 3)},
        "strided bank": {"weights": weights(8, 3, 3, 3), "groups": 2, "stride": 2},
        "separable": {"type": "separable", "taps": {"y": weights(3), "x": weights(5)}},
        "depthwise separable": {"type": "depthwise_separable", "depthwise": weights(3, 3), "pointwise": weights(4, 6)},
        "transposed": {"type": "transposed", "weights": weights(4, 4), "stride": 2},
        "transposed bank": {"type": "transposed", "weights": weights(6, 4, 3, 3), "stride": 2},
        "deformable": {"type": "deformable", "weights": weights(3, 3), "offsets": rng.uniform(0.2, 0.8, (18, 24, 22))},
        "deformable bank": {
            "type": "deformable",
            "weights": weights(4, 6, 3, 3),
            "offsets": rng.uniform(0.2, 0.8, (18, 24, 22)),
        },
    }
