"""FSRCNN and FSRCNN-small by Saafke (Apache-2.0), read beside the checkout: enlarged pictures by one command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from networks import shared
from onnx import helper
from safetensors.numpy import load_file

from tests.support import SAMPLES, noise, read, run, save

#: Kernel size and outputs of every layer.
LAYERS = {
    "fsrcnn_x2": [(5, 56), (1, 12), *[(3, 12)] * 4, (1, 56), (1, 4)],
    "fsrcnn_small_x2": [(5, 32), (1, 5), (3, 5), (1, 32), (1, 4)],
}


def network_file(folder: Path, name: str) -> Path:
    lines = [
        f"  - {{dense: {outputs}, kernel_size: {size}, name: conv{number}, activation: prelu}}"
        for number, (size, outputs) in enumerate(LAYERS[name], 1)
    ]
    lines[-1] = lines[-1].replace(", activation: prelu", "")
    path = folder / f"{name}.yaml"
    path.write_text(
        f"weights: {shared.weights(name + '.safetensors')}\npicture: {{channels: luma, range: unit}}\nlayers:\n"
        + "\n".join([*lines, "  - {depth_to_space: 2}\n"])
    )
    return path


def onnx_model(name: str) -> Any:
    arrays = load_file(shared.weights(f"{name}.safetensors"))
    nodes, x = [], "x"
    for number, (size, _) in enumerate(LAYERS[name], 1):
        conv = f"conv{number}"
        nodes.append(helper.make_node("Conv", [x, f"{conv}.weight", f"{conv}.bias"], [conv], pads=[size // 2] * 4))
        x = conv
        if f"{conv}.slope" in arrays:
            arrays[f"{conv}.slope"] = arrays[f"{conv}.slope"].reshape(-1, 1, 1)
            nodes.append(helper.make_node("PRelu", [conv, f"{conv}.slope"], [f"{conv}.bent"]))
            x = f"{conv}.bent"
    nodes.append(helper.make_node("DepthToSpace", [x], ["y"], blocksize=2, mode="CRD"))
    return shared.model(nodes, arrays, channels=1)


def luma(pixels: Any) -> Any:
    return pixels.astype(np.float64) @ [0.299, 0.587, 0.114]


def decibels(result: Any, original: Any) -> float:
    """PSNR of BT.601 luma on its own scale (219 steps from black to white), as papers on enlargement give it."""
    error = (luma(result) - luma(original))[8:-8, 8:-8] * 219 / 255
    return float(10 * np.log10(255**2 / np.mean(error**2)))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("shape", [(60, 80), (37, 51), (3, 2)])
def test_the_numbers_are_onnxruntimes(name: str, shape: tuple[int, int], tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((*shape, 1), np.float32)
    expected = shared.answer(onnx_model(name), x)
    assert np.abs(shared.ours(network_file(tmp_path, name), x) - expected).max() <= 2e-6


@pytest.mark.parametrize(("name", "least", "gain"), [("fsrcnn_x2", 30.0, 0.25), ("fsrcnn_small_x2", 29.9, 0.1)])
def test_one_command_enlarges_the_scene_better_than_bicubic(
    name: str, least: float, gain: float, tmp_path: Path
) -> None:
    half = SAMPLES / "kernels" / "half-lanczos.yaml"
    assert run("apply", SAMPLES / "scene.jpg", "-k", half, "-o", tmp_path / "half.png").code == 0
    original = read(SAMPLES / "scene.jpg")
    for kernel, out in ((network_file(tmp_path, name), "large.png"), ("upsample-cubic-2x", "cubic.png")):
        assert run("apply", tmp_path / "half.png", "-k", str(kernel), "-o", tmp_path / out).code == 0
    large, cubic = (decibels(read(tmp_path / out), original) for out in ("large.png", "cubic.png"))
    assert large >= least
    assert large >= cubic + gain


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return network_file(tmp_path, "fsrcnn_small_x2")


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_kind_of_picture(small: Path, channels: int, dtype: str, tmp_path: Path) -> None:
    """Depth and channels stay, and the luma of the result is that of the luma alone."""
    pixels = cv2.GaussianBlur(noise(40, 50, channels, dtype=dtype), (0, 0), 2).reshape(40, 50, channels)
    if channels == 4:
        pixels[..., 3] = np.iinfo(dtype).max
    source = save(tmp_path / "a.png", pixels)
    assert run("apply", source, "-k", str(small), "-o", tmp_path / "b.png").code == 0
    result, top = read(tmp_path / "b.png"), np.iinfo(dtype).max
    assert result.dtype == dtype
    assert result.reshape(80, 100, -1).shape[2] == channels
    one = pixels.reshape(40, 50, channels)
    y = (luma(one[..., :3]) if channels > 1 else one[..., 0].astype(float)) / top
    expected = shared.answer(onnx_model("fsrcnn_small_x2"), y.astype(np.float32)[..., None])[..., 0] * top
    got = luma(result[..., :3]) if channels > 1 else result.reshape(80, 100)
    inside = (expected > 0.1 * top) & (expected < 0.9 * top)
    assert np.abs(got - np.clip(expected, 0, top))[inside].max() <= 1


def test_opacity_is_enlarged_beside_the_colours(small: Path, tmp_path: Path) -> None:
    pixels = np.full((30, 30, 4), 120, np.uint8)
    pixels[..., 3] = np.linspace(0, 255, 30).astype(np.uint8)
    run("apply", save(tmp_path / "a.png", pixels), "-k", str(small), "-o", tmp_path / "b.png")
    result = read(tmp_path / "b.png")
    assert np.abs(np.diff(result[30, 4:-4, 3].astype(int))).max() <= 12
    opaque = np.full((30, 30, 3), 120, np.uint8)
    run("apply", save(tmp_path / "c.png", opaque), "-k", str(small), "-o", tmp_path / "d.png")
    displayed = result[..., 3] > 8
    assert np.abs(result[..., :3].astype(int) - read(tmp_path / "d.png"))[displayed].max() <= 3


def test_in_bands_it_is_the_same_to_the_last_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from convcli.filtering import steps

    file = network_file(tmp_path, "fsrcnn_x2")
    x = noise(200, 60, 3)
    whole = shared.ours(file, x)
    monkeypatch.setattr(steps, "goes_in_rows", lambda *_: True)
    monkeypatch.setattr(steps, "_STEP_BYTES", 1 << 18)
    assert np.array_equal(shared.ours(file, x), whole)


def test_until_shows_what_is_inside(tmp_path: Path) -> None:
    file = network_file(tmp_path, "fsrcnn_x2")
    source = save(tmp_path / "a.png", noise(20, 24, 3))
    assert run("apply", source, "-k", f"{file}:until=conv3", "-o", tmp_path / "maps.npy").code == 0
    maps = np.load(tmp_path / "maps.npy")
    assert (maps.shape, maps.dtype) == ((20, 24, 12), np.float32)
    assert maps.min() < 0  # nothing is cut off
    refused = run("apply", source, "-k", f"{file}:until=conv3", "-o", tmp_path / "maps.png")
    assert refused.code == 1 and "can't hold" in refused.err
    unknown = run("apply", source, "-k", f"{file}:until=con3", "-o", tmp_path / "x.npy")
    assert unknown.code == 2 and "did you mean 'conv3'?" in unknown.err


def test_it_stands_where_a_kernel_can(small: Path, tmp_path: Path) -> None:
    """In chains, batches, pipes and runs that are resumed."""
    for number in range(3):
        save(tmp_path / f"{number}.png", noise(20, 24, 3, seed=number))
    sources = sorted(tmp_path.glob("?.png"))
    chain = ["-k", str(small), "-k", "sharpen", "-o", f"{tmp_path}/out/", "--report-file", str(tmp_path / "run.jsonl")]
    assert run("apply", *sources, *chain, "-j", "2").code == 0
    again = run("apply", *sources, *chain, "--resume", "--report")
    assert again.code == 0 and "3 skipped" in again.err
    piped = run("apply", "-", *chain[:4], "-o", "-", "--format", "png", stdin=sources[1].read_bytes())
    assert np.array_equal(read(piped.out), read(tmp_path / "out" / "1.png"))
    report = run("apply", sources[0], *chain[:4], "-o", tmp_path / "one.png", "--json")
    assert '"type": "network"' in report.err and '"macs": ' in report.err
