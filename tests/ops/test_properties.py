"""What must hold of convolutions whatever the numbers: adjoints, identities between the types, counts, lengths."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import reference as ref

import convcli
from convcli.engine import tiles
from convcli.engine.bank import plan as bank_plan
from convcli.engine.channel import fused, line, strided, volume, whole as whole_plane
from convcli.errors import ShapeError

EXACT = 1e-12


def apply(fields: dict[str, Any], x: Any, layout: str | None = None) -> Any:
    """The kernel of `fields` on `x`."""
    return convcli.load(fields).apply(x, layout=layout)


def close(y: Any, expected: Any, tolerance: float = EXACT) -> None:
    """Equal shapes; errors relative to the largest expected value."""
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() <= tolerance * max(1e-30, np.abs(expected).max())


# ---------------------------------------------------------------------------------------------------------------------
# Transposed is the adjoint of dense


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


# ---------------------------------------------------------------------------------------------------------------------
# Identities between the types


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


# ---------------------------------------------------------------------------------------------------------------------
# Impulses, linearity, shifts


TYPES: dict[str, dict[str, Any]] = {
    "dense": {"weights": np.arange(1.0, 16).reshape(3, 5)},
    "separable": {"type": "separable", "taps": {"y": [1, 2, 3], "x": [1, 2, 3, 4, 5]}},
    "transposed": {"type": "transposed", "weights": np.arange(1.0, 16).reshape(3, 5)},
    "deformable": {
        "type": "deformable",
        "weights": np.arange(1.0, 16).reshape(3, 5),
        "offsets": np.zeros((30, 11, 13)),
        "border": "zero",
    },
    "depthwise_separable": {
        "type": "depthwise_separable",
        "depthwise": np.arange(1.0, 16).reshape(3, 5),
        "pointwise": [[1.0]],
    },
}


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("kind", TYPES)
def test_an_impulse_shows_the_kernel(kind: str, flip: bool) -> None:
    """Cross-correlation shows it turned around, `flip` upright; a transposed kernel stamps it, so the other way."""
    impulse = np.zeros((11, 13))
    impulse[5, 6] = 1
    layout = "yx"
    y = apply(TYPES[kind] | {"flip": flip}, impulse, layout).reshape(11, 13)
    shape = np.outer([1, 2, 3], [1, 2, 3, 4, 5]) if kind == "separable" else np.arange(1.0, 16).reshape(3, 5)
    upright = flip != (kind == "transposed")
    close(y[4:7, 4:9], shape if upright else shape[::-1, ::-1])
    assert np.count_nonzero(y) == 15


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("border", ref.BORDERS)
def test_linearity(kind: str, border: str) -> None:
    rng = np.random.default_rng(10)
    a, b = rng.standard_normal((2, 11, 13, 1))
    kernel = convcli.load(TYPES[kind] | {"border": border})
    close(kernel.apply(3 * a - 0.5 * b), 3 * kernel.apply(a) - 0.5 * kernel.apply(b))


@pytest.mark.parametrize("kind", ["dense", "separable", "transposed", "depthwise_separable"])
def test_wrapped_pictures_shift(kind: str) -> None:
    x = np.random.default_rng(11).standard_normal((11, 13, 1))
    kernel = convcli.load(TYPES[kind] | {"border": "wrap"})
    close(kernel.apply(np.roll(x, (3, -4), (0, 1))), np.roll(kernel.apply(x), (3, -4), (0, 1)))


@pytest.mark.parametrize("border", ["reflect", "symmetric"])
def test_mirrored_pictures_mirror(border: str) -> None:
    """A kernel that is its own mirror image filters a mirrored picture to the mirrored result, edges included."""
    x = np.random.default_rng(12).standard_normal((6, 7))
    fields = {"weights": [[1, -2, 1], [3, 5, 3], [1, -2, 1]], "border": border, "dilation": 3}
    close(apply(fields, x[:, ::-1].copy()), apply(fields, x)[:, ::-1])


# ---------------------------------------------------------------------------------------------------------------------
# Tiled is whole


def tile_cases() -> dict[str, tuple[dict[str, Any], tuple[int, ...], str]]:
    """Kernels of every type with the shape of a picture that needs many bands."""
    rng = np.random.default_rng(13)
    down = np.array([0.5, -1, 2, 0.25])
    return {
        "dense": ({"weights": rng.standard_normal((5, 4))}, (90, 70, 3), "yxc"),
        "dilated": ({"weights": rng.standard_normal((3, 3)), "dilation": 7}, (90, 70), "yx"),
        "strided": ({"weights": rng.standard_normal((3, 4)), "stride": [3, 2]}, (90, 70, 2), "yxc"),
        "strided and dilated": (
            {"weights": rng.standard_normal((3, 3)), "stride": [4, 2], "dilation": [3, 4], "padding": [[5, 2], [0, 9]]},
            (90, 70),
            "yx",
        ),
        "bank": ({"weights": rng.standard_normal((8, 4, 3, 3)), "groups": 2}, (60, 50, 8), "yxc"),
        "bank by planes": ({"weights": rng.standard_normal((3, 3, 3, 3)), "stride": 2}, (60, 50, 3), "yxc"),
        "volume": ({"weights": rng.standard_normal((3, 2, 3))}, (40, 20, 15), "zyx"),
        "line": ({"weights": rng.standard_normal(9), "axes": "x"}, (5000,), "x"),
        "rows of a picture": ({"weights": rng.standard_normal(9), "axes": "x"}, (90, 70, 3), "yxc"),
        "separable": ({"type": "separable", "taps": {"y": down, "x": [1, 2, 1]}, "stride": [2, 1]}, (90, 70, 3), "yxc"),
        "transposed": (
            {"type": "transposed", "weights": rng.standard_normal((4, 5)), "stride": [2, 3]},
            (60, 50, 2),
            "yxc",
        ),
        "transposed bank": (
            {
                "type": "transposed",
                "weights": rng.standard_normal((4, 5, 3, 3)),
                "stride": 3,
                "dilation": 2,
                "padding": 1,
                "output_padding": 2,
            },
            (60, 50, 4),
            "yxc",
        ),
        "deformable": (
            {
                "type": "deformable",
                "weights": rng.standard_normal((3, 3)),
                "offsets": 9 * rng.standard_normal((18, 90, 70)),
                "mask": rng.random((9, 90, 70)),
            },
            (90, 70, 2),
            "yxc",
        ),
        "depthwise separable": (
            {
                "type": "depthwise_separable",
                "depthwise": rng.standard_normal((3, 3)),
                "pointwise": rng.standard_normal((5, 3)),
                "stride": 2,
            },
            (90, 70, 3),
            "yxc",
        ),
    }


@pytest.mark.usefixtures("in_bands")
@pytest.mark.parametrize("border", ref.BORDERS)
@pytest.mark.parametrize("name", tile_cases())
def test_tiled_is_whole(name: str, border: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fields, shape, layout = tile_cases()[name]
    x = np.random.default_rng(14).standard_normal(shape)
    kernel = convcli.load(fields | {"border": border})
    bands: list[list[tuple[int, int]]] = []

    def counted(cut: Any) -> Any:
        return lambda *arguments: bands.append(list(cut(*arguments))) or bands[-1]

    monkeypatch.setattr(tiles, "bands", counted(tiles.bands))
    monkeypatch.setattr(whole_plane, "parts", counted(whole_plane.parts))
    monkeypatch.setattr(strided, "bands", counted(strided.bands))
    monkeypatch.setattr(volume, "parts", counted(volume.parts))
    monkeypatch.setattr(line, "bands", counted(line.bands))
    monkeypatch.setattr(fused, "bands", counted(fused.bands))
    monkeypatch.setattr(tiles, "TILE_BYTES", 1 << 40)
    monkeypatch.setattr(whole_plane, "LEAST", 1 << 40)
    monkeypatch.setattr(strided, "LEAST_BYTES", 1 << 40)
    monkeypatch.setattr(fused, "ALONE", 1 << 40)
    monkeypatch.setattr(volume, "FOLDED_SLICES", 1 << 40)
    monkeypatch.setattr(bank_plan, "BAND", 1 << 60)
    bank_plan.plan_bank.cache_clear()
    whole = kernel.apply(x, layout=layout)
    # Slices of a volume go in two bands at least.
    assert [len(cuts) for cuts in bands] == [2 if name == "volume" else 1]
    bands.clear()
    monkeypatch.setattr(tiles, "TILE_BYTES", 1)
    monkeypatch.setattr(line, "BAND", 50)
    monkeypatch.setattr(whole_plane, "LEAST", 0)
    monkeypatch.setattr(whole_plane, "PART", 1)
    for limit in ("ALONE", "LEAST", "BAND_BYTES"):
        monkeypatch.setattr(fused, limit, 1)
    for limit in ("LEAST_BYTES", "BAND_BYTES", "OVERLAP"):
        monkeypatch.setattr(strided, limit, 1)
    monkeypatch.setattr(volume, "FOLDED_SLICES", 1)
    for limit in ("BAND", "BAND_BYTES"):
        monkeypatch.setattr(bank_plan, limit, 1)
    bank_plan.plan_bank.cache_clear()
    close(kernel.apply(x, layout=layout), whole, 1e-13)
    assert len(bands) == 1 and len(bands[0]) > 2
    bank_plan.plan_bank.cache_clear()


# ---------------------------------------------------------------------------------------------------------------------
# Counts and lengths


def probe(fields: dict[str, Any], shape: tuple[int, ...]) -> tuple[float, Any]:
    """The sum of ones filtered with ones, and the count for the same picture."""
    kernel = convcli.load(fields)
    layout = ref.layout(len(shape) - 1)
    return float(kernel.apply(np.ones(shape), layout=layout).sum()), kernel.count(shape[:-1], shape[-1])


PROBES = [
    ({"weights": np.ones((3, 3))}, (9, 10, 1), 9),
    ({"weights": np.ones((3, 5)), "stride": [2, 3], "dilation": [2, 1]}, (19, 20, 4), 15),
    ({"weights": np.ones((8, 3, 3, 3))}, (9, 10, 3), 216),
    ({"weights": np.ones((8, 2, 3, 3)), "groups": 2, "stride": 2}, (9, 10, 4), 144),
    ({"weights": np.ones((6, 1, 3, 3)), "groups": 3, "dilation": 2}, (9, 10, 3), 54),
    ({"weights": np.ones(7), "axes": "x"}, (30, 2), 7),
    ({"weights": np.ones((4, 2, 5)), "axes": "x", "stride": 3}, (30, 2), 40),
    ({"weights": np.ones((2, 3, 2))}, (5, 6, 7, 2), 12),
    ({"weights": np.ones((4, 2, 2, 3, 2)), "stride": 2}, (5, 6, 7, 2), 96),
]


@pytest.mark.parametrize(("fields", "shape", "weights"), PROBES)
def test_ones_probe_of_dense(fields: dict[str, Any], shape: tuple[int, ...], weights: int) -> None:
    total, count = probe(fields | {"padding": "valid"}, shape)
    assert total == count.macs["convolution"] == count.total_macs
    assert count.flops == 2 * count.total_macs
    assert (count.weights, count.biases, count.parameters) == (weights, 0, weights)


@pytest.mark.parametrize(
    ("fields", "shape", "weights"),
    [
        ({"weights": np.ones((4, 4)), "stride": 2}, (9, 10, 1), 16),
        ({"weights": np.ones((3, 5)), "stride": [2, 3], "dilation": [2, 1]}, (5, 6, 4), 15),
        ({"weights": np.ones((3, 8, 3, 3)), "stride": 2}, (5, 6, 3), 216),
        ({"weights": np.ones((4, 3, 2, 3)), "groups": 2, "stride": 3}, (5, 6, 4), 72),
        ({"weights": np.ones((2, 3, 4)), "axes": "x", "stride": 3}, (11, 2), 24),
        ({"weights": np.ones((2, 2, 2, 2, 3)), "stride": 2}, (3, 4, 3, 2), 48),
    ],
)
def test_ones_probe_of_transposed(fields: dict[str, Any], shape: tuple[int, ...], weights: int) -> None:
    """Weights times the size of the input, not of the output."""
    total, count = probe(fields | {"type": "transposed", "padding": "valid", "border": "zero"}, shape)
    assert total == count.total_macs
    assert count.weights == weights


def test_ones_probe_of_deformable() -> None:
    """With zero offsets the taps applied are those of the dense kernel; sampling is counted apart."""
    fields = {"type": "deformable", "weights": np.ones((4, 2, 3, 3)), "groups": 2, "padding": "valid"}
    total, count = probe(fields | {"offsets": np.zeros((18, 7, 8))}, (9, 10, 4))
    assert total == count.macs["convolution"]
    assert count.weights == 72
    sampling = [macs for part, macs in count.macs.items() if "sampl" in part]
    assert sampling == [4 * 4 * 9 * 7 * 8]


def test_ones_probe_of_separable() -> None:
    """Pass by pass: along x on the full height, then along y."""
    fields = {"type": "separable", "taps": {"y": np.ones(3), "x": np.ones(5)}, "stride": [2, 3], "padding": "valid"}
    count = convcli.load(fields).count((9, 20), 2)
    assert count.weights == 8
    passes = {"x": np.ones((1, 5)), "y": np.ones((3, 1))}
    across = convcli.load({"weights": passes["x"], "stride": [1, 3], "padding": "valid"}).apply(np.ones((9, 20, 2)))
    down = convcli.load({"weights": passes["y"], "stride": [2, 1], "padding": "valid"}).apply(np.ones_like(across))
    assert (across.sum(), down.sum()) == (count.macs["along x"], count.macs["along y"])
    assert count.total_macs == across.sum() + down.sum()


def test_ones_probe_of_depthwise_separable() -> None:
    """The article's example, 3 to 128 channels: 3 * 9 + 3 * 128 weights."""
    fields = {"type": "depthwise_separable", "depthwise": np.ones((3, 1, 3, 3)), "pointwise": np.ones((128, 3))}
    count = convcli.load(fields | {"padding": "valid"}).count((9, 10), 3)
    assert count.weights == 411
    depthwise, _ = probe({"weights": np.ones((3, 1, 3, 3)), "groups": 3, "padding": "valid"}, (9, 10, 3))
    mix, _ = probe({"weights": np.ones((128, 3, 1, 1)), "padding": "valid"}, (7, 8, 3))
    assert count.total_macs == depthwise + mix
    assert sorted(count.macs.values()) == sorted([depthwise, mix])
    assert convcli.load({"weights": np.ones((128, 3, 3, 3))}).count((9, 10), 3).weights == 3456


