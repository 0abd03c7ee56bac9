"""Deformable layers of networks: with branches of their own, and with offsets that another layer makes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import shared
from networks.test_onnx_import import agree, node
from safetensors.numpy import save_file

from convcli.batch import one_file
from convcli.networks import runnable
from tests.support import noise, run, save

CASES = [
    {"og": 1, "groups": 1, "stride": 1, "dilation": 1, "pad": 1, "mask": False},
    {"og": 2, "groups": 1, "stride": 1, "dilation": 1, "pad": 1, "mask": True},
    {"og": 1, "groups": 2, "stride": 2, "dilation": 1, "pad": 0, "mask": True},
    {"og": 4, "groups": 2, "stride": 1, "dilation": 2, "pad": 2, "mask": False},
    {"og": 2, "groups": 4, "stride": 2, "dilation": 2, "pad": 1, "mask": True},
]


def numbers(*shape: int, seed: int = 0) -> Any:
    return (np.random.default_rng(seed).normal(size=shape) / np.sqrt(max(1, np.prod(shape[1:])))).astype(np.float32)


def graph(case: dict[str, Any], channels: int = 4, out: int = 8) -> Any:
    """Conv -> [Conv -> Sigmoid] -> DeformConv -> BatchNormalization -> Relu, as exporters write them."""
    place = {"strides": [case["stride"]] * 2, "dilations": [case["dilation"]] * 2, "pads": [case["pad"]] * 4}
    planes = case["og"] * 9
    arrays = {
        "dcn.weight": numbers(out, channels // case["groups"], 3, 3), "dcn.bias": numbers(out, seed=1),
        "off.weight": 3 * numbers(2 * planes, channels, 3, 3, seed=2), "off.bias": numbers(2 * planes, seed=3),
        "mod.weight": numbers(planes, channels, 3, 3, seed=4), "mod.bias": numbers(planes, seed=5),
        "s": numbers(out, seed=6) + 1, "b": numbers(out, seed=7), "m": numbers(out, seed=8),
        "v": np.abs(numbers(out, seed=9)) + 0.1,
    }  # fmt: skip
    nodes = [node("Conv", "x", "off.weight", "off.bias", out="o", **place)]
    if case["mask"]:
        nodes += [node("Conv", "x", "mod.weight", "mod.bias", out="p", **place), node("Sigmoid", "p", out="q")]
    inputs = ["x", "dcn.weight", "o", "dcn.bias", *(["q"] if case["mask"] else [])]
    nodes += [
        node("DeformConv", *inputs, out="d", group=case["groups"], offset_group=case["og"], **place),
        node("BatchNormalization", "d", "s", "b", "m", "v", out="e"), node("Relu", "e"),
    ]  # fmt: skip
    return shared.model(nodes, arrays, channels=channels, opset=22)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_an_imported_graph_gives_onnxruntimes_numbers(case: dict[str, Any], tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(17, 14, 4)).astype(np.float32)
    agree(graph(case), tmp_path, x)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_branches_of_its_own_are_the_same(case: dict[str, Any], packed: bool, tmp_path: Path) -> None:
    """By the names of arrays: NAME.offsets and NAME.mask apart, or mmcv's NAME.conv_offset, which makes both."""
    model = graph(case)
    arrays = {i.name: np.frombuffer(i.raw_data, np.float32).reshape(tuple(i.dims)) for i in model.graph.initializer}
    mask = {f"dcn.mask.{part}": arrays[f"mod.{part}"] for part in ("weight", "bias")} if case["mask"] else {}
    stored = {f"dcn.offsets.{part}": arrays[f"off.{part}"] for part in ("weight", "bias")} | mask
    if packed:
        parts = ("offsets", "mask") if case["mask"] else ("offsets",)
        stored = {
            f"dcn.conv_offset.{end}": np.concatenate([stored[f"dcn.{part}.{end}"] for part in parts])
            for end in ("weight", "bias")
        }
    stored |= {name: arrays[name] for name in ("dcn.weight", "dcn.bias")}
    save_file({name: np.ascontiguousarray(array) for name, array in stored.items()}, tmp_path / "w.safetensors")
    fields = f"groups: {case['groups']}, stride: {case['stride']}, dilation: {case['dilation']}, padding: {case['pad']}"
    layer = f"{{deformable: 8, name: dcn, offset_groups: {case['og']}, mask: {str(case['mask']).lower()}, {fields}}}"
    (tmp_path / "net.yaml").write_text(f"input: 17x14x4\nweights: w.safetensors\nlayers: [{layer}]\n")
    x = np.random.default_rng(0).normal(size=(17, 14, 4)).astype(np.float32)
    del model.graph.node[-2:]
    model.graph.node[-1].output[0] = "y"
    expected, y = shared.answer(model, x), shared.ours(tmp_path / "net.yaml", x)
    assert np.abs(y - expected).max() <= 1e-5 * max(1, np.abs(expected).max())
    # It counts as it does untrained.
    (tmp_path / "bare.yaml").write_text(f"input: 17x14x4\ndefaults: {{bias: true}}\nlayers: [{layer}]\n")
    report = run("compare", tmp_path / "net.yaml", tmp_path / "bare.yaml", "--size", "17x14", "--format", "json")
    rows = json.loads(report.out)["rows"]
    assert len({(row["params_weights"], row["params_biases"], row["macs"]) for row in rows}) == 1 < len(rows)


def test_in_bands_it_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offsets of one layer are read row by row by another, the picture wherever they point."""
    model = graph(CASES[1] | {"og": 1}, channels=3, out=3)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    assert run("import", tmp_path / "m.onnx", "-o", tmp_path / "m.yaml", "--size", "400x90").code == 0
    text = (tmp_path / "m.yaml").read_text()
    (tmp_path / "m.yaml").write_text(text.replace("input: 400x90x3", "picture: {channels: rgb, range: byte}"))
    save(tmp_path / "x.png", noise(400, 90, 3))
    files = []
    for number, least in enumerate((1 << 40, 0)):
        monkeypatch.setattr(one_file, "_LEAST", least)
        monkeypatch.setattr(one_file, "_LEAST_ALONE", least)
        files.append(tmp_path / f"{number}.png")
        assert run("apply", tmp_path / "x.png", "-k", tmp_path / "m.yaml", "-o", files[-1]).code == 0
    assert files[0].read_bytes() == files[1].read_bytes()
    network = runnable.load(str(tmp_path / "m.yaml"))
    assert network and not network.sees_all


def test_it_is_counted_and_timed_by_itself(tmp_path: Path) -> None:
    """The layer that makes its offsets is one of its own; taken alone it runs on random ones."""
    (tmp_path / "m.onnx").write_bytes(graph(CASES[1]).SerializeToString())
    result = run("compare", tmp_path / "m.onnx", "--size", "17x14", "--time", "--format", "json")
    assert result.code == 0, result.err
    row = json.loads(result.out)["rows"][-1]
    assert row["time_median_s"] > 0
    outputs, taps, planes = 17 * 14, 9, 2 * 9
    convolutions = (8 * 4 + 3 * planes * 4) * taps
    assert row["macs"] == outputs * (convolutions + 4 * taps * 4 + taps * 4) and row["branch_weights"] == 0
