"""Products with what lies side by side in pixels: columns straight from an input, and rows; against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

import convcli
from convcli.engine.bank import pixel_rows, straight, winograd
from convcli.engine.geometry import Grid

#: Weights, spatial sizes, strides, dilations, and cells before and after each axis.
CASES: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = {
    "half size": ((64, 64, 3, 3), (56, 56), (2, 2), (1, 1), (1, 1, 1, 1)),
    "half size, odd": ((32, 25, 3, 3), (31, 17), (2, 2), (1, 1), (1, 1, 1, 1)),
    "pads of one side": ((30, 24, 3, 3), (20, 21), (2, 2), (1, 1), (0, 1, 1, 0)),
    "no pads": ((30, 24, 3, 3), (20, 21), (2, 1), (1, 1), (0, 0, 0, 0)),
    "another stride": ((40, 24, 3, 2), (20, 33), (1, 3), (1, 1), (1, 0, 1, 1)),
    "larger taps": ((64, 48, 5, 5), (30, 31), (2, 2), (1, 1), (2, 2, 2, 2)),
    "dilated": ((24, 26, 3, 3), (30, 29), (2, 2), (2, 1), (2, 1, 2, 1)),
    "stride above taps": ((24, 26, 2, 2), (30, 29), (4, 3), (1, 1), (1, 0, 0, 1)),
    "smaller than taps": ((24, 26, 5, 3), (2, 2), (1, 2), (1, 1), (3, 1, 3, 1)),
    "outputs beyond the input": ((24, 26, 2, 2), (9, 6), (2, 2), (1, 1), (6, 5, 0, 6)),
    "a single sample": ((33, 40, 3, 3), (1, 1), (2, 2), (1, 1), (1, 1, 1, 1)),
    "more outputs than samples": ((600, 200, 3, 3), (16, 15), (2, 2), (1, 1), (1, 1, 1, 1)),
    "wide": ((64, 64, 3, 3), (80, 150), (2, 2), (1, 1), (1, 1, 1, 1)),
    "lines": ((30, 40, 5), (101,), (2,), (1,), (2, 2)),
    "volumes": ((26, 24, 2, 3, 2), (6, 9, 11), (2, 2, 1), (1, 1, 1), (0, 1, 0, 1, 1, 1)),
}


#: The same for rows of pixels, without cells: weights, spatial sizes, strides, dilations.
ROWS: dict[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = {
    "stem": ((64, 3, 7, 7), (230, 230), (2, 2), (1, 1)),
    "odd sizes": ((17, 3, 3, 3), (61, 48), (2, 2), (1, 1)),
    "stride above taps": ((16, 4, 2, 3), (40, 41), (3, 4), (1, 1)),
    "dilated down": ((20, 5, 3, 3), (40, 31), (1, 1), (3, 1)),
    "dilated and strided down": ((20, 1, 3, 4), (41, 31), (2, 1), (3, 1)),
    "a common factor": ((20, 2, 3, 4), (41, 31), (4, 1), (6, 1)),
    "one output": ((16, 3, 3, 3), (3, 3), (1, 1), (1, 1)),
    "wide": ((33, 3, 3, 3), (7, 9000), (1, 2), (1, 1)),
    "lines": ((40, 6, 9), (500,), (2,), (1,)),
}


def convolution(x: Any, weights: Any, strides: Any, dilations: Any, pads: Any) -> Any:
    """Another program's answer for `(channels, *spatial)`."""
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=strides, dilations=dilations, pads=pads)
    ends = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy")
    graph = helper.make_graph([node], "g", *([end] for end in ends), [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": x[None]})[0][0]


@pytest.mark.parametrize("name", CASES)
def test_against_onnxruntime(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shape, spatial, strides, dilations, pads = CASES[name]
    laid: list[int] = []
    original = straight.Columns.laid
    monkeypatch.setattr(straight.Columns, "laid", lambda self, x: laid.append(self.size[0]) or original(self, x))
    rng, rank = np.random.default_rng(0), len(spatial)
    axes, weights = "zyx"[3 - rank :], rng.standard_normal(shape).astype(np.float32)
    x = rng.standard_normal((shape[1], *spatial)).astype(np.float32)
    expected = convolution(x, weights, strides, dilations, pads)
    fields = {
        "weights": weights, "axes": axes, "stride": list(strides), "dilation": list(dilations), "border": "zero",
        "padding": [list(ends) for ends in zip(pads[:rank], pads[rank:], strict=True)],
    }  # fmt: skip
    kernel = convcli.load(fields)
    planes = kernel.apply(x, "c" + axes)
    pixels = np.moveaxis(kernel.apply(np.ascontiguousarray(np.moveaxis(x, 0, -1)), axes + "c"), -1, 0)
    whole = kernel.apply(np.moveaxis(x, 0, -1).astype(np.float64), axes + "c")
    for y in (planes, pixels, np.moveaxis(whole, -1, 0)):
        assert y.shape == expected.shape
        assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()
    # Shared outputs lay out all columns for each of their parts.
    assert sum(laid) % (3 * expected[0].size) == 0 and laid


def test_a_nan_stays_where_taps_reach_it() -> None:
    x, weights = np.ones((20, 20, 24), np.float32), np.ones((24, 24, 3, 3), np.float32)
    x[0, 9, 3], x[19, 19, 0] = np.nan, np.inf
    y = convcli.load({"weights": weights, "stride": 2, "border": "zero"}).apply(x)
    assert np.argwhere(np.isnan(y).all(-1)).tolist() == [[0, 4], [0, 5]]
    assert np.argwhere(np.isinf(y).all(-1)).tolist() == [[9, 9]] and np.isfinite(y).any(-1).sum() == 97


@pytest.mark.parametrize("name", ROWS)
def test_rows_against_onnxruntime(name: str) -> None:
    shape, spatial, strides, dilations = ROWS[name]
    rng = np.random.default_rng(0)
    weights, x = (rng.standard_normal(size).astype(np.float32) for size in (shape, (shape[1], *spatial)))
    assert pixel_rows.fits(shape, 1, dilations, planes=False)
    expected = np.moveaxis(convolution(x, weights, strides, dilations, [0] * 2 * len(spatial)), 0, -1)
    for dtype in (np.float32, np.float64):
        y = np.full(expected.shape, np.nan, dtype)
        pixels = np.ascontiguousarray(np.moveaxis(x, 0, -1)).astype(dtype)
        matrix = pixel_rows.matrix(weights.astype(dtype))
        pixel_rows.multiply_pixel_rows(pixels, matrix, shape[2:], Grid(strides, dilations, expected.shape[:-1]), y)
        assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("step", [2, 4])
@pytest.mark.parametrize("layout", ["planes", "pixels"])
def test_tiles_reach_beyond_the_input_at_every_edge(layout: str, step: int) -> None:
    """Winograd's, of which the first may lie before the input, and the last behind it."""
    rng, weights = np.random.default_rng(0), np.random.default_rng(1).standard_normal((18, 17, 3, 3), np.float32)
    spectra = winograd.transformed(weights, step)
    for spatial, dilation, pads in (
        ((14, 14), (1, 1), (1, 1, 1, 1)), ((13, 20), (1, 1), (0, 2, 1, 0)), ((1, 1), (1, 1), (1, 1, 1, 1)),
        ((9, 8), (1, 1), (7, 0, 0, 9)), ((15, 17), (2, 3), (2, 1, 2, 5)), ((40, 66), (1, 2), (0, 2, 0, 2)),
    ):  # fmt: skip
        x = rng.standard_normal((17, *spatial)).astype(np.float32)
        expected = np.moveaxis(convolution(x, weights, (1, 1), dilation, pads), 0, -1)
        data = np.moveaxis(x, 0, -1) if layout == "planes" else np.ascontiguousarray(np.moveaxis(x, 0, -1))
        y = np.full_like(data, np.nan, shape=expected.shape)
        winograd.multiply_tiles(data, spectra, dilation, y, (-pads[0], -pads[1]))
        assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("layout", ["cyx", "yxc"])
def test_small_maps_by_tiles_against_onnxruntime(layout: str, dtype: type) -> None:
    """In one band and two, with half of the outputs for each thread, and with a spike, which is not for tiles."""
    rng = np.random.default_rng(0)
    for outputs, inputs, size, spike in ((64, 64, 14, 0), (65, 64, 70, 0), (401, 512, 7, 0), (64, 64, 28, 1)):
        weights = rng.standard_normal((outputs, inputs, 3, 3)).astype(np.float32)
        x = rng.integers(0, 256, (inputs, size, size)).astype(dtype)
        x[0, 3, 3] = 1e7 if spike and dtype is np.float32 else 7
        expected = convolution(x.astype(np.float32), weights, (1, 1), (1, 1), (1, 1, 1, 1))
        kernel = convcli.load({"weights": weights, "padding": 1, "border": "zero"})
        data = x if layout == "cyx" else np.ascontiguousarray(np.moveaxis(x, 0, -1))
        y = kernel.apply(data, layout, dtype=np.float32)
        y = y if layout == "cyx" else np.moveaxis(y, -1, 0)
        away = np.s_[:, 6:, 6:]
        assert np.abs(y - expected)[away].max() <= 1e-5 * np.abs(expected[away]).max()
