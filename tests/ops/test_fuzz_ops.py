"""Random kernels on random arrays against the float64 references and onnxruntime.

The measure of an error, unless said otherwise, is the largest absolute one relative to `reference.scale`: the largest
|expected|. Everything is drawn from fixed seeds: a failure repeats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import reference as ref
from hypothesis import HealthCheck, given, settings, strategies as st
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


@examples(150)
@given(
    geometries(), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.booleans(), st.booleans(), st.booleans()
)
def test_dense_banks(drawn: Drawn, groups: int, into: int, out: int, biased: bool, flip: bool, divided: bool) -> None:
    w = drawn.normal(out * groups, into, *drawn.taps)
    x = drawn.normal(into * groups, *drawn.spatial)
    bias = with_bias(drawn, biased, out * groups)
    fields = drawn.fields | {"weights": w, "groups": groups, "flip": flip} | ({"divisor": 16} if divided else {})
    used = (ref.flipped(w, drawn.rank) if flip else w) / (16 if divided else 1)
    agree(fields, x, ref.dense(x, used, bias, groups=groups, **drawn.plain), used, drawn.rank)


@examples(40)
@given(
    geometries(ranks=(1, 2)), st.sampled_from([(8, 8, 1), (5, 7, 1), (8, 4, 2), (16, 3, 1), (12, 12, 3), (1, 20, 1)])
)
def test_wide_banks(drawn: Drawn, channels: tuple[int, int, int]) -> None:
    """More pairs of channels than a plane-by-plane algorithm takes."""
    into, out, groups = channels
    w = drawn.normal(out if out % groups == 0 else groups, into // groups, *drawn.taps)
    x = drawn.normal(into, *drawn.spatial)
    fields = drawn.fields | {"weights": w, "groups": groups}
    agree(fields, x, ref.dense(x, w, groups=groups, **drawn.plain), w, drawn.rank)


@examples(100)
@given(geometries(), st.integers(1, 6), st.booleans(), st.booleans())
def test_dense_kernels_on_every_channel_alone(drawn: Drawn, channels: int, biased: bool, by_sum: bool) -> None:
    w = drawn.normal(*drawn.taps)
    if by_sum:
        w = np.abs(w) + np.float32(0.1)
    x = drawn.normal(channels, *drawn.spatial)
    bias = with_bias(drawn, biased, channels)
    fields = drawn.fields | {"weights": w} | ({"divisor": "sum"} if by_sum else {})
    used = ref.per_channel(w / (np.float64(w).sum() if by_sum else 1), channels)
    agree(fields, x, ref.dense(x, used, bias, groups=channels, **drawn.plain), used, drawn.rank)


@examples(150)
@given(
    geometries(transposed=True), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.booleans(), st.booleans()
)
def test_transposed_banks(drawn: Drawn, groups: int, into: int, out: int, biased: bool, flip: bool) -> None:
    w = drawn.normal(into * groups, out, *drawn.taps)
    x = drawn.normal(into * groups, *drawn.spatial)
    bias = with_bias(drawn, biased, out * groups)
    fields = drawn.fields | {"type": "transposed", "weights": w, "groups": groups, "flip": flip}
    used = ref.flipped(w, drawn.rank) if flip else w
    agree(fields, x, ref.transposed(x, used, bias, groups=groups, **drawn.plain), used, drawn.rank)


@examples(60)
@given(geometries(transposed=True), st.integers(1, 5), st.booleans())
def test_transposed_kernels_on_every_channel_alone(drawn: Drawn, channels: int, divided: bool) -> None:
    w = drawn.normal(*drawn.taps)
    x = drawn.normal(channels, *drawn.spatial)
    fields = drawn.fields | {"type": "transposed", "weights": w} | ({"divisor": 4} if divided else {})
    used = ref.per_channel(w / (4 if divided else 1), channels)
    agree(fields, x, ref.transposed(x, used, groups=channels, **drawn.plain), used, drawn.rank)


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


@examples(150)
@given(
    geometries(ranks=(2,)),
    st.integers(1, 2),
    st.integers(1, 3),
    st.integers(1, 2),
    st.integers(1, 3),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["small", "whole", "far", "patchy"]),
)
def test_deformable_banks(
    drawn: Drawn, groups: int, offset_groups: int, into: int, out: int, masked: bool, biased: bool, reach: str
) -> None:
    w = drawn.normal(out * groups, into * offset_groups, *drawn.taps)
    x = drawn.normal(into * groups * offset_groups, *drawn.spatial)
    size, cells = output_size(drawn), drawn.taps[0] * drawn.taps[1]
    offsets = drawn_offsets(drawn, offset_groups * 2 * cells, size, reach)
    mask = drawn.rng.random((offset_groups * cells, *size), np.float32) * 2 if masked else None
    bias = with_bias(drawn, biased, out * groups)
    fields = drawn.fields | {"type": "deformable", "weights": w, "groups": groups, "offsets": offsets}
    fields |= {"mask": mask} if masked else {}
    counts = {"groups": groups, "offset_groups": offset_groups}
    agree(fields, x, ref.deformable(x, w, offsets, mask, bias, **counts, **drawn.plain), w, 2)


@examples(60)
@given(geometries(ranks=(2,)), st.integers(1, 5), st.booleans(), st.booleans(), st.sampled_from(["small", "far"]))
def test_deformable_kernels_on_every_channel_alone(
    drawn: Drawn, channels: int, masked: bool, flip: bool, reach: str
) -> None:
    """A flipped kernel flips its weights; offsets and mask keep the place of the taps they belong to."""
    w = drawn.normal(*drawn.taps)
    x = drawn.normal(channels, *drawn.spatial)
    size, cells = output_size(drawn), drawn.taps[0] * drawn.taps[1]
    offsets = drawn_offsets(drawn, 2 * cells, size, reach)
    mask = drawn.rng.random((cells, *size), np.float32) if masked else None
    fields = drawn.fields | {"type": "deformable", "weights": w, "offsets": offsets, "flip": flip}
    fields |= {"mask": mask} if masked else {}
    used = ref.per_channel(ref.flipped(w, 2) if flip else w, channels)
    agree(fields, x, ref.deformable(x, used, offsets, mask, groups=channels, **drawn.plain), used, 2)


@examples(80)
@given(geometries(), st.integers(1, 4), st.booleans(), st.sampled_from([None, 16, "sum"]), st.booleans())
def test_separable_kernels(drawn: Drawn, channels: int, biased: bool, divisor: Any, flip: bool) -> None:
    """The same as dense with the outer product; a divisor that is a number divides the product once."""
    factors = [np.abs(drawn.normal(k)) + np.float32(0.1) for k in drawn.taps]
    x = drawn.normal(channels, *drawn.spatial)
    bias = with_bias(drawn, biased, channels)
    axes = drawn.fields.pop("axes")
    fields = drawn.fields | {"type": "separable", "taps": dict(zip(axes, factors, strict=True)), "flip": flip}
    fields |= {} if divisor is None else {"divisor": divisor}
    used = np.ones(())
    for factor in factors:
        used = np.multiply.outer(used, np.float64(factor[::-1] if flip else factor))
    used = used / (1 if divisor is None else used.sum() if divisor == "sum" else divisor)
    bank = ref.per_channel(used, channels)
    agree(fields, x, ref.dense(x, bank, bias, groups=channels, **drawn.plain), bank, drawn.rank)


@examples(40)
@given(geometries(ranks=(2, 3)), st.integers(1, 2), st.integers(1, 3), st.integers(1, 3))
def test_separable_banks(drawn: Drawn, groups: int, into: int, out: int) -> None:
    """Taps of shape (out, in/groups, k): every pair of channels has an outer product of its own."""
    factors = [drawn.normal(out * groups, into, k) for k in drawn.taps]
    x = drawn.normal(into * groups, *drawn.spatial)
    axes = drawn.fields.pop("axes")
    fields = drawn.fields | {"type": "separable", "taps": dict(zip(axes, factors, strict=True)), "groups": groups}
    used = np.float64(factors[0])
    for factor in factors[1:]:
        used = used[..., None] * np.float64(factor).reshape(*factor.shape[:2], *(1,) * (used.ndim - 2), -1)
    agree(fields, x, ref.dense(x, used, groups=groups, **drawn.plain), used, drawn.rank)


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


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("kind", ["dense", "transposed", "bank"])
def test_ties_go_to_the_even_number(dtype: str, kind: str) -> None:
    """Halves are exact in binary, so nothing but the rule decides: 0.5, 1.5, 2.5 become 0, 2, 2."""
    limits = np.iinfo(dtype)
    line = np.arange(max(limits.min, -300), 300).clip(limits.min, limits.max).astype(dtype)[:, None]
    weights = np.ones((1, 1, 1, 1)) if kind == "bank" else np.ones((1, 1))
    fields = {"type": "transposed" if kind == "transposed" else "dense", "weights": weights, "divisor": 2}
    y = convcli.load(fields).apply(np.repeat(line[..., None], 2, axis=1))
    np.testing.assert_array_equal(y[:, 0, 0], np.rint(line[:, 0] / 2))
    assert (line[:, 0] % 4 == 1).any() and (line[:, 0] % 4 == 3).any()


@examples(120)
@given(geometries(), st.sampled_from(INTEGERS), st.integers(1, 4), st.sampled_from([1, 3, 16]), st.integers(-9, 9))
def test_integers_are_rounded_and_clipped(drawn: Drawn, dtype: str, channels: int, divisor: int, bias: int) -> None:
    w = drawn.rng.integers(-4, 8, drawn.taps)
    x = pixels(drawn.rng, dtype, (channels, *drawn.spatial))
    fields = drawn.fields | {"weights": w, "divisor": divisor, "bias": np.full(channels, bias)}
    bank = ref.per_channel(w / divisor, channels)
    exact = ref.dense(x, bank, np.full(channels, bias), groups=channels, **drawn.plain)
    kernel, last = convcli.load(fields), ref.channels_last(x)
    right_integers(
        ref.channels_first(kernel.apply(last, layout=ref.layout(drawn.rank))), exact, dtype, ref.scale(bank, x, exact)
    )
    unrounded = ref.channels_first(kernel.apply(last, layout=ref.layout(drawn.rank), dtype=np.float32))
    assert unrounded.dtype == np.float32
    assert np.abs(unrounded - exact).max() <= FLOAT32 * ref.scale(bank, x, exact)


@examples(40)
@given(geometries(transposed=True), st.sampled_from(INTEGERS), st.integers(1, 3))
def test_integers_transposed(drawn: Drawn, dtype: str, channels: int) -> None:
    w = drawn.rng.integers(-4, 8, drawn.taps)
    x = pixels(drawn.rng, dtype, (channels, *drawn.spatial))
    fields = drawn.fields | {"type": "transposed", "weights": w, "divisor": 4}
    bank = ref.per_channel(w / 4, channels)
    exact = ref.transposed(x, bank, groups=channels, **drawn.plain)
    y = convcli.load(fields).apply(ref.channels_last(x), layout=ref.layout(drawn.rank))
    right_integers(ref.channels_first(y), exact, dtype, ref.scale(bank, x, exact))


@examples(40)
@given(geometries(ranks=(2,)), st.sampled_from(INTEGERS), st.integers(1, 3))
def test_integers_deformable(drawn: Drawn, dtype: str, channels: int) -> None:
    w = drawn.rng.integers(-4, 8, drawn.taps)
    x = pixels(drawn.rng, dtype, (channels, *drawn.spatial))
    # eighths of a pixel: every bilinear share is a number that float32 holds
    offsets = np.round(8 * drawn_offsets(drawn, 2 * w.size, output_size(drawn), "small")) / 8
    fields = drawn.fields | {"type": "deformable", "weights": w, "divisor": 4, "offsets": offsets}
    bank = ref.per_channel(w / 4, channels)
    exact = ref.deformable(x, bank, offsets, groups=channels, **drawn.plain)
    y = convcli.load(fields).apply(ref.channels_last(x), layout="yxc")
    right_integers(ref.channels_first(y), exact, dtype, ref.scale(bank, x, exact))


@examples(40)
@given(geometries(), st.integers(1, 3))
def test_float16_is_rounded_once(drawn: Drawn, channels: int) -> None:
    """Computed wider: only the last rounding, of 11 bits, is seen."""
    w = drawn.normal(*drawn.taps)
    x = drawn.normal(channels, *drawn.spatial).astype(np.float16)
    exact = ref.dense(x, ref.per_channel(w, channels), groups=channels, **drawn.plain)
    y = ref.channels_first(
        convcli.load(drawn.fields | {"weights": w}).apply(ref.channels_last(x), layout=ref.layout(drawn.rank))
    )
    assert y.dtype == np.float16
    assert (np.abs(y - exact) <= 2.0**-11 * np.abs(exact) + 1e-5 * ref.scale(w[None], x, exact)).all()


@examples(60)
@given(st.permutations("zyxc"), st.integers(1, 15), st.integers(0, 2**32 - 1), st.booleans())
def test_layouts_and_axes_carried_along(letters: list[str], kept: int, seed: int, one_axis: bool) -> None:
    """Letters in any order; axes that the kernel does not move along are carried through it."""
    rng = np.random.default_rng(seed)
    layout = "".join(letter for n, letter in enumerate(letters) if kept >> n & 1)
    moving = [axis for axis in "zyx" if axis in layout]
    if not moving:
        return
    axes = str(rng.choice(moving)) if one_axis else "".join(moving)
    sizes = {"z": 4, "y": 5, "x": 6, "c": 3}
    x = rng.standard_normal([sizes[axis] for axis in layout])
    w = rng.standard_normal([3 if axis == "y" else 2 for axis in axes])
    kernel = convcli.load({"weights": w, "axes": axes, "stride": [2] * len(axes), "border": "wrap"})
    y = kernel.apply(x, layout=layout)
    first = "".join(axis for axis in "czyx" if axis in layout)
    full = np.einsum(f"{layout}->{first}", x)
    channels_first = full if "c" in layout else full[None]
    spread = w.reshape([dict(zip(axes, w.shape, strict=True)).get(axis, 1) for axis in moving])
    step = [2 if axis in axes else 1 for axis in moving]
    ones = [1] * len(moving)
    padding = ref.same_padding(spread.shape, ones)
    bank = ref.per_channel(spread, len(channels_first))
    expected = ref.dense(
        channels_first, bank, stride=step, dilation=ones, padding=padding, groups=len(channels_first), border="wrap"
    )
    expected = expected if "c" in layout else expected[0]
    back = np.einsum(f"{first}->{layout}", expected)
    np.testing.assert_allclose(y, back, rtol=0, atol=1e-12)


def correlated(x: Any, weights: Any, border: str) -> Any:
    """scipy's correlation of an odd kernel with every channel of `x` (channels last), for larger pictures."""
    mode = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "wrap": "wrap", "zero": "constant"}
    planes = [ndimage.correlate(np.float64(x[..., c]), weights, mode=mode[border]) for c in range(x.shape[-1])]
    return np.stack(planes, axis=-1)


