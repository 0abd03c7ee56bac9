"""What a chain hands on: planes or pixels, whichever the next kernels read best; results are the same."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import convcli
from convcli.filtering import Chain, filter_pixels, graph


def bank(*shape: int, **fields: Any) -> dict[str, Any]:
    return {"weights": np.random.default_rng(sum(shape)).standard_normal(shape) / np.prod(shape[1:]) ** 0.5, **fields}


CHAINS: dict[str, list[Any]] = {
    "deep": [bank(64, 3, 3, 3), bank(64, 64, 3, 3), bank(64, 1, 3, 3, groups=64, stride=2), bank(12, 64, 1, 1)],
    "enlarging": [
        bank(56, 3, 5, 5),
        bank(12, 56, 1, 1),
        bank(12, 12, 3, 3),
        bank(12, 3, 4, 4, type="transposed", stride=2),
    ],
    "each alone": ["gaussian:sigma=1", "sharpen", "gaussian:sigma=3"],
    "mixed": ["sharpen", bank(20, 3, 3, 3), "gaussian:sigma=1", bank(3, 20, 3, 3), "sharpen"],
    "one": [bank(8, 3, 3, 3)],
}


@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("name", CHAINS)
def test_results_do_not_depend_on_how_they_lie(name: str, planes: bool) -> None:
    kernels = [convcli.load(kernel) for kernel in CHAINS[name]]
    x = np.random.default_rng(0).random((60, 70, 3), np.float32)
    expected = np.float64(x)
    for kernel in kernels:
        expected = kernel.apply(expected, "yxc")
    if planes:
        x = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, -1, 0)), 0, -1)
    y = filter_pixels(x, Chain(kernels), axes="yx").array
    assert y.flags.c_contiguous and y.shape == expected.shape
    assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("name", CHAINS)
def test_no_other_layouts_turn_fewer_samples(name: str, planes: bool) -> None:
    kernels = [convcli.load(kernel) for kernel in CHAINS[name]]
    chain = Chain(kernels)
    stages = chain.stages((60, 70), "yx", 3)

    def cost(results: tuple[bool, ...]) -> float:
        ways = zip(kernels, stages, (planes, *results), (*results, False), strict=True)
        return sum(
            kernel.turned(stage.size_in, stage.channels_in, reads=reads, writes=writes)
            for kernel, stage, reads, writes in ways
        )

    *inner, last = chain.planes(stages, planes)
    assert last is False
    assert cost(tuple(inner)) == min(map(cost, itertools.product((False, True), repeat=len(inner))))


def test_arrays_between_stages_lie_as_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = [convcli.load(kernel) for kernel in CHAINS["deep"]]
    chain = Chain(kernels)
    planned, output = chain.planes(chain.stages((300, 280), "yx", 3), False), []
    begin = graph.Node.begin

    def watched(node: graph.Node, *arguments: Any, **options: Any) -> None:
        begin(node, *arguments, **options)
        output.append(graph.planar(node.array))

    monkeypatch.setattr(graph.Node, "begin", watched)
    filter_pixels(np.ones((300, 280, 3), np.float32), chain, axes="yx")
    assert output == planned and True in planned
