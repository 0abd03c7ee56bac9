"""docs/deformable.md: its kernel files are those that ship, its numbers are those of the kernels."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

import convcli
from convcli.ops.branches import FIELDS
from convcli.ops.orientations import ORIENTATIONS
from tests.project.pages import blocks
from tests.support import KERNELS, ROOT, SAMPLES

PAGE = ROOT / "docs" / "deformable.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_kernel_files_are_those_that_ship(tmp_path: Path) -> None:
    texts = [block.text for block in blocks(PAGE) if block.language == "yaml"]
    shutil.copy(KERNELS / "denoise-deformable.npz", tmp_path)
    x = np.random.default_rng(0).random((60, 70, 3), np.float32)
    for text, name in zip(texts, ("brush", "denoise-deformable"), strict=True):
        path = tmp_path / f"page-{name}.yaml"
        path.write_text(text, encoding="utf-8")
        assert np.array_equal(convcli.load(path).apply(x), convcli.load(name).apply(x))


def test_all_rules_and_fields_are_named() -> None:
    assert all(f"`{name}: {{{', '.join(rule.parameters)}}}`" in TEXT for name, rule in ORIENTATIONS.items())
    assert all(f"{name}" in TEXT for name in ("range", "limit", "packed") if name in FIELDS)


def test_the_denoiser_gains_what_is_said() -> None:
    """On the lighthouse in noise: more than a Gaussian, and nearly as much as the table says over it."""
    import cv2

    rgb = cv2.cvtColor(cv2.imread(str(SAMPLES / "scene.jpg")), cv2.COLOR_BGR2GRAY).astype(np.float32) / 255
    noisy = (rgb + np.random.default_rng(1).normal(0, 20 / 255, rgb.shape)).astype(np.float32)
    gaussian = {"weights": {"gaussian": {"sigma": 1.1, "radius": 2}}, "divisor": "sum"}

    def psnr(y: np.ndarray) -> float:
        return float(-10 * np.log10(np.mean((y - rgb)[8:-8, 8:-8] ** 2)))

    results = [psnr(convcli.apply(noisy, kernel)) for kernel in (gaussian, "denoise-deformable")]
    assert results[1] - results[0] > 1.2


def test_the_enlarger_gains_what_is_said() -> None:
    """On the scene, halved as in training: half a dB over bicubic, and more."""
    import cv2

    from convcli.filtering import Chain, filter_pixels
    from convcli.networks import runnable

    luma = cv2.cvtColor(cv2.imread(str(SAMPLES / "scene.jpg")), cv2.COLOR_BGR2GRAY).astype(np.float32) / 255
    small = cv2.resize(luma, (320, 240), interpolation=cv2.INTER_AREA)[..., None]
    network = runnable.load(str(SAMPLES / "networks" / "enlarge-2x.yaml"))
    assert network
    large, cubic = (
        filter_pixels(small, Chain([kernel])).array[..., 0] for kernel in (network, convcli.load("upsample-cubic-2x"))
    )
    errors = [np.mean((y - luma)[8:-8, 8:-8] ** 2) for y in (cubic, large)]
    assert 10 * np.log10(errors[0] / errors[1]) > 0.5


def test_the_denoiser_keeps_flat_pictures() -> None:
    """Its taps sum to 1, and those of its branch to 0."""
    for value in (0, 90, 255):
        x = np.full((30, 40, 3), value, np.uint8)
        assert (convcli.apply(x, "denoise-deformable") == x).all()
    branch = np.load(KERNELS / "denoise-deformable.npz")["branch"]
    assert np.abs(branch.sum((1, 2, 3))).max() < 1e-5
