"""TinyVGG of CNN Explainer (MIT), read beside the checkout: a classifier's logits, by one command each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import shared
from onnx import helper
from safetensors.numpy import save_file

from tests.support import SAMPLES, read, run, save


def arrays() -> dict[str, Any]:
    """Its weights as PyTorch and ONNX order them; TensorFlow has (taps, in, out), and flattens channels last."""
    described = json.loads(shared.weights("tinyvgg_model.json").read_text())
    data, actual, start = np.fromfile(shared.weights("tinyvgg.bin"), "<f4"), {}, 0
    for entry in described["weightsManifest"][0]["weights"]:
        size = int(np.prod(entry["shape"]))
        array = data[start : start + size].reshape(entry["shape"])
        start += size
        layer, kind = entry["name"].split("/")
        if array.ndim == 4:
            array = array.transpose(3, 2, 0, 1)
        elif array.ndim == 2:
            array = array.reshape(13, 13, 10, 10).transpose(3, 2, 0, 1).reshape(10, -1)
        actual[f"{layer}.{'weight' if kind == 'kernel' else 'bias'}"] = np.ascontiguousarray(array)
    assert start == data.size
    return actual


def onnx_model(weights: dict[str, Any]) -> Any:
    nodes, x = [], "x"
    for name in ("conv_1_1", "conv_1_2", "pool", "conv_2_1", "conv_2_2", "pool"):
        y = f"y{len(nodes)}"
        if name == "pool":
            nodes.append(helper.make_node("MaxPool", [x], [y], kernel_shape=[2, 2], strides=[2, 2]))
        else:
            nodes.append(helper.make_node("Conv", [x, f"{name}.weight", f"{name}.bias"], [f"{y}c"]))
            nodes.append(helper.make_node("Relu", [f"{y}c"], [y]))
        x = y
    nodes.append(helper.make_node("Flatten", [x], ["flat"]))
    nodes.append(helper.make_node("Gemm", ["flat", "output.weight", "output.bias"], ["y"], transB=1))
    return shared.model(nodes, weights)


@pytest.fixture
def network(tmp_path: Path) -> Path:
    save_file(arrays(), tmp_path / "tinyvgg.safetensors")
    (tmp_path / "tinyvgg.yaml").write_text("""
about: TinyVGG (CNN Explainer), ten classes.
input: 64x64x3
weights: tinyvgg.safetensors
picture: {channels: rgb, range: unit}
defaults: {padding: valid, activation: relu}
layers:
  - {dense: 10, name: conv_1_1}
  - {dense: 10, name: conv_1_2}
  - {pool: max}
  - {dense: 10, name: conv_2_1}
  - {dense: 10, name: conv_2_2}
  - {pool: max}
  - {fc: 10, name: output, activation: none}
""")
    return tmp_path / "tinyvgg.yaml"


def test_logits_are_onnxruntimes(network: Path, tmp_path: Path) -> None:
    model = onnx_model(arrays())
    for number, name in enumerate(("scene.jpg", "pond.png", "slanted-edge.png")):
        pixels = read(SAMPLES / name)
        pixels = pixels[..., :3] if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, -1)
        crop = np.ascontiguousarray(pixels[20:84, 30:94])
        source = save(tmp_path / f"{number}.png", crop)
        result = run("apply", source, "-k", str(network), "-o", tmp_path / "y.npy", "--overwrite")
        assert result.code == 0
        expected = shared.answer(model, crop.astype(np.float32) / np.iinfo(crop.dtype).max)
        assert np.abs(np.load(tmp_path / "y.npy") - expected).max() <= 1e-4


def test_another_size_is_refused_with_both(network: Path, tmp_path: Path) -> None:
    result = run("apply", save(tmp_path / "a.png", np.zeros((80, 72, 3), np.uint8)), "-k", str(network), "-o", "y.npy")
    assert result.code == 1
    assert "72x80" in result.err and "10x1690" in result.err and "64x64" in result.err


def test_its_cost_is_that_of_its_true_weights(network: Path) -> None:
    result = run("compare", network, "--format", "json")
    total = json.loads(result.out)["rows"][0]
    assert total["params_weights"] + total["params_biases"] == sum(array.size for array in arrays().values())
