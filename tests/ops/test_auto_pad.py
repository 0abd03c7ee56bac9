"""`same_upper`, `same_lower` and `output_shape` are ONNX's (and TensorFlow's SAME is same_upper)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference as ref

import convcli
from convcli.errors import KernelError

RNG = np.random.default_rng(0)


def ours(fields: dict[str, Any], x: Any) -> Any:
    y = convcli.load({**fields, "border": "zero"}).apply(np.ascontiguousarray(np.moveaxis(x, 0, -1)))
    return np.moveaxis(y, -1, 0)


@pytest.mark.parametrize("padding", ["same_upper", "same_lower"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("taps", [(3, 3), (2, 4), (1, 5)])
@pytest.mark.parametrize("size", [(11, 14), (12, 9)])
def test_convolutions(padding: str, stride: int, taps: Any, size: Any) -> None:
    x, weights = RNG.normal(size=(3, *size)).astype("f4"), RNG.normal(size=(4, 3, *taps)).astype("f4")
    expected = ref.onnxruntime_run("Conv", [x[None], weights], auto_pad=padding.upper(), strides=[stride] * 2)[0]
    y = ours({"weights": weights, "stride": stride, "padding": padding}, x)
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("stride", [2, 3])
@pytest.mark.parametrize("taps", [2, 3, 4, 5])
@pytest.mark.parametrize("more", [0, 1, -1])
@pytest.mark.parametrize("padding", [{}, {"auto_pad": "SAME_UPPER"}, {"auto_pad": "SAME_LOWER"}])
def test_transposed_to_a_size(stride: int, taps: int, more: int, padding: dict[str, str]) -> None:
    x, weights = RNG.normal(size=(3, 6, 7)).astype("f4"), RNG.normal(size=(3, 2, taps, taps)).astype("f4")
    shape = [max(1, (n - 1) * stride + taps - 2 + more) for n in (6, 7)]
    attributes = {"strides": [stride] * 2, "output_shape": shape, **padding}
    expected = ref.onnxruntime_run("ConvTranspose", [x[None], weights], **attributes)[0]
    word = padding.get("auto_pad", "same").lower()
    fields = {"type": "transposed", "stride": stride, "output_shape": shape, "padding": word}
    y = ours({**fields, "weights": weights}, x)
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() <= 1e-5 * np.abs(expected).max()


def test_output_shape_and_padding_exclude_each_other() -> None:
    with pytest.raises(KernelError, match="and so does padding"):
        convcli.load({"type": "transposed", "weights": [[1, 1]], "stride": 2, "padding": 1, "output_shape": [8, 8]})
