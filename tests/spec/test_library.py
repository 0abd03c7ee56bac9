"""Kernels from Python: every form that one is loaded from, errors, the public face."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.errors import ConvcliError, KernelError
from tests.spec.sharpened import ROWS, SHARPEN, sharpened
from tests.support import KERNELS


def test_every_form_of_a_kernel(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("weights: [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]\n")
    x = np.random.default_rng(0).normal(0, 1, (9, 8))
    forms: list[Any] = [
        "sharpen", "sharpen:border=reflect", path, str(path), f"{path}:stride=1", path.read_text(),
        "[[0, -1, 0], [-1, 5, -1], [0, -1, 0]]", "{type: dense, weights: [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]}",
        {"weights": ROWS}, {"weights": tuple(map(tuple, ROWS))},
        {"weights": SHARPEN}, {"weights": SHARPEN.astype(np.float16), "stride": (1, 1)},
        {"weights": -2 * SHARPEN, "divisor": np.float32(-2)}, convcli.load("sharpen"),
    ]  # fmt: skip
    for form in forms:
        np.testing.assert_allclose(convcli.load(form).apply(x), sharpened(x), atol=1e-12)
        np.testing.assert_allclose(convcli.apply(x, form), sharpened(x), atol=1e-12)
    kernel = convcli.load("sharpen")
    assert convcli.load(kernel) is kernel


def test_arrays_in_a_mapping() -> None:
    rng = np.random.default_rng(0)
    x, weights, bias = rng.normal(0, 1, (7, 8, 3)), rng.normal(0, 1, (2, 3, 3, 3)), rng.normal(0, 1, 2)
    bank = convcli.load({"weights": weights, "bias": bias, "border": "zero"}).apply(x)
    for m in range(2):
        plane = sum(ndimage.correlate(x[..., c], weights[m, c], mode="constant") for c in range(3))
        np.testing.assert_allclose(bank[..., m], plane + bias[m], atol=1e-12)
    offsets, mask = np.zeros((2, 7, 8)), np.full((1, 7, 8), 0.25)
    offsets[0] = 1
    moved = convcli.load({"type": "deformable", "weights": [[2]], "offsets": offsets, "mask": mask, "border": "zero"})
    np.testing.assert_allclose(moved.apply(x), 0.5 * np.concatenate([x[1:], 0 * x[:1]]), atol=1e-12)
    taps = {"type": "separable", "taps": {"y": np.array([1, 2]), "x": np.ones(3)}, "divisor": np.int64(2)}
    assert convcli.load(taps).taps == (2, 3)


@pytest.mark.parametrize(
    "kernel",
    [
        {}, {"weights": {1, 2}}, {"weights": b"abc"}, {"weights": 2j}, {"weights": [[2j]]}, {"weights": [[True]]},
        {"weights": np.array([[1j]])}, {"weights": np.array([["a"]])}, {"weights": np.ones((2, 2), object)},
        {"weights": [np.ones(2), np.ones(3)]}, {"weights": (1 for _ in range(3))}, {"weights": [[10**400]]},
        {"weights": np.ones((0, 3))}, {"weights": np.array([[np.nan]])}, {"weights": np.array([[1]], "datetime64[s]")},
        {"weights": [[1]], "stride": np.array([1, 1])}, {"weights": [[1]], "type": np.ones(3)}, {1: 2}, {None: None},
        {"weights": {"gaussian": np.ones(2)}}, {"weights": {3: 4}}, 5, None, [["a"]], b"sharpen",
        np.ones((0, 3)), np.array(["a"]), [], ["box", "sharpen"], np.array([[np.nan]]), np.ones((2, 2), complex),
        "\0", "/", "a\nb", "[[1", "sharpen:=",
    ],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
def test_what_is_no_kernel_is_a_kernel_error(kernel: Any) -> None:
    with pytest.raises(KernelError) as caught:
        convcli.load(kernel)
    assert isinstance(caught.value, ConvcliError)
    assert str(caught.value) and "Traceback" not in str(caught.value)


def test_errors_of_a_mapping_name_the_path_of_keys() -> None:
    for kernel, message in (
        ({"weights": [[1, 2], [3, "x"]]}, "kernel, weights[1][1]: an entry of 'weights' must be a number, not 'x'"),
        (
            {"weights": {"gaussian": {"sigma": -1}}},
            "kernel, weights.gaussian.sigma: 'sigma' is -1; it must be at least 0",
        ),
        ({"weights": [[1]], "stride": [1, 0]}, "kernel, stride[1]: 'stride' is 0; it must be at least 1"),
        ({"weights": np.array([[np.inf]])}, "kernel, weights: array: 1 of 1 numbers are NaN or infinite"),
        ({"weights": np.array([[1, -1]]), "divisor": "sum"}, "kernel, divisor: the weights sum to 0"),
    ):
        with pytest.raises(KernelError) as caught:
            convcli.load(kernel)
        assert str(caught.value).startswith(message)


def test_names_are_the_shipped_kernels() -> None:
    assert convcli.names() == sorted(path.stem for path in KERNELS.glob("*.yaml"))


def test_the_public_face() -> None:
    assert sorted(convcli.__all__) == dir(convcli)
    for name in convcli.__all__:
        assert getattr(convcli, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'filter'"):
        convcli.filter  # type: ignore[attr-defined] # noqa: B018


def test_what_a_kernel_tells() -> None:
    kernel = convcli.load("gaussian:sigma=1,stride=2")
    assert (kernel.type, kernel.name, kernel.axes, kernel.border) == ("separable", "gaussian", "yx", "reflect")
    assert kernel.about.startswith("Gaussian blur")
    assert (kernel.taps, kernel.extent, kernel.stride) == ((9, 9), (9, 9), (2, 2))
    assert kernel.output_shape((11, 20)) == (6, 10)
    assert kernel.channels is None and kernel.output_channels(5) == 5
    count = kernel.count((11, 20), channels=3)
    assert (count.weights, count.biases, count.parameters) == (18, 0, 18)
    assert count.total_macs == 3 * (9 * 11 * 10 + 9 * 6 * 10) and count.flops == 2 * count.total_macs
