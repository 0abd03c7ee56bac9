"""Activations are ONNX operators: on every type of kernel, in every algorithm, dtype and layout, and through alpha."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import reference as ref
import support

import convcli
from convcli.engine import tiles
from convcli.errors import ConvcliError, KernelError
from convcli.filtering import Chain, filter_pixels
from tests.ops.drawn import every_way

#: An activation as a kernel file has it, and ONNX's operator with its attributes and further inputs.
CASES: dict[str, tuple[Any, str, dict[str, Any], list[Any]]] = {
    "relu": ("relu", "Relu", {}, []),
    "leaky": ({"leaky_relu": 0.1}, "LeakyRelu", {"alpha": 0.1}, []),
    "steep": ({"leaky_relu": -1.5}, "LeakyRelu", {"alpha": -1.5}, []),
    "prelu": ({"prelu": [0.25]}, "PRelu", {}, [np.float32([0.25])]),
    "sigmoid": ("sigmoid", "Sigmoid", {}, []),
    "tanh": ("tanh", "Tanh", {}, []),
    "abs": ("abs", "Abs", {}, []),
    "clip": ({"clip": [-0.5, 1]}, "Clip", {}, [np.float32(-0.5), np.float32(1)]),
    "elu": ({"elu": 0.7}, "Elu", {"alpha": 0.7}, []),
    "gelu": ("gelu", "Gelu", {}, []),
    "softplus": ("softplus", "Softplus", {}, []),
    "erf": ("erf", "Erf", {}, []),
}


def expected_of(case: str, linear: Any) -> Any:
    _, operator, attributes, more = CASES[case]
    return ref.onnxruntime_run(operator, [linear, *more], **attributes)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", every_way())
def test_every_way_of_computing(case: str, name: str) -> None:
    """The result is ONNX's operator on the result without it; with a bias, which comes first."""
    fields = every_way()[name]
    x = np.random.default_rng(3).normal(size=(24, 22, 6)).astype(np.float32)
    kernel = convcli.load({**fields, "bias": [0.125]})
    expected = expected_of(case, kernel.apply(x))
    bent = convcli.load({**fields, "bias": [0.125], "activation": CASES[case][0]})
    assert np.abs(bent.apply(x) - expected).max() <= 2e-6 * max(1, np.abs(expected).max())
    planes = np.ascontiguousarray(np.moveaxis(x, -1, 0))
    assert (
        np.abs(bent.apply(planes, "cyx") - np.moveaxis(expected, -1, 0)).max() <= 1e-5 * np.abs(expected).max() + 1e-6
    )


@pytest.mark.parametrize("channels", [1, 3, 12, 56])
@pytest.mark.parametrize("planes", [False, True])
@pytest.mark.parametrize("steep", [False, True])
def test_prelu_has_a_slope_per_channel(channels: int, planes: bool, steep: bool) -> None:
    rng = np.random.default_rng(channels)
    x, weights = rng.normal(size=(5, 30, 31)).astype(np.float32), rng.normal(size=(channels, 5, 3, 3))
    slopes = rng.uniform(-2 if steep else 0, 3 if steep else 1, channels).astype(np.float32)
    conv = ref.onnxruntime_run("Conv", [x[None], weights.astype(np.float32)], pads=[1, 1, 1, 1])
    expected = ref.onnxruntime_run("PRelu", [conv, slopes[:, None, None]])[0]
    kernel = convcli.load({"weights": weights, "border": "zero", "activation": {"prelu": slopes}})
    if planes:
        y = kernel.apply(x, "cyx")
    else:
        y = np.moveaxis(kernel.apply(np.ascontiguousarray(np.moveaxis(x, 0, -1))), -1, 0)
    assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float64"])
@pytest.mark.parametrize("weights", [[[-1, 2, -1]], [[0, 1, 0]], [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]])
def test_integers_are_rounded_once_at_last(case: str, dtype: str, weights: Any) -> None:
    x = (
        support.noise(50, 41, 3, dtype=dtype)
        if dtype != "float64"
        else np.random.default_rng(1).normal(size=(50, 41, 3))
    )
    linear = convcli.load({"weights": weights}).apply(x, dtype="float64").astype(np.float64)
    expected = expected_of(case, linear.astype(np.float32)).astype(np.float64)
    y = convcli.load({"weights": weights, "activation": CASES[case][0]}).apply(x)
    if dtype != "float64":
        expected = np.clip(np.rint(expected), 0, np.iinfo(dtype).max)
    assert np.abs(y - expected).max() <= (0 if dtype == "uint8" else 1e-2 if dtype == "uint16" else 1e-5)


