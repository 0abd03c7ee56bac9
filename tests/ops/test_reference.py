"""The references answer as scipy, onnxruntime and PyTorch do: the oracles are tested before they judge anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference as ref

VECTORS = Path(__file__).with_name("vectors") / "torch_vectors.npz"
SCIPY_MODES = {"reflect": "mirror", "symmetric": "reflect", "replicate": "nearest", "wrap": "wrap", "zero": "constant"}
SAMPLING_MODES = SCIPY_MODES | {"wrap": "grid-wrap", "zero": "grid-constant"}
PAD_MODES = {"reflect": "reflect", "symmetric": "symmetric", "replicate": "edge", "wrap": "wrap", "zero": "constant"}
TORCH_BORDERS = {"zeros": "zero", "reflect": "reflect", "replicate": "replicate", "circular": "wrap"}
VECTOR_COUNT = 78


def vectors() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The stored cases of PyTorch: descriptions and arrays."""
    with np.load(VECTORS) as stored:
        cases = json.loads(stored["cases"].tobytes())
        return [
            (case, {part: stored[f"{n}/{part}"] for part in "xwby" if f"{n}/{part}" in stored})
            for n, case in enumerate(cases)
        ]


@pytest.mark.parametrize(
    ("border", "expected"),
    [
        ("reflect", "3212343212"),
        ("symmetric", "3211234432"),
        ("replicate", "1111234444"),
        ("wrap", "2341234123"),
        ("zero", "0001234000"),
    ],
)
def test_border_examples(border: str, expected: str) -> None:
    line = np.array([[1, 2, 3, 4]])
    displayed = {"reflect": range(-2, 8)}.get(border, range(-3, 7))
    assert "".join(str(int(v)) for v in ref.read(line, [displayed], border)[0]) == expected


@pytest.mark.parametrize("border", ref.BORDERS)
@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_borders_are_numpy_pads_at_any_distance(border: str, n: int) -> None:
    line = np.arange(1.0, n + 1)
    padded = np.pad(line, 13, mode=PAD_MODES[border])
    np.testing.assert_array_equal(ref.read(line[None], [range(-13, n + 13)], border)[0], padded)


@pytest.mark.parametrize("border", ref.BORDERS)
@pytest.mark.parametrize("taps", [(3,), (4,), (3, 5), (2, 4), (3, 1, 2)])
def test_dense_is_scipy_correlate(border: str, taps: tuple[int, ...]) -> None:
    from scipy import ndimage

    rng = np.random.default_rng(len(taps))
    x = rng.standard_normal((1, 9, 7, 6)[: len(taps) + 1])
    weights = rng.standard_normal(taps)
    # scipy's even kernels have the odd cell before; ours have it after
    origin = [-1 if k % 2 == 0 else 0 for k in taps]
    expected = ndimage.correlate(x[0], weights, mode=SCIPY_MODES[border], origin=origin)
    ones = [1] * len(taps)
    padding = ref.same_padding(taps, ones)
    y = ref.dense(x, weights[None, None], stride=ones, dilation=ones, padding=padding, border=border)[0]
    np.testing.assert_allclose(y, expected, rtol=0, atol=1e-13)


