"""Receptive fields as they are drawn: what impulses answer, and what compare counts."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pytest

import convcli
from convcli.costs import receptive
from convcli.drawing import field as receptive_field
from convcli.filtering import Chain, filter_pixels
from convcli.networks import runnable
from convcli.networks.placed import Flow, Operation, Placed
from tests.drawing.over import PICTURE, SWIRL, absolute

CHAINS = [
    ["{weights: {fill: 1, size: [3, 3]}, dilation: 2, border: zero}"] * 3,
    ["sharpen:border=zero", "gaussian:sigma=1,border=zero", "downsample-2x:border=zero"],
    ["downsample-2x:border=zero", "{weights: [[1, 2]], stride: [1, 2], padding: valid}"],
    ["{type: transposed, weights: [[1, 2, 1], [2, 4, 2], [1, 2, 1]], stride: 2, border: zero}", "box:border=zero"],
    ["{type: transposed, weights: [[1, 2]], stride: 3, padding: 0, border: zero}", "box:border=zero"],
    [
        "box:border=zero",
        "{type: transposed, weights: [[3]], stride: 2, border: zero, padding: 0}",
        "{weights: {fill: 1, size: [2, 4]}}",
    ],
]

_RANDOM = np.random.default_rng(5)
#: With a mask from an array, some of it 0, and with one that a branch makes of the picture, among its offsets.
MASKED = {
    "type": "deformable", "weights": [[1, -2], [3, 1]], "offsets": _RANDOM.normal(0, 2, (8, 22, 24)).astype(np.float32),
    "mask": _RANDOM.integers(0, 4, (4, 22, 24)).astype(np.float32) / 3,
}  # fmt: skip
PACKED = {
    "type": "deformable", "weights": [[1, 2, 3]],
    "offsets": {
        "branch": {"weights": _RANDOM.normal(0, 1, (9, 1, 3, 3)).astype(np.float32), "range": "unit", "packed": True},
    },
}  # fmt: skip


@pytest.mark.parametrize("sources", CHAINS, ids=str)
def test_fields_are_what_impulses_answer(sources: list[str]) -> None:
    kernels = [convcli.load(source) for source in sources]
    sizes: list[tuple[int, ...]] = [(22, 24)]
    for kernel in kernels:
        sizes.append(kernel.output_shape(sizes[-1], "yx"))
    point = tuple(n // 2 for n in sizes[-1])
    grid, (top, left) = receptive_field.counts(receptive_field.placed(kernels, (22, 24)), point)
    answers = np.zeros(sizes[0])
    plain = [k.replace(weights=absolute(k)) if hasattr(k, "weights") else k for k in kernels]  # type: ignore[call-arg]
    for place in np.ndindex(sizes[0]):
        x = np.zeros(sizes[0])
        x[place] = 1
        for kernel in plain:
            x = kernel.apply(x, "yx")
        answers[place] = x[point]
    inside = np.zeros(sizes[0])
    for (r, c), value in np.ndenumerate(grid):
        if 0 <= top + r < sizes[0][0] and 0 <= left + c < sizes[0][1]:
            inside[top + r, left + c] = value
        else:
            assert value == 0 or top + r < 0 or left + c < 0 or top + r >= sizes[0][0] or left + c >= sizes[0][1]
    np.testing.assert_allclose(inside, answers, atol=1e-9)


@pytest.mark.parametrize(
    "source", [SWIRL, {**SWIRL, "stride": 2}, "jitter", "lens:strength=.6", "smooth-edges", MASKED, PACKED]
)
def test_fields_of_deformable_kernels_are_what_impulses_answer(source: Any) -> None:
    """An impulse at a pixel comes out, at each output, as the share that pixel has in it."""
    size, picture = (22, 24), PICTURE[:22, :24]
    kernel = convcli.load(source).replace(border="zero")
    guided = kernel.guided(picture, 255.0)
    weighed = guided.replace(weights=absolute(kernel))  # type: ignore[call-arg]
    point = tuple(n // 2 for n in kernel.output_shape(size))
    grid, (top, left) = receptive_field.counts(receptive_field.placed([guided], size), point)
    answers, inside = np.zeros(size), np.zeros(size)
    for place in np.ndindex(size):
        x = np.zeros(size)
        x[place] = 1
        answers[place] = weighed.apply(x, "yx")[point]
        r, c = place[0] - top, place[1] - left
        if 0 <= r < grid.shape[0] and 0 <= c < grid.shape[1]:
            inside[place] = grid[r, c]
    np.testing.assert_allclose(inside, answers, atol=1e-5)
    assert convcli.draw.field([kernel], picture).scene.about


def test_fields_of_networks_are_what_impulses_answer(tmp_path: FilePath) -> None:
    """Two branches that meet again, with weights that are not negative, so that nothing is cut off on the way."""
    text = """
