"""What must hold of convolutions whatever the numbers: impulses, linearity, shifts; cuts do not matter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference as ref

import convcli
from convcli.engine import tiles
from convcli.engine.bank import plan as bank_plan
from convcli.engine.channel import fused, line, slices, stamped, strided, whole as whole_plane
from tests.ops.compared import apply, close

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
            {"type": "transposed", "weights": rng.standard_normal((4, 5, 3, 3)), "stride": 3, "dilation": 2,
             "padding": 1, "output_padding": 2},
            (60, 50, 4), "yxc",
        ),
        "deformable": (
            {"type": "deformable", "weights": rng.standard_normal((3, 3)),
             "offsets": 9 * rng.standard_normal((18, 90, 70)), "mask": rng.random((9, 90, 70))},
            (90, 70, 2), "yxc",
        ),
        "depthwise separable": (
            {"type": "depthwise_separable", "depthwise": rng.standard_normal((3, 3)),
             "pointwise": rng.standard_normal((5, 3)), "stride": 2},
            (90, 70, 3), "yxc",
        ),
    }  # fmt: skip


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
    parts = whole_plane.parts
    monkeypatch.setattr(whole_plane, "parts", counted(lambda height, *_: [(0, height)]))
    monkeypatch.setattr(strided, "bands", counted(strided.bands))
    own_bands = {module: module.bands for module in (slices, stamped)}
    for module in own_bands:
        monkeypatch.setattr(
            module, "bands", counted(lambda length, step, *others: [(0, length * step if others else length)])
        )
    monkeypatch.setattr(line, "bands", counted(line.bands))
    monkeypatch.setattr(fused, "bands", counted(fused.bands))
    monkeypatch.setattr(tiles, "TILE_BYTES", 1 << 40)
    monkeypatch.setattr(strided, "LEAST_BYTES", 1 << 40)
    monkeypatch.setattr(fused, "ALONE", 1 << 40)
    monkeypatch.setattr(bank_plan, "BAND", 1 << 60)
    bank_plan.plan_bank.cache_clear()
    whole = kernel.apply(x, layout=layout)
    assert [len(cuts) for cuts in bands] == [1]
    bands.clear()
    monkeypatch.setattr(tiles, "TILE_BYTES", 1)
    monkeypatch.setattr(line, "BAND", 50)
    monkeypatch.setattr(whole_plane, "parts", counted(parts))
    monkeypatch.setattr(whole_plane, "PART", 1)
    monkeypatch.setattr(whole_plane, "SEAMS", 4)
    for limit in ("ALONE", "LEAST", "BAND_BYTES"):
        monkeypatch.setattr(fused, limit, 1)
    for limit in ("LEAST_BYTES", "BAND_BYTES", "OVERLAP"):
        monkeypatch.setattr(strided, limit, 1)
    for module, own in own_bands.items():
        monkeypatch.setattr(module, "bands", counted(own))
        monkeypatch.setattr(module, "SEAMS", 1)
    monkeypatch.setattr(slices, "WINDOW_BYTES", 1)
    monkeypatch.setattr(stamped, "BAND_BYTES", 1)
    for limit in ("BAND", "BAND_BYTES"):
        monkeypatch.setattr(bank_plan, limit, 1)
    bank_plan.plan_bank.cache_clear()
    # A kernel goes on in the bands that it began with.
    close(kernel.replace().apply(x, layout=layout), whole, 1e-13)
    assert len(bands) == 1 and len(bands[0]) > 2
    bank_plan.plan_bank.cache_clear()


def test_the_input_is_left_alone() -> None:
    """Read-only and strided views are accepted, nothing is written to them."""
    x = np.random.default_rng(17).standard_normal((20, 22, 6))[::2, ::-1, 1::2]
    x.flags.writeable = False
    before = x.copy()
    for kind, fields in TYPES.items():
        if kind in ("dense", "separable", "transposed"):
            close(apply(fields, x), apply(fields, before))
    np.testing.assert_array_equal(x, before)