def test_dense_is_a_loop_over_every_index() -> None:
    rng = np.random.default_rng(5)
    x, w = rng.standard_normal((4, 7, 8)), rng.standard_normal((6, 2, 2, 3))
    y = ref.dense(x, w, stride=(2, 1), dilation=(1, 2), padding=[(1, 0), (0, 2)], groups=2)
    assert y.shape == (6, 4, 6)
    for o, r, c in np.ndindex(*y.shape):
        total = 0.0
        for i, u, v in np.ndindex(2, 2, 3):
            row, column = 2 * r + u - 1, c + 2 * v
            if 0 <= row < 7 and 0 <= column < 8:
                total += w[o, i, u, v] * x[o // 3 * 2 + i, row, column]
        assert abs(total - y[o, r, c]) < 1e-13


@pytest.mark.parametrize("case", range(40))
def test_dense_is_onnxruntime(case: int) -> None:
    rng = np.random.default_rng(case)
    rank, groups = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    taps, stride, dilation = (rng.integers(1, top, rank) for top in (4, 5, 4))
    padding = [(int(b), int(a)) for b, a in rng.integers(0, 4, (rank, 2))]
    spatial = [int(d * (k - 1) + 1 + rng.integers(0, 5)) for k, d in zip(taps, dilation, strict=True)]
    x = rng.standard_normal((2 * groups, *spatial), np.float32)
    w = rng.standard_normal((3 * groups, 2, *taps), np.float32)
    b = rng.standard_normal(3 * groups, np.float32)
    y = ref.dense(x, w, b, stride=stride, dilation=dilation, padding=padding, groups=groups)
    attributes = {"strides": stride, "dilations": dilation, "pads": ref.onnx_pads(padding), "group": groups}
    expected = ref.onnxruntime_run("Conv", [x[None], w, b], **attributes)[0]
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() <= 2e-6 * ref.scale(w, x, y)


@pytest.mark.parametrize("case", range(40))
def test_transposed_is_onnxruntime(case: int) -> None:
    rng = np.random.default_rng(case)
    rank, groups = int(rng.integers(1, 4)), int(rng.integers(1, 3))
    taps, stride, dilation = (rng.integers(1, top, rank) for top in (4, 5, 4))
    extents = dilation * (taps - 1) + 1
    padding = [(int(rng.integers(0, e)), int(rng.integers(0, e))) for e in extents]
    output_padding = [int(rng.integers(0, s)) for s in stride]
    spatial = [int(n) for n in rng.integers(3, 6, rank)]
    x = rng.standard_normal((2 * groups, *spatial), np.float32)
    w = rng.standard_normal((2 * groups, 3, *taps), np.float32)
    attributes = {"strides": stride, "dilations": dilation, "group": groups, "output_padding": output_padding}
    sizes = [
        ref.transposed_length(n, taps=k, stride=s, dilation=d, pads=p, extra=e)
        for n, k, s, d, p, e in zip(spatial, taps, stride, dilation, padding, output_padding, strict=True)
    ]
    if min(sizes) < 1:
        padding = [(0, 0)] * rank
    y = ref.transposed(
        x, w, stride=stride, dilation=dilation, padding=padding, output_padding=output_padding, groups=groups
    )
    expected = ref.onnxruntime_run("ConvTranspose", [x[None], w], pads=ref.onnx_pads(padding), **attributes)[0]
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() <= 2e-6 * ref.scale(w, x, y)


@pytest.mark.parametrize("border", ref.BORDERS)
def test_transposed_continues_its_input_by_the_border(border: str) -> None:
    """The input padded by hand far beyond the kernel's reach, transposed with zeros outside, then cropped."""
    rng = np.random.default_rng(3)
    x, w = rng.standard_normal((2, 4, 5)), rng.standard_normal((2, 3, 4, 3))
    stride, dilation, padding, extra = (2, 3), (1, 2), [(1, 2), (0, 1)], (1, 2)
    y = ref.transposed(
        x, w, stride=stride, dilation=dilation, padding=padding, output_padding=extra, groups=1, border=border
    )
    far = 6
    wide = np.pad(x, [(0, 0), (far, far), (far, far)], mode=PAD_MODES[border])
    whole = ref.transposed(wide, w, stride=stride, dilation=dilation, padding=[(0, 0)] * 2, output_padding=(0, 0))
    top, left = far * stride[0] + padding[0][0], far * stride[1] + padding[1][0]
    np.testing.assert_allclose(y, whole[:, top : top + y.shape[1], left : left + y.shape[2]], rtol=0, atol=1e-13)


@pytest.mark.parametrize("border", ref.BORDERS)
def test_bilinear_is_map_coordinates(border: str) -> None:
    from scipy import ndimage

    rng = np.random.default_rng(8)
    plane = rng.standard_normal((6, 5))
    ys, xs = rng.uniform(-9, 15, (2, 20, 20))
    ys[:3], xs[2:5] = np.round(ys[:3]), np.round(xs[2:5])
    expected = ndimage.map_coordinates(plane, [ys, xs], order=1, mode=SAMPLING_MODES[border])
    np.testing.assert_allclose(ref.bilinear(plane, ys, xs, border), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("case", range(30))
def test_deformable_is_onnxruntime(case: int) -> None:
    rng = np.random.default_rng(case)
    groups, offset_groups = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    taps, stride, dilation = (rng.integers(1, top, 2) for top in (4, 4, 3))
    padding = [(int(b), int(a)) for b, a in rng.integers(0, 3, (2, 2))]
    spatial = [int(d * (k - 1) + 1 + rng.integers(0, 4)) for k, d in zip(taps, dilation, strict=True)]
    x = rng.standard_normal((2 * groups * offset_groups, *spatial), np.float32)
    w = rng.standard_normal((3 * groups, 2 * offset_groups, *taps), np.float32)
    b = rng.standard_normal(3 * groups, np.float32)
    size = [
        ref.dense_length(n, taps=k, stride=s, dilation=d, pads=p)
        for n, k, s, d, p in zip(spatial, taps, stride, dilation, padding, strict=True)
    ]
    offsets = (2 * rng.standard_normal((offset_groups * 2 * taps.prod(), *size))).astype(np.float32)
    mask = rng.random((offset_groups * taps.prod(), *size), np.float32)
    y = ref.deformable(
        x,
        w,
        offsets,
        mask,
        b,
        stride=stride,
        dilation=dilation,
        padding=padding,
        groups=groups,
        offset_groups=offset_groups,
    )
    attributes = {"strides": stride, "dilations": dilation, "group": groups, "offset_group": offset_groups}
    expected = ref.onnxruntime_run(
        "DeformConv", [x[None], w, offsets[None], b, mask[None]], pads=ref.onnx_pads(padding), **attributes
    )[0]
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() <= 2e-6 * ref.scale(w, x, y)


def as_list(value: Any, rank: int) -> list[int]:
    """One int per axis."""
    return [value] * rank if isinstance(value, int) else list(value)


def test_references_are_pytorch() -> None:
    checked = 0
    for case, arrays in vectors():
        if case["kind"] == "interpolate":
            continue
        rank, w = case["rank"], arrays["w"]
        stride, dilation = as_list(case.get("stride", 1), rank), as_list(case.get("dilation", 1), rank)
        supplied = case.get("padding", 0)
        if supplied == "same":
            padding = ref.same_padding(w.shape[2:], dilation)
        else:
            padding = [(p, p) for p in as_list(0 if supplied == "valid" else supplied, rank)]
        fields: dict[str, Any] = {"stride": stride, "dilation": dilation, "padding": padding}
        fields["groups"] = case.get("groups", 1)
        fields["border"] = TORCH_BORDERS[case.get("padding_mode", "zeros")]
        if case["kind"] == "transposed":
            fields["output_padding"] = as_list(case.get("output_padding", 0), rank)
        y = (ref.dense if case["kind"] == "dense" else ref.transposed)(arrays["x"], w, arrays.get("b"), **fields)
        assert y.shape == arrays["y"].shape, case
        assert np.abs(y - arrays["y"]).max() <= 2e-7 * ref.scale(w, arrays["x"], y), case
        checked += 1
    assert checked == 69
    assert len(vectors()) == VECTOR_COUNT
