"""Random kernels on random arrays of floats against the float64 references.

The measure of an error, unless said otherwise, is the largest absolute one relative to `reference.scale`: the largest
|expected|. Everything is drawn from fixed seeds: a failure repeats.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import reference as ref
from hypothesis import given, strategies as st

from tests.ops.drawn import Drawn, agree, drawn_offsets, examples, geometries, output_size, with_bias


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
