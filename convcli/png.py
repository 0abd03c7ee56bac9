"""PNG files: our own encoder, and a check of a file's structure before a decoder sees it.

The encoder is there for speed: numpy filters the rows, and zlib, which lets go of the GIL, deflates strips in parallel.
The check is there for certainty: a damaged file gives one clear message instead of half a picture.

Source: W3C, Portable Network Graphics (PNG) Specification, Third Edition; RFC 1950 (zlib), RFC 1951 (deflate).
"""

from __future__ import annotations

import os
import struct
import threading
import zlib
from typing import TYPE_CHECKING, Any, Final

from convcli.errors import ImageError
from convcli.records import record

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Rows = NDArray[np.uint8] | NDArray[np.uint16]

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
# The depths that a colour type may have, and its samples per pixel.
_DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_SAMPLES: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_COLOUR_TYPE: Final = {1: 0, 2: 4, 3: 2, 4: 6}

# What a decoder needs; all else is left out for it, because libpng prints its complaints about the rest on stderr.
_NEEDED: Final = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})

_MOST_INFLATED: Final = 1032  # bytes that one byte of deflate can stand for, at most
_ADLER_BASE: Final = 65521
_STRIP_BYTES: Final = 1 << 19  # of filtered rows: fits a core's cache, and the loss at the joins stays below 0.1 %
_NONE, _SUB, _UP, _AVERAGE = range(4)
_FLAT: Final = 0.6  # from this share of zeros among the differences on, deflate's matches beat plain Huffman coding


@record
class Structure:
    """What a PNG file's chunks say.

    `width`, `height` in pixels; `depth` bits per sample; `colour` the colour type (0 grey, 2 RGB, 3 palette, 4 grey and
    alpha, 6 RGBA); `frames` 1, or more for an APNG; `transparent` the bytes of its tRNS chunk; `exif` the EXIF block;
    `plain` the same picture with only the chunks that a decoder needs.
    """

    width: int
    height: int
    depth: int
    colour: int
    frames: int
    transparent: bytes
    exif: bytes
    plain: bytes


