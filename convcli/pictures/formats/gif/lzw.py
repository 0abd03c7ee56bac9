"""LZW as GIF files have it, by OpenCV's encoder of TIFF files, which is in C and codes alike.

Both begin with 9 bits and have the same codes for bytes, a clear table (256), the end (257) and strings (from 258 on).
TIFF's stand from the highest bit down, GIF's from the lowest up; and TIFF's get longer one code earlier.

Source: GIF89a (CompuServe, 1990), appendix F; TIFF Revision 6.0 (Adobe, 1992), section 13.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from convcli.errors import ImageError
from convcli.pictures.format import Pixels
from convcli.pictures.formats.tiff import directories as tags
from convcli.pictures.opencv import opencv, quiet

_CLEAR, _END, _FIRST = 256, 257, 258
#: Codes behind a cleared table, at the most, and the last one of them with 9, 10 and 11 bits in a TIFF file.
_MOST: Final = 4096 - _FIRST + 2
_STEPS: Final = np.array([512 - _FIRST, 1024 - _FIRST, 2048 - _FIRST])
_TIFF_BITS: Final = 9 + np.searchsorted(_STEPS, np.arange(1, _MOST + 1))
_GIF_BITS: Final = 9 + np.searchsorted(_STEPS + 1, np.arange(1, _MOST + 1))
_TIFF_STARTS: Final = np.concatenate(([0], np.cumsum(_TIFF_BITS)))
_BLOCK: Final = 255


def packed(indices: Pixels) -> bytes:
    """The image data of a GIF file: the code size, and blocks of codes of `indices` (height, width), uint8."""
    runs = [np.array([_CLEAR])]
    for strip in _strips(indices):
        runs += _runs(strip)
    runs[-1] = np.concatenate((runs[-1][:-1], [_END]))  # instead of the last strip's clear table
    bits = np.concatenate([_GIF_BITS[: len(run)] for run in runs])
    ends = np.cumsum(bits)
    at = ends - bits
    spread = np.concatenate(runs).astype(np.int64) << (at & 7)  # over three bytes, which codes share without overlap
    size = int(ends[-1] + 7) // 8
    whole = np.zeros(size + 2)
    for byte in range(3):
        whole += np.bincount((at >> 3) + byte, spread >> 8 * byte & 255, size + 2)
    data = whole[:size].astype(np.uint8).tobytes()
    pieces = [b"\x08"]
    for start in range(0, len(data), _BLOCK):
        piece = data[start : start + _BLOCK]
        pieces += [bytes([len(piece)]), piece]
    return b"".join((*pieces, b"\0"))


def _strips(indices: Pixels) -> Iterator[bytes]:
    """The codes of TIFF strips of `indices`."""
    cv2 = opencv()
    settings = [
        cv2.IMWRITE_TIFF_COMPRESSION, 5, cv2.IMWRITE_TIFF_PREDICTOR, 1, cv2.IMWRITE_TIFF_ROWSPERSTRIP, len(indices)
    ]  # fmt: skip
    with quiet(cv2):
        done, out = cv2.imencode(".tif", np.ascontiguousarray(indices), settings)
    data: bytes = out.tobytes() if done else b""
    page = next(tags.directories(data), None) if done else None
    if page is None or page.first(tags.COMPRESSION, 1) != 5:
        raise ImageError("OpenCV can't compress it as GIF files are")
    for start, size in zip(page.get(tags.STRIP_OFFSETS), page.get(tags.STRIP_BYTES), strict=True):
        yield data[start : start + size]


def _runs(strip: bytes) -> Iterator[Any]:
    """The codes of a strip in runs, each of them up to the next clear table, with which the last one ends, too."""
    data = np.frombuffer(strip + bytes(4), np.uint8).astype(np.uint32)
    words = data[:-2] << 16 | data[1:-1] << 8 | data[2:]
    at, total = 9, 8 * len(strip)  # behind the first one
    while True:
        count = int(np.searchsorted(_TIFF_STARTS[1:], total - at, side="right"))
        places = at + _TIFF_STARTS[:count]
        bits = _TIFF_BITS[:count]
        codes = words[places >> 3] >> (24 - (places & 7) - bits).astype(np.uint32) & ((1 << bits) - 1).astype(np.uint32)
        ends = np.flatnonzero((codes == _CLEAR) | (codes == _END))
        if not ends.size:
            raise ImageError("OpenCV can't compress it as GIF files are")
        last = int(ends[0])
        if codes[last] == _END:
            yield np.append(codes[:last], _CLEAR)
            return
        yield codes[: last + 1]
        at += int(_TIFF_STARTS[last + 1])