LARGE = [
    # picture, taps: each row another way through the engine (matrix products, Fourier, many channels, several bands)
    ((70, 60, 1), (13, 13)),
    ((90, 80, 3), (31, 31)),
    ((40, 200, 2), (1, 151)),
    ((300, 30, 2), (151, 1)),
    ((12, 10, 130), (3, 3)),
    ((9, 8, 300), (5, 3)),
    ((700, 900, 1), (3, 3)),
    ((600, 500, 3), (5, 7)),
    ((500, 600, 1), (15, 15)),
    ((3000, 1), (401,)),
    ((200, 1), (9,)),
    ((500, 7), (33,)),
    ((20, 30, 25, 1), (5, 5, 5)),
    ((9, 16, 15, 2), (3, 13, 13)),
]


@pytest.mark.parametrize("border", ["reflect", "wrap", "zero"])
@pytest.mark.parametrize(("shape", "taps"), LARGE, ids=str)
def test_large_kernels_and_pictures(shape: tuple[int, ...], taps: tuple[int, ...], border: str) -> None:
    rng = np.random.default_rng(len(taps))
    x, w = rng.standard_normal(shape), rng.standard_normal(taps)
    expected = correlated(x.astype(np.float32), w, border)
    kernel = convcli.load({"weights": w, "border": border, "axes": "zyx"[3 - len(taps) :]})
    layout = ref.layout(len(taps))
    worst = np.abs(kernel.apply(x.astype(np.float32), layout=layout) - expected).max() / np.abs(expected).max()
    assert worst <= FLOAT32
    worst = np.abs(kernel.apply(x, layout=layout) - correlated(x, w, border)).max() / np.abs(expected).max()
    assert worst <= FLOAT64


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("taps", [(3, 3), (9, 9), (15, 15), (31, 31), (1, 199)], ids=str)
def test_large_kernels_on_integers(dtype: str, taps: tuple[int, ...]) -> None:
    """An edge-like kernel with results all over the range and beyond it."""
    rng = np.random.default_rng(taps[0])
    x = pixels(rng, dtype, (80, 210, 3))
    w = rng.integers(-9, 12, taps)
    divisor = int(np.abs(w).sum()) // 3
    y = convcli.load({"weights": w, "divisor": divisor, "border": "symmetric"}).apply(x)
    exact = correlated(x, w / divisor, "symmetric")
    right_integers(y, exact, dtype, ref.scale((w / divisor)[None, None], x, exact))


