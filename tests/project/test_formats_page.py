"""docs/formats.md tells the same of formats as their registry does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from convcli.channels import MOST
from convcli.pictures.registry import FORMATS

TEXT = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
#: The table's name of each format of the registry.
NAMES = {
    "png": "PNG", "jpeg": "JPEG", "webp": "WebP", "tiff": "TIFF", "bmp": "BMP", "pnm": "PPM", "pam": "PAM",
    "pfm": "PFM",
    "jp2": "JPEG 2000", "avif": "AVIF", "npy": ".npy", "heif": "HEIF", "gif": "GIF", "hdr": "Radiance HDR",
    "ras": "Sun raster",
}  # fmt: skip


def cells(name: str) -> list[str]:
    """The cells of the table's row for a format."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in TEXT.splitlines() if line.startswith("| ")]
    return next(row for row in rows if re.search(rf"(^|, ){re.escape(NAMES[name])}($|,)", row[0]))


def test_every_format_has_a_row() -> None:
    assert NAMES.keys() == FORMATS.keys()
    assert all(len(cells(name)) == 5 for name in FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_written(name: str) -> None:
    row, (_, _, written, channels, depths) = FORMATS[name], cells(name)
    assert (written == "no") == (not row.extensions)
    if not row.extensions or name == "npy":
        return
    bits = {int(re.sub(r"\D", "", depth)) for depth in row.depths}
    said = set(map(int, re.findall(r"\d+", depths)))
    assert said <= bits and {min(bits), max(bits)} <= said
    assert ("floats" in depths) == any(depth.startswith("float") for depth in row.depths)
    assert ("RGBA" in channels or "alpha" in channels or "transparent" in channels) == bool(row.channels & {2, 4})
    assert (f"{row.bands} bands" in channels) == bool(row.bands)


def test_numbers() -> None:
    assert f"up to {MOST} are read" in TEXT and FORMATS["tiff"].bands == MOST
