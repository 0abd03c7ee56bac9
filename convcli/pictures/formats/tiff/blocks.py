"""How a TIFF page's samples lie in strips or tiles, and a part of the page as a small TIFF file of its own.

Source: TIFF Revision 6.0 (Adobe, 1992), sections 8 and 15; BigTIFF (Aware Systems).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final

from convcli.pictures.formats.tiff import directories as tags
from convcli.pictures.formats.tiff.directories import Directory, Value, longs, pack
from convcli.records import record

#: Tags that tell a decoder what the samples mean, besides those that say where they lie.
_MEANING: Final = frozenset({
    tags.BITS, tags.COMPRESSION, tags.PHOTOMETRIC, tags.FILL_ORDER, tags.SAMPLES, tags.PLANAR, 292, 293, tags.PREDICTOR,
    320, 332, tags.EXTRA_SAMPLES, tags.SAMPLE_FORMAT, 340, 341, 347, 529, 530, 531, 532, 50674,
})  # fmt: skip


def check_blocks(page: Directory) -> None:
    """Raises ValueError where a page lists fewer strips or tiles than it has, or some that lie nowhere or are short."""
    tiled, _, _, across, down, planes = _grid(page)
    offsets, sizes = (page.get(tag) for tag in (tags.TILES if tiled else tags.STRIPS))
    needed = across * down * planes
    if len(offsets) < needed:
        raise ValueError(f"it lists {len(offsets)} strips or tiles of {needed}")
    nowhere = next((number for number, at in enumerate(offsets[:needed], 1) if at < _HEAD), 0)
    if nowhere:
        raise ValueError(f"its strip or tile {nowhere} lies nowhere: a sparse file")
    if page.first(tags.COMPRESSION, 1) == _JPEG:
        for number, (at, size) in enumerate(zip(offsets, sizes, strict=False), 1):
            # Which OpenCV fills up without a word where it is cut short.
            if size and _END_OF_JPEG not in page.data[max(at, at + size - _TAIL) : at + size]:
                raise ValueError(f"the JPEG data of its strip or tile {number} are cut short")
    plain = page.first(tags.COMPRESSION, 1) == 1 and not tiled and all(sizes) and page.first(tags.PHOTOMETRIC, 1) != 6
    row = -(-page.first(tags.WIDTH, 0) * page.first(tags.SAMPLES, 1) // planes * page.first(tags.BITS, 1) // 8)
    if plain and sizes and sum(sizes) < row * page.first(tags.HEIGHT, 0) * planes:
        raise ValueError(f"its samples need {row * page.first(tags.HEIGHT, 0) * planes:,} bytes, it has {sum(sizes):,}")


def _grid(page: Directory) -> tuple[bool, int, int, int, int, int]:
    """Whether a page is tiled, the width and height of its blocks, and how many are across, down, and planes.

    Raises ValueError where they have no size.
    """
    tiled = tags.TILE_OFFSETS in page.entries
    width, height = page.first(tags.WIDTH, 0), page.first(tags.HEIGHT, 0)
    side, rows = width, min(page.first(tags.ROWS_PER_STRIP, height), height)
    if tiled:
        side, rows = page.first(tags.TILE_WIDTH, 0), page.first(tags.TILE_HEIGHT, 0)
    if not width or not height or not side or not rows:
        raise ValueError("it, or its strips or tiles, have no size")
    planes = page.first(tags.SAMPLES, 1) if page.first(tags.PLANAR, 1) == 2 else 1
    return tiled, side, rows, -(-width // side), -(-height // rows), planes


#: Bytes at the start of a file that hold no samples.
_HEAD: Final = 8
_JPEG: Final = 7
#: How JPEG data end, which some bytes of padding may follow.
_END_OF_JPEG, _TAIL = b"\xff\xd9", 16


@record
class Blocks:
    """Strips or tiles of `width` x `height` pixels, `across` x `down` per plane, and where each of them lies."""

    tiled: bool
    width: int
    height: int
    across: int
    down: int
    planes: int
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, page: Directory) -> Blocks:
        """The blocks of a page; raises ValueError, saying what is wrong, where they can't be those of its size."""
        check_blocks(page)
        tiled, width, height, across, down, planes = _grid(page)
        offsets, sizes = (page.get(tag)[: across * down * planes] for tag in (tags.TILES if tiled else tags.STRIPS))
        if len(sizes) != len(offsets):
            raise ValueError(f"it lists the sizes of {len(sizes)} strips or tiles of {len(offsets)}")
        return cls(
            tiled=tiled, width=width, height=height, across=across, down=down, planes=planes, offsets=offsets,
            sizes=sizes,
        )  # fmt: skip

    def inside(self, start: int, stop: int, left: int, right: int) -> list[int]:
        """The numbers of the blocks of some rows and columns, which begin and end where blocks do."""
        rows = range(start // self.height, -(-stop // self.height))
        columns = range(left // self.width, -(-right // self.width))
        plane = self.across * self.down
        return [p * plane + r * self.across + c for p in range(self.planes) for r in rows for c in columns]

    def plain(self, start: int, stop: int, row: int) -> list[tuple[int, int]]:
        """Where rows of plain samples, `row` bytes each, lie: (at, size), joined where they follow each other.

        Raises ValueError where a strip is too short for its rows.
        """
        pieces: list[tuple[int, int]] = []
        for index in range(start // self.height, -(-stop // self.height)):
            top = index * self.height
            first, last = (max(start, top) - top) * row, (min(stop, top + self.height) - top) * row
            if last > self.sizes[index]:
                raise ValueError(f"strip {index + 1} has {self.sizes[index]:,} bytes, its rows need {last:,}")
            at, size = self.offsets[index] + first, last - first
            if pieces and sum(pieces[-1]) == at:
                pieces[-1] = pieces[-1][0], pieces[-1][1] + size
            else:
                pieces.append((at, size))
        return pieces


def meaning(page: Directory) -> dict[int, Value]:
    """The tags of a page that tell what its samples mean, as a classic TIFF file has them."""
    return {
        tag: (entry.kind, entry.count, page.raw(tag))
        for tag, entry in page.entries.items()
        if tag in _MEANING and entry.kind <= 12
    }


def small_file(
    meaning: Mapping[int, Value], order: str, size: tuple[int, int], block: tuple[int, int], pieces: Sequence[bytes],
    *, tiled: bool,
) -> bytes:  # fmt: skip
    """A TIFF file of `size` (height, width), its samples in `pieces`: strips or tiles of `block` (height, width)."""
    sizes = [len(piece) for piece in pieces]
    *offsets, at = accumulate(sizes, initial=8)
    where, many = tags.TILES if tiled else tags.STRIPS
    sides = {tags.TILE_HEIGHT: block[0], tags.TILE_WIDTH: block[1]} if tiled else {tags.ROWS_PER_STRIP: block[0]}
    lies = {where: longs(order, *offsets), many: longs(order, *sizes)}
    for tag, side in {tags.HEIGHT: size[0], tags.WIDTH: size[1], **sides}.items():
        lies[tag] = longs(order, side)
    packed, directory_at = pack({**meaning, **lies}, at, order=order)
    mark = b"II" if order == "<" else b"MM"
    return b"".join((mark, struct.pack(order + "HI", 42, directory_at), *pieces, packed))
