"""PNG files: a check of a file's structure before a decoder sees it.

A damaged file gives one clear message instead of half a picture.

Source: W3C, Portable Network Graphics (PNG) Specification, Third Edition.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias

from convcli.errors import ImageError
from convcli.pictures.format import Header, TruncatedError
from convcli.pictures.formats.png import deflate
from convcli.records import late, record

if TYPE_CHECKING:
    from convcli.pictures.formats.png import texts
else:
    texts = late("convcli.pictures.formats.png.texts")

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
# The depths that a colour type may have, and its samples per pixel.
_DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
PALETTE: Final = 3

# What a decoder needs; all else is left out for it, because libpng prints its complaints about the rest on stderr.
NEEDED: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})

# Chunks of text.
TEXTS: Final = frozenset({b"tEXt", b"zTXt", b"iTXt"})

_MOST_INFLATED: Final = 1032  # bytes that one byte of deflate can stand for, at most

#: A chunk: its type, where its content starts, and where it ends.
Chunk: TypeAlias = tuple[bytes, int, int]
#: `read(at, size)` gives bytes of a file.
Read: TypeAlias = Callable[[int, int], bytes | memoryview]


@record
class Structure:
    """What a PNG file's chunks say.

    `width`, `height` in pixels; `depth` bits per sample; `colour` the colour type (0 grey, 2 RGB, 3 palette, 4 grey and
    alpha, 6 RGBA), `interlaced` or row after row; `frames` 1, or more for an APNG; `transparent` the bytes of its tRNS
    chunk; `exif` the EXIF block; `plain` the same picture with only the chunks that a decoder needs.
    """

    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool
    frames: int
    transparent: bytes
    exif: bytes
    plain: bytes = b""


def inspect(data: bytes) -> Structure:
    """Prove a PNG file's chunks, in order, with their CRCs; bytes after its end are accepted.

    Raises ImageError, naming the chunk and the byte where it starts, for anything that is cut short or damaged.
    """
    if not data.startswith(SIGNATURE):
        raise ImageError("damaged PNG: its first 8 bytes are not PNG's signature")
    read = reader(data)
    chunks = proved(read, len(data))
    kinds = {kind for kind, _, _ in chunks}
    plain = data
    if not NEEDED.issuperset(kinds):
        plain = SIGNATURE + b"".join(data[start - 8 : end + 4] for kind, start, end in chunks if kind in NEEDED)
    return replace(structure(chunks, read), plain=plain)


def reader(data: bytes) -> Read:
    """Reads bytes in memory as `Read` does those of a file."""
    view = memoryview(data)
    return lambda at, size: view[at : at + size]


def header(data: bytes) -> Header:
    """The size that a file's header gives, whatever follows it."""
    width, height = struct.unpack_from(">II", data, 16)
    return Header(width=width, height=height)