@pytest.mark.parametrize("taps", [15, 63])
def test_long_separable_kernels(taps: int) -> None:
    rng = np.random.default_rng(taps)
    x, down, across = rng.standard_normal((500, 600, 3), np.float32), rng.standard_normal(taps), rng.random(taps)
    expected = correlated(correlated(x, down[:, None], "reflect"), across[None], "reflect")
    y = convcli.load({"type": "separable", "taps": {"y": down, "x": across}}).apply(x)
    assert np.abs(y - expected).max() <= FLOAT32 * np.abs(expected).max()


@pytest.mark.parametrize("channels", range(1, 8))
@pytest.mark.parametrize("spread", [0.7, 40.0, 3000.0])
@pytest.mark.parametrize("border", ref.BORDERS)
def test_deformable_on_larger_pictures(channels: int, spread: float, border: str) -> None:
    """Every number of channels; offsets that stay near, roam the picture, and leave it many times over."""
    modes = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "wrap": "grid-wrap"}
    rng = np.random.default_rng(channels)
    x, w = rng.standard_normal((150, 140, channels), np.float32), rng.standard_normal((2, 1), np.float32)
    offsets = (spread * rng.standard_normal((4, 149, 140))).astype(np.float32)
    fields = {"type": "deformable", "weights": w, "offsets": offsets, "padding": "valid", "border": border}
    y = convcli.load(fields).apply(x)
    rows, columns = np.meshgrid(np.arange(149.0), np.arange(140.0), indexing="ij")
    expected = np.zeros(y.shape)
    for c, tap in np.ndindex(channels, 2):
        places = [rows + tap + offsets[2 * tap], columns + offsets[2 * tap + 1]]
        mode = modes.get(border, "grid-constant")
        expected[..., c] += w[tap, 0] * ndimage.map_coordinates(np.float64(x[..., c]), places, order=1, mode=mode)
    assert np.abs(y - expected).max() <= 2 * FLOAT32 * np.abs(expected).max()


