"""TIFF files of one page by the specification: any depth, layout and meaning of the samples.

Source: TIFF Revision 6.0 (Adobe, 1992); BigTIFF (Aware Systems).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from tests.pictures.matrix import coding
from tests.support import Pixels
from tests.tiff_files import assembled

#: SampleFormat of unsigned, signed, float, undefined, complex integer and complex float samples.
FORMATS = {"u": 1, "i": 2, "f": 3, "v": 4, "c": 5, "z": 6}
Value = tuple[int, int, bytes]


@dataclass(frozen=True, kw_only=True)
class Page:
    """How a page of `size` (height, width) is stored.

    `bits` of each sample, or of all of them; `kind` as in `FORMATS`; `rows` a strip (0: all of them) or `tile`
    (height, width). `None` is not written. `codec` packs a block (height, width, samples) that `compression` names
    where that is none of `coding.LOSSLESS`. `tags` are further ones, or take the place of others (None: it is left
    out). `following` is where the next directory is said to lie.
    """

    size: tuple[int, int] = (5, 7)
    samples: int = 1
    bits: int | tuple[int, ...] = 8
    kind: str = "u"
    photometric: int | None = 1
    extra: tuple[int, ...] | None = None
    order: str = "<"
    big: bool = False
    rows: int = 0
    tile: tuple[int, int] | None = None
    scattered: bool = False
    planar: bool = False
    compression: int = 1
    predictor: int = 1
    fill: int = 1
    orientation: int | None = None
    map: tuple[int, ...] | None = field(default=None, repr=False)
    codec: Callable[[Pixels], bytes] | None = field(default=None, repr=False)
    tags: Mapping[int, Value | None] = field(default_factory=dict)
    following: int = 0

    @property
    def depths(self) -> tuple[int, ...]:
        """The bits of every sample."""
        return self.bits if isinstance(self.bits, tuple) else (self.bits,) * self.samples

    def packed(self, kind: int, *values: int) -> Value:
        """A tag's value."""
        letter = {1: "B", 3: "H", 4: "I", 16: "Q"}[kind]
        return kind, len(values), struct.pack(f"{self.order}{len(values)}{letter}", *values)


def tiff_page(page: Page, values: Pixels, *, blocks: list[bytes] | None = None) -> bytes:
    """The file of a page whose samples are `values` (height, width, samples); or of `blocks`, ready as they are."""
    if blocks is None:
        blocks = [_block(page, block, first) for block, first in _cut(page, values)]
    at, offsets, body = 16, [0] * len(blocks), b""
    for number in reversed(range(len(blocks))) if page.scattered else range(len(blocks)):
        offsets[number] = at + len(body)
        body += blocks[number] + bytes(len(blocks[number]) & 1)
    return assembled(_tags(page, offsets, [len(block) for block in blocks]), body, page.order, big=page.big,
                     following=page.following)  # fmt: skip


def _cut(page: Page, values: Pixels) -> Iterator[tuple[Pixels, int]]:
    """The blocks in their order, each with the number of its first sample."""
    height, width = page.size
    planes = [(values[..., s : s + 1], s) for s in range(page.samples)] if page.planar else [(values, 0)]
    for plane, first in planes:
        if page.tile:
            high, wide = page.tile
            pad = ((0, -height % high), (0, -width % wide), (0, 0))
            plane = np.pad(plane, pad, "edge")
        else:
            high, wide = page.rows or height, width
        for y in range(0, len(plane), high):
            for x in range(0, plane.shape[1], wide):
                yield plane[y : y + high, x : x + wide], first


def _block(page: Page, values: Pixels, first: int) -> bytes:
    if page.codec:
        return page.codec(np.ascontiguousarray(values))
    depths = page.depths[first : first + values.shape[2]]
    if page.kind in "cz":
        half = "f" if page.kind == "z" else "i"
        values = np.stack([values.real, values.imag], axis=3).reshape(*values.shape[:2], -1)
        depths = tuple(bits // 2 for bits in depths for _ in range(2))
        rows = coding.patterns(values, half, depths[0])
    else:
        rows = coding.patterns(values, page.kind, depths[0])
    if page.predictor == 3:
        flat = coding.float_differences(rows, depths[0] // 8)
    else:
        flat = coding.packed(coding.differences(rows) if page.predictor == 2 else rows, depths, page.order)
    data = coding.LOSSLESS[page.compression](flat)
    return coding.reversed_bits(data) if page.fill == 2 else data


def _tags(page: Page, offsets: list[int], sizes: list[int]) -> dict[int, Value]:
    put, wide = page.packed, 16 if page.big else 4
    height, width = page.size
    tags: dict[int, Value | None] = {
        256: put(4, width), 257: put(4, height), 258: put(3, *page.depths), 259: put(3, page.compression),
        277: put(3, page.samples), 284: put(3, 2 if page.planar else 1),
    }  # fmt: skip
    if page.tile:
        tags |= {322: put(4, page.tile[1]), 323: put(4, page.tile[0]), 324: put(wide, *offsets), 325: put(wide, *sizes)}
    else:
        tags |= {273: put(wide, *offsets), 278: put(4, page.rows or height), 279: put(wide, *sizes)}
    if page.kind != "u":
        tags[339] = put(3, *[FORMATS[page.kind]] * page.samples)
    single = {262: page.photometric, 274: page.orientation}
    single |= {317: page.predictor if page.predictor > 1 else None, 266: page.fill if page.fill > 1 else None}
    tags |= {tag: put(3, value) for tag, value in single.items() if value is not None}
    tags |= {tag: put(3, *value) for tag, value in {320: page.map, 338: page.extra}.items() if value is not None}
    tags |= page.tags
    return {tag: value for tag, value in tags.items() if value is not None}
