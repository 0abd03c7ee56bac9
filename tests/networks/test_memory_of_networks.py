"""What layers hold at a time: in bands it does not grow with height, and numbers are those of whole maps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convcli.filtering import Chain, demand, paging, steps
from convcli.filtering.graph import Node
from convcli.networks import runnable
from tests.support import noise

pytestmark = pytest.mark.skipif(not paging.available(), reason="this system gives no memory back")

RNG = np.random.default_rng(0)


def weights(*shape: int) -> Any:
    return (RNG.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)


def strided(layers: int, **picture: Any) -> list[dict[str, Any]]:
    return [
        {"dense": 8, "stride": 2, "weights": weights(8, 3 if not n else 8, 3, 3), "activation": "relu"}
        for n in range(layers)
    ]


#: Layers that need some rows of what they read for each of their own.
NETWORKS: dict[str, list[dict[str, Any]]] = {
    "32 times smaller": strided(5),
    "smaller, larger, and beside what went round": [
        {"dense": 8, "weights": weights(8, 3, 3, 3), "name": "early"}, *strided(3)[1:],
        {"pool": "max", "name": "small"}, {"upsample": 8}, {"concat": "early"},
    ],
    "shuffled": [*strided(4), {"dense": 12, "weights": weights(12, 8, 3, 3)}, {"depth_to_space": 2}],
}  # fmt: skip


def network(layers: list[dict[str, Any]], size: tuple[int, int] = (512, 256)) -> runnable.NetworkKernel:
    kernel = runnable.load({"input": [*size, 3], "layers": layers})
    assert kernel
    return kernel


@pytest.fixture
def peak(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The most bytes that bands took at a time."""
    most, there = [0], dict[Node, int]()
    make, keep = Node.make, Node.keep

    def counted(node: Node) -> None:
        if node.begun and not node.paged.held:
            rows = sum(stop - start for start, stop in (node.cuts[band] for band in node._done))
            there[node] = rows * node.array[:1].nbytes
            most[0] = max(most[0], sum(there.values()))

    def making(node: Node, bands: set[int]) -> None:
        make(node, bands)
        counted(node)

    def keeping(node: Node, bands: set[int]) -> None:
        keep(node, bands)
        counted(node)

    monkeypatch.setattr(Node, "make", making)
    monkeypatch.setattr(Node, "keep", keeping)
    monkeypatch.setattr(steps, "goes_in_rows", lambda *_: True)
    monkeypatch.setattr(runnable, "WHOLE_BYTES", 0)  # large maps: no layers are computed together
    monkeypatch.setattr(demand, "_SWEEP_BYTES", 1 << 22)
    return most


@pytest.mark.parametrize("layers", NETWORKS.values(), ids=list(NETWORKS))
def test_it_does_not_grow_with_height(layers: list[dict[str, Any]], peak: list[int]) -> None:
    taken = []
    for height in (6144, 18432):
        peak[0] = 0
        steps.filter_pixels(noise(height, 192, 3), Chain([network(layers)]), axes="yx")
        taken.append(peak[0])
    assert 0 < taken[1] <= 1.3 * taken[0]


@pytest.mark.parametrize("layers", NETWORKS.values(), ids=list(NETWORKS))
def test_it_is_what_whole_maps_make(
    layers: list[dict[str, Any]], peak: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    x, chain = noise(2048, 256, 3), Chain([network(layers)])
    in_sweeps = steps.filter_pixels(x, chain, axes="yx").array
    monkeypatch.setattr(steps, "goes_in_rows", lambda *_: False)
    assert np.array_equal(in_sweeps, steps.filter_pixels(x, Chain([network(layers)]), axes="yx").array)