def test_wide_banks_on_larger_pictures() -> None:
    for into, out, taps, stride in [(3, 64, 3, 1), (64, 64, 3, 1), (64, 128, 1, 1), (3, 16, 7, 2), (32, 8, 3, 2)]:
        rng = np.random.default_rng(into)
        x, w = rng.standard_normal((into, 75, 66), np.float32), rng.standard_normal((out, into, taps, taps), np.float32)
        pads = [(taps // 2, taps // 2)] * 2
        expected = ref.onnxruntime_run("Conv", [x[None], w], strides=[stride] * 2, pads=ref.onnx_pads(pads))[0]
        y = run({"weights": w, "stride": stride, "padding": taps // 2, "border": "zero"}, x, 2)
        assert np.abs(y - expected).max() <= FLOAT32 * np.abs(expected).max()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("taps", [(3, 3), (9, 5), (15, 15)], ids=str)
def test_a_nan_or_infinity_stays_where_the_kernel_sees_it(value: float, taps: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((60, 50), np.float32), rng.random(taps, np.float32) + np.float32(0.1)
    clean = convcli.load({"weights": w}).apply(x)
    x[30, 20] = value
    y = convcli.load({"weights": w}).apply(x)
    seen = np.zeros(x.shape, bool)
    seen[30 - taps[0] // 2 : 31 + taps[0] // 2, 20 - taps[1] // 2 : 21 + taps[1] // 2] = True
    assert not np.isfinite(y[seen]).any()
    assert np.abs(y - clean)[~seen].max() <= FLOAT32 * np.abs(clean).max()


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


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", every_way())
def test_every_type_keeps_a_nan_or_infinity_in_its_place(name: str, value: float) -> None:
    """What one sample can change is what becomes NaN or infinite, without a word from numpy."""
    x = np.random.default_rng(1).standard_normal((24, 22, 6), np.float32)
    kernel = convcli.load(every_way()[name])
    clean = kernel.apply(x)
    x[11, 9, 2] += 1000
    changed = np.abs(kernel.apply(x) - clean) > 0.1
    assert 0 < np.count_nonzero(changed) < changed.size / 4
    x[11, 9, 2] = value
    y = kernel.apply(x)
    np.testing.assert_array_equal(~np.isfinite(y), changed)
    assert np.abs(y - clean)[~changed].max() <= FLOAT32 * np.abs(clean).max()


@pytest.mark.parametrize("spike", [1e4, 1e8, 1e14, -3.4e38])
@pytest.mark.parametrize("taps", [(3, 3), (15, 15), (1, 151)], ids=str)
def test_a_spike_does_not_drown_its_surroundings(spike: float, taps: tuple[int, int]) -> None:
    """Beyond the kernel's reach the error is relative to the ordinary samples, not to the spike (-3.4e38: no data)."""
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((80, 300), np.float32), rng.random(taps, np.float32)
    x[40, 150] = spike
    y, expected = convcli.load({"weights": w}).apply(x), correlated(x[..., None], np.float64(w), "reflect")[..., 0]
    seen = np.zeros(x.shape, bool)
    seen[40 - taps[0] // 2 : 41 + taps[0] // 2, 150 - taps[1] // 2 : 151 + taps[1] // 2] = True
    assert np.abs(y - expected)[~seen].max() <= FLOAT32 * np.abs(expected[~seen]).max()


def test_against_onnxruntime_conv() -> None:
    for seed in range(150):
        rng = np.random.default_rng([1, seed])
        rank, groups = int(rng.integers(1, 4)), int(rng.choice([1, 1, 2, 3]))
        taps, stride, dilation = (rng.integers(1, top, rank) for top in (5, 5, 4))
        padding = [(int(b), int(a)) for b, a in rng.integers(0, 4, (rank, 2))]
        spatial = [
            int(max(1, d * (k - 1) + 1 - sum(p)) + rng.integers(0, 6))
            for k, d, p in zip(taps, dilation, padding, strict=True)
        ]
        into, out = (int(v) for v in rng.integers(1, 6, 2))
        x = rng.standard_normal((into * groups, *spatial), np.float32)
        w = rng.standard_normal((out * groups, into, *taps), np.float32)
        b = rng.standard_normal(out * groups, np.float32)
        attributes = {"strides": stride, "dilations": dilation, "group": groups, "pads": ref.onnx_pads(padding)}
        expected = ref.onnxruntime_run("Conv", [x[None], w, b], **attributes)[0]
        fields = {"weights": w, "bias": b, "stride": stride.tolist(), "dilation": dilation.tolist(), "groups": groups}
        fields |= {"padding": [list(p) for p in padding], "border": "zero", "axes": "zyx"[3 - rank :]}
        y = run(fields, x, rank)
        assert y.shape == expected.shape, seed
        assert np.abs(y - expected).max() <= FLOAT32 * ref.scale(w, x, expected), seed


def test_against_onnxruntime_conv_transpose() -> None:
    for seed in range(150):
        rng = np.random.default_rng([2, seed])
        rank, groups = int(rng.integers(1, 4)), int(rng.choice([1, 1, 2, 3]))
        taps, stride, dilation = (rng.integers(1, top, rank) for top in (5, 5, 4))
        extra = [int(rng.integers(0, s)) for s in stride]
        padding = [(int(b), int(a)) for b, a in rng.integers(0, 3, (rank, 2))]
        spatial = [
            int(max(1, 2 + (sum(p) - d * (k - 1) - 1) // s) + rng.integers(0, 4))
            for k, d, p, s in zip(taps, dilation, padding, stride, strict=True)
        ]
        into, out = (int(v) for v in rng.integers(1, 5, 2))
        x = rng.standard_normal((into * groups, *spatial), np.float32)
        w = rng.standard_normal((into * groups, out, *taps), np.float32)
        b = rng.standard_normal(out * groups, np.float32)
        attributes = {"strides": stride, "dilations": dilation, "group": groups, "pads": ref.onnx_pads(padding)}
        expected = ref.onnxruntime_run("ConvTranspose", [x[None], w, b], output_padding=extra, **attributes)[0]
        fields = {"weights": w, "bias": b, "stride": stride.tolist(), "dilation": dilation.tolist(), "groups": groups}
        fields |= {"padding": [list(p) for p in padding], "border": "zero", "axes": "zyx"[3 - rank :]}
        y = run(fields | {"type": "transposed", "output_padding": extra}, x, rank)
        assert y.shape == expected.shape, seed
        assert np.abs(y - expected).max() <= FLOAT32 * ref.scale(w, x, expected), seed


def test_against_onnxruntime_deform_conv() -> None:
    for seed in range(100):
        rng = np.random.default_rng([3, seed])
        groups, offset_groups = (int(v) for v in rng.integers(1, 4, 2))
        taps, stride, dilation = (rng.integers(1, top, 2) for top in (4, 4, 3))
        padding = [(int(b), int(a)) for b, a in rng.integers(0, 3, (2, 2))]
        spatial = [
            int(max(1, d * (k - 1) + 1 - sum(p)) + rng.integers(0, 8))
            for k, d, p in zip(taps, dilation, padding, strict=True)
        ]
        into, out = (int(v) for v in rng.integers(1, 4, 2))
        x = rng.standard_normal((into * groups * offset_groups, *spatial), np.float32)
        w = rng.standard_normal((out * groups, into * offset_groups, *taps), np.float32)
        b = rng.standard_normal(out * groups, np.float32)
        size = [
            ref.dense_length(n, taps=k, stride=s, dilation=d, pads=p)
            for n, k, s, d, p in zip(spatial, taps, stride, dilation, padding, strict=True)
        ]
        reach = float(rng.choice([0.5, 3, 30]))
        offsets = (reach * rng.standard_normal((offset_groups * 2 * taps.prod(), *size))).astype(np.float32)
        mask = rng.random((offset_groups * taps.prod(), *size), np.float32) if seed % 3 else None
        attributes = {"strides": stride, "dilations": dilation, "group": groups, "pads": ref.onnx_pads(padding)}
        inputs = [x[None], w, offsets[None], b] + ([] if mask is None else [mask[None]])
        expected = ref.onnxruntime_run("DeformConv", inputs, offset_group=offset_groups, **attributes)[0]
        fields = {"weights": w, "bias": b, "stride": stride.tolist(), "dilation": dilation.tolist(), "groups": groups}
        fields |= {"padding": [list(p) for p in padding], "border": "zero", "offsets": offsets, "type": "deformable"}
        y = run(fields if mask is None else fields | {"mask": mask}, x, 2)
        assert y.shape == expected.shape, seed
        assert np.abs(y - expected).max() <= FLOAT32 * ref.scale(w, x, expected), seed
