"""Offsets and masks predicted from the picture: against onnxruntime's Conv, Split, Sigmoid and DeformConv."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import convcli
from convcli.engine import tiles
from convcli.errors import ConvcliError, KernelError, ShapeError

onnxruntime = pytest.importorskip("onnxruntime")

#: Of the largest result.
CLOSE = 1e-5


def bank(out: int, into: int, side: int = 3, seed: int = 0, scale: float = 1.0) -> Any:
    weights = np.random.default_rng(seed).standard_normal((out, into, side, side)).astype(np.float32)
    return weights * np.float32(scale / np.sqrt(into * side * side))


def session(nodes: list[Any], arrays: dict[str, Any]) -> Any:
    """A graph from `x` (1, c, h, w) to `y`."""
    floats = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xy"]
    weights = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "g", floats[:1], floats[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def by_onnxruntime(x: Any, weights: Any, branch: tuple[Any, Any], form: dict[str, Any]) -> Any:
    """Version 2 where the branch makes 3 planes per tap."""
    groups, offset_groups, stride, dilation = (form[key] for key in ("groups", "offset_groups", "stride", "dilation"))
    side = weights.shape[-1]
    offsets = 2 * offset_groups * side * side
    masked = branch[0].shape[0] > offsets
    pads = [dilation * (side - 1) // 2] * 4
    geometry = {"kernel_shape": [side, side], "strides": [stride] * 2, "dilations": [dilation] * 2, "pads": pads}
    parts = ["offset", "logits"] if masked else ["offset"]
    split = [offsets, branch[0].shape[0] - offsets][: len(parts)]
    nodes = [
        helper.make_node("Conv", ["x", "bw", "bb"], ["planes"], **geometry),
        helper.make_node("Split", ["planes", "split"], parts, axis=1),
        *([helper.make_node("Sigmoid", ["logits"], ["mask"])] if masked else []),
        helper.make_node(
            "DeformConv", ["x", "w", "offset", "", "mask"] if masked else ["x", "w", "offset"], ["y"], group=groups,
            offset_group=offset_groups, **geometry,
        ),
    ]  # fmt: skip
    arrays = {"w": weights, "bw": branch[0], "bb": branch[1], "split": np.array(split)}
    return session(nodes, arrays).run(None, {"x": x.transpose(2, 0, 1)[None]})[0][0].transpose(1, 2, 0)


CASES = [
    {"version": version, "groups": groups, "offset_groups": offset_groups, "stride": stride, "dilation": dilation}
    for version, groups, offset_groups, stride, dilation in itertools.product((1, 2), (1, 2), (1, 2, 4), (1, 2), (1, 2))
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(map(str, case.values())))
def test_against_onnxruntime(case: dict[str, Any]) -> None:
    channels = 64 if case["offset_groups"] == 2 == case["groups"] else 8
    x = np.random.default_rng(1).standard_normal((37, 30, channels)).astype(np.float32)
    weights = bank(channels, channels // case["groups"], seed=2)
    planes = (case["version"] + 1) * case["offset_groups"] * 9
    branch = bank(planes, channels, seed=3, scale=2.0), np.linspace(-1, 1, planes, dtype=np.float32)
    wanted = by_onnxruntime(x, weights, branch, case)
    inner = {"weights": branch[0], "bias": branch[1], "packed": case["version"] == 2}
    fields = {key: case[key] for key in ("groups", "stride", "dilation")} | {"border": "zero", "type": "deformable"}
    kernel = convcli.load({**fields, "weights": weights, "offsets": {"branch": inner}})
    assert np.abs(kernel.apply(x) - wanted).max() <= CLOSE * np.abs(wanted).max()
    assert np.abs(kernel.apply(x.astype(np.float64)) - wanted).max() <= CLOSE * np.abs(wanted).max()
    planar = np.ascontiguousarray(x.transpose(2, 0, 1))
    assert np.abs(kernel.apply(planar, "cyx").transpose(1, 2, 0) - wanted).max() <= CLOSE * np.abs(wanted).max()
    if case["version"] == 1:
        return
    # The mask apart gives the same.
    offsets = 2 * planes // 3
    apart = {
        "offsets": {"branch": {"weights": branch[0][:offsets], "bias": branch[1][:offsets], "packed": False}},
        "mask": {"branch": {"weights": branch[0][offsets:], "bias": branch[1][offsets:], "activation": "sigmoid"}},
    }
    del apart["offsets"]["branch"]["packed"]
    again = convcli.load({**fields, "weights": weights, **apart}).apply(x)
    assert np.abs(again - wanted).max() <= CLOSE * np.abs(wanted).max()


@pytest.mark.parametrize("border", ["zero", "reflect", "symmetric", "replicate", "wrap"])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_chain_of_layers_is_those_kernels(border: str, channels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The planes are those of the layers one after the other, whole; bands of any height give the same to the bit."""
    x = np.random.default_rng(4).random((61, 43, channels))
    luma = x @ np.array([0.299, 0.587, 0.114]) if channels == 3 else x[..., 0]
    layers: list[dict[str, Any]] = [
        {"weights": bank(6, 1, 5, 5, 3), "activation": "relu", "dilation": 2},
        {"weights": bank(4, 6, 3, 6), "padding": [[2, 0], [0, 2]], "border": "replicate"},
        {"weights": bank(18, 4, 3, 7, 3), "bias": np.linspace(-2, 2, 18)},
    ]
    planes = luma[..., None]
    for layer in layers:
        planes = convcli.load({"border": border, **layer}).apply(planes, "yxc")
    plain = {"type": "deformable", "weights": np.ones((3, 3)), "divisor": 9, "border": border}
    wanted = convcli.load({**plain, "offsets": planes.transpose(2, 0, 1)}).apply(x)
    kernel = convcli.load({**plain, "offsets": {"branch": layers}})
    whole = kernel.apply(x)
    assert np.abs(whole - wanted).max() < 1e-12
    monkeypatch.setattr(tiles, "TILE_BYTES", 1 << 12)
    monkeypatch.setattr(tiles, "LEAST_BYTES", 1)
    assert np.abs(kernel.apply(x) - whole).max() < 1e-12


