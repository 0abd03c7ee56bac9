"""All the conformance cases ONNX ships for Conv, ConvTranspose and DeformConv: 51 of 51.

21 come from the generators of `onnx.backend.test.case.node`, 30 are PyTorch's layers stored inside the onnx package.
ONNX's `auto_pad` and `output_shape` are not fields of ours: `fields_of` turns them into padding, as a converter would.
"""

from __future__ import annotations

import importlib
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import reference as ref
from onnx import helper, numpy_helper
from onnx.backend.test.loader import load_model_tests

import convcli

SHIPPED = {"Conv": 6, "ConvTranspose": 11, "DeformConv": 4, "pytorch-converted": 28, "pytorch-operator": 2}
OPERATORS = ("Conv", "ConvTranspose", "DeformConv")
RTOL, ATOL = 1e-3, 1e-7  # the tolerances ONNX gives these cases
TIGHT = 2e-6  # ours: largest error relative to the largest expected value


@dataclass(frozen=True, kw_only=True)
class Case:
    """One node, its inputs in the order of the operator (None where absent) and the expected output."""

    name: str
    kind: str
    operator: str
    attributes: dict[str, Any]
    inputs: list[Any]
    expected: Any


def attributes_of(node: Any) -> dict[str, Any]:
    """The node's attributes as Python values."""
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def generated(operator: str) -> list[Case]:
    """The cases of the node generators: each `export` method calls its module's `expect` with one of them."""
    module = importlib.import_module(f"onnx.backend.test.case.node.{operator.lower()}")
    actual: list[Case] = []

    def expect(node: Any, inputs: Any, outputs: Any, name: str, **_: Any) -> None:
        supplied = iter(inputs)
        arrays = [next(supplied) if wanted else None for wanted in node.input]
        fields = attributes_of(node)
        actual.append(
            Case(name=name, kind=operator, operator=node.op_type, attributes=fields, inputs=arrays, expected=outputs[0])
        )

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "expect", expect)
        exporter = getattr(module, operator)
        for method in sorted(name for name in vars(exporter) if name.startswith("export")):
            getattr(exporter, method)()
    return actual


def stored(kind: str) -> list[Case]:
    """The cases kept as files in the onnx package whose only node is one of the operators."""
    actual = []
    for test in sorted(load_model_tests(kind=kind), key=lambda t: str(t.name)):
        folder = Path(str(test.model_dir))
        model = onnx.load(folder / "model.onnx")
        if len(model.graph.node) != 1 or model.graph.node[0].op_type not in OPERATORS:
            continue
        node = model.graph.node[0]
        arrays = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
        free = [i.name for i in model.graph.input if i.name not in arrays]
        data = folder / "test_data_set_0"
        for n, name in enumerate(free):
            arrays[name] = numpy_helper.to_array(onnx.load_tensor(data / f"input_{n}.pb"))
        actual.append(
            Case(
                name=test.name,
                kind=kind,
                operator=node.op_type,
                attributes=attributes_of(node),
                inputs=[arrays[name] if name else None for name in node.input],
                expected=numpy_helper.to_array(onnx.load_tensor(data / "output_0.pb")),
            )
        )
    return actual


@cache
def cases() -> list[Case]:
    """Every case."""
    return [c for op in OPERATORS for c in generated(op)] + [
        c for kind in ("pytorch-converted", "pytorch-operator") for c in stored(kind)
    ]


def split(total: int, *, more_at_end: bool) -> tuple[int, int]:
    """A total of padding as (before, after); floor division, so that a negative total goes the same way."""
    smaller = total // 2
    return (smaller, total - smaller) if more_at_end else (total - smaller, smaller)


