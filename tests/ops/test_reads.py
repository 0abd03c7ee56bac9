"""`Kernel.reads`: the places that taps read are those where an impulse answers; `dense_weights` compute the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import convcli
from convcli.errors import ShapeError

KERNELS: list[dict[str, Any]] = [
    {"weights": np.arange(1, 10).reshape(3, 3), "padding": "valid"},
    {"weights": [[1, 2, 3]], "dilation": 2, "stride": [2, 1]},
    {"weights": [[1, 2, 1]] * 3, "dilation": [2, 3], "stride": [3, 2], "padding": [[1, 0], [2, 3]]},
    {"type": "separable", "taps": {"y": [1, 2, 1], "x": [1, 3, 1, 2]}},
    {"type": "transposed", "weights": [[1, 2, 3], [4, 5, 6], [7, 8, 9]], "stride": 2, "padding": 1},
    {"type": "transposed", "weights": [[1, 2], [3, 4]], "stride": 3, "dilation": 2, "padding": 0},
]


@pytest.mark.parametrize("case", KERNELS, ids=str)
def test_places_are_where_impulses_answer(case: dict[str, Any]) -> None:
    kernel, size = convcli.load({**case, "border": "zero"}), (9, 8)
    shape = kernel.output_shape(size)
    answers = np.zeros((*size, *shape))
    for place in np.ndindex(*size):
        impulse = np.zeros(size)
        impulse[place] = 1
        answers[place] = kernel.apply(impulse, "yx")
    for output in np.ndindex(*shape):
        places = kernel.reads(output, size)
        there = np.isfinite(places).all(axis=1) & (places >= 0).all(axis=1) & (places < size).all(axis=1)
        expected = np.zeros(size)
        for place, weight in zip(places[there].astype(int), kernel.dense_weights().reshape(-1)[there], strict=True):
            expected[tuple(place)] += weight
        np.testing.assert_allclose(answers[(..., *output)], expected, atol=1e-9)


@pytest.mark.parametrize("offsets", [{"swirl": {"angle": 120}}, {"lens": {}}, "array"])
def test_deformed_places_are_what_ramps_read(offsets: Any) -> None:
    size = 60, 80
    if isinstance(offsets, str):
        offsets = np.random.default_rng(0).uniform(-3, 3, (2 * 6, *size))
    kernel = convcli.load({"type": "deformable", "weights": [[1, 1, 1], [1, 1, 1]], "offsets": offsets})
    ramps = [ramp.astype(float) for ramp in np.mgrid[: size[0], : size[1]]]
    read = [kernel.apply(ramp, "yx") / 6 for ramp in ramps]
    for output in ((10, 20), (30, 40), (45, 60)):
        expected = [ramp[output] for ramp in read]
        np.testing.assert_allclose(kernel.reads(output, size).mean(axis=0), expected, atol=1e-6)


def test_lines_and_volumes_have_as_many_coordinates_as_axes() -> None:
    assert convcli.load({"weights": [1, 2, 3]}).reads((0,), (5,)).tolist() == [[-1], [0], [1]]
    volume = convcli.load({"weights": {"fill": 1, "size": [1, 2, 3]}, "axes": "zyx"})
    assert volume.reads((1, 0, 2), (4, 4, 4)).shape == (6, 3)


@pytest.mark.parametrize("output", [(9, 0), (0, -1), (0,), (0, 0, 0)])
def test_outputs_that_are_not_there_are_refused(output: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"lies outside the output of 9x8"):
        convcli.load("sharpen").reads(output, (9, 8))


@pytest.mark.parametrize(
    "case",
    [
        {"type": "separable", "taps": np.arange(1, 25).reshape(4, 2, 3) / 7.0},
        {"type": "separable", "axes": "zyx", "taps": [1, 2, 1], "divisor": "sum"},
        {"type": "depthwise_separable", "depthwise": [[1, 2], [3, 4]], "pointwise": [[1, -2], [3, 1], [0, 1]]},
        {"type": "depthwise_separable", "depthwise": np.arange(8).reshape(2, 1, 2, 2), "pointwise": [[1, 2], [3, -1]]},
    ],
    ids=str,
)
def test_dense_weights_compute_the_same(case: dict[str, Any]) -> None:
    kernel = convcli.load(case)
    dense = convcli.load({"weights": kernel.dense_weights(), "axes": kernel.axes})
    x = np.random.default_rng(1).normal(size=(5, 6, 7, 2)[3 - len(kernel.axes) :])
    x = x if kernel.channels else x[..., 0]
    layout = kernel.axes + ("c" if kernel.channels else "")
    np.testing.assert_allclose(kernel.apply(x, layout), dense.apply(x, layout), atol=1e-9)