picture: {channels: rgb, range: unit}
weights: net.npz
layers:
  - {dense: 4, kernel_size: 3, name: one, border: zero}
  - {dense: 4, kernel_size: 3, dilation: 3, name: two, border: zero}
  - {add: [one, two], name: both}
  - {dense: 3, kernel_size: 3, stride: 2, name: last, border: zero}
"""
    arrays = {"one": (4, 3, 3, 3), "two": (4, 4, 3, 3), "last": (3, 4, 3, 3)}
    np.savez(tmp_path / "net.npz", **{f"{name}.weight": np.ones(shape, np.float32) for name, shape in arrays.items()})
    (tmp_path / "net.yaml").write_text(text)
    network, size = runnable.load(str(tmp_path / "net.yaml")), (26, 28)
    assert network
    layers = receptive_field.placed([network], size)
    point = 6, 7
    grid, (top, left) = receptive_field.counts(layers, point, alike=True)
    answers, inside = np.zeros(size, bool), np.zeros(size, bool)
    for place in np.ndindex(size):
        x = np.zeros((*size, 3), np.float32)
        x[place] = 1
        answers[place] = np.asarray(filter_pixels(x, Chain([network], "float")).array)[point].any()
        r, c = place[0] - top, place[1] - left
        inside[place] = 0 <= r < grid.shape[0] and 0 <= c < grid.shape[1] and grid[r, c] > 0.5
    np.testing.assert_array_equal(inside, answers)
    assert answers.sum() > 50
    assert (
        f"sees {grid.shape[0]}×{grid.shape[1]} pixels"
        in convcli.draw.field([str(tmp_path / "net.yaml")], PICTURE[:26, :28], point).scene.about
    )


@pytest.mark.parametrize("gaps", [(2, 2, 2), (1, 2, 5), (3,), (1, 1)])
def test_fields_say_what_compare_counts(gaps: tuple[int, ...]) -> None:
    kernels = [convcli.load(f"{{weights: {{fill: 1, size: [3, 3]}}, dilation: {gap}}}") for gap in gaps]
    layers, flow = [], Flow(size=(96, 120), channels=1)
    for number, kernel in enumerate(kernels):
        operation = Operation(type="dense", windows=kernel.windows((96, 120), "yx"))
        layers.append(Placed.on(flow, str(number), operation, kernels={"": kernel}))
        flow = Flow(size=(96, 120), channels=1, sources=(number,))
    seen = receptive.receptive_fields(layers)[-1]
    assert seen.coverage is not None
    says = f"sees {seen.field[0]}×{seen.field[1]} pixels, and reads {seen.coverage:.0%} of them"
    assert says in convcli.draw.field(kernels, PICTURE).scene.about


@pytest.mark.parametrize("border", ["reflect", "wrap", "zero"])
def test_what_long_chains_read_stays_a_share(border: str) -> None:
    """Of 500 kernels, whose paths are more than numbers of 64 bits can count."""
    chain = receptive_field.placed([convcli.load(f"box:border={border}")] * 500, (9, 12))
    seen, corner = receptive_field.counts(chain, (4, 5), alike=True)
    assert corner == (-2, -2)
    assert (seen == 1).all()
    assert receptive_field.counts(chain, (4, 5))[0].sum() == pytest.approx(1, abs=1e-9 if border != "zero" else 1)