def dense_padding(case: Case, size: list[int], taps: list[int], stride: list[int], dilation: list[int]) -> list[Any]:
    """The padding of Conv and DeformConv, `auto_pad` made explicit."""
    rank = len(taps)
    auto = case.attributes.get("auto_pad", b"NOTSET").decode()
    if auto in ("NOTSET", "VALID"):
        flat = case.attributes.get("pads", [0] * (2 * rank))
        return [[flat[a], flat[a + rank]] for a in range(rank)]
    totals = [
        max((-(-n // s) - 1) * s + d * (k - 1) + 1 - n, 0)
        for n, k, s, d in zip(size, taps, stride, dilation, strict=True)
    ]
    return [list(split(total, more_at_end=auto == "SAME_UPPER")) for total in totals]


def transposed_padding(
    case: Case, size: list[int], taps: list[int], stride: list[int], dilation: list[int]
) -> tuple[list[Any], list[int]]:
    """The padding and output padding of ConvTranspose, `auto_pad` and `output_shape` made explicit.

    An `output_shape` larger than the natural one asks for a negative total; what is negative after the split by floor
    becomes output padding at the end.
    """
    rank = len(taps)
    extra = list(case.attributes.get("output_padding", [0] * rank))
    auto = case.attributes.get("auto_pad", b"NOTSET").decode()
    wanted = case.attributes.get("output_shape")
    if auto.startswith("SAME") and wanted is None:
        wanted = [n * s for n, s in zip(size, stride, strict=True)]
    if wanted is None:
        flat = case.attributes.get("pads", [0] * (2 * rank))
        return [[flat[a], flat[a + rank]] for a in range(rank)], extra
    padding = []
    for a in range(rank):
        natural = (size[a] - 1) * stride[a] + dilation[a] * (taps[a] - 1) + 1 + extra[a]
        before, after = split(natural - wanted[a], more_at_end=auto == "SAME_UPPER")
        assert before >= 0
        extra[a] -= min(after, 0)
        padding.append([before, max(after, 0)])
    return padding, extra


def fields_of(case: Case) -> dict[str, Any]:
    """The node as a kernel of ours, without offsets and mask, which come with each sample of the batch."""
    x, w = case.inputs[:2]
    taps, size = list(w.shape[2:]), list(x.shape[2:])
    rank = len(taps)
    assert list(case.attributes.get("kernel_shape", taps)) == taps
    stride = list(case.attributes.get("strides", [1] * rank))
    dilation = list(case.attributes.get("dilations", [1] * rank))
    fields: dict[str, Any] = {"weights": w, "stride": stride, "dilation": dilation, "border": "zero"}
    fields |= {"groups": case.attributes.get("group", 1), "axes": "zyx"[3 - rank :]}
    if case.operator == "ConvTranspose":
        fields["type"] = "transposed"
        fields["padding"], fields["output_padding"] = transposed_padding(case, size, taps, stride, dilation)
    else:
        fields["type"] = "dense" if case.operator == "Conv" else "deformable"
        fields["padding"] = dense_padding(case, size, taps, stride, dilation)
    bias = case.inputs[3] if case.operator == "DeformConv" and len(case.inputs) > 3 else None
    bias = case.inputs[2] if case.operator != "DeformConv" and len(case.inputs) > 2 else bias
    return fields if bias is None else fields | {"bias": bias}


def answer(case: Case, dtype: Any) -> Any:
    """What the library makes of the case's inputs, as ONNX lays them out."""
    fields = fields_of(case)
    rank = case.inputs[0].ndim - 2
    results = []
    for n, sample in enumerate(case.inputs[0]):
        own: dict[str, Any] = {}
        if case.operator == "DeformConv":
            own["offsets"] = case.inputs[2][n]
            if len(case.inputs) > 4 and case.inputs[4] is not None:
                own["mask"] = case.inputs[4][n]
        kernel = convcli.load(fields | own)
        array = ref.channels_last(sample).astype(dtype)
        results.append(ref.channels_first(kernel.apply(array, layout=ref.layout(rank))))
    return np.stack(results)


def test_51_of_51() -> None:
    """The package ships what we expect: a case less, or more, is to be seen."""
    assert Counter(case.kind for case in cases()) == SHIPPED
    assert len({case.name for case in cases()}) == 51


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", cases(), ids=lambda case: str(case.name))
def test_conformance(case: Case, dtype: str) -> None:
    y = answer(case, dtype)
    assert y.shape == case.expected.shape
    assert y.dtype == dtype
    np.testing.assert_allclose(y, case.expected, rtol=RTOL, atol=ATOL)
    assert np.abs(y - case.expected).max() <= TIGHT * max(1e-30, np.abs(case.expected).max())
