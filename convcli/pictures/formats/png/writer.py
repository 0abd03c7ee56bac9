"""PNG files written, some rows at a time: numpy filters the rows, and zlib deflates strips of them in parallel.

It is there for speed: zlib lets go of the GIL, so all cores work.

Source: W3C, Portable Network Graphics (PNG) Specification, Third Edition; RFC 1950 (zlib), RFC 1951 (deflate).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any, BinaryIO, Final, NamedTuple, TypeAlias

import numpy as np

from convcli.engine.threads import run_all
from convcli.pictures.format import Target
from convcli.pictures.formats.png import deflate, metadata
from convcli.pictures.formats.png.structure import PALETTE, SAMPLES, SIGNATURE, chunk

Bytes: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[np.uint8]]
Rows: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[np.uint8]] | np.ndarray[tuple[Any, ...], np.dtype[np.uint16]]

_COLOUR_TYPES: Final = {count: colour for colour, count in SAMPLES.items() if colour != PALETTE}
_PLAIN: Final = Target(format="png")
_ADLER_BASE: Final = 65521
_STRIP_BYTES: Final = 1 << 19  # of filtered rows: fits a core's cache, and the loss at the joins stays below 0.1 %
_NONE, _SUB, _UP, _AVERAGE = range(4)
_FLAT: Final = 0.6  # from this share of zeros among the differences on, deflate's matches beat plain Huffman coding


def encode(pixels: Rows, target: Target = _PLAIN) -> bytes:
    """A PNG file of `pixels`, shaped (height, width, channels) or (height, width), as `Writer` makes it."""
    file = io.BytesIO()
    rows = pixels.reshape(*pixels.shape[:2], -1) if pixels.size else pixels
    writer = Writer(file, pixels.nbytes, target)
    writer.begin(rows.shape, pixels.dtype)
    writer.add(rows)
    writer.end()
    return file.getvalue()


class Writer:
    """Writes a PNG file of 1 to 4 channels (grey, grey and alpha, RGB, RGBA), 8 or 16 bits per sample.

    Each strip of rows gets the filter that leaves the least, from a sample of its rows: photographs Sub, Up or Average
    with Huffman coding (and runs, from level 2 on), flat graphics deflate's matches. Strips are joined by full
    flushes, each in an IDAT chunk of its own, so the bytes depend neither on the number of threads nor on how many rows
    come at a time.
    """

    def __init__(self, file: BinaryIO, size: int, target: Target) -> None:
        self._write, self._level = file.write, target.settings.get("compression", 1)
        self._chunks = metadata.chunks(target.metadata)

    def begin(self, shape: Sequence[int], dtype: np.dtype[Any]) -> None:
        """Raises ValueError for another dtype or number of channels, or for no pixels."""
        if len(shape) != 3 or 0 in shape or dtype.kind != "u" or dtype.itemsize > 2 or shape[2] not in _COLOUR_TYPES:
            raise ValueError(f"PNG can't hold {dtype} pixels of shape {tuple(shape)}")
        height, width, channels = shape
        self._left, self._pixel = height, channels * dtype.itemsize
        self._strip = max(1, _STRIP_BYTES // (width * self._pixel))
        self._pending = np.empty((0, width * channels), dtype)
        self._above = np.zeros((1, width * channels), dtype)
        self._adler = 1
        header = struct.pack(">IIBBBBB", width, height, 8 * dtype.itemsize, _COLOUR_TYPES[channels], 0, 0, 0)
        # 0x78 0x5e: deflate with a 32 KiB window, "fast"; the sum of both bytes is a multiple of 31.
        for piece in (SIGNATURE, chunk(b"IHDR", header), self._chunks, chunk(b"IDAT", b"\x78\x5e")):
            self._write(piece)

    def add(self, rows: Rows) -> None:
        """The next rows, which need not stay as they are afterwards."""
        flat: Any = np.ascontiguousarray(rows).reshape(len(rows), -1)
        self._left -= len(flat)
        # The last row that was written, the rows that wait for a strip to be full, and those that complete it.
        missing = self._strip - len(self._pending)
        first = np.concatenate([self._above, self._pending, flat[:missing]])
        strips = [first, *(flat[at - 1 : at + self._strip] for at in range(missing, len(flat), self._strip))]
        self._pending = flat[:0]
        if self._left and len(strips[-1]) <= self._strip:
            self._above, self._pending = np.split(strips.pop().copy(), [1])
        else:
            self._above = strips[-1][-1:].copy()
        for packed in self._deflated(strips):
            self._write(packed.chunk)
            self._adler = _joined_adler(self._adler, packed.adler, packed.length)

    def end(self) -> None:
        """All rows are there."""
        self._write(chunk(b"IDAT", self._adler.to_bytes(4, "big")))
        self._write(chunk(b"IEND", b""))

    def _deflated(self, strips: Sequence[Rows]) -> list[_Packed]:
        """The strips, each of which starts with the row above it."""
        packed: dict[int, _Packed] = {}
        last = -1 if self._left else len(strips) - 1

        def work(number: int) -> None:
            rows: Any = strips[number]
            strip = rows.astype(">u2" if rows.itemsize == 2 else np.uint8, copy=False).view(np.uint8)
            kind, strategy = _choice(strip, self._pixel, self._level)
            filtered = _filtered(strip, self._pixel, kind)
            end = zlib.Z_FINISH if number == last else zlib.Z_FULL_FLUSH
            packed[number] = _Packed(
                chunk(b"IDAT", deflate.deflated(filtered.data, strategy, end, self._level)),
                deflate.adler32(filtered.data), filtered.size,
            )  # fmt: skip

        run_all(work, range(len(strips)))
        return [packed[number] for number in range(len(strips))]


class _Packed(NamedTuple):
    """A strip as an IDAT chunk, and the sum and length of what it holds."""

    chunk: bytes
    adler: int
    length: int


def _choice(strip: Bytes, step: int, level: int) -> tuple[int, int]:
    """The filter and the zlib strategy for a strip (which starts with the row above it), from a sample of its rows."""
    rows = strip.shape[0] - 1
    picked = np.linspace(1, rows, min(rows, 4)).astype(np.intp)
    sample, above = strip[picked], strip[picked - 1]
    trials = {kind: _difference(sample, above, step, kind) for kind in (_SUB, _UP, _AVERAGE)}
    zeros = max(1 - np.count_nonzero(trials[kind]) / trials[kind].size for kind in (_SUB, _UP))
    if zeros <= _FLAT:
        left = {kind: int(np.minimum(trial, -trial).sum(dtype=np.int64)) for kind, trial in trials.items()}
        return min(left, key=left.__getitem__), zlib.Z_HUFFMAN_ONLY if level == 1 else zlib.Z_RLE
    # Repeated patterns count here, so neighbouring rows are tried.
    middle = 1 + rows // 2 if rows > 4 else 1
    some, above = strip[middle : middle + 4], strip[middle - 1 : middle + 3]
    matches = [(kind, zlib.Z_DEFAULT_STRATEGY) for kind in (_NONE, _SUB, _UP)]
    sizes = {
        (kind, strategy): len(
            deflate.deflated(_difference(some, above[: len(some)], step, kind).data, strategy, zlib.Z_FINISH)
        )
        for kind, strategy in (*matches, (_SUB, zlib.Z_RLE))
    }
    return min(sizes, key=sizes.__getitem__)


def _filtered(strip: Bytes, step: int, kind: int) -> Bytes:
    """A strip's rows, filtered, each preceded by its filter's number."""
    out = np.empty((strip.shape[0] - 1, strip.shape[1] + 1), np.uint8)
    out[:, 0] = kind
    _difference(strip[1:], strip[:-1], step, kind, out=out[:, 1:])
    return out


def _difference(rows: Bytes, above: Bytes, step: int, kind: int, *, out: Bytes | None = None) -> Bytes:
    """PNG filter `kind` of `rows`, modulo 256: what is left after predicting from the left pixel and the row above."""
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


def _joined_adler(first: int, second: int, length: int) -> int:
    """Adler-32 of two blocks joined, from the sums of each and the `length` of the second.

    >>> _joined_adler(zlib.adler32(b"convo"), zlib.adler32(b"lution"), 6) == zlib.adler32(b"convolution")
    True
    """
    low, high = first & 0xFFFF, first >> 16
    low_2, high_2 = second & 0xFFFF, second >> 16
    high = (high + high_2 + length * (low - 1)) % _ADLER_BASE
    return high << 16 | (low + low_2 - 1) % _ADLER_BASE
