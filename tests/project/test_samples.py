"""The samples are what their script makes, the example kernels apply to them, and the batch script runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

import convcli
from tests.support import PATIENCE, SAMPLES

#: Each example kernel: its type, the sample it is for, how that array is laid out, and the shape that comes out.
EXAMPLES: dict[str, tuple[str, str, str | None, tuple[int, ...]]] = {
    "relief": ("dense", "scene.jpg", None, (480, 640, 3)),
    "tent": ("separable", "scene.jpg", None, (480, 640, 3)),
    "wide-edge": ("dense", "scene.jpg", None, (480, 640, 3)),
    "two-scales": ("combined", "scene.jpg", None, (480, 640, 3)),
    "sepia": ("depthwise_separable", "scene.jpg", None, (480, 640, 3)),
    "enlarge-4x": ("transposed", "pond.png", None, (768, 1024, 3)),
    "half-lanczos": ("separable", "scene.jpg", None, (240, 320, 3)),
    "foveate": ("deformable", "checker.ppm", None, (48, 64, 3)),
    "conv1": ("dense", "scene.jpg", None, (240, 320, 8)),
    "pairs": ("dense", "features.npy", None, (30, 40, 4)),
    "smooth-signal": ("dense", "signal.npy", None, (2048,)),
    "smooth-volume": ("dense", "volume.npy", "zyx", (24, 48, 48)),
}


def read(path: Path) -> NDArray[Any]:
    """An image file as OpenCV gives it, colours in BGR order."""
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))


def sample(name: str) -> NDArray[Any]:
    """A sample as an array, channels in RGB order."""
    if name.endswith(".npy"):
        return np.asarray(np.load(SAMPLES / name))
    pixels = read(SAMPLES / name)
    return np.ascontiguousarray(pixels[..., ::-1]) if pixels.ndim == 3 else pixels


def example(name: str, values: NDArray[Any], layout: str | None = None) -> NDArray[Any]:
    return np.asarray(convcli.load(str(SAMPLES / "kernels" / f"{name}.yaml")).apply(values, layout=layout))


def test_samples_are_what_the_script_makes() -> None:
    script = [sys.executable, str(SAMPLES / "make_samples.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "16 of 16 files" in done.stdout


def test_samples_stay_small() -> None:
    remaining = [path for path in SAMPLES.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in remaining) < 2_000_000


def test_samples_hold_what_the_readme_says() -> None:
    shapes = {
        path.name: sample(path.name) for path in SAMPLES.iterdir() if path.suffix in {".png", ".jpg", ".ppm", ".tif"}
    }
    assert {name: (values.shape, values.dtype.name) for name, values in shapes.items()} == {
        "scene.jpg": ((480, 640, 3), "uint8"),
        "noisy.png": ((240, 320), "uint8"),
        "pond.png": ((192, 256, 3), "uint8"),
        "zone-plate.png": ((256, 256), "uint8"),
        "slanted-edge.png": ((160, 200), "uint16"),
        "logo.png": ((200, 200, 4), "uint8"),
        "checker.ppm": ((48, 64, 3), "uint8"),
        "float.tif": ((64, 96, 3), "float32"),
    }
    logo = read(SAMPLES / "logo.png")
    assert (logo[logo[..., 3] == 0] == (255, 0, 255, 0)).all()
    assert (logo[..., 3] == 0).sum() > 1000
    assert shapes["float.tif"].min() < 0
    assert shapes["float.tif"].max() > 6


def test_every_example_kernel_is_tested_and_in_the_readme() -> None:
    actual = {path.stem for path in (SAMPLES / "kernels").glob("*.yaml")}
    assert actual == set(EXAMPLES)
    text = (SAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}.yaml`" in text for name in actual)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_kernel_applies_to_its_sample(name: str) -> None:
    kind, source, layout, shape = EXAMPLES[name]
    kernel = convcli.load(str(SAMPLES / "kernels" / f"{name}.yaml"))
    values = sample(source)
    result = kernel.apply(values, layout=layout)
    assert kernel.type == kind
    assert kernel.about
    assert result.shape == shape
    assert result.dtype == values.dtype
    assert result.std() > 0


def test_relief_lifts_flat_areas_to_the_middle_grey() -> None:
    assert (example("relief", np.full((5, 6), 200, np.uint8)) == 128).all()


@pytest.mark.parametrize("name", ["tent", "enlarge-4x", "half-lanczos", "foveate", "smooth-signal", "smooth-volume"])
def test_example_blurs_keep_brightness(name: str) -> None:
    shape = {"smooth-signal": (20,), "smooth-volume": (5, 6, 7), "foveate": (48, 64)}.get(name, (6, 7))
    layout = "zyx" if name == "smooth-volume" else None
    np.testing.assert_allclose(
        example(name, np.ones(shape, np.float32), layout), 1, atol=2e-3 if name == "foveate" else 1e-6
    )


def test_half_lanczos_is_pillows_but_for_its_lobes() -> None:
    """Four lobes instead of three: smooth pictures come out alike, and in the same places."""
    from PIL import Image

    values = ndimage.gaussian_filter(np.random.default_rng(1).random((40, 60)).astype(np.float32), 3)
    expected = np.asarray(Image.fromarray(values).resize((30, 20), Image.Resampling.LANCZOS))
    np.testing.assert_allclose(example("half-lanczos", values)[4:-4, 4:-4], expected[4:-4, 4:-4], atol=1e-3)


def test_enlarge_4x_is_the_bilinear_rule() -> None:
    values = np.random.default_rng(1).random((9, 8))
    rule = convcli.load("upsample-bilinear-2x:stride=4,border=replicate").apply(values)
    np.testing.assert_allclose(example("enlarge-4x", values), rule, atol=1e-14)


def test_smooth_signal_keeps_a_parabola() -> None:
    curve = (np.arange(30.0) - 11) ** 2
    np.testing.assert_allclose(example("smooth-signal", curve)[2:-2], curve[2:-2], atol=1e-10)


def test_foveate_is_scipys_map_coordinates_tap_by_tap() -> None:
    offsets, mask = (
        np.load(SAMPLES / "kernels" / f"foveate.{part}.npy").astype(np.float64) for part in ("offsets", "mask")
    )
    values = np.random.default_rng(2).normal(0, 1, (48, 64))
    y, x = np.mgrid[:48, :64]
    expected = np.zeros((48, 64))
    for tap, weight in enumerate(mask):
        places = [y + tap // 3 - 1 + offsets[2 * tap], x + tap % 3 - 1 + offsets[2 * tap + 1]]
        expected += weight / 9 * ndimage.map_coordinates(values, places, order=1, mode="nearest")
    result = example("foveate", values)
    np.testing.assert_allclose(result, expected, atol=1e-5)
    assert result[20:28, 26:38].std() > 2 * result[:, [0, 1, 2, 3, -4, -3, -2, -1]].std()  # sharp in the middle only


def test_pairs_takes_two_channels_for_each_result() -> None:
    values = np.zeros((7, 7, 8))
    values[3, 3, 5] = 1
    assert np.flatnonzero(np.abs(example("pairs", values)).sum(axis=(0, 1))).tolist() == [2]


def test_the_batch_script_runs(tmp_path: Path) -> None:
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    out = tmp_path / "a folder"
    for _ in range(2):  # the second time over its own results
        done = subprocess.run(
            ["sh", str(SAMPLES / "batch.sh"), str(out)],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "PATH": programs},
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert "all done" in done.stdout
    assert done.stderr == ""
    output = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {line.removeprefix("made ") for line in done.stdout.splitlines() if line.startswith("made ")} == output
    assert read(out / "pond-4x.png").shape == (768, 1024, 3)
    assert read(out / "blurred" / "slanted-edge.png").dtype == np.uint16
    assert read(out / "blurred" / "logo.png").shape == (200, 200, 4)
    logo = read(out / "blurred" / "logo.png")[:30]  # the rim: blue-green, with magenta hidden outside
    assert logo[logo[..., 3] > 8][:, 2].max() < 60
    chain = sample("noisy.png").astype(np.float64)
    for step in ("gaussian:sigma=1", "unsharp", "downsample-2x"):
        chain = np.asarray(convcli.load(step).apply(chain))
    assert (read(out / "chain.png") != np.rint(chain.clip(0, 255))).mean() < 1e-4  # rounded once, at the end
    assert np.load(out / "conv1.npy").shape == (240, 320, 8)
    assert np.load(out / "volume.npy").shape == (24, 48, 48)
