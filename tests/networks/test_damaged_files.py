"""Files of networks and weights with some bytes changed: read all the same, or refused in one line."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from networks import shared
from networks.test_onnx_import import GRAPHS
from onnx import helper
from safetensors.numpy import save_file

from convcli.errors import ConvcliError, KernelError
from convcli.networks import assemble, runnable
from convcli.networks.onnx import reading
from convcli.ops import weight_files
from convcli.spec import check

NET = """input: 12x10x3
weights: w.safetensors
layers:
  - {dense: 4, name: conv, activation: {leaky_relu: 0.5}}
  - {add: [[{pointwise: 4, name: mix, activation: prelu}], []], name: both}
  - {pool: max, kernel_size: 3, stride: 2, padding: 1}
  - {depth_to_space: 2, from: both}
"""
TOKENS = [
    b"-1",
    b"0",
    b"99999999999",
    b"nan",
    b"[]",
    b"{}",
    b"null",
    b"'",
    b"dense",
    b"conv",
    b"\xff",
    b"true",
    b"1e400",
]


def changed(data: bytes, draw: random.Random) -> bytes:
    """Some bytes of it flipped, cut out, doubled or replaced."""
    array = bytearray(data)
    for _ in range(draw.randint(1, 4)):
        at, length = draw.randrange(len(array) or 1), draw.choice((1, 1, 2, 8, 40))
        kind = draw.randrange(4)
        if kind == 0 and array:
            array[at % len(array)] ^= 1 << draw.randrange(8)
        elif kind == 1:
            del array[at : at + length]
        elif kind == 2:
            array[at:at] = array[at : at + length]
        else:
            array[at : at + draw.randint(0, 3)] = draw.choice(TOKENS)
    return bytes(array)


def sources(folder: Path) -> dict[str, tuple[Path, Callable[[], object]]]:
    """Each file that is changed, and how it is read."""
    rng = np.random.default_rng(0)
    shapes = {"conv.weight": (4, 3, 3, 3), "mix.weight": (4, 4), "mix.slope": (4,), "conv.bias": (4,)}
    save_file(
        {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}, folder / "w.safetensors"
    )
    (folder / "net.yaml").write_text(NET)
    ways: dict[str, tuple[Path, Callable[[], object]]] = {}

    def run() -> None:
        kernel = runnable.load(str(folder / "net.yaml"))
        if kernel:
            check(kernel)

    ways["network"] = folder / "net.yaml", run
    ways["safetensors"] = folder / "w.safetensors", run
    for number, (nodes, arrays) in enumerate(GRAPHS.values()):
        path = folder / f"{number}.onnx"
        path.write_bytes(shared.model(nodes, arrays).SerializeToString())
        for strict in (True, False):

            def read(path: Path = path, strict: bool = strict) -> None:
                assemble(reading.read(path, size=(12, 10), strict=strict).network("m"))

            ways[f"onnx {number} {strict}"] = path, read
    return ways


@pytest.mark.parametrize("seed", range(4))
def test_changed_files(seed: int, tmp_path: Path, rounds: int = 4) -> None:
    draw = random.Random(seed)
    for name, (path, read) in sources(tmp_path).items():
        sound = path.read_bytes()
        for _ in range(rounds * (8 if "onnx" not in name else 1)):
            path.write_bytes(changed(sound, draw))
            try:
                read()
            except ConvcliError as error:
                assert str(error).partition("\n")[0], name
        path.write_bytes(sound)
        read()


def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("Conv", ["x", "weights"], ["y"], name="first")
    sound = shared.model([node], {"weights": np.ones((2, 3, 3, 3), np.float32)}).SerializeToString()
    for name in (b"net", b"first", b"Conv", b"weights", b"y"):
        path = tmp_path / "model.onnx"
        path.write_bytes(sound.replace(name, b"\xff" + name[1:], 1))
        for read in (lambda path: reading.read(path, size=(8, 8)), weight_files.members):
            with pytest.raises(KernelError, match=r"model\.onnx: not an ONNX file: a name in it is no UTF-8 text"):
                read(path)
