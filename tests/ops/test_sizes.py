"""Sizes of outputs and where they lie, against published tables and relations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference as ref

import convcli
from convcli.errors import ShapeError
from tests.ops.compared import apply, close

CONV_ARITHMETIC = [
    # input, taps, stride, padding, dilation, output; then what the transposed one makes of that output
    (4, 3, 1, 0, 1, 2),
    (5, 4, 1, 2, 1, 6),
    (5, 3, 1, 1, 1, 5),
    (5, 3, 1, 2, 1, 7),
    (5, 3, 2, 0, 1, 2),
    (5, 3, 2, 1, 1, 3),
    (6, 3, 2, 1, 1, 3),
    (7, 3, 1, 0, 2, 3),
]


@pytest.mark.parametrize(("n", "taps", "stride", "padding", "dilation", "out"), CONV_ARITHMETIC)
def test_conv_arithmetic(n: int, taps: int, stride: int, padding: int, dilation: int, out: int) -> None:
    """The figures of Dumoulin & Visin, there and back; only 6 -> 3 needs an output padding of 1 to return."""
    fields = {"weights": np.ones((taps, taps)), "stride": stride, "padding": padding, "dilation": dilation}
    kernel = convcli.load(fields | {"border": "zero"})
    assert tuple(kernel.output_shape((n, n))) == (out, out)
    assert kernel.apply(np.ones((n, n))).shape == (out, out)
    extra = 1 if n == 6 else 0
    back = convcli.load(fields | {"type": "transposed", "border": "zero", "output_padding": extra})
    assert tuple(back.output_shape((out, out))) == (n, n)
    assert back.apply(np.ones((out, out))).shape == (n, n)


def test_same_at_stride_2_subsamples() -> None:
    """1 to 8 with 1, 10, 100: centred, as torch `padding=1`; TensorFlow's and ONNX's SAME_UPPER would start at 321."""
    line, fields = np.arange(1.0, 9), {"weights": [1, 10, 100], "axes": "x", "border": "zero"}
    assert apply(fields | {"stride": 2}, line).tolist() == [210, 432, 654, 876]
    assert apply(fields, line)[::2].tolist() == [210, 432, 654, 876]
    upper = apply(fields | {"stride": 2, "padding": [[0, 1]]}, line)
    assert upper.tolist() == [321, 543, 765, 87]


@pytest.mark.parametrize("taps", range(1, 7))
@pytest.mark.parametrize("stride", range(1, 5))
@pytest.mark.parametrize("dilation", range(1, 4))
def test_same_is_the_full_result_subsampled(taps: int, stride: int, dilation: int) -> None:
    rng = np.random.default_rng(taps)
    w = rng.standard_normal(taps)
    for n in (1, 2, 7, 12):
        x = rng.standard_normal(n)
        fields = {"weights": w, "axes": "x", "dilation": dilation}
        y = apply(fields | {"stride": stride}, x)
        assert y.shape == (-(-n // stride),)
        close(y, apply(fields, x)[::stride])


def test_an_even_kernel_has_its_odd_cell_at_the_end() -> None:
    line = np.array([1.0, 2, 3, 4])
    fields = {"axes": "x", "border": "zero"}
    assert apply(fields | {"weights": [0, 1]}, line).tolist() == [2, 3, 4, 0]
    assert apply(fields | {"weights": [1, 0, 0, 0]}, line).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("rule", ["nearest", "bilinear", "cubic"])
@pytest.mark.parametrize("factor", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("border", ["reflect", "symmetric", "replicate", "wrap"])
def test_upsamplers_turn_ones_into_ones(rule: str, factor: int, border: str) -> None:
    fields = {"type": "transposed", "weights": {rule: {}}, "stride": factor, "border": border}
    for shape in [(5, 6), (1, 1), (2, 1)]:
        y = apply(fields, np.ones(shape))
        assert y.shape == (shape[0] * factor, shape[1] * factor)
        close(y, np.ones(y.shape))


@pytest.mark.parametrize("border", ref.BORDERS)
def test_the_bilinear_enlarger_of_the_handbook(border: str) -> None:
    """Weights 1 2 1 over 4, stride 2, padding 1, output padding 1: samples stay, means come between."""
    fields = {"type": "transposed", "weights": [[1, 2, 1], [2, 4, 2], [1, 2, 1]], "divisor": 4, "stride": 2}
    x = np.random.default_rng(15).standard_normal((4, 5))
    y = apply(fields | {"padding": 1, "output_padding": 1, "border": border}, x)
    assert y.shape == (8, 10)
    close(y[::2, ::2], x)
    close(y[1:-1:2, ::2], (x[1:] + x[:-1]) / 2)
    beyond = {"reflect": x[-2], "symmetric": x[-1], "replicate": x[-1], "wrap": x[0], "zero": 0 * x[0]}[border]
    close(y[-1, ::2], (x[-1] + beyond) / 2)


@pytest.mark.parametrize("border", ref.BORDERS)
def test_a_picture_smaller_than_its_kernel(border: str) -> None:
    """Borders repeat as often as they must."""
    rng = np.random.default_rng(16)
    w = rng.standard_normal((9, 11))
    for shape in [(1, 1), (1, 4), (3, 2)]:
        x = rng.standard_normal(shape)
        pads = ref.same_padding(w.shape, (1, 1))
        expected = ref.dense(x[None], w[None, None], stride=(1, 1), dilation=(1, 1), padding=pads, border=border)[0]
        close(apply({"weights": w, "border": border}, x), expected)


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ({"weights": np.ones((5, 5)), "padding": "valid"}, (4, 9)),
        ({"weights": np.ones((3, 3)), "padding": "valid", "dilation": 2, "stride": 4}, (4, 4)),
        ({"weights": np.ones((3, 3)), "padding": 1, "dilation": 3, "stride": 3}, (9, 4)),
        ({"weights": np.ones((3, 3)), "padding": 2, "type": "transposed"}, (1, 1)),
    ],
)
def test_an_output_below_one_sample_is_refused(fields: dict[str, Any], shape: tuple[int, int]) -> None:
    kernel = convcli.load(fields)
    with pytest.raises(ShapeError):
        kernel.output_shape(shape)
    with pytest.raises(ShapeError):
        kernel.apply(np.ones(shape))
