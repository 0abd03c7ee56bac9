"""The samples of a TIFF page as they are stored, whatever their depth, number and layout.

OpenCV's decoder knows what to do with grey, RGB and RGBA of some depths. Others it is given as if their bytes were
8-bit grey: so it unpacks compressed strips and tiles, and the samples are taken out of the bytes here.

Source: TIFF Revision 6.0 (Adobe, 1992), sections 7 to 10, 14 and 15; Adobe Photoshop TIFF Technical Note 3 (2005), for
the predictor of floats.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np

from convcli.errors import ImageError
from convcli.pictures.codecs import read
from convcli.pictures.format import LONGEST_SIDE, Pixels, Source, TruncatedError
from convcli.pictures.formats.tiff import directories as tags
from convcli.pictures.formats.tiff.blocks import Blocks, small_file
from convcli.pictures.formats.tiff.directories import Directory, shorts

#: Compressions that go on bytes, whatever these mean: none, LZW, deflate (two numbers), PackBits.
OF_BYTES: Final = frozenset({1, 5, 8, 32946, 32773})
#: Those of them that may be of differences: LZW and deflate. Beside others the tag means nothing, as in libtiff.
_OF_DIFFERENCES: Final = frozenset({5, 8, 32946})
#: Bytes that are unpacked at a time.
_AT_ONCE: Final = 1 << 26
#: Samples of odd depth that are taken apart at a time.
_SAMPLES_AT_ONCE: Final = 1 << 20
_REVERSED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def stored_dtype(bits: int, kind: str) -> np.dtype[Any] | None:
    """The dtype that samples of `bits` and `kind` ("u", "i" or "f") come in; None for those that can't be read."""
    if kind == "f":
        return np.dtype(f"f{max(4, bits // 8)}") if bits in (16, 32, 64) else None
    if bits in (8, 16, 32, 64):
        return np.dtype(f"{kind}{bits // 8}")
    if kind == "i" or not 1 <= bits < 32:
        return None
    return np.dtype("u1" if bits < 8 else "u2" if bits < 16 else "u4")


def predictor(page: Directory) -> int:
    """What samples are stored as: 1 themselves, 2 differences along the rows, 3 those of the bytes of floats."""
    return page.first(tags.PREDICTOR, 1) if page.first(tags.COMPRESSION, 1) in _OF_DIFFERENCES else 1


def stored(source: Source, page: Directory, bits: int, kind: str) -> Pixels:
    """The page's samples `(height, width, samples)`, of `stored_dtype`; odd depths are not scaled.

    Raises ValueError for blocks that can't be those of the page, TruncatedError for ones that hold too little.
    """
    return _Page(source, page, bits, kind).samples()