def test_biases_are_counted_apart() -> None:
    count = convcli.load({"weights": np.ones((8, 3, 3, 3)), "bias": np.zeros(8)}).count((9, 10), 3)
    assert (count.weights, count.biases, count.parameters) == (216, 8, 224)


CONV_ARITHMETIC = [
    # input, taps, stride, padding, dilation, output; then what the transposed one makes of that output
    (4, 3, 1, 0, 1, 2),
    (5, 4, 1, 2, 1, 6),
    (5, 3, 1, 1, 1, 5),
    (5, 3, 1, 2, 1, 7),
    (5, 3, 2, 0, 1, 2),
    (5, 3, 2, 1, 1, 3),
    (6, 3, 2, 1, 1, 3),
    (7, 3, 1, 0, 2, 3),
]


@pytest.mark.parametrize(("n", "taps", "stride", "padding", "dilation", "out"), CONV_ARITHMETIC)
def test_conv_arithmetic(n: int, taps: int, stride: int, padding: int, dilation: int, out: int) -> None:
    """The figures of Dumoulin & Visin, there and back; only 6 -> 3 needs an output padding of 1 to return."""
    fields = {"weights": np.ones((taps, taps)), "stride": stride, "padding": padding, "dilation": dilation}
    kernel = convcli.load(fields | {"border": "zero"})
    assert tuple(kernel.output_shape((n, n))) == (out, out)
    assert kernel.apply(np.ones((n, n))).shape == (out, out)
    extra = 1 if n == 6 else 0
    back = convcli.load(fields | {"type": "transposed", "border": "zero", "output_padding": extra})
    assert tuple(back.output_shape((out, out))) == (n, n)
    assert back.apply(np.ones((out, out))).shape == (n, n)


