"""Networks in Python programs: what `-k` takes and makes, `convcli.load` and `convcli.apply` take and make."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import convcli
from convcli.engine.threads import thread_count
from convcli.networks import runnable
from tests.support import ROOT, noise, run

ENLARGE = ROOT / "samples" / "networks" / "enlarge-2x.yaml"
WEIGHTS = np.load(ENLARGE.with_suffix(".npz"))


def colours(folder: Path, **fields: Any) -> Path:
    """A network of three channels in and two out, with a stride."""
    np.savez(folder / "w.npz", **{"a.weight": np.random.default_rng(0).normal(size=(2, 3, 3, 3))})
    path = folder / "colours.yaml"
    text = {"weights": "w.npz", "input": "24x32x3", "layers": [{"dense": 2, "stride": 2, "name": "a"}], **fields}
    path.write_text(yaml.safe_dump(text))
    return path


def shell(folder: Path, x: Any, *kernels: object) -> Any:
    np.save(folder / "x.npy", x)
    words = [word for kernel in kernels for word in ("-k", kernel)]
    done = run("apply", folder / "x.npy", *words, "-o", folder / "y.npy", "--overwrite", "--range", "auto")
    assert done.code == 0, done.err
    return np.load(folder / "y.npy")


def samples(*shape: int, dtype: str = "uint8") -> Any:
    return noise(*shape, dtype=dtype) if dtype.startswith("u") else (noise(*shape) / 255).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("until", ["", "conv3"])
@pytest.mark.parametrize("shape", [(20, 30, 3), (20, 30), (1, 1, 3)], ids=str)
def test_results_are_those_of_the_shell(shape: tuple[int, ...], until: str, dtype: str, tmp_path: Path) -> None:
    x = samples(*shape, dtype=dtype)
    source = f"{ENLARGE}:until={until}" if until else str(ENLARGE)
    y = convcli.apply(x, source)
    assert y.dtype == ("float32" if until else dtype)
    theirs = shell(tmp_path, x, source).reshape(y.shape)
    if dtype.startswith("u") and not until:
        # The shell keeps as floats in arrays what integers could not hold.
        theirs = np.clip(np.rint(theirs), 0, np.iinfo(dtype).max)
    assert np.array_equal(y, theirs)


def test_forms_of_one_network() -> None:
    """File, path, overrides, fields and a loaded one are the same, with the same name where that is said."""
    x = noise(12, 15, 3)
    expected = convcli.apply(x, f"{ENLARGE}:until=conv2")
    text = yaml.safe_load(ENLARGE.read_text())
    by_hand = {**text, "layers": [
        {**layer, "weights": WEIGHTS[f"{layer['name']}.weight"], "bias": WEIGHTS[f"{layer['name']}.bias"],
         "activation": {"prelu": WEIGHTS[f"{layer['name']}.slope"]}}
        for layer in text["layers"][:2]
    ]}  # fmt: skip
    del by_hand["weights"]
    named = [
        convcli.load(f"{ENLARGE}:until=conv2"), convcli.load(ENLARGE, until="conv2"),
        convcli.load(convcli.load(str(ENLARGE), until="conv2")),
    ]  # fmt: skip
    whole = convcli.load(ENLARGE)
    assert isinstance(whole, convcli.NetworkKernel)
    named += [whole.until("conv2"), whole.until("conv5").until("conv2")]
    assert {repr(one) for one in named} == {"<Network enlarge-2x:until=conv2: 2 layers, 1 -> 5 channels, 960 weights>"}
    for network in [*named, convcli.load(by_hand)]:
        assert np.array_equal(network.apply(x), expected)


@pytest.mark.parametrize("layout", ["yxc", "cyx", "xyc", "hwc", "chw", "nhwc", "nchw", "cnyx"])
def test_layouts(layout: str, tmp_path: Path) -> None:
    """Along n no layer looks, and what comes back lies as what went in."""
    network = convcli.load(colours(tmp_path))
    letters = layout.replace("h", "y").replace("w", "x")
    stack = samples(3, 20, 30, 3, dtype="float32")
    stacked = "n" in letters
    axes, x = ("nyxc", stack) if stacked else ("yxc", stack[0])
    y = np.einsum(f"{letters}->{axes}", network.apply(np.einsum(f"{axes}->{letters}", x), layout))
    alone = [network.apply(one) for one in stack]
    assert alone[0].shape == (10, 15, 2)
    assert np.abs(y - (np.stack(alone) if stacked else alone[0])).max() <= 1e-5


def test_chains(tmp_path: Path) -> None:
    x = noise(20, 30, 3)
    y = convcli.apply(x, ["gaussian", ENLARGE, {"weights": [[1, 1], [1, 1]], "divisor": "sum"}])
    theirs = shell(tmp_path, x, "gaussian", ENLARGE, "{weights: [[1, 1], [1, 1]], divisor: sum}")
    assert y.dtype == np.uint8 and y.shape == (40, 60, 3)
    assert np.abs(y - np.clip(theirs, 0, 255)).max() <= 0.5


def test_kinds_of_numbers(tmp_path: Path) -> None:
    """Pictures keep their dtype, maps of integers are floats, and what is asked for is given."""
    path, x = colours(tmp_path), noise(10, 12, 3)
    assert [convcli.apply(x.astype(kind), path).dtype for kind in ("u1", "i4", "?", "f4", "f8")] == [
        "f4", "f8", "f4", "f4", "f8",
    ]  # fmt: skip
    whole = convcli.apply(x, path, dtype="int16")
    assert whole.dtype == np.int16
    assert np.abs(whole - convcli.apply(x, path)).max() <= 0.5001
    double, single = convcli.apply(x / 255, path), convcli.apply((x / 255).astype("f4"), path)
    assert 0 < np.abs(double - single).max() <= 1e-6


def test_what_it_tells(tmp_path: Path) -> None:
    network = convcli.load(colours(tmp_path))
    assert {"apply", "count", "draw", "until", "output_shape"} <= set(dir(network))
    assert network.output_shape((48, 64)) == (24, 32)
    assert network.count((48, 64)).total_macs == network.count((48, 64), 3).total_macs == 24 * 32 * 54
    assert "54 weights" in repr(network)
    drawing = network.draw(point=(3, 4))
    assert "absolute weights" in drawing.scene.about and "3×3 pixels" in drawing.scene.about
    assert convcli.plan(tmp_path / "colours.yaml", (24, 32, 3)).output == (12, 16, 2)


REFUSED: list[tuple[Callable[[Path], object], str]] = [
    (lambda path: convcli.load(path, until="b"), "no layer has the name 'b'"),
    (lambda path: convcli.load(path, stride=2), "a network has no 'stride'"),
    (lambda path: convcli.load(path, width="wide"), "'width' must be a number"),
    (lambda path: convcli.load(path, width=0.5), "has shape 2x3x3x3; the layer takes 1x3x3x3"),
    (lambda path: convcli.load({"layers": [{"dense": 2}]}), "'input' is missing"),
    (lambda path: convcli.load({"input": "8x8x1", "layers": [{"dense": 2}]}), "has no weights for 1"),
    (lambda path: convcli.load({"input": "8x8x1", "layers": [{"dens": 2}]}), "layers[0]"),
    (lambda path: convcli.apply(noise(20, 30), path), "takes 3 channels, the input has 1"),
    (lambda path: convcli.apply(noise(20, 3), path, "xc"), "the array has no y"),
    (lambda path: convcli.apply(noise(3, 20, 30), path), "looks like cyx"),
    (lambda path: convcli.apply(noise(20, 30, 3), path, amount=0.5), "can't be mixed"),
    (lambda path: convcli.load(path).to_numpy(), "it has no weights of its own"),
    (lambda path: convcli.apply(noise(20, 30, 3).astype(complex), path), "holds no real numbers"),
]


@pytest.mark.parametrize(("make", "fact"), REFUSED, ids=[fact for _, fact in REFUSED])
def test_what_is_wrong(make: Callable[[Path], object], fact: str, tmp_path: Path) -> None:
    path = colours(tmp_path)
    with pytest.raises(convcli.ConvcliError) as caught:
        make(path)
    assert fact in str(caught.value)


def test_errors_have_the_words_of_the_shell(tmp_path: Path) -> None:
    path = colours(tmp_path)
    for source, x in ((f"{path}:until=b", noise(20, 30, 3)), (path, noise(20, 30))):
        np.save(tmp_path / "x.npy", x)
        done = run("apply", tmp_path / "x.npy", "-k", source, "-o", tmp_path / "y.npy")
        with pytest.raises(convcli.ConvcliError) as caught:
            convcli.apply(x, source)
        assert done.code and caught.value.fact in done.err


def test_large_stacks_are_run_picture_by_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the last bit as each alone, volumes too, whose slices no layer mixes; in the memory of as many as run at a
    time."""
    network = convcli.load(ENLARGE)
    assert isinstance(network, convcli.NetworkKernel)
    x = samples(2, 3, 20, 30)
    monkeypatch.setattr(runnable, "WHOLE_BYTES", network.map_bytes((1, 20, 30)))
    y = network.apply(x, "nzyx")
    assert y.shape == (2, 3, 40, 60)
    assert all(np.array_equal(y[n, z], network.apply(x[n, z])) for n in range(2) for z in range(3))
    results = 4 * 40 * 60
    alone = network.map_bytes((1, 20, 30))
    assert network.map_bytes((2, 3, 20, 30)) == min(6, thread_count()) * alone + 6 * results
    stack = np.zeros((40, 20, 30), np.uint8)
    _peak(network, stack[:4])  # threads keep what they work in
    assert _peak(network, stack) < _peak(network, stack[:4]) + 40 * results * 2


def _peak(network: Any, stack: Any) -> int:
    """Bytes that numpy has at a time for results, besides what was there."""
    network.apply(stack[:1], "nyx")
    tracemalloc.start()
    try:
        network.apply(stack, "nyx")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
