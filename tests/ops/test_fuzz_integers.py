"""Random kernels on random integers and halves: rounded once, half to even, and cut off; layouts and axes."""

from __future__ import annotations

import numpy as np
import pytest
import reference as ref
from hypothesis import given, strategies as st

import convcli
from tests.ops.drawn import (
    FLOAT32,
    INTEGERS,
    Drawn,
    drawn_offsets,
    examples,
    geometries,
    output_size,
    pixels,
    right_integers,
)


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
def test_layouts_and_axes_carried_along(letters: list[str], remaining: int, seed: int, one_axis: bool) -> None:
    """Letters in any order; axes that the kernel does not move along are carried through it."""
    rng = np.random.default_rng(seed)
    layout = "".join(letter for n, letter in enumerate(letters) if remaining >> n & 1)
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
