"""The headers of BMP files, of Windows and of OS/2, and what they say of size, palette and masks.

Source: Microsoft, BITMAPCOREHEADER, BITMAPINFOHEADER and its successors (Win32 API); IBM, OS/2 2.x bitmap files.
"""

from __future__ import annotations

import struct
from typing import Final

from convcli.errors import ImageError
from convcli.pictures.format import INCH, Completed, Header, Metadata, padded
from convcli.records import record

RGB, RLE8, RLE4, FIELDS, ALPHA_FIELDS = 0, 1, 2, 3, 6
_CORE, _INFO, _LONGEST = 12, 40, 64  # bytes of headers: the first one, Windows' next, and the longest one of OS/2 2.x
#: Windows' headers with masks in them, and the number of these.
_MASKED: Final = {52: 3, 56: 4, 108: 4, 124: 4}
_DEPTHS: Final = {RGB: (1, 2, 4, 8, 16, 24, 32), RLE8: (8,), RLE4: (4,), FIELDS: (16, 32), ALPHA_FIELDS: (16, 32)}
_PACKINGS: Final = {4: "JPEG", 5: "PNG", 11: "CMYK", 12: "CMYK", 13: "CMYK"}
_OS2_PACKINGS: Final = {3: "Huffman codes", 4: "runs of 24 bits"}
_SMALL: Final = {16: (0x7C00, 0x3E0, 0x1F, 0), 32: (0xFF0000, 0xFF00, 0xFF, 0xFF000000)}
_CALIBRATED, _LINKED, _EMBEDDED = b"\0\0\0\0", b"KNIL", b"DEBM"


@record
class Layout:
    """How a file's pixels lie: rows of `width` pixels from byte `start` on, the lowest first unless `downwards`.

    `bits` per pixel, `packing` one of the constants above, `masks` of red, green, blue and alpha (0: none) for 16 and
    32 bits; the `palette`, with `entry` bytes for each colour in the order blue, green, red.
    """

    width: int
    height: int
    downwards: bool
    bits: int
    packing: int
    masks: tuple[int, int, int, int]
    palette: bytes
    entry: int
    start: int

    @property
    def stride(self) -> int:
        """Bytes of a row that is not packed; the last one may lack its padding."""
        return (self.width * self.bits + 31) // 32 * 4

    @property
    def needed(self) -> int:
        """Bytes of all rows that are not packed."""
        return self.stride * (self.height - 1) + (self.width * self.bits + 7) // 8


def header(data: bytes) -> Header:
    _, width, height = _size(data)
    return Header(width=width, height=abs(height))


def layout(data: bytes) -> Layout:
    """Raises ImageError for kinds that can't be read, and struct.error where a header is cut off."""
    size, width, height = _size(data)
    bits, packing, count = _coding(data, size)
    depths = _DEPTHS.get(packing)
    windows = size in (_CORE, _INFO, *_MASKED)
    if depths is None or not (windows or packing in (RGB, RLE8, RLE4)):
        names = _PACKINGS if windows else _OS2_PACKINGS
        raise ImageError(f"unsupported BMP: its pixels are {names.get(packing, f'packed by the method {packing}')}")
    if bits not in depths:
        raise ImageError(f"unsupported BMP: {bits} bits per pixel; {', '.join(map(str, depths))} can be read")
    behind, masks = _masks(data, size, bits, packing)
    (start,) = struct.unpack_from("<I", data, 10)
    entry, most = 3 if size == _CORE else 4, 1 << bits if bits <= 8 else 0
    colours = min(count or most, most)
    room = (start - behind) // entry if behind <= start else colours
    palette = data[behind : behind + entry * max(0, min(colours, room))]
    start = start or behind + entry * colours
    if start < behind:
        raise ImageError(f"damaged BMP: its pixels start at byte {start}, inside its header of {size} bytes")
    return Layout(
        width=width, height=abs(height), downwards=height < 0, bits=bits, packing=packing, masks=masks, palette=palette,
        entry=entry, start=start,
    )  # fmt: skip


def _size(data: bytes) -> tuple[int, int, int]:
    """Bytes of the header that tells the size, the width, and the height, negative where the top row is the first."""
    (size,) = struct.unpack_from("<I", data, 14)
    if size not in (_CORE, *_MASKED) and not 16 <= size <= _LONGEST:
        raise ImageError(f"unsupported BMP: a header of {size} bytes")
    width, height = struct.unpack_from("<HH" if size == _CORE else "<ii", data, 18)
    if width <= 0 or height in (0, -(1 << 31)):
        raise ImageError(f"damaged BMP: its header says {width} x {height} pixels")
    return size, width, height


def _coding(data: bytes, size: int) -> tuple[int, int, int]:
    """Bits per pixel, packing, and colours in the palette (0: as many as the bits can tell apart)."""
    (bits,) = struct.unpack_from("<H", data, 24 if size == _CORE else 28)
    packing = struct.unpack_from("<I", data, 30)[0] if size >= 20 else RGB
    return bits, packing, struct.unpack_from("<I", data, 46)[0] if size >= 36 else 0


def _masks(data: bytes, size: int, bits: int, packing: int) -> tuple[int, tuple[int, int, int, int]]:
    """Where the palette starts, and the masks of red, green, blue and alpha. Raises ImageError for impossible ones."""
    behind = 14 + size
    if packing not in (FIELDS, ALPHA_FIELDS):
        return behind, _SMALL.get(bits, (0, 0, 0, 0))
    count = _MASKED.get(size, 4 if packing == ALPHA_FIELDS else 3)
    red, green, blue, *alpha = struct.unpack_from(f"<{count}I", data, 14 + _INFO)
    if size not in _MASKED:
        behind += 4 * count
    masks = (red, green, blue, alpha[0] if alpha else 0)
    for mask in masks:
        lowest = mask & -mask
        if mask and (mask >> bits or (mask // lowest) & (mask // lowest + 1) or mask // lowest > 0xFFFF):
            raise ImageError(
                f"unsupported BMP: a mask of {mask:X} in {bits} bits; up to 16 bits side by side can be read"
            )
    if not any(masks[:3]):
        raise ImageError("damaged BMP: its masks leave no colours")
    return behind, masks


def metadata(data: bytes) -> Metadata:
    (size,) = struct.unpack_from("<I", data, 14)
    if size < 32:
        return Metadata()
    across, down = struct.unpack_from("<ii", data, 38)
    dpi = (round(across * INCH, 2), round(down * INCH, 2)) if across > 0 and down > 0 else None
    icc, lost = b"", ""
    if size >= 108:
        space, gammas = data[70:74], struct.unpack_from("<3I", data, 110)
        if space == _EMBEDDED and size >= 124:
            at, length = struct.unpack_from("<II", data, 126)
            icc = data[14 + at : 14 + at + length]
        elif space == _LINKED or (space == _CALIBRATED and any(gammas)):
            lost = "ICC profile in another file dropped" if space == _LINKED else "colour space and gamma dropped"
    return Metadata(icc=icc, dpi=dpi, lost=(lost,) if lost else ())


def completed(data: bytes) -> Completed | None:
    facts = layout(data)
    if facts.packing in (RLE8, RLE4):
        return None
    return padded(data, facts.start, facts.needed)