def promised(head: bytes) -> int:
    """Bytes of samples that a file which starts like this has, by its header; 0 where there is none yet."""
    if not head.startswith(SIGNATURE) or len(head) < 26 or head[25] not in SAMPLES:
        return 0
    width, height, depth, colour = struct.unpack_from(">IIBB", head, 16)
    return int(height * ((width * depth * SAMPLES[colour] + 7) // 8))


def structure(chunks: Sequence[Chunk], read: Read) -> Structure:
    """What chunks that are `proved` say, but for `plain`. Raises ImageError where they make no picture."""
    kinds = [kind for kind, _, _ in chunks]
    width, height, depth, colour, interlaced = _header(read, chunks[0])
    if b"IDAT" not in kinds:
        raise ImageError("damaged PNG: it has no IDAT chunk, so no pixels")
    first, count = kinds.index(b"IDAT"), kinds.count(b"IDAT")
    if set(kinds[first : first + count]) != {b"IDAT"}:
        raise ImageError("damaged PNG: other chunks lie between its IDAT chunks")
    if colour == PALETTE and b"PLTE" not in kinds[:first]:
        raise ImageError("damaged PNG: a palette picture without a PLTE chunk")
    packed = sum(end - start for kind, start, end in chunks if kind == b"IDAT")
    samples = height * ((width * depth * SAMPLES[colour] + 7) // 8)
    if samples > packed * _MOST_INFLATED:
        fact = f"damaged PNG: its header promises {width} x {height} pixels, more than {packed} bytes can hold"
        raise ImageError(fact)

    def content(wanted: bytes) -> bytes:
        return next((bytes(read(start, end - start)) for kind, start, end in chunks if kind == wanted), b"")

    animation, exif = content(b"acTL"), content(b"eXIf")
    words = (
        [(kind, bytes(read(start, end - start))) for kind, start, end in chunks if kind in TEXTS] if not exif else []
    )
    return Structure(
        width=width, height=height, depth=depth, colour=colour, interlaced=interlaced,
        frames=max(1, int.from_bytes(animation[:4], "big")) if len(animation) == 8 else 1,
        transparent=content(b"tRNS"),
        exif=texts.raw_exif(words) if words else exif,
    )  # fmt: skip


def walked(read: Read, size: int) -> Iterator[Chunk]:
    """Every chunk of a file of `size` bytes up to IEND, by its length alone: the last one may end behind the file."""
    at = 8
    while at + 8 <= size:
        length, kind = struct.unpack(">I4s", read(at, 8))
        yield kind, at + 8, at + 8 + length
        if kind == b"IEND":
            return
        at += 12 + length


def contents(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, content) of every chunk up to the end."""
    return ((kind, data[start:end]) for kind, start, end in walked(reader(data), len(data)))


def proved(read: Read, size: int, *, later: bytes = b"") -> list[Chunk]:
    """Every chunk of a file of `size` bytes up to IEND, its CRC checked; not of chunks of the type `later`.

    Raises ImageError as `inspect` does.
    """
    chunks = []
    for kind, start, end in walked(read, size):
        at = start - 8
        if start + 4 > size:
            break
        if not kind.isalpha():
            raise ImageError(f"damaged PNG: no chunk starts at byte {at}")
        if end + 4 > size:
            left = max(0, size - start)
            fact = f"its {kind.decode('ascii')} chunk at byte {at} needs {end - start} bytes, {left} are left"
            raise TruncatedError(f"truncated PNG: {fact}")
        if kind != later:
            check(deflate.crc32(read(at + 4, end - start + 4)), read(end, 4), kind, at)
        chunks.append((kind, start, end))
        if kind == b"IEND":
            return chunks
    raise TruncatedError(f"truncated PNG: it ends at byte {size}, before its IEND chunk")


def check(crc: int, stored: bytes | memoryview, kind: bytes, at: int) -> None:
    """Raise ImageError where a chunk's CRC isn't the one that stands behind it."""
    if crc != int.from_bytes(stored, "big"):
        raise ImageError(f"damaged PNG: wrong CRC in its {kind.decode('ascii')} chunk at byte {at}")


def _header(read: Read, first: Chunk) -> tuple[int, int, int, int, bool]:
    """(width, height, bit depth, colour type, interlaced) from a file's first chunk."""
    kind, start, end = first
    if kind != b"IHDR" or end - start != 13:
        raise ImageError("damaged PNG: its first chunk is not a header (IHDR) of 13 bytes")
    width, height, depth, colour, packing, filtering, interlace = struct.unpack(">IIBBBBB", read(start, 13))
    if not (0 < width < 1 << 31 and 0 < height < 1 << 31):
        raise ImageError(f"damaged PNG: its header says {width} x {height} pixels")
    if colour not in _DEPTHS:
        raise ImageError(f"damaged PNG: no colour type {colour}; there are 0, 2, 3, 4 and 6")
    if depth not in _DEPTHS[colour]:
        known = ", ".join(map(str, _DEPTHS[colour]))
        raise ImageError(f"damaged PNG: colour type {colour} has {depth} bits per sample, not {known}")
    if packing or filtering or interlace > 1:
        fact = f"damaged PNG: compression {packing}, filter {filtering}, interlace {interlace}; 0, 0 and 0 or 1 exist"
        raise ImageError(fact)
    return width, height, depth, colour, bool(interlace)


def chunk(kind: bytes, content: bytes) -> bytes:
    crc = deflate.crc32(content, deflate.crc32(kind))
    return b"".join((len(content).to_bytes(4, "big"), kind, content, crc.to_bytes(4, "big")))
