"""The sections of the matrix, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from convcli.pictures.formats.tiff import rows as tiff_rows
from tests.pictures.matrix import tiff_cells, tiff_codecs, tiff_structures
from tests.pictures.matrix.cells import Cell, Tally, run


def _pages(section: tiff_cells.Section) -> Callable[[], Iterator[Cell]]:
    return lambda: (tiff_cells.cell(name, page) for name, page in section())


SECTIONS: dict[str, Callable[[], Iterator[Cell]]] = {
    "tiff-storage": _pages(tiff_cells.storage),
    "tiff-depths": _pages(tiff_cells.depths),
    "tiff-palettes": _pages(tiff_cells.palettes),
    "tiff-orientation": _pages(tiff_cells.orientations),
    "tiff-photometric": _pages(tiff_cells.photometrics),
    "tiff-chains": tiff_structures.chains,
    "tiff-blocks": tiff_structures.blocks,
    "tiff-cut-short": tiff_structures.cut_short,
    "tiff-mixed": tiff_structures.mixed,
    "tiff-values": tiff_structures.special_values,
    "tiff-tifffile": tiff_codecs.by_tifffile,
    "tiff-libtiff": tiff_codecs.by_pillow,
    "tiff-ycbcr": tiff_codecs.subsampled,
    "tiff-lab": tiff_codecs.lab,
    "tiff-log": tiff_codecs.logarithmic,
    "tiff-jpeg": tiff_codecs.jpeg,
}


def tally_of(name: str, folder: Path) -> Tally:
    """Reads a section's cells; TIFF files in bands as small as their strips and tiles allow."""
    with mock.patch.object(tiff_rows, "_BAND_BYTES", 1 << 8):
        return run(SECTIONS[name](), folder)