def test_powers_grow_beyond_what_is_kept() -> None:
    kernel = convcli.load({"weights": [[1]], "activation": "exp"})
    x = np.float32([[-200, -1, 0, 3, 80, 200]])
    assert np.allclose(kernel.apply(x), ref.onnxruntime_run("Exp", [x]), rtol=3e-7)
    assert kernel.apply(np.uint8([[0, 3, 5, 6, 255]])).tolist() == [[1, 20, 148, 255, 255]]
    assert kernel.reach(0, 255) == (1, math.exp(255))


def test_roots_are_none_below_0() -> None:
    x = np.float32([[-4, 0, 2, 9]])
    kernel = convcli.load({"weights": [[1]], "activation": "sqrt"})
    assert np.array_equal(kernel.apply(x), np.float32([[np.nan, 0, 2**0.5, 3]]), equal_nan=True)
    assert kernel.apply(np.uint8([[0, 3, 255]])).tolist() == [[0, 2, 16]] and kernel.reach(4, 9) == (2, 3)


def test_a_copy_is_none_any_more() -> None:
    kernel = convcli.load({"weights": [[1]], "activation": {"clip": [10, 20]}})
    assert not kernel.copies
    assert kernel.apply(np.uint8([[5, 15, 25]])).tolist() == [[10, 15, 20]]


@pytest.mark.parametrize("case", CASES)
def test_reach_holds_what_comes(case: str) -> None:
    for weights in ([[-1, 3, -1]], [[0.2, 0.2, 0.2]], [[-1, -2, -1]]):
        kernel = convcli.load({"weights": weights, "activation": CASES[case][0]})
        x = support.noise(64, 64)
        ends, y = kernel.reach(0, 255), kernel.apply(x, dtype="float32")
        assert ends is not None
        assert ends[0] - 1e-3 <= y.min() <= y.max() <= ends[1] + 1e-3


@pytest.mark.parametrize("case", CASES)
def test_tiled_is_whole(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    kernel = convcli.load({"weights": rng.normal(size=(6, 4, 3, 3)), "activation": CASES[case][0]})
    x = rng.normal(size=(90, 40, 4)).astype(np.float32)
    whole = kernel.apply(x)
    monkeypatch.setattr(tiles, "TILE_BYTES", 1 << 14)
    monkeypatch.setattr(tiles, "LEAST_BYTES", 1 << 12)
    assert np.array_equal(convcli.load(kernel).apply(x), whole)


def test_colour_is_bent_without_its_alpha() -> None:
    """Of one colour, whatever its alpha, the result is the one of an opaque picture."""
    picture = np.full((12, 12, 4), 100, np.uint8)
    picture[..., 3] = support.noise(12, 12, seed=2).reshape(12, 12) // 2 + 100
    kernel = convcli.load({"weights": [[1, 1, 1]], "bias": [-100], "activation": {"clip": [0, 150]}})
    colours = filter_pixels(picture, Chain([kernel])).array[..., :3]
    assert (colours == 150).all()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("activation: rellu", "can't be 'rellu'"),
        ("activation: relu6", "{clip: [0, 6]}"),
        ("activation: LeakyReLU", "{leaky_relu: 0.1}"),
        ("activation: leaky_relu", "'leaky_relu' alone"),
        ("activation: linear", "leave 'activation' out"),
        ("activation: {relu: 1}", "'relu' takes no number"),
        ("activation: {clip: [0]}", "'clip' takes 2 numbers, not 1"),
        ("activation: {clip: [2, 1]}", "'clip' goes from 2 to 1"),
        ("activation: {prelu: missing.npy}", "no such file"),
        ("activation: {prelu: [[1, 2], [3, 4]]}", "shape (2, 2)"),
        ("activation: 3", "can't be a number"),
    ],
)
def test_what_is_none_is_refused_in_its_place(text: str, says: str) -> None:
    with pytest.raises(KernelError) as caught:
        convcli.load(f"weights: [[1, 2, 1]]\n{text}\n")
    assert says in str(caught.value)
    assert ":2:" in str(caught.value)


def test_slopes_and_channels_must_agree() -> None:
    with pytest.raises(KernelError, match=r"shape \(3,\) for 2 output channels"):
        convcli.load({"weights": np.ones((2, 4, 3, 3)), "activation": {"prelu": [1, 2, 3]}})
    with pytest.raises(ConvcliError, match="has 3 slopes of prelu, the input 2 channels"):
        convcli.load({"weights": [[1]], "activation": {"prelu": [1, 2, 3]}}).apply(np.zeros((4, 4, 2), np.float32))


def test_show_and_the_report_name_it(tmp_path: Any) -> None:
    assert "leaky_relu 0.1" in support.run("show", "{weights: [[1, 2]], activation: {leaky_relu: 0.1}}").out.decode()
    source = support.save(tmp_path / "a.png", support.noise(8, 8, 3))
    run = support.run("apply", source, "-k", "sharpen:activation=relu", "-o", tmp_path / "b.png", "--json")
    assert '"activation": "relu"' in run.err
