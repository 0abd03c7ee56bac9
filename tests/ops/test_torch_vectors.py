"""What PyTorch 2.13.0 answers, stored by vectors/make_torch_vectors.py, is what the library answers."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference as ref

import convcli

VECTORS = Path(__file__).with_name("vectors") / "torch_vectors.npz"
COUNTS = {"dense": 46, "transposed": 23, "interpolate": 9}
BORDERS = {"zeros": "zero", "reflect": "reflect", "replicate": "replicate", "circular": "wrap"}
RULES: dict[str, dict[str, Any]] = {
    "nearest": {"nearest": {}},
    "bilinear": {"bilinear": {}},
    "bicubic": {"cubic": {"a": -0.75}},
}
TOLERANCE = 2e-6  # largest error relative to the largest expected value (see reference.scale)


@cache
def cases() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Descriptions and arrays."""
    with np.load(VECTORS) as stored:
        descriptions = json.loads(stored["cases"].tobytes())
        return [
            (case, {part: stored[f"{n}/{part}"] for part in "xwby" if f"{n}/{part}" in stored})
            for n, case in enumerate(descriptions)
        ]


def name_of(case: tuple[dict[str, Any], dict[str, Any]]) -> str:
    """A readable id."""
    fields = {key: value for key, value in case[0].items() if key not in ("kind", "rank", "parameters")}
    displayed = "-".join(f"{key}={value}" for key, value in fields.items()).replace(" ", "")
    return f"{case[0]['kind']}{case[0]['rank']}d-{displayed}"


def kernel_of(case: dict[str, Any], arrays: dict[str, Any]) -> Any:
    """The layer as a kernel of ours: PyTorch's own words for stride, dilation, groups, output_padding and padding."""
    if case["kind"] == "interpolate":
        rule = RULES[case["mode"]]
        return convcli.load(
            {"type": "transposed", "weights": rule, "stride": case["factor"], "padding": "same", "border": "replicate"}
        )
    fields: dict[str, Any] = {"type": case["kind"], "weights": arrays["w"], "axes": "zyx"[3 - case["rank"] :]}
    fields |= {name: case[name] for name in ("stride", "dilation", "groups", "output_padding") if name in case}
    fields["padding"] = case.get("padding", 0)
    fields["border"] = BORDERS[case.get("padding_mode", "zeros")]
    if "b" in arrays:
        fields["bias"] = arrays["b"]
    return convcli.load(fields)


def test_every_stored_case_is_run() -> None:
    kinds = [case["kind"] for case, _ in cases()]
    assert {kind: kinds.count(kind) for kind in COUNTS} == COUNTS
    assert len(kinds) == sum(COUNTS.values()) == 78


@pytest.mark.parametrize("stored", cases(), ids=name_of)
def test_results(stored: tuple[dict[str, Any], dict[str, Any]]) -> None:
    case, arrays = stored
    kernel = kernel_of(case, arrays)
    expected = arrays["y"]
    weights = arrays.get("w", np.ones((1, 1)))
    for dtype in (np.float32, np.float64):
        x = ref.channels_last(arrays["x"]).astype(dtype)
        y = ref.channels_first(kernel.apply(x, layout=ref.layout(case["rank"])))
        assert y.shape == expected.shape
        assert y.dtype == dtype
        assert np.abs(y - expected).max() <= TOLERANCE * ref.scale(weights, arrays["x"], expected)
    assert tuple(kernel.output_shape(arrays["x"].shape[1:])) == expected.shape[1:]


@pytest.mark.parametrize("stored", [c for c in cases() if "parameters" in c[0]], ids=name_of)
def test_parameter_counts(stored: tuple[dict[str, Any], dict[str, Any]]) -> None:
    case, arrays = stored
    x = arrays["x"]
    counted = kernel_of(case, arrays).count(x.shape[1:], x.shape[0])
    assert (counted.weights, counted.biases) == (case["parameters"]["weights"], case["parameters"]["biases"])
