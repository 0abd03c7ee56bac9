"""Words and layouts that people bring from other programs: answered with the word here, or understood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convcli
from convcli.errors import KernelError, UsageError
from convcli.networks.file import from_text
from convcli.networks.kinds import ACTIVATIONS, WORDS
from tests.support import run


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        ("{conv: 64}", "that is {dense: CHANNELS} here"),
        ("{Conv2D: 64}", "that is {dense: CHANNELS} here"),
        ("{conv_transpose: 64}", "that is {transposed: CHANNELS} here"),
        ("relu", "activation: relu; or {activate: relu}"),
        ("{relu: true}", "activation: relu; or {activate: relu}"),
        ("maxpool", "that is {pool: max} here"),
        ("{max_pool: 2}", "that is {pool: max} here"),
        ("{linear: 10}", "that is {fc: OUTPUTS} here"),
        ("{batch_norm: 64}", "as 'convcli import' does"),
        ("flatten", "leave it out"),
        ("{pixel_shuffle: 2}", "that is {depth_to_space: 2} here"),
        ("{dens: 3}", "did you mean 'dense'?"),
    ],
)
def test_layers(layer: str, says: str) -> None:
    with pytest.raises(KernelError) as caught:
        from_text(f"input: 8x8x3\nlayers:\n  - {layer}\n", "net")
    assert says in caught.value.hint
    assert str(caught.value).startswith("net:3:5: ") or ":3:6: " in str(caught.value)


def test_what_the_words_become_can_be_written() -> None:
    for form in {
        *WORDS.values(),
        *(f"{{activate: {word}}}" for word in ACTIVATIONS if word in ("relu", "tanh", "abs")),
    }:
        text = form.replace("CHANNELS", "3").replace("OUTPUTS", "3").replace("NAME", "early")
        from_text(f"input: 8x8x3\nlayers: [{{dense: 3, name: early}}, {text}]\n", "net")


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("conv2d", "dense"),
        ("Conv", "dense"),
        ("deconv", "transposed"),
        ("DCN", "deformable"),
        ("conv_transpose", "transposed"),
    ],
)
def test_types_of_kernels(kind: str, says: str) -> None:
    with pytest.raises(KernelError) as caught:
        convcli.load({"type": kind, "weights": [[1]]})
    assert caught.value.hint == f"that is type {says} here"


@pytest.mark.parametrize(("word", "hint"), [("SAME", "that is same_upper here"), ("VALID", "write valid")])
def test_padding(word: str, hint: str) -> None:
    with pytest.raises(KernelError) as caught:
        convcli.load({"weights": [[1]], "padding": word})
    assert caught.value.hint == hint


RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "kernel", ["gaussian", {"weights": RNG.normal(size=(4, 3, 3, 3))}, {"weights": [[1, 2, 1]], "stride": 2}]
)
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_layouts_are_the_same_array_turned_round(kernel: Any, dtype: str) -> None:
    """An axis n is carried through: each picture is filtered alone."""
    x = (RNG.random((2, 3, 20, 24)) * 255).astype(dtype)
    loaded = convcli.load(kernel)
    alone = np.stack([loaded.apply(np.ascontiguousarray(one.transpose(1, 2, 0)), "yxc") for one in x])
    for layout, order in (
        ("nchw", (0, 1, 2, 3)),
        ("nhwc", (0, 2, 3, 1)),
        ("ncyx", (0, 1, 2, 3)),
        ("hwnc", (2, 3, 0, 1)),
    ):
        y = loaded.apply(np.ascontiguousarray(x.transpose(order)), layout)
        expected = alone.transpose([(0, 3, 1, 2)[axis] for axis in order])
        assert y.shape == expected.shape
        assert np.abs(y.astype(float) - expected).max() <= (1 if dtype == "uint8" else 1e-3)
    for layout, order in (("chw", (0, 1, 2)), ("hwc", (1, 2, 0))):
        y = loaded.apply(np.ascontiguousarray(x[0].transpose(order)), layout)
        assert np.abs(y.astype(float) - alone[0].transpose([(2, 0, 1)[axis] for axis in order])).max() <= 1e-3 + (
            dtype == "uint8"
        )


def test_volumes_one_after_the_other() -> None:
    x = RNG.normal(size=(2, 3, 6, 7, 8)).astype(np.float32)
    kernel = convcli.load({"weights": RNG.normal(size=(3, 3, 3))})
    y = kernel.apply(x, "ncdhw")
    alone = np.stack([kernel.apply(one, "cdhw") for one in x])
    assert np.abs(y - alone).max() <= 1e-5 * np.abs(alone).max()


@pytest.mark.parametrize("layout", ["nn", "hyx", "nc", "b", "NCQ"])
def test_letters_that_are_no_layout(layout: str) -> None:
    with pytest.raises(UsageError):
        convcli.load("box").apply(np.zeros((4, 4, 4)), layout)


def test_a_network_on_a_batch_of_tensors(tmp_path: Path) -> None:
    weights, x = RNG.normal(size=(4, 3, 3, 3)), RNG.normal(size=(2, 3, 9, 10)).astype(np.float32)
    np.savez(tmp_path / "w.npz", **{"c.weight": weights, "c.bias": np.zeros(4)})
    (tmp_path / "net.yaml").write_text(
        "input: 9x10x3\nweights: w.npz\n"
        "layers: [{dense: 4, name: c, activation: relu}, {pool: max}, {depth_to_space: 2}]\n"
    )
    np.save(tmp_path / "x.npy", x)
    noticed = run("apply", tmp_path / "x.npy", "-k", tmp_path / "net.yaml", "-o", tmp_path / "y.npy")
    assert noticed.code == 1 and "looks like zcyx" in noticed.err
    result = run("apply", tmp_path / "x.npy", "-k", tmp_path / "net.yaml", "-o", tmp_path / "y.npy", "--layout", "nchw")
    assert result.code == 0, result.err
    batch = np.load(tmp_path / "y.npy")
    assert batch.shape == (2, 1, 8, 10)
    for number, one in enumerate(x):
        np.save(tmp_path / "one.npy", one)
        run(
            "apply",
            tmp_path / "one.npy",
            "-k",
            tmp_path / "net.yaml",
            "-o",
            tmp_path / f"{number}.npy",
            "--layout",
            "chw",
        )
        assert np.abs(np.load(tmp_path / f"{number}.npy") - batch[number]).max() <= 1e-5
