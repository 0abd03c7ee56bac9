"""The generator is held to tifffile: whatever that reads gives the array that went in."""

from __future__ import annotations

import io
import logging
from collections import Counter

import imagecodecs
import numpy as np
import pytest
import tifffile

from tests.pictures.matrix import cells, coding, rules, tiff_cells
from tests.pictures.matrix.contents import samples_of
from tests.pictures.matrix.pages import Page
from tests.support import Pixels

#: What tifffile raises for what it does not read.
_UNREAD = (NotImplementedError, ValueError, TypeError, tifffile.TiffFileError)


#: One page in so many is read.
SHARE = 4


def array_of(data: bytes, page: Page) -> Pixels:
    """(height, width, samples) as tifffile reads them."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        pixels = np.asarray(file.pages[0].asarray())
    if page.planar and page.samples > 1:
        pixels = np.moveaxis(pixels, 0, 2)
    return pixels.reshape(*page.size, page.samples)


@pytest.mark.parametrize(
    ("section", "least"), [(tiff_cells.storage, 1200), (tiff_cells.depths, 1200), (tiff_cells.palettes, 1000),
                           (tiff_cells.orientations, 1000), (tiff_cells.photometrics, 500)],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_tifffile_reads_what_went_in(
    section: tiff_cells.Section, least: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.CRITICAL, logger="tifffile")
    unread: Counter[str] = Counter()
    read = 0
    monkeypatch.setattr(cells, "SHARE", SHARE)
    for name, page in section():
        if not cells.looked_at(name):
            continue
        if page.predictor == 2 and set(page.depths) - rules.WHOLE:
            continue  # of which nothing is defined
        if page.bits == 24 and page.kind in "ui":
            continue  # tifffile takes them for a stream of bits; libtiff and GDAL for three bytes in the file's order
        cell, values = tiff_cells.cell(name, page), samples_of(page)
        try:
            pixels = array_of(cell.file(), page)
        except _UNREAD as error:
            unread[f"{page.kind}{page.bits} predictor {page.predictor}: {type(error).__name__} {error}"[:120]] += 1
            continue
        read += 1
        wanted = values.astype(pixels.dtype)
        assert pixels.tobytes() == wanted.tobytes() or (pixels == wanted).all(), name
    assert read >= least / SHARE, unread.most_common()


@pytest.mark.parametrize("alphabet", [1, 2, 4, 256])
@pytest.mark.parametrize("count", [1, 3, 100, 253, 254, 255, 256, 257, 511, 512, 766, 3837, 3838, 3839, 3840, 5000])
def test_compressions_are_undone_by_others(count: int, alphabet: int) -> None:
    row = np.random.default_rng(count).integers(0, alphabet, (1, count)).astype(np.uint8)
    assert bytes(imagecodecs.lzw_decode(coding.lzw(row.tobytes()), out=count)) == row.tobytes()
    assert bytes(imagecodecs.packbits_decode(coding.pack_bits(row))) == row.tobytes()
