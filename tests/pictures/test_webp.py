"""WebP files stay lossless where they were: Pillow writes them, and reads what comes out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support import noise, run

#: Options of apply -> whether a file that was lossless, or lossy, still holds the very pixels that were read.
OPTIONS = {
    (): (True, False),
    ("--quality", "80"): (False, False),
    ("--quality", "80", "-O", "webp_lossless=1"): (True, True),
    ("-O", "webp_lossless=1"): (True, True),
    ("-O", "webp_lossless=0"): (False, False),
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("channels", [3, 4])
def test_lossless_stays_lossless(options: tuple[str, ...], frames: int, channels: int, tmp_path: Path) -> None:
    pictures = [Image.fromarray(noise(24, 32, channels, seed=seed)) for seed in range(frames)]
    for lossless, exact in zip((True, False), OPTIONS[options], strict=True):
        source, target = tmp_path / f"{lossless}.webp", tmp_path / f"out-{lossless}.webp"
        pictures[0].save(source, lossless=lossless, save_all=frames > 1, append_images=pictures[1:], exact=True)
        result = run("apply", source, "-k", "identity", "-o", target, "--all-frames", "--quiet", *options)
        assert result.code == 0, result.err
        assert all(map(np.array_equal, _frames(source), _frames(target))) == exact


def _frames(file: Path) -> list[np.ndarray]:
    """What is seen of each frame; the colours of what is clear all through are an animation's own business."""
    with Image.open(file) as picture:
        frames = []
        for number in range(getattr(picture, "n_frames", 1)):
            picture.seek(number)
            pixels = np.asarray(picture.convert("RGBA"))
            frames.append(np.where(pixels[..., 3:] > 0, pixels, 0))
        return frames


def test_other_formats_are_written_as_always(tmp_path: Path) -> None:
    source = tmp_path / "a.webp"
    Image.fromarray(noise(24, 32, 3)).save(source, lossless=True)
    sizes = []
    for number, options in enumerate(((), ("--quality", "95"))):
        target = tmp_path / f"{number}.jpg"
        assert run("apply", source, "-k", "identity", "-o", target, "--quiet", *options).code == 0
        sizes.append(target.read_bytes())
    assert sizes[0] == sizes[1]
