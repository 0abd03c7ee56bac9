"""Kernels in a session and a notebook: loaded by the first guess, told in a line, drawn, handed out as arrays."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.errors import ConvcliError, KernelError, UsageError
from tests.support import noise

ROWS = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]


@pytest.mark.parametrize("name", [*convcli.names(), "[1, 2, 1]", "{type: separable, axes: zyx, taps: [1, 2, 1]}"])
def test_every_kernel_is_a_line_and_a_drawing(name: str) -> None:
    kernel = convcli.load(name)
    text = repr(kernel)
    assert text.startswith(f"<Kernel {kernel.name}: {kernel.type}, ") and "\n" not in text and len(text) <= 160
    html = kernel._repr_html_()
    assert html is not None
    ET.fromstring(html)
    listed = dir(kernel)
    assert {"apply", "taps", "to_numpy", "draw", "reads"} <= set(listed)
    assert not [word for word in listed if word.startswith("_") or not hasattr(kernel, word)]
    assert not {"locate", "remembered", "cuts", "guided", "FIELDS", "dense_weights"} & set(listed)


def test_what_changes_the_geometry_is_told() -> None:
    fields = {"stride": 2, "padding": [[1, 0], [0, 0]], "border": "wrap", "bias": np.ones(2), "activation": "relu"}
    kernel = convcli.load(np.ones((2, 3, 3, 3)), **fields)
    said = "3 -> 2 channels, stride 2x2, padding 1+0, 0+0, border wrap, 2 biases, relu"
    assert repr(kernel) == f"<Kernel inline: dense, 3x3 taps along y,x, {said}>"


@pytest.mark.parametrize(
    "name", ["sobel-x", "gaussian:sigma=1.5", "sharpen", "[[1, 2], [3, 4]]", "binomial-5", "motion"]
)
def test_weights_are_those_that_others_correlate_with(name: str) -> None:
    kernel, x = convcli.load(name, border="zero"), noise(20, 23).astype(np.float64)
    weights = kernel.to_numpy()
    expected = ndimage.correlate(x, weights, mode="constant", origin=[-(1 - n % 2) for n in weights.shape])
    np.testing.assert_allclose(kernel.apply(x), expected, rtol=1e-9, atol=1e-9)
    again = convcli.load(weights, border="zero")
    np.testing.assert_allclose(again.apply(x), expected, rtol=1e-9, atol=1e-9)
    weights[:] = 0
    assert kernel.to_numpy(np.float32).any() and kernel.to_numpy(np.float32).dtype == np.float32


@pytest.mark.parametrize("name", ["sharpen:amount=2", "gaussian:amount=.5,sigma=1", "[[1, 2, 1]]:amount=-1"])
def test_an_effect_is_in_the_weights(name: str) -> None:
    kernel, x = convcli.load(name, border="zero"), noise(20, 23).astype(np.float64)
    np.testing.assert_allclose(
        kernel.apply(x), ndimage.correlate(x, kernel.to_numpy(), mode="constant"), rtol=1e-9, atol=1e-9
    )
    if "sharpen" in name:
        assert "output[1, 1] = " in convcli.draw.steps(kernel, values=x[:3, :3]).svg()
        assert f"w[1, 1] = {kernel.to_numpy()[1, 1]:.6g}" in kernel.draw().svg()
    for draw in (convcli.draw.kernel, convcli.draw.steps, convcli.draw.taps):
        size = {convcli.draw.steps: {"size": (5, 5)}, convcli.draw.taps: {"picture": x}}.get(draw, {})
        with pytest.raises(KernelError, match="is mixed with the picture"):
            draw("sharpen:threshold=.1", **size)


@pytest.mark.parametrize(
    ("loaded", "same"),
    [
        (lambda: convcli.load("gaussian", sigma=3), "gaussian:sigma=3"),
        (lambda: convcli.load("gaussian", sigma=np.float64(3), stride=[1, 2]), "gaussian:sigma=3,stride=[1, 2]"),
        (lambda: convcli.load("gaussian:sigma=3", border="wrap"), "gaussian:sigma=3,border=wrap"),
        (lambda: convcli.load("gaussian", sigma="3"), "gaussian:sigma=3"),
        (lambda: convcli.load(ROWS), "[[0, 1, 0], [1, -4, 1], [0, 1, 0]]"),
        (lambda: convcli.load(tuple(map(tuple, ROWS)), padding="valid"), f"{{weights: {ROWS}, padding: valid}}"),
        (lambda: convcli.load(np.array(ROWS, np.int8), dilation=2), f"{{weights: {ROWS}, dilation: 2}}"),
        (lambda: convcli.load({"weights": ROWS}, divisor=2), f"{{weights: {ROWS}, divisor: 2}}"),
        (lambda: convcli.load("swirl", angle=20), "swirl:angle=20"),
    ],
)  # fmt: skip
def test_first_guesses_load_what_is_meant(loaded: Any, same: str) -> None:
    x = noise(17, 19, 3)
    np.testing.assert_array_equal(loaded().apply(x), convcli.load(same).apply(x))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64, bool])
def test_several_kernels_run_in_floats_and_are_rounded_once(dtype: Any) -> None:
    x = (noise(15, 18, 3) % 2 if dtype is bool else noise(15, 18, 3)).astype(dtype)
    kernels = ["gaussian:sigma=2", {"weights": ROWS}, convcli.load("sharpen")]
    exact = x.astype(np.float64)
    for kernel in kernels:
        exact = convcli.load(kernel).apply(exact)
    result = convcli.apply(x, kernels)
    assert result.dtype == dtype and result.shape == x.shape
    if np.dtype(dtype).kind in "iu":
        limits = np.iinfo(dtype)
        assert np.abs(result - np.clip(exact, limits.min, limits.max)).max() <= 0.51
    elif dtype is not bool:
        np.testing.assert_allclose(result, exact, atol=0.01)
    np.testing.assert_allclose(convcli.apply(x, kernels, dtype="float64"), exact, atol=0.01)


def test_layouts_hold_through_a_chain() -> None:
    x = noise(3, 12, 13)
    np.testing.assert_array_equal(
        convcli.apply(x, ["gaussian", "sharpen"], "chw"),
        np.moveaxis(convcli.apply(np.moveaxis(x, 0, 2), ["gaussian", "sharpen"]), 2, 0),
    )
    grey, bank = noise(12, 13), {"weights": np.ones((2, 1, 3, 3)) / 9}
    output = convcli.apply(grey, [bank, "gaussian"], "yx")
    np.testing.assert_array_equal(output, convcli.apply(grey, [bank, "gaussian"]))
    assert output.shape == (12, 13, 2)


def test_costs_are_rows_that_others_take() -> None:
    rows = convcli.compare("sharpen", ROWS, convcli.load("box"), np.ones((5, 5)), size=(48, 64))
    assert [row["name"] for row in rows] == ["sharpen", "inline", "box", "inline (2)"]
    assert [row["macs"] for row in rows] == [n * 48 * 64 * 3 for n in (9, 9, 10, 25)]
    assert json.loads(json.dumps(rows))[0]["size_in"] == [48, 64]
    writer = csv.DictWriter(io.StringIO(), rows[0].keys())
    writer.writerows(rows)
    assert len(convcli.compare()) == 8
    layers = convcli.compare("box", in_channels=4, out_channels=6, kernel_size=5, bias=True, size="8x8")
    assert layers[0]["params_biases"] == 6
    timed = convcli.compare("box", size=(16, 16), time=True, budget=0.01)
    assert timed[0]["time_median_s"] > 0
    assert convcli.draw.costs(rows).scene.about.startswith("sharpen: 9 weights")
    pandas = pytest.importorskip("pandas")
    assert pandas.DataFrame(rows)["macs"].sum() == sum(row["macs"] for row in rows)


@pytest.mark.parametrize(
    ("call", "fact"),
    [
        (lambda: convcli.load("gaussian", sigm=3), "has no field or parameter 'sigm'"),
        (lambda: convcli.load("gaussian", sigma="wide"), "'sigma' must be a number, not 'wide'"),
        (lambda: convcli.load(convcli.load("box"), stride=2), "kernel 'box' is made already: its stride can't be set"),
        (lambda: convcli.load(["gaussian", "box"]), "2 kernels where one is taken"),
        (lambda: convcli.load(np.ones((3, 3), complex)), "complex128 holds no real numbers"),
        (lambda: convcli.load(np.ma.masked_array([[1, 2]])), "masked"),
        (lambda: convcli.apply(np.ones((4, 4)), []), "a chain of no kernels"),
        (lambda: convcli.apply(np.ones((4, 4), object), ["box", "box"]), "object holds no real numbers"),
        (lambda: convcli.apply(np.ones((4, 4)), ["box", "bax"]), "unknown kernel 'bax'"),
        (lambda: convcli.compare("box", kernel_sise=3), "compare knows no 'kernel_sise'"),
        (lambda: convcli.compare("box", baseline="bax", size=(9, 9)), "bax"),
        (lambda: convcli.draw.steps("box", values=[[1], [2, 3]]), "no array can be made of a list"),
        (lambda: convcli.draw.costs([]), "no rows to draw"),
    ],
)
def test_what_is_wrong_is_one_error(call: Any, fact: str) -> None:
    with pytest.raises(ConvcliError) as caught:
        call()
    assert fact in str(caught.value)
    assert isinstance(caught.value, KernelError | UsageError)
