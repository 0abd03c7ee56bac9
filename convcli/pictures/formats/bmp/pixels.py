"""BMP files decoded, each kind by its rules; written by OpenCV.

OpenCV makes white of five bits 248, grey of OS/2's palettes, and passes over most masks.
"""

from __future__ import annotations

import struct

import numpy as np

from convcli.pictures.codecs import encoded, range_notes, swapped
from convcli.pictures.format import INCH, Decoded, Note, Pixels, Source, Target, TruncatedError
from convcli.pictures.formats.bmp import runs
from convcli.pictures.formats.bmp.headers import RLE4, RLE8, Layout, layout
from convcli.pictures.opencv import opencv

_BYTES = (0xFF0000, 0xFF00, 0xFF)  # masks of whole bytes, blue first


def decode(source: Source) -> Decoded:
    try:
        facts = layout(source.data)
    except struct.error:
        raise TruncatedError(f"truncated BMP: it ends at byte {len(source.data)}, in its header") from None
    source.limit(facts.width, facts.height)
    notes: tuple[Note, ...] = ()
    if facts.packing in (RLE8, RLE4):
        places, notes = runs.indices(source.data, facts, source.complaints)
        stored = np.frombuffer(places, np.uint8).reshape(facts.height, facts.width)
    else:
        stored = _rows(source.data, facts)
    if not facts.downwards:
        stored = stored[::-1]
    if facts.bits <= 8:
        pixels = _coloured(stored, facts, source.complaints)
    elif facts.bits == 24 or (facts.bits == 32 and facts.masks[:3] == _BYTES and facts.masks[3] in (0, 0xFF000000)):
        whole = np.ascontiguousarray(stored).reshape(facts.height, facts.width, facts.bits // 8)
        opaque = facts.bits == 32 and not (facts.masks[3] and whole[:, :, 3].any())  # a fourth byte that is padding
        whole = np.ascontiguousarray(whole[:, :, :3]) if opaque else whole
        pixels = swapped(whole, in_place=whole.flags.writeable)
    else:
        pixels, more = _masked(stored, facts)
        notes += more
    return Decoded(pixels=pixels, notes=notes)


def _rows(data: bytes, facts: Layout) -> Pixels:
    """The bytes of rows that are not packed, without their padding; indices of less than 8 bits as bytes.

    Raises TruncatedError where some are missing.
    """
    left = len(data) - facts.start
    if left < facts.needed:
        raise TruncatedError(f"truncated BMP: its pixels need {facts.needed} bytes, {max(0, left)} are left")
    stride, used = facts.stride, (facts.width * facts.bits + 7) // 8
    if left < facts.stride * facts.height:
        data, left = data + bytes(stride), left + stride
    rows = np.frombuffer(data, np.uint8, stride * facts.height, facts.start).reshape(facts.height, stride)[:, :used]
    if facts.bits >= 8:
        return rows
    shifts = np.arange(8 - facts.bits, -1, -facts.bits, dtype=np.uint8)
    parts = rows[:, :, None] >> shifts & np.uint8((1 << facts.bits) - 1)
    return parts.reshape(facts.height, -1)[:, : facts.width]


def _coloured(places: Pixels, facts: Layout, complaints: list[str]) -> Pixels:
    """What a palette has at places (height, width): grey where all of it is; black behind its end, which is told of."""
    count = len(facts.palette) // facts.entry
    colours = np.zeros((256, 3), np.uint8)
    stored = np.frombuffer(facts.palette, np.uint8, count * facts.entry).reshape(count, facts.entry)
    colours[:count] = stored[:, 2::-1]
    if count < 1 << facts.bits:
        beyond = int((places >= count).sum())
        if beyond:
            complaints.append(f"{beyond} pixels have colours behind the {count} of its palette")
    cv2 = opencv()
    places = np.ascontiguousarray(places)
    if (colours == colours[:, :1]).all():
        table, planes = colours[:, 0].copy(), places
    else:
        table, planes = colours[:, None], cv2.cvtColor(places, cv2.COLOR_GRAY2RGB)
    pixels: Pixels = cv2.LUT(planes, table)
    return pixels.reshape(*places.shape, -1)


def _masked(stored: Pixels, facts: Layout) -> tuple[Pixels, tuple[Note, ...]]:
    """RGB(A) of the bits that masks pick, white the largest value: in 8 bits where they are enough, else in 16."""
    numbers = np.ascontiguousarray(stored).view("<u2" if facts.bits == 16 else "<u4")
    tops = [mask // (mask & -mask) if mask else 0 for mask in facts.masks]
    dtype = np.uint8 if max(tops) <= 255 else np.uint16
    full = np.iinfo(dtype).max
    planes = []
    for mask, top in zip(facts.masks, tops, strict=True):
        table = np.rint(np.arange(top + 1) * (full / max(top, 1))).astype(dtype)
        planes.append(table[(numbers & mask) // max(mask & -mask, 1)])
    count = 4 if facts.masks[3] and planes[3].any() else 3
    pixels = np.stack(planes[:count], axis=2)
    return pixels, range_notes(pixels, min(filter(None, tops[:3]))) if full > 255 else ()


def encode(pixels: Pixels, target: Target) -> bytes:
    data = encoded(pixels, target)
    dpi = target.metadata.dpi
    return data[:38] + struct.pack("<ii", *(round(side / INCH) for side in dpi)) + data[46:] if dpi else data
