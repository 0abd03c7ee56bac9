"""Of how many pictures the description in a TIFF file's first page tells, as microscopy's programs write it.

Source: ImageJ 1.53 (ij.io.TiffEncoder, FileInfo); tifffile 2024 ("shaped" metadata); OME-TIFF specification 6.0.
"""

from __future__ import annotations

import math
import re
from typing import Final

from convcli.pictures.format import Note
from convcli.pictures.formats.tiff import directories as tags
from convcli.pictures.formats.tiff.directories import Directory

_OME: Final = re.compile(rb"<(?:\w{1,16}:)?Pixels\b[^>]{0,4096}>")
_OME_SIZES: Final = re.compile(rb"\bSize[ZCT]\s*=\s*[\"'](\d{1,9})[\"']")
_IMAGEJ: Final = re.compile(rb"^images=(\d{1,9})\s*$", re.M)


def described(page: Directory) -> int:
    """The number of pictures that a page's description tells of; 1 where it tells of none."""
    text, samples = page.raw(tags.DESCRIPTION).rstrip(b"\0"), max(1, page.first(tags.SAMPLES, 1))
    if text.startswith(b'{"shape":'):
        return _of_shape(text, page.first(tags.WIDTH, 0) * page.first(tags.HEIGHT, 0) * samples)
    if text.startswith(b"ImageJ="):
        match = _IMAGEJ.search(text)
        return max(1, int(match[1])) if match else 1
    pixels = _OME.search(text) if _is_ome(text) else None
    count = math.prod(map(int, _OME_SIZES.findall(pixels[0]))) if pixels else 1
    return max(1, count // samples if count % samples == 0 else count)  # colours are counted as channels


def _is_ome(text: bytes) -> bool:
    return b"<OME" in text[:4096]


def _of_shape(text: bytes, samples: int) -> int:
    """The pictures of so many samples in an array of the shape that JSON gives."""
    import json

    try:
        sizes = json.loads(text)["shape"]
        total = math.prod(size for size in sizes[:64] if isinstance(size, int))
    except (ValueError, KeyError, TypeError, RecursionError):
        return 1
    return max(1, total // samples) if samples and total % samples == 0 else 1


def unlisted(page: Directory, pages: int) -> tuple[Note, ...]:
    """Notes on pictures that the list of pages doesn't lead to.

    The only page may be a reduced copy of what lies elsewhere, as in raw files; or a description tells of more:
    they follow the first one's samples, as ImageJ and tifffile write stacks of more than 4 GiB.
    """
    if not page.is_page:
        return (Note("damaged", "its only page is a reduced copy of a picture that is not read"),)
    count = described(page)
    if count <= pages or _is_ome(page.raw(tags.DESCRIPTION)):  # which may lie in several files
        return ()
    fact = f"its description tells of {count:,} pictures, its list of pages of {pages:,}: the others are not read"
    return (Note("damaged", fact),)
