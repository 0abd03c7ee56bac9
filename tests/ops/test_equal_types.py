"""Kernels of one type that are kernels of another: adjoints, offsets of 0, outer products, groups."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import reference as ref

import convcli
from tests.ops.compared import EXACT, apply, close

ADJOINTS = [
    # rank, taps, stride, dilation, padding, groups, into, out
    (1, (3,), (1,), (1,), [(0, 0)], 1, 1, 1),
    (1, (4,), (3,), (2,), [(2, 1)], 2, 2, 3),
    (2, (3, 3), (2, 2), (1, 1), [(1, 1), (1, 1)], 1, 3, 2),
    (2, (2, 5), (1, 3), (3, 1), [(0, 2), (3, 0)], 1, 2, 2),
    (2, (4, 4), (2, 2), (1, 1), [(1, 1), (1, 1)], 3, 1, 2),
    (2, (3, 2), (3, 4), (2, 3), [(1, 0), (2, 2)], 2, 8, 8),
    (3, (2, 3, 2), (1, 2, 2), (2, 1, 1), [(1, 0), (0, 1), (1, 1)], 2, 2, 3),
]


@pytest.mark.parametrize("case", ADJOINTS)
def test_transposed_is_the_adjoint_of_dense(case: Any) -> None:
    """`<conv(x), y> = <x, convT(y)>` with the same weights and fields; output_padding makes up what stride cut off."""
    rank, taps, stride, dilation, padding, groups, into, out = case
    rng = np.random.default_rng(rank)
    fields: dict[str, Any] = {"stride": list(stride), "dilation": list(dilation), "groups": groups, "border": "zero"}
    fields |= {"padding": [list(p) for p in padding], "axes": "zyx"[3 - rank :]}
    w = rng.standard_normal((out * groups, into, *taps))
    layout = ref.layout(rank)
    for extra in range(4):
        spatial = [d * (k - 1) + 3 + extra + a for a, (k, d) in enumerate(zip(taps, dilation, strict=True))]
        x = rng.standard_normal((*spatial, into * groups))
        forward = apply(fields | {"weights": w}, x, layout)
        y = rng.standard_normal(forward.shape)
        left_over = [
            (n + sum(p) - d * (k - 1) - 1) % s
            for n, k, s, d, p in zip(spatial, taps, stride, dilation, padding, strict=True)
        ]
        back = apply(fields | {"type": "transposed", "weights": w, "output_padding": left_over}, y, layout)
        assert back.shape == x.shape
        assert abs(np.vdot(forward, y) - np.vdot(x, back)) <= EXACT * np.abs(forward).sum() * np.abs(y).max()


GEOMETRIES = [
    {},
    {"padding": "valid"},
    {"stride": 2},
    {"dilation": 2},
    {"stride": [1, 3], "dilation": [3, 1], "padding": [[2, 0], [1, 3]]},
]


@pytest.mark.parametrize("border", ref.BORDERS)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_zero_offsets_are_dense(border: str, geometry: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((9, 8, 2)), rng.standard_normal((3, 2, 3, 4))
    fields = {"weights": w, "border": border, **geometry}
    dense = convcli.load(fields)
    offsets = np.zeros((2 * 12, *dense.output_shape((9, 8))))
    close(apply(fields | {"type": "deformable", "offsets": offsets}, x), dense.apply(x))


@pytest.mark.parametrize("border", ref.BORDERS)
def test_constant_whole_offsets_dilate_and_shift_the_kernel(border: str) -> None:
    """Tap (i, j) moved by (2 i - 3, j - 2) reads row o + 3 i - 3, column o + 2 j - 2: dilation 3, 2, padding 3, 2."""
    rng = np.random.default_rng(1)
    x, w = rng.standard_normal((10, 8, 2)), rng.standard_normal((3, 2))
    offsets = np.zeros((3, 2, 2, 8, 7))
    offsets[:, :, 0] = (2 * np.arange(3) - 3)[:, None, None, None]
    offsets[:, :, 1] = (np.arange(2) - 2)[None, :, None, None]
    moved = {
        "type": "deformable",
        "weights": w,
        "border": border,
        "padding": "valid",
        "offsets": offsets.reshape(12, 8, 7),
    }
    dense = {"weights": w, "border": border, "dilation": [3, 2], "padding": [[3, 1], [2, 0]]}
    close(apply(moved, x), apply(dense, x)[:, :7])


def test_offsets_are_down_first_then_right() -> None:
    """One tap at a time is moved on a ramp that tells rows from columns."""
    ramp = np.arange(8.0)[:, None] * 100 + np.arange(9.0)
    for tap, (down, right) in itertools.product(range(6), [(0.25, 0.0), (0.0, 0.5), (-0.5, 0.25)]):
        weights = np.zeros(6)
        weights[tap] = 1
        offsets = np.zeros((12, 7, 7))
        offsets[2 * tap], offsets[2 * tap + 1] = down, right
        y = apply(
            {"type": "deformable", "weights": weights.reshape(2, 3), "offsets": offsets, "padding": "valid"}, ramp
        )
        row, column = divmod(tap, 3)
        expected = ramp[row : row + 7, column : column + 7] + 100 * down + right
        inside = np.s_[1:6, 1:6]
        close(y[inside], expected[inside])


def test_a_mask_weighs_taps_and_outputs() -> None:
    rng = np.random.default_rng(2)
    x, w, mask = rng.standard_normal((7, 6)), rng.standard_normal((2, 3)), rng.random((6, 6, 4))
    fields = {"type": "deformable", "weights": w, "offsets": np.zeros((12, 6, 4)), "mask": mask, "padding": "valid"}
    expected = np.zeros((6, 4))
    for tap, (i, j) in enumerate(np.ndindex(2, 3)):
        expected += w[i, j] * mask[tap] * x[i : i + 6, j : j + 4]
    close(apply(fields, x), expected)


@pytest.mark.parametrize("border", ref.BORDERS)
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_separable_is_dense_with_the_outer_product(border: str, geometry: dict[str, Any]) -> None:
    rng = np.random.default_rng(3)
    x, down, across = rng.standard_normal((11, 10, 2)), rng.standard_normal(5), rng.standard_normal(4)
    fields = {"border": border, **geometry}
    separable = apply(fields | {"type": "separable", "taps": {"y": down, "x": across}}, x)
    close(separable, apply(fields | {"weights": np.outer(down, across)}, x))


def test_one_row_of_taps_serves_every_axis() -> None:
    x, taps = np.random.default_rng(4).standard_normal((6, 7, 8)), [1, 3, -2]
    plane = np.outer(taps, taps)
    close(apply({"type": "separable", "taps": taps}, x, "yxc"), apply({"weights": plane}, x, "yxc"))
    cube = np.multiply.outer(taps, plane)
    fields = {"type": "separable", "taps": taps, "axes": "zyx"}
    close(apply(fields, x, "zyx"), apply({"weights": cube}, x, "zyx"))


def test_a_divisor_is_applied_once() -> None:
    """To a separable kernel as to the dense one of its outer product."""
    x, taps = np.random.default_rng(4).standard_normal((6, 7)), [1, 2, 1]
    for divisor in (16, "sum"):
        dense = apply({"weights": np.outer(taps, taps), "divisor": divisor}, x)
        close(apply({"type": "separable", "taps": taps, "divisor": divisor}, x), dense)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_groups_equal_to_channels_are_kernels_of_their_own(geometry: dict[str, Any]) -> None:
    rng = np.random.default_rng(5)
    x, w = rng.standard_normal((9, 10, 4)), rng.standard_normal((4, 1, 3, 3))
    together = apply({"weights": w, "groups": 4, **geometry}, x)
    alone = [apply({"weights": w[c, 0], **geometry}, x[..., c]) for c in range(4)]
    close(together, np.stack(alone, axis=-1))


def test_depthwise_multiplier_order() -> None:
    """Output channel c * m + j is the j-th kernel of input channel c."""
    rng = np.random.default_rng(6)
    x, w = rng.standard_normal((6, 5, 3)), rng.standard_normal((6, 1, 3, 3))
    y = apply({"weights": w, "groups": 3}, x)
    for c, j in itertools.product(range(3), range(2)):
        close(y[..., c * 2 + j], apply({"weights": w[c * 2 + j, 0]}, x[..., c]))


@pytest.mark.parametrize("geometry", GEOMETRIES)
@pytest.mark.parametrize("bank", [False, True])
def test_depthwise_separable_is_a_kernel_per_channel_then_a_mix(geometry: dict[str, Any], bank: bool) -> None:
    rng = np.random.default_rng(7)
    x = rng.standard_normal((9, 8, 3))
    depthwise = rng.standard_normal((6, 1, 3, 3)) if bank else rng.standard_normal((3, 3))
    pointwise = rng.standard_normal((4, 6 if bank else 3))
    bias = rng.standard_normal(4)
    fields = {"type": "depthwise_separable", "depthwise": depthwise, "pointwise": pointwise, "bias": bias, **geometry}
    first = apply({"weights": depthwise, **({"groups": 3} if bank else {}), **geometry}, x)
    close(apply(fields, x), first @ pointwise.T + bias)


def test_a_mix_to_luma() -> None:
    """Blur each channel, then mix: the divisor is the depthwise taps', not the mix's."""
    x = np.random.default_rng(8).random((8, 9, 3))
    blur, luma = [[1, 2, 1], [2, 4, 2], [1, 2, 1]], [[0.299, 0.587, 0.114]]
    fields = {"type": "depthwise_separable", "depthwise": blur, "divisor": "sum", "pointwise": luma}
    expected = apply({"weights": blur, "divisor": 16}, x) @ np.array(luma).T
    close(apply(fields, x), expected)


def test_a_sum_divides_each_depthwise_kernel_by_its_own() -> None:
    rng = np.random.default_rng(8)
    x, depthwise, pointwise = rng.random((8, 9, 2)), rng.random((4, 1, 3, 3)), rng.standard_normal((3, 4))
    fields = {"type": "depthwise_separable", "depthwise": depthwise, "divisor": "sum", "pointwise": pointwise}
    unit = depthwise / depthwise.sum(axis=(1, 2, 3), keepdims=True)
    close(apply(fields, x), apply({"weights": unit, "groups": 2}, x) @ pointwise.T)


def test_separable_bank_is_a_dense_bank() -> None:
    """(out, in, k) taps per axis: `(kh + kw) * C * M` weights, each pair of channels an outer product of its own."""
    rng = np.random.default_rng(9)
    x, down, across = rng.standard_normal((7, 8, 3)), rng.standard_normal((4, 3, 3)), rng.standard_normal((4, 3, 5))
    fields = {"type": "separable", "taps": {"y": down, "x": across}}
    close(apply(fields, x), apply({"weights": np.einsum("oih,oiw->oihw", down, across)}, x))
    assert convcli.load(fields).count((7, 8), 3).weights == (3 + 5) * 3 * 4