def inspect(data: bytes, *, place: str) -> Structure:
    """Prove a PNG file's chunks, in order, with their CRCs; bytes after its end are accepted.

    Raises ImageError, naming the chunk and the byte where it starts, for anything that is cut short or damaged.
    """
    if not data.startswith(SIGNATURE):
        raise ImageError("damaged PNG: its first 8 bytes are not PNG's signature", place=place)
    chunks = _chunks(data, place)
    kinds = [kind for kind, _, _ in chunks]
    width, height, depth, colour = _header(data, chunks[0], place)
    if b"IDAT" not in kinds:
        raise ImageError("damaged PNG: it has no IDAT chunk, so no pixels", place=place)
    first, count = kinds.index(b"IDAT"), kinds.count(b"IDAT")
    if set(kinds[first : first + count]) != {b"IDAT"}:
        raise ImageError("damaged PNG: other chunks lie between its IDAT chunks", place=place)
    if colour == 3 and b"PLTE" not in kinds[:first]:
        raise ImageError("damaged PNG: a palette picture without a PLTE chunk", place=place)
    packed = sum(end - start for kind, start, end in chunks if kind == b"IDAT")
    promised = height * ((width * depth * _SAMPLES[colour] + 7) // 8)
    if promised > packed * _MOST_INFLATED:
        fact = f"damaged PNG: its header promises {width} x {height} pixels, more than {packed} bytes can hold"
        raise ImageError(fact, place=place)

    def content(wanted: bytes) -> bytes:
        return next((data[start:end] for kind, start, end in chunks if kind == wanted), b"")

    animation = content(b"acTL")
    plain = data
    if not _NEEDED.issuperset(kinds):
        plain = SIGNATURE + b"".join(data[start - 8 : end + 4] for kind, start, end in chunks if kind in _NEEDED)
    frames = max(1, int.from_bytes(animation[:4], "big")) if len(animation) == 8 else 1
    return Structure(
        width=width,
        height=height,
        depth=depth,
        colour=colour,
        frames=frames,
        transparent=content(b"tRNS"),
        exif=content(b"eXIf"),
        plain=plain,
    )


def _chunks(data: bytes, place: str) -> list[tuple[bytes, int, int]]:
    """(type, start of content, end of content) of every chunk up to IEND."""
    found = []
    view = memoryview(data)
    at = 8
    while True:
        if at + 12 > len(data):
            raise ImageError(f"truncated PNG: it ends at byte {len(data)}, before its IEND chunk", place=place)
        length, kind = struct.unpack_from(">I4s", data, at)
        start, end = at + 8, at + 8 + length
        if not kind.isalpha():
            raise ImageError(f"damaged PNG: no chunk starts at byte {at}", place=place)
        name = kind.decode("ascii")
        if end + 4 > len(data):
            left = max(0, len(data) - start)
            fact = f"its {name} chunk at byte {at} needs {length} bytes, {left} are left"
            raise ImageError(f"truncated PNG: {fact}", place=place)
        if zlib.crc32(view[at + 4 : end]) != int.from_bytes(view[end : end + 4], "big"):
            raise ImageError(f"damaged PNG: wrong CRC in its {name} chunk at byte {at}", place=place)
        found.append((kind, start, end))
        if kind == b"IEND":
            return found
        at = end + 4


def _header(data: bytes, first: tuple[bytes, int, int], place: str) -> tuple[int, int, int, int]:
    """(width, height, bit depth, colour type) from a file's first chunk."""
    kind, start, end = first
    if kind != b"IHDR" or end - start != 13:
        raise ImageError("damaged PNG: its first chunk is not a header (IHDR) of 13 bytes", place=place)
    width, height, depth, colour, packing, filtering, interlace = struct.unpack_from(">IIBBBBB", data, start)
    if not (0 < width < 1 << 31 and 0 < height < 1 << 31):
        raise ImageError(f"damaged PNG: its header says {width} x {height} pixels", place=place)
    if colour not in _DEPTHS:
        raise ImageError(f"damaged PNG: no colour type {colour}; there are 0, 2, 3, 4 and 6", place=place)
    if depth not in _DEPTHS[colour]:
        known = ", ".join(map(str, _DEPTHS[colour]))
        raise ImageError(f"damaged PNG: colour type {colour} has {depth} bits per sample, not {known}", place=place)
    if packing or filtering or interlace > 1:
        fact = f"damaged PNG: compression {packing}, filter {filtering}, interlace {interlace}; 0, 0 and 0 or 1 exist"
        raise ImageError(fact, place=place)
    return width, height, depth, colour


def encode(pixels: Rows, *, compression: int = 1, threads: int | None = None) -> bytes:
    """A PNG file of `pixels`, shaped (height, width, channels) or (height, width), 8 or 16 bits per sample.

    1 channel is grey, 2 grey and alpha, 3 RGB, 4 RGBA. Each strip of rows gets the filter that leaves the least, from a
    sample of its rows: photographs Sub, Up or Average with run-length and Huffman coding, flat graphics deflate's
    matches. Strips are joined by full flushes, each in an IDAT chunk of its own, so the bytes do not depend on
    `threads` (default: one per core).

    Raises ValueError for another dtype, rank or number of channels, or for no pixels.
    """
    import numpy as np

    height, width, channels = pixels.shape if pixels.ndim == 3 else (*pixels.shape, 1)
    if pixels.dtype.kind != "u" or pixels.itemsize > 2 or not pixels.size or channels not in _COLOUR_TYPE:
        raise ValueError(f"PNG can't hold {pixels.dtype} pixels of shape {pixels.shape}")
    rows: Any = np.ascontiguousarray(pixels).reshape(height, width * channels)
    step = channels * pixels.dtype.itemsize
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    strips = _deflate(rows, step, compression, threads or cores)
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.itemsize, _COLOUR_TYPE[channels], 0, 0, 0)
    adler = 1
    for _, part, length in strips:
        adler = _joined_adler(adler, part, length)
    # 0x78 0x5e: deflate with a 32 KiB window, "fast"; the sum of both bytes is a multiple of 31.
    pieces = [SIGNATURE, chunk(b"IHDR", header), chunk(b"IDAT", b"\x78\x5e")]
    pieces += [piece for piece, _, _ in strips]
    pieces += [chunk(b"IDAT", adler.to_bytes(4, "big")), chunk(b"IEND", b"")]
    return b"".join(pieces)