def test_the_kernel_s_own_geometry_unless_it_says_another() -> None:
    x = np.random.default_rng(8).random((40, 50))
    fields = {"type": "deformable", "weights": np.ones((3, 3)), "stride": 2, "dilation": 3, "border": "wrap"}
    inner = {"weights": bank(18, 1)}
    same = {"stride": 2, "dilation": 3, "border": "wrap", "padding": "same"}
    y = convcli.load(fields | {"offsets": {"branch": inner}}).apply(x)
    assert np.array_equal(convcli.load(fields | {"offsets": {"branch": inner | same}}).apply(x), y)
    other = convcli.load(fields | {"offsets": {"branch": inner | {"dilation": 1, "border": "zero"}}}).apply(x)
    assert other.shape == y.shape and not np.array_equal(other, y)


def test_luma_gives_all_channels_the_same_offsets() -> None:
    x = np.random.default_rng(9).random((30, 40, 3))
    fields = {"type": "deformable", "weights": np.ones((3, 3)), "divisor": 9}
    predicted = convcli.load(fields | {"offsets": {"branch": {"weights": bank(18, 1, scale=4)}}})
    luma = x @ np.array([0.299, 0.587, 0.114])
    planes = convcli.load({"weights": bank(18, 1, scale=4)}).apply(luma[..., None], "yxc").transpose(2, 0, 1)
    wanted = convcli.load(fields | {"offsets": planes}).apply(x)
    assert np.abs(predicted.apply(x) - wanted).max() < 1e-12
    grey = np.repeat(luma[..., None], 3, axis=2)
    assert np.ptp(predicted.apply(grey), axis=2).max() < 1e-12


def test_range_makes_pictures_of_all_depths_alike() -> None:
    unit = np.random.default_rng(10).random((40, 40))
    inner = {"weights": bank(18, 1, scale=9), "range": "unit"}
    kernel = convcli.load(
        {"type": "deformable", "weights": np.ones((3, 3)), "divisor": 9, "offsets": {"branch": inner}}
    )
    wanted = kernel.apply(unit)
    for dtype in (np.uint8, np.uint16):
        top = np.iinfo(dtype).max
        y = kernel.apply(np.rint(unit * top).astype(dtype), dtype="float64") / top
        assert np.abs(y - wanted).max() < 40 / top


def test_a_limit_bounds_offsets_and_the_rows_that_are_read() -> None:
    x = np.random.default_rng(11).random((200, 30)).astype(np.float32)
    inner = {"weights": bank(18, 1, scale=50), "limit": 2.5}
    fields = {"type": "deformable", "weights": np.ones((3, 3)), "divisor": 9}
    kernel = convcli.load(fields | {"offsets": {"branch": inner}})
    planes = convcli.load({"weights": inner["weights"]}).apply(x[..., None], "yxc").transpose(2, 0, 1)
    wanted = convcli.load(fields | {"offsets": np.clip(planes, -2.5, 2.5)}).apply(x)
    assert np.abs(kernel.apply(x) - wanted).max() < 1e-5
    assert kernel.rows_read(100, 110, (200, 30)) == (95, 116)
    free = convcli.load(fields | {"offsets": {"branch": {"weights": inner["weights"]}}})
    first, last = free.rows_read(100, 110, (200, 30))
    assert first <= 0 and last >= 200


