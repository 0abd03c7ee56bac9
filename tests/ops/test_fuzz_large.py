"""Large kernels, pictures and banks, which other algorithms compute, against the float64 references and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import reference as ref
from scipy import ndimage

import convcli
from tests.ops.drawn import FLOAT32, FLOAT64, INTEGERS, correlated, pixels, right_integers, run

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
