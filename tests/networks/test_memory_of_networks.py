"""What layers hold at a time: in bands it does not grow with height, and numbers are those of whole maps."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from convcli.engine import tiles
from convcli.engine.bank import stretch
from convcli.files import streams
from convcli.filtering import Chain, demand, graph, layers as layers_of, paging, steps
from convcli.filtering.graph import Node
from convcli.networks import runnable
from tests.support import noise, run, save

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
    "a mean": [*strided(2), {"global_pool": "average"}, {"pointwise": 5, "weights": weights(5, 8, 1, 1)}],
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
    # All pieces are a sixteenth of what they are, which stands for larger pictures.
    for module, name in (
        (tiles, "TILE_BYTES"), (tiles, "LEAST_BYTES"), (graph, "_BAND_BYTES"), (layers_of, "_BAND_BYTES"),
        (steps, "_STEP_BYTES"), (demand, "_SWEEP_BYTES"), (stretch, "_CUT_BYTES"),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, getattr(module, name) // 16)
    return most


@pytest.mark.parametrize("layers", NETWORKS.values(), ids=list(NETWORKS))
def test_it_does_not_grow_with_height(layers: list[dict[str, Any]], peak: list[int]) -> None:
    taken = []
    for height in (2560, 7680):
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


def test_the_mean_of_a_map_is_that_of_all_its_bands(peak: list[int]) -> None:
    x, layers = noise(1024, 192, 3), NETWORKS["a mean"]
    y = steps.filter_pixels(x, Chain([network(layers)]), axes="yx").array
    maps = steps.filter_pixels(x, Chain([network(layers[:2])]), axes="yx").array
    expected = maps.mean((0, 1), dtype=np.float64) @ layers[3]["weights"][..., 0, 0].T
    assert y.shape == (1, 1, 5) and peak[0]
    assert np.abs(y[0, 0] - expected).max() <= 1e-6 * np.abs(maps).max()


@pytest.fixture
def squeezed(tmp_path: Path) -> Path:
    """A file of a network that multiplies a map by what came of all of it."""
    save_file({"c.weight": weights(8, 3, 3, 3), "f.weight": weights(8, 8, 1, 1)}, tmp_path / "w.safetensors")
    factors = "[[], [{global_pool: average}, {pointwise: 8, name: f, activation: sigmoid}]]"
    layers = f"[{{dense: 8, stride: 2, name: c}}, {{multiply: {factors}, name: product}}]"
    path = tmp_path / "squeezed.yaml"
    path.write_text(f"weights: w.safetensors\npicture: {{channels: rgb, range: unit}}\nlayers: {layers}\n")
    return path


def test_what_maps_take_that_are_whole_is_what_is_measured(squeezed: Path) -> None:
    x = np.zeros((3600, 3000, 3), np.uint8)
    kernel = runnable.load(str(squeezed))
    assert kernel
    tracemalloc.start()
    try:
        steps.filter_pixels(x, Chain([kernel]))
        measured = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert measured / 1.5 <= kernel.map_bytes(x.shape[:2]) <= 1.5 * measured


def test_rows_that_are_too_wide_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a row of the result is made of is there at a time at least, however few rows are made at once."""
    save_file({"a.weight": weights(16, 1, 3, 3), "b.weight": weights(1, 16, 5, 5)}, tmp_path / "w.safetensors")
    path = tmp_path / "net.yaml"
    path.write_text(
        "weights: w.safetensors\npicture: {channels: luma, range: unit}\n"
        "layers: [{dense: 16, name: a}, {dense: 1, kernel_size: 5, name: b}]\n"
    )
    kernel = runnable.load(str(path))
    assert kernel
    source = save(tmp_path / "a.png", np.zeros((600, 5000), np.uint8))
    rows = kernel.least_bytes((600, 5000)) / (4 * 17 * 5000)
    assert rows == 7 and kernel.map_bytes((600, 5000)) == 600 * 4 * 17 * 5000
    arguments = ["apply", source, "-k", str(path), "-o", str(tmp_path / "y.png"), "--overwrite"]
    monkeypatch.setattr(streams, "free_memory", lambda: 7 * 4 * 17 * 5000)
    assert run(*arguments).code == 0
    monkeypatch.setattr(streams, "free_memory", lambda: 7 * 4 * 17 * 5000 - 1)
    refused = run(*arguments)
    assert refused.code == 1 and "2 MB at a time, 2 MB are free" in refused.err and "narrower" in refused.err
    # A mean sees all of a map, but is made of it in bands.
    mean = network(NETWORKS["a mean"])
    assert mean.least_bytes((4096, 256)) < mean.map_bytes((4096, 256)) / 100


def test_it_is_told_before_it_is_taken(squeezed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = save(tmp_path / "a.png", np.zeros((2000, 2000, 3), np.uint8))
    arguments = ["apply", source, "-k", str(squeezed), "-o", str(tmp_path / "y.npy"), "--overwrite"]
    result = run(*arguments)
    assert result.code == 0 and result.err.count("at a time: layer 'product' needs all") == 1
    assert run(*arguments, "--quiet").err == ""
    assert any("at a time" in note for note in json.loads(run(*arguments, "--json").err)["notes"])
    monkeypatch.setattr(streams, "free_memory", lambda: 50_000_000)
    refused = run(*arguments)
    assert refused.code == 1 and "50 MB are free" in refused.err and "Warning" not in refused.err