def _deflate(rows: Rows, step: int, level: int, threads: int) -> list[tuple[bytes, int, int]]:
    """(IDAT chunk, Adler-32, length) of each strip of filtered rows; `step` is the bytes of a pixel."""
    height = rows.shape[0]
    size = max(1, _STRIP_BYTES // (rows.shape[1] * rows.itemsize))
    starts = range(0, height, size)
    done: list[tuple[bytes, int, int]] = [(b"", 1, 0)] * len(starts)
    failures: list[BaseException] = []
    jobs = iter(enumerate(starts))  # one iterator for all threads: taking from it is atomic

    def work() -> None:
        try:
            for number, start in jobs:
                stop = min(start + size, height)
                strip = _strip(rows, start, stop)
                kind, strategy = _choice(strip, step)
                filtered = _filtered(strip, step, kind)
                end = zlib.Z_FINISH if stop == height else zlib.Z_FULL_FLUSH
                packed = chunk(b"IDAT", _deflated(filtered, strategy, end, level))
                done[number] = (packed, zlib.adler32(filtered.data), filtered.size)
        except BaseException as failure:  # raised again by the caller's thread
            failures.append(failure)

    helpers = [threading.Thread(target=work) for _ in range(min(threads, len(starts)) - 1)]
    for helper in helpers:
        helper.start()
    work()
    for helper in helpers:
        helper.join()
    if failures:
        raise failures[0]
    return done


def _strip(rows: Rows, start: int, stop: int) -> Bytes:
    """Rows `start` to `stop` as big-endian bytes, with the row above them first (zeros above the picture)."""
    import numpy as np

    part: Bytes = (
        rows[max(0, start - 1) : stop].astype(">u2" if rows.itemsize == 2 else np.uint8, copy=False).view(np.uint8)
    )
    return part if start else np.concatenate([np.zeros_like(part[:1]), part])


def _choice(strip: Bytes, step: int) -> tuple[int, int]:
    """The filter and the zlib strategy for a strip (which starts with the row above it), from a sample of its rows."""
    import numpy as np

    rows = strip.shape[0] - 1
    picked = np.linspace(1, rows, min(rows, 4)).astype(np.intp)
    sample, above = strip[picked], strip[picked - 1]
    trials = {kind: _difference(sample, above, step, kind) for kind in (_SUB, _UP, _AVERAGE)}
    zeros = max(1 - np.count_nonzero(trials[kind]) / trials[kind].size for kind in (_SUB, _UP))
    if zeros <= _FLAT:
        left = {kind: int(np.minimum(trial, -trial).sum(dtype=np.int64)) for kind, trial in trials.items()}
        return min(left, key=left.__getitem__), zlib.Z_RLE
    # Repeated patterns count here, so neighbouring rows are tried.
    middle = 1 + rows // 2 if rows > 4 else 1
    some, above = strip[middle : middle + 4], strip[middle - 1 : middle + 3]
    matches = [(kind, zlib.Z_DEFAULT_STRATEGY) for kind in (_NONE, _SUB, _UP)]
    sizes = {
        (kind, strategy): len(_deflated(_difference(some, above[: len(some)], step, kind), strategy, zlib.Z_FINISH))
        for kind, strategy in (*matches, (_SUB, zlib.Z_RLE))
    }
    return min(sizes, key=sizes.__getitem__)


def _filtered(strip: Bytes, step: int, kind: int) -> Bytes:
    """A strip's rows, filtered, each preceded by its filter's number."""
    import numpy as np

    out = np.empty((strip.shape[0] - 1, strip.shape[1] + 1), np.uint8)
    out[:, 0] = kind
    _difference(strip[1:], strip[:-1], step, kind, out=out[:, 1:])
    return out


def _difference(rows: Bytes, above: Bytes, step: int, kind: int, *, out: Bytes | None = None) -> Bytes:
    """PNG filter `kind` of `rows`, modulo 256: what is left after predicting from the left pixel and the row above."""
    import numpy as np

    if out is None:
        out = np.empty_like(rows)
    if kind == _NONE:
        out[...] = rows
    elif kind == _SUB:
        out[:, :step] = rows[:, :step]
        np.subtract(rows[:, step:], rows[:, :-step], out=out[:, step:])
    elif kind == _UP:
        np.subtract(rows, above, out=out)
    else:
        np.subtract(rows[:, :step], above[:, :step] >> 1, out=out[:, :step])
        left, up, rest = rows[:, :-step], above[:, step:], out[:, step:]
        # floor((left + up) / 2) without leaving 8 bits.
        half = np.bitwise_xor(left, up)
        np.right_shift(half, 1, out=half)
        np.bitwise_and(left, up, out=rest)
        np.add(rest, half, out=rest)
        np.subtract(rows[:, step:], rest, out=rest)
    return out


def _deflated(filtered: Bytes, strategy: int, end: int, level: int = 1) -> bytes:
    """Raw deflate; levels above 1 cost two to five times as much, to save a tenth on flat graphics."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
    return packer.compress(filtered.data) + packer.flush(end)


def chunk(kind: bytes, content: bytes) -> bytes:
    crc = zlib.crc32(content, zlib.crc32(kind))
    return b"".join((len(content).to_bytes(4, "big"), kind, content, crc.to_bytes(4, "big")))


def _joined_adler(first: int, second: int, length: int) -> int:
    """Adler-32 of two blocks joined, from the sums of each and the `length` of the second.

    >>> _joined_adler(zlib.adler32(b"convo"), zlib.adler32(b"lution"), 6) == zlib.adler32(b"convolution")
    True
    """
    low, high = first & 0xFFFF, first >> 16
    low_2, high_2 = second & 0xFFFF, second >> 16
    high = (high + high_2 + length * (low - 1)) % _ADLER_BASE
    return high << 16 | (low + low_2 - 1) % _ADLER_BASE
