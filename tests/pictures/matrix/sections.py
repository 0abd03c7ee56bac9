"""The sections of the matrix, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from convcli.pictures.formats.tiff import rows as tiff_rows
from tests.pictures.matrix import (
    bmp_cells,
    codec_cells,
    commands,
    png_cells,
    pnm_cells,
    tiff_cells,
    tiff_codecs,
    tiff_structures,
)
from tests.pictures.matrix.cells import Cell, Tally, looked_at, run


def _read(cells: Callable[[], Iterator[Cell]], band: int = 1 << 8) -> Callable[[Path], Tally]:
    """The section that reads cells; TIFF files in bands as small as their strips and tiles allow."""

    def tally(folder: Path) -> Tally:
        with mock.patch.object(tiff_rows, "_BAND_BYTES", band):
            return run(cells(), folder)

    return tally


def _pages(section: tiff_cells.Section, band: int = 1 << 8) -> Callable[[Path], Tally]:
    return _read(lambda: (tiff_cells.cell(name, page) for name, page in section() if looked_at(name)), band)


SECTIONS: dict[str, Callable[[Path], Tally]] = {
    "tiff-storage": _pages(tiff_cells.storage),
    "tiff-depths": _pages(tiff_cells.depths),
    "tiff-large": _pages(tiff_cells.large, tiff_rows._BAND_BYTES),
    "tiff-palettes": _pages(tiff_cells.palettes),
    "tiff-orientation": _pages(tiff_cells.orientations),
    "tiff-photometric": _pages(tiff_cells.photometrics),
    "tiff-chains": _read(tiff_structures.chains),
    "tiff-blocks": _read(tiff_structures.blocks),
    "tiff-cut-short": _read(tiff_structures.cut_short),
    "tiff-mixed": _read(tiff_structures.mixed),
    "tiff-values": _read(tiff_structures.special_values),
    "tiff-tifffile": _read(tiff_codecs.by_tifffile),
    "tiff-libtiff": _read(tiff_codecs.by_pillow),
    "tiff-ycbcr": _read(tiff_codecs.subsampled),
    "tiff-lab": _read(tiff_codecs.lab),
    "tiff-log": _read(tiff_codecs.logarithmic),
    "tiff-jpeg": _read(tiff_codecs.jpeg),
    "tiff-to-tiff": commands.to_tiff,
    "tiff-to-npy": commands.to_npy,
    "tiff-to-png": commands.to_png,
    "png": _read(png_cells.cells),
    "pnm": _read(pnm_cells.pnm),
    "pam": _read(pnm_cells.pam),
    "pfm": _read(pnm_cells.pfm),
    "bmp": _read(bmp_cells.cells),
    "jpeg": _read(codec_cells.jpeg),
    "webp": _read(codec_cells.webp),
    "avif": _read(codec_cells.avif),
    "jp2": _read(codec_cells.jp2),
    "gif": _read(codec_cells.gif),
}
