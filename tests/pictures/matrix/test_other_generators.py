"""The generators of the other formats, held to Pillow and libpng: whatever those read is among what is held right."""

from __future__ import annotations

import io
import warnings

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from tests.pictures.matrix import bmp_cells, png_cells, pnm_cells
from tests.support import Pixels


def pillow(data: bytes) -> Pixels | None:
    """A picture as Pillow reads it, in RGB or RGBA; nothing where it does not, or not in full."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(io.BytesIO(data)) as picture:
            if picture.mode.startswith(("I", "F")):
                return None
            return np.array(picture.convert("RGBA" if picture.mode in ("RGBA", "LA", "PA") else "RGB"))
    except (OSError, ValueError, SyntaxError, IndexError, KeyError):
        return None


def displayed(pixels: Pixels) -> Pixels:
    """Grey as RGB, and what is transparent without a colour."""
    channels = {1: [0, 0, 0], 2: [0, 0, 0, 1], 3: [0, 1, 2], 4: [0, 1, 2, 3]}[pixels.shape[2]]
    return pixels[..., channels]


def agrees(pixels: Pixels, right: Pixels, within: int) -> bool:
    wide = displayed(right)
    if pixels.shape != wide.shape:
        return False
    if pixels.dtype == np.uint8 and right.dtype == np.uint16:
        wide, within = np.rint(wide / 257), 1  # it keeps 8 bits
    return bool((np.abs(pixels.astype(int) - wide.astype(int)) <= within).all())


def test_bmp() -> None:
    read = 0
    for cell in bmp_cells.cells():
        pixels = pillow(cell.file())
        if pixels is None or not cell.readings:
            continue
        read += 1
        # Pillow cuts off where it scales 5 and 6 bits; and it passes over some alpha.
        pixels = pixels[..., : min(pixels.shape[2], *(max(3, r.pixels.shape[2]) for r in cell.readings))]
        right = [reading.pixels[..., : pixels.shape[2]] for reading in cell.readings]
        assert any(agrees(pixels, one, 1) for one in right), cell.name
    assert read > 900


@pytest.mark.parametrize(
    "by", [pillow, lambda data: np.asarray(imagecodecs.png_decode(data))], ids=["Pillow", "libpng"]
)
def test_png(by: object) -> None:
    for cell in png_cells.cells():
        pixels = by(cell.file())  # type: ignore[operator]
        right = cell.readings[0].pixels
        if pixels is None or "tRNS" in cell.name:
            continue
        pixels = pixels.reshape(*pixels.shape[:2], -1)
        assert agrees(displayed(pixels), right, 0), cell.name


def test_pnm() -> None:
    read = 0
    for section in (pnm_cells.pnm, pnm_cells.pam):
        for cell in section():
            pixels = pillow(cell.file())
            if pixels is None:
                continue
            read += 1
            assert any(agrees(pixels, reading.pixels, 1) for reading in cell.readings), cell.name
    assert read > 300
