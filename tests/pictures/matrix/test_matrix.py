"""Every cell of the matrix is right, or refused with its reason; nothing else.

Of sections with thousands of cells one in three is looked at here; `python -m tests.pictures.matrix` takes them all.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pictures.matrix import cells
from tests.pictures.matrix.sections import SECTIONS

#: How many cells of a section are right at the least, where refusing all of them by name would pass.
LEAST_RIGHT = {
    "tiff-large": 12, "tiff-values": 16, "tiff-tifffile": 200, "tiff-libtiff": 15, "tiff-ycbcr": 112, "tiff-jpeg": 24,
    "png": 240, "pnm": 600, "pam": 190, "pfm": 20, "bmp": 900, "jpeg": 72, "webp": 24, "avif": 28, "jp2": 24, "gif": 48,
}  # fmt: skip
#: And how many files are read in several bands.
LEAST_IN_BANDS = {"tiff-storage": 400, "tiff-large": 8}


#: The sections with thousands of cells, of which one in so many is looked at.
SHARE = 3
LARGE = {"tiff-storage", "tiff-palettes", "tiff-depths", "tiff-tifffile", "tiff-orientation", "tiff-photometric", "bmp",
         "tiff-to-tiff", "tiff-to-npy", "tiff-to-png"}  # fmt: skip


@pytest.mark.parametrize("name", SECTIONS)
def test_right_or_refused_with_its_reason(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    share = SHARE if name in LARGE else 1
    monkeypatch.setattr(cells, "SHARE", share)
    tally = SECTIONS[name](tmp_path)
    wrong = list(tally.wrong())
    assert not wrong, f"{len(wrong)} of {len(tally.whole)} cells:\n" + "\n".join(wrong[:20])
    assert tally.count("whole", "right") >= int(0.9 * LEAST_RIGHT.get(name, 0) / share)
    assert tally.several >= int(0.9 * LEAST_IN_BANDS.get(name, 0) / share)
