"""The pixels of a PNG file as they are packed: its IDAT chunks read and inflated by and by, in a thread ahead.

Source: W3C, Portable Network Graphics (PNG) Specification, Third Edition, clause 10; RFC 1950 (zlib).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Generic, TypeVar

from convcli.errors import ImageError
from convcli.pictures.formats.png import deflate, structure

T = TypeVar("T")

#: Bytes of the file that are inflated at a time.
_PIECE: Final = 1 << 18
#: zlib lets another thread in while it sums up more bytes than these.
_UNSHARED: Final = 5 << 10
#: The most bytes of a block of deflate that are stored as they are.
_STORED: Final = 65535


class Ahead(Generic[T]):
    """The items of an iterator, `most` of which a thread of its own makes before they are asked for."""

    def __init__(self, items: Iterator[T], most: int) -> None:
        self._items, self._thread = items, ThreadPoolExecutor(1, "convcli-ahead")
        self._ready = deque(self._thread.submit(next, items) for _ in range(most))

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        """The next item, or whatever making it raised."""
        item = self._ready[0].result()
        self._ready.popleft()
        self._ready.append(self._thread.submit(next, self._items))
        return item

    def close(self) -> None:
        """Makes no more of them; returns when the thread is gone."""
        self._thread.shutdown(cancel_futures=True)


def inflated(read: structure.Read, chunks: Sequence[structure.Chunk], sizes: Iterable[int]) -> Iterator[list[bytes]]:
    """So many bytes of filtered rows each, in pieces; before the last ones are given, all checksums are proved.

    Raises ImageError and one of deflate.ERRORS where rows are missing, others follow, or a checksum is wrong.
    """
    stream, inflater = _packed(read, chunks), deflate.decompressobj()
    waiting: list[bytes] = []
    for size in sizes:
        if waiting:
            yield waiting
        waiting, missing = [], size
        while missing:
            packed = inflater.unconsumed_tail or next(stream, b"")
            piece = inflater.decompress(packed, missing)
            if not piece and not packed:
                raise ImageError("truncated PNG: rows are missing")
            waiting.append(piece)
            missing -= len(piece)
    while not inflater.eof:
        packed = inflater.unconsumed_tail or next(stream, b"")
        if inflater.decompress(packed, 1) or not packed:
            raise ImageError("damaged PNG: its stream doesn't end with its last row")
    if inflater.unused_data or any(stream):
        raise ImageError("damaged PNG: data behind its stream")
    yield waiting


def _packed(read: structure.Read, chunks: Sequence[structure.Chunk]) -> Iterator[bytes]:
    """The content of all IDAT chunks, in large pieces even where they are many and small.

    Raises ImageError where a CRC is wrong.
    """
    buffered = _Buffered(read)
    parts: list[memoryview] = []
    for kind, start, end in chunks:
        if kind != b"IDAT":
            continue
        crc = deflate.crc32(kind)
        for at in range(start, end, _PIECE):
            parts.append(buffered(at, min(_PIECE, end - at)))
            crc = _crc(parts[-1], crc)
            if sum(map(len, parts)) >= _PIECE:
                yield b"".join(parts)
                parts = []
        structure.check(crc, buffered(end, 4), kind, start - 8)
    yield b"".join(parts)


class _Buffered:
    """Reads large pieces of a file, and gives what is asked for from them."""

    def __init__(self, read: structure.Read) -> None:
        self._read = read
        self._start, self._view = 0, memoryview(b"")

    def __call__(self, at: int, size: int) -> memoryview:
        if at < self._start or at + size > self._start + len(self._view):
            self._start, self._view = at, memoryview(self._read(at, max(size, 2 * _PIECE)))
        return self._view[at - self._start : at - self._start + size]


def _crc(data: memoryview, crc: int) -> int:
    """CRC-32; of little data without letting another thread in, which may come back after milliseconds only."""
    if len(data) > 1 << 16:
        return deflate.crc32(data, crc)
    for at in range(0, len(data), _UNSHARED):
        crc = deflate.crc32(data[at : at + _UNSHARED], crc)
    return crc


def stored(rows: Iterable[bytes], *, width: int, height: int, depth: int, colour: int) -> bytes:
    """A PNG file of these filtered rows, without compression."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((depth, colour, 0, 0, 0))
    blocks: list[bytes | memoryview] = [b"IDAT\x78\x01"]
    adler = 1
    for piece in rows:
        adler = deflate.adler32(piece, adler)
        view = memoryview(piece)
        for at in range(0, len(piece), _STORED):
            part = view[at : at + _STORED]
            size = len(part).to_bytes(2, "little")
            blocks += [b"\0" + size + bytes(byte ^ 0xFF for byte in size), part]
    blocks += [b"\1\0\0\xff\xff", adler.to_bytes(4, "big")]
    length, crc = sum(map(len, blocks)) - 4, 0
    for block in blocks:
        crc = deflate.crc32(block, crc)
    start = structure.SIGNATURE + structure.chunk(b"IHDR", header) + length.to_bytes(4, "big")
    return b"".join((start, *blocks, crc.to_bytes(4, "big"), structure.chunk(b"IEND", b"")))