def test_what_is_no_number_makes_none() -> None:
    """A NaN spreads to all outputs whose offsets it is in; integers and others stay what they are."""
    x = np.random.default_rng(12).random((40, 40)).astype(np.float32)
    x[20, 20] = np.nan
    inner = {"weights": bank(18, 1, 5), "limit": 1}
    fields = {"type": "deformable", "weights": np.ones((3, 3)), "offsets": {"branch": inner}}
    lost = np.argwhere(np.isnan(convcli.load(fields).apply(x)))
    assert {(r, c) for r in range(18, 23) for c in range(18, 23)} <= {tuple(place) for place in lost.tolist()}
    assert np.abs(lost - 20).max() <= 3


def test_counts_are_those_of_its_convolutions() -> None:
    """The ones probe: the sum that the branch makes of ones with ones, and the kernel's own."""
    layers = [{"weights": np.ones((5, 1, 3, 3))}, {"weights": np.ones((27, 5, 1, 1)), "bias": np.zeros(27)}]
    fields = {"type": "deformable", "weights": np.ones((3, 3)), "offsets": {"branch": layers}}
    kernel, size = convcli.load(fields), (12, 15)
    count = kernel.count(size, 3)
    total = 0.0
    for layer in layers:
        ones = np.ones((*size, layer["weights"].shape[1]))
        output = convcli.load({"weights": layer["weights"], "border": "replicate"}).apply(ones)
        total += output.sum()
    assert (count.weights, count.biases) == (9 + 45 + 135, 27)
    assert count.macs["offset branch"] == total and count.macs["mask"] == 9 * 3 * 180
    assert kernel.weights_by_part == {"convolution": 9, "offset branch": 180}


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"offsets": {"branch": {}}}, "'weights' is missing"),
    ({"offsets": {"branch": []}}, "a branch has at least one layer"),
    ({"offsets": {"branch": 3}}, "a layer of a branch is a mapping of fields"),
    ({"offsets": {"branch": {"weights": bank(18, 1), "wieghts": 1}}}, "unknown field 'wieghts' of a branch"),
    ({"offsets": {"branch": {"weights": bank(18, 1)}, "limit": 3}}, "unknown field 'limit' beside 'branch'"),
    ({"offsets": {"branch": {"weights": bank(18, 1), "limit": 0}}}, "'limit' is 0; it must be above 0"),
    ({"offsets": {"branch": {"weights": bank(18, 1), "range": "percent"}}}, "'range' must be one of unit, byte"),
    ({"offsets": {"branch": {"weights": [[1]]}}}, r"weights of a branch have shape \(out, in/groups, kh, kw\)"),
    ({"offsets": {"branch": {"weights": bank(17, 1)}}}, "the branch makes 17 planes; 9 taps take 18"),
    ({"offsets": {"branch": {"weights": bank(54, 1)}}}, "54 planes are offsets of 3 groups, or of 2 with masks"),
    ({"offsets": {"branch": {"weights": bank(18, 1), "packed": True}}}, "the branch makes 18 planes"),
    ({"offsets": {"branch": {"weights": bank(18, 1), "bias": [1, 2]}}}, r"shape \(2,\) for 18 output channels"),
    ({"offsets": {"branch": [{"weights": bank(4, 1)}, {"weights": bank(18, 3)}]}}, "makes 4 channels"),
    ({"offsets": {"branch": [{"weights": bank(4, 1), "limit": 1}, {"weights": bank(18, 4)}]}}, "'limit' belongs"),
    ({"offsets": {"branch": {"weights": bank(18, 1)}}, "mask": {"branch": {"weights": bank(8, 1)}}}, "makes 8 planes"),
    ({"offsets": {"branch": {"weights": bank(27, 1)}}, "mask": {"branch": {"weights": bank(9, 1)}}}, "27 planes"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "fact"), WRONG, ids=[fact for _, fact in WRONG])
def test_wrong_branches(fields: dict[str, Any], fact: str) -> None:
    with pytest.raises(KernelError, match=fact):
        convcli.load({"type": "deformable", "weights": np.ones((3, 3)), **fields})


@pytest.mark.parametrize(
    ("inner", "channels", "fact"),
    [
        ({"weights": bank(18, 2)}, 3, "takes 2 channels, the input has 3"),
        ({"weights": bank(18, 1), "stride": 2}, 3, "makes 10x10 places of 20x20 pixels; 20x20 are needed"),
        ({"weights": bank(36, 1), "packed": False}, 3, "3 channels don't split into 2"),
    ],
)
def test_pictures_that_do_not_fit(inner: dict[str, Any], channels: int, fact: str) -> None:
    kernel = convcli.load({"type": "deformable", "weights": np.ones((3, 3)), "offsets": {"branch": inner}})
    with pytest.raises(ShapeError, match=fact) as caught:
        kernel.apply(np.zeros((20, 20, channels)))
    assert isinstance(caught.value, ConvcliError)
