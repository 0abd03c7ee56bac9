"""The sections of the matrix, by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from convcli.pictures.formats.tiff import rows as tiff_rows
from tests.pictures.matrix import tiff_cells
from tests.pictures.matrix.cells import Cell, Tally, run


def _pages(section: tiff_cells.Section) -> Callable[[], Iterator[Cell]]:
    return lambda: (tiff_cells.cell(name, page) for name, page in section())


SECTIONS: dict[str, Callable[[], Iterator[Cell]]] = {
    "tiff-storage": _pages(tiff_cells.storage),
    "tiff-depths": _pages(tiff_cells.depths),
    "tiff-palettes": _pages(tiff_cells.palettes),
    "tiff-orientation": _pages(tiff_cells.orientations),
    "tiff-photometric": _pages(tiff_cells.photometrics),
}


def tally_of(name: str, folder: Path) -> Tally:
    """Reads a section's cells; TIFF files in bands as small as their strips and tiles allow."""
    with mock.patch.object(tiff_rows, "_BAND_BYTES", 1 << 8):
        return run(SECTIONS[name](), folder)