def test_same_at_stride_2_subsamples() -> None:
    """1 to 8 with 1, 10, 100: centred, as torch `padding=1`; TensorFlow's and ONNX's SAME_UPPER would start at 321."""
    line, fields = np.arange(1.0, 9), {"weights": [1, 10, 100], "axes": "x", "border": "zero"}
    assert apply(fields | {"stride": 2}, line).tolist() == [210, 432, 654, 876]
    assert apply(fields, line)[::2].tolist() == [210, 432, 654, 876]
    upper = apply(fields | {"stride": 2, "padding": [[0, 1]]}, line)
    assert upper.tolist() == [321, 543, 765, 87]


@pytest.mark.parametrize("taps", range(1, 7))
@pytest.mark.parametrize("stride", range(1, 5))
@pytest.mark.parametrize("dilation", range(1, 4))
def test_same_is_the_full_result_subsampled(taps: int, stride: int, dilation: int) -> None:
    rng = np.random.default_rng(taps)
    w = rng.standard_normal(taps)
    for n in (1, 2, 7, 12):
        x = rng.standard_normal(n)
        fields = {"weights": w, "axes": "x", "dilation": dilation}
        y = apply(fields | {"stride": stride}, x)
        assert y.shape == (-(-n // stride),)
        close(y, apply(fields, x)[::stride])


def test_an_even_kernel_has_its_odd_cell_at_the_end() -> None:
    line = np.array([1.0, 2, 3, 4])
    fields = {"axes": "x", "border": "zero"}
    assert apply(fields | {"weights": [0, 1]}, line).tolist() == [2, 3, 4, 0]
    assert apply(fields | {"weights": [1, 0, 0, 0]}, line).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("rule", ["nearest", "bilinear", "cubic"])
@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("border", ["reflect", "symmetric", "replicate", "wrap"])
def test_upsamplers_turn_ones_into_ones(rule: str, factor: int, border: str) -> None:
    fields = {"type": "transposed", "weights": {rule: {}}, "stride": factor, "border": border}
    for shape in [(5, 6), (1, 1), (2, 1)]:
        y = apply(fields, np.ones(shape))
        assert y.shape == (shape[0] * factor, shape[1] * factor)
        close(y, np.ones(y.shape))


@pytest.mark.parametrize("border", ref.BORDERS)
def test_the_bilinear_enlarger_of_the_handbook(border: str) -> None:
    """Weights 1 2 1 over 4, stride 2, padding 1, output padding 1: samples stay, means come between."""
    fields = {"type": "transposed", "weights": [[1, 2, 1], [2, 4, 2], [1, 2, 1]], "divisor": 4, "stride": 2}
    x = np.random.default_rng(15).standard_normal((4, 5))
    y = apply(fields | {"padding": 1, "output_padding": 1, "border": border}, x)
    assert y.shape == (8, 10)
    close(y[::2, ::2], x)
    close(y[1:-1:2, ::2], (x[1:] + x[:-1]) / 2)
    beyond = {"reflect": x[-2], "symmetric": x[-1], "replicate": x[-1], "wrap": x[0], "zero": 0 * x[0]}[border]
    close(y[-1, ::2], (x[-1] + beyond) / 2)


@pytest.mark.parametrize("border", ref.BORDERS)
def test_a_picture_smaller_than_its_kernel(border: str) -> None:
    """Borders repeat as often as they must."""
    rng = np.random.default_rng(16)
    w = rng.standard_normal((9, 11))
    for shape in [(1, 1), (1, 4), (3, 2)]:
        x = rng.standard_normal(shape)
        pads = ref.same_padding(w.shape, (1, 1))
        expected = ref.dense(x[None], w[None, None], stride=(1, 1), dilation=(1, 1), padding=pads, border=border)[0]
        close(apply({"weights": w, "border": border}, x), expected)


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ({"weights": np.ones((5, 5)), "padding": "valid"}, (4, 9)),
        ({"weights": np.ones((3, 3)), "padding": "valid", "dilation": 2, "stride": 4}, (4, 4)),
        ({"weights": np.ones((3, 3)), "padding": 1, "dilation": 3, "stride": 3}, (9, 4)),
        ({"weights": np.ones((3, 3)), "padding": 2, "type": "transposed"}, (1, 1)),
    ],
)
def test_an_output_below_one_sample_is_refused(fields: dict[str, Any], shape: tuple[int, int]) -> None:
    kernel = convcli.load(fields)
    with pytest.raises(ShapeError):
        kernel.output_shape(shape)
    with pytest.raises(ShapeError):
        kernel.apply(np.ones(shape))


def test_the_input_is_left_alone() -> None:
    """Read-only and strided views are accepted, nothing is written to them."""
    x = np.random.default_rng(17).standard_normal((20, 22, 6))[::2, ::-1, 1::2]
    x.flags.writeable = False
    before = x.copy()
    for kind, fields in TYPES.items():
        if kind in ("dense", "separable", "transposed"):
            close(apply(fields, x), apply(fields, before))
    np.testing.assert_array_equal(x, before)