class _Page:
    """How a page's bytes become samples."""

    def __init__(self, source: Source, page: Directory, bits: int, kind: str) -> None:
        self._source, self._page, self._bits, self._kind = source, page, bits, kind
        self._blocks = Blocks.of(page)
        self._count = page.first(tags.SAMPLES, 1)
        #: Samples side by side in a block.
        self._together = self._count if self._blocks.planes == 1 else 1
        self._size = page.first(tags.HEIGHT, 0), page.first(tags.WIDTH, 0)
        self._row = -(-self._blocks.width * self._together * bits // 8)
        self._predictor = predictor(page)

    def samples(self) -> Pixels:
        dtype = stored_dtype(self._bits, self._kind)
        assert dtype is not None
        self._check_promise()
        out: Pixels = np.empty((*self._size, self._count), dtype)
        for plane in range(self._blocks.planes):
            target = out if self._blocks.planes == 1 else out[..., plane : plane + 1]
            for first, last in pairwise(self._cuts(plane)):
                self._lay(target, first, last, self._bytes(first, last))
        return out

    def _check_promise(self) -> None:
        """Plain samples are there, or no memory is taken for them."""
        if self._page.first(tags.COMPRESSION, 1) != 1:
            return
        needed = sum(self._rows(number) for number in range(len(self._blocks.sizes))) * self._row
        there = sum(self._blocks.sizes)
        if there < needed:
            fact = f"damaged or truncated TIFF: its samples need {needed:,} bytes, its strips or tiles have {there:,}"
            raise TruncatedError(fact)

    def _rows(self, number: int) -> int:
        """The rows of a block; a plane's last strip may have fewer."""
        blocks = self._blocks
        down = number % (blocks.across * blocks.down) // blocks.across
        return blocks.height if blocks.tiled else min(blocks.height, self._size[0] - down * blocks.height)

    def _cuts(self, plane: int) -> list[int]:
        """Where the blocks of a plane are cut, that are unpacked at a time."""
        blocks = self._blocks
        number = blocks.across * blocks.down
        most = min(_AT_ONCE // max(1, self._row), LONGEST_SIDE // 2 // self._split())
        step = max(1, most // blocks.height)
        return [*range(plane * number, (plane + 1) * number, step), (plane + 1) * number]

    def _split(self) -> int:
        """Of how many rows a row of bytes is told to be, which OpenCV takes only so long. Raises ImageError."""
        for parts in range(1, 4097):
            if self._row % parts == 0 and self._row // parts < LONGEST_SIDE:
                return parts
        raise ImageError(f"unsupported TIFF: rows of {self._row:,} bytes; at most {LONGEST_SIDE:,} are read")

    def _bytes(self, first: int, last: int) -> Pixels:
        """The bytes of some blocks of a plane, unpacked, as (rows, bytes a row)."""
        blocks, page = self._blocks, self._page
        rows = [self._rows(number) for number in range(first, last)]
        spans = list(zip(blocks.offsets[first:last], blocks.sizes[first:last], strict=True))
        turned = page.first(tags.FILL_ORDER, 1) == 2
        if page.first(tags.COMPRESSION, 1) == 1:
            for number, ((_, there), high) in enumerate(zip(spans, rows, strict=True), first):
                if there < high * self._row:
                    part = f"strip or tile {number + 1} has {there:,} bytes, its rows need {high * self._row:,}"
                    raise TruncatedError(f"damaged or truncated TIFF: {part}")
            joined = _joined(page.data, [(at, high * self._row) for (at, _), high in zip(spans, rows, strict=True)])
            flat = np.frombuffer(bytes(joined).translate(_REVERSED) if turned else joined, np.uint8)
        else:
            pieces = [bytes(page.data[at : at + size]) for at, size in spans]
            parts, order = self._split(), page.order
            meaning = {tag: shorts(order, value) for tag, value in (
                (tags.BITS, 8), (tags.COMPRESSION, page.first(tags.COMPRESSION, 1)), (tags.PHOTOMETRIC, 1),
                (tags.FILL_ORDER, 2 if turned else 1), (tags.SAMPLES, 1), (tags.PLANAR, 1), (tags.SAMPLE_FORMAT, 1),
            )}  # fmt: skip
            size, block = ((high * parts, self._row // parts) for high in (sum(rows), blocks.height))
            flat = read(self._source, small_file(meaning, order, size, block, pieces, tiled=False), logged=True)
        return flat.reshape(sum(rows), self._row)

    def _lay(self, out: Pixels, first: int, last: int, raw: Pixels) -> None:
        """Takes the samples out of some blocks' bytes, to where they belong in `out`, the plane or all of them."""
        blocks, values = self._blocks, self._values(raw)
        for number in range(first, last):
            down, across = divmod(number % (blocks.across * blocks.down), blocks.across)
            top, left = down * blocks.height, across * blocks.width
            there = out[top : top + blocks.height, left : left + blocks.width]
            start = (number - first) * blocks.height
            there[...] = values[start : start + len(there), : there.shape[1]]

    def _values(self, raw: Pixels) -> Pixels:
        """(rows, block width, samples side by side) of bytes as they are in blocks, without their predictor."""
        width, together = self._blocks.width, self._together
        shape, count, bits = (len(raw), width, together), width * together, self._bits
        if self._predictor == 3:
            return _floats(raw, bits // 8, together).reshape(shape)
        if bits in (8, 16, 32, 64):
            # Differences of floats are those of the integers that have their bits.
            kind = "u" if self._predictor == 2 else self._kind
            values = raw[:, : count * bits // 8].view(f"{self._page.order}{kind}{bits // 8}")
            values = values.astype(values.dtype.newbyteorder("="), copy=False).reshape(shape)
            if self._predictor == 2:
                values = np.cumsum(values, axis=1, dtype=values.dtype).view(f"{self._kind}{bits // 8}")
            return values
        if bits == 24:
            wide = np.zeros((len(raw), count, 4), np.uint8)
            big = self._page.order == ">"
            wide[..., 1:] = raw[:, : count * 3].reshape(len(raw), count, 3)[..., :: 1 if big else -1]
            return wide.view(">u4").reshape(shape)
        return _odd(raw, count, bits).reshape(shape)


def _joined(data: bytes, spans: Sequence[tuple[int, int]]) -> memoryview:
    """The bytes of some spans (at, size) one after the other: as they lie, where they do so."""
    view, end = memoryview(data), sum(spans[-1])
    if all(sum(one) == other[0] for one, other in pairwise(spans)):
        return view[spans[0][0] : end]
    return memoryview(b"".join(view[at : at + size] for at, size in spans))


def _odd(raw: Pixels, count: int, bits: int) -> Pixels:
    """`count` samples a row, each of `bits` that follow each other, the highest one first."""
    width = 8 if bits < 8 else 16 if bits < 16 else 32
    out = np.empty((len(raw), count), f">u{width // 8}")
    step = max(1, _SAMPLES_AT_ONCE // max(1, count))
    for start in range(0, len(raw), step):
        flags = np.unpackbits(raw[start : start + step], axis=1, count=count * bits)
        padded = np.zeros((len(flags), count, width), np.uint8)
        padded[..., width - bits :] = flags.reshape(len(flags), count, bits)
        out[start : start + step] = np.packbits(padded, axis=2).view(out.dtype)[..., 0]
    return out


def _floats(raw: Pixels, size: int, together: int) -> Pixels:
    """Floats of `size` bytes whose rows are stored as differences of bytes: all first bytes, then all second ones."""
    rows, length = raw.shape
    summed = np.cumsum(raw.reshape(rows, length // together, together), axis=1, dtype=np.uint8)
    planes = summed.reshape(rows, size, length // size)
    return np.ascontiguousarray(planes.transpose(0, 2, 1)).view(f">f{size}")
