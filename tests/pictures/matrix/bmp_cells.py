"""BMP cells: every header, depth, palette, mask and run-length code.

Source: Microsoft, BITMAPCOREHEADER to BITMAPV5HEADER (Win32 API); IBM, OS/2 2.0 bitmaps (BITMAPINFOHEADER2).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from PIL import Image

from tests.pictures.matrix.cells import Cell, Reading
from tests.support import Pixels

HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
_SIZES = [(1, 1), (5, 7), (6, 16), (3, 33)]
RGB, RLE8, RLE4, FIELDS, JPEG, PNG, ALPHA_FIELDS, CMYK = 0, 1, 2, 3, 4, 5, 6, 11


@dataclass(frozen=True, kw_only=True)
class Bitmap:
    """A header of `header` bytes; `masks` of red, green, blue and alpha; `palette` (colours, 3); `top_down`."""

    header: int = 40
    bits: int = 24
    compression: int = RGB
    masks: tuple[int, ...] = ()
    palette: Pixels | None = None
    top_down: bool = False


def bmp(form: Bitmap, size: tuple[int, int], body: bytes) -> bytes:
    height, width = size
    height = -height if form.top_down else height
    if form.header == 12:
        head = struct.pack("<IHHHH", 12, width, height, 1, form.bits)
    else:
        colours = 0 if form.palette is None else len(form.palette)
        head = struct.pack("<IiiHHIIiiII", form.header, width, height, 1, form.bits, form.compression, len(body), 2835,
                           2835, colours if colours != 1 << form.bits else 0, 0)  # fmt: skip
        if form.header >= 52 and form.header != 64:
            masks = (*form.masks, *(0,) * (4 - len(form.masks)))
            head += struct.pack("<4I", *masks)[: form.header - 40]
            head += b"BGRs" if form.header > 56 else b""  # sRGB
        head = head[: form.header].ljust(form.header, b"\0")
        if form.header == 40:
            head += struct.pack(f"<{len(form.masks)}I", *form.masks)
    table = b""
    if form.palette is not None:
        entries = np.zeros((len(form.palette), 3 if form.header == 12 else 4), np.uint8)
        entries[:, :3] = form.palette[:, ::-1]
        table = entries.tobytes()
    start = 14 + len(head) + len(table)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + head + table + body


def rows(words: Pixels, bits: int, *, top_down: bool = False) -> bytes:
    """Words (height, width) of `bits`, bottom up, each row filled up to four bytes."""
    if bits < 8:
        parts = (words[..., None] >> np.arange(bits - 1, -1, -1)) & 1
        packed = np.packbits(parts.reshape(len(words), -1).astype(np.uint8), axis=1)
    else:
        packed = words.astype("<u4").reshape(-1, 1).view(np.uint8)[:, : bits // 8].reshape(len(words), -1)
    padded = np.pad(packed, ((0, 0), (0, -packed.shape[1] % 4)))
    return (padded if top_down else padded[::-1]).tobytes()


def _reasons(form: Bitmap) -> tuple[str, ...]:
    header = [f"header.*{form.header}|{form.header}[- ]byte|OS/2"] if form.header in (12, 16, 64) else []
    return (*header, f"{form.bits}[- ]bit", "compression") if header or form.compression > RLE4 else ()


def _cell(name: str, form: Bitmap, size: tuple[int, int], body: bytes, *right: Pixels) -> Cell:
    data = bmp(form, size, body)
    readings = []
    for pixels in right:
        colours = 3 if pixels.shape[2] > 2 else 1
        readings.append(Reading(pixels=pixels, colours=colours, extra=("straight",) * (pixels.shape[2] - colours)))
    return Cell(name=name, file=lambda: data, readings=tuple(readings), reasons=_reasons(form), extension=".bmp",
                format="bmp")  # fmt: skip


def palettes() -> Iterator[Cell]:
    for header, bits, size, share, top_down in product(HEADERS, (1, 2, 4, 8), _SIZES, (1, 3), (False, True)):
        if top_down and header == 12:
            continue
        rng = np.random.default_rng(bits)
        for kind in ("colours", "grey"):
            count = -(-(1 << bits) // share)
            palette = rng.integers(0, 256, (count, 3)).astype(np.uint8)
            palette = palette[:, :1].repeat(3, 1) if kind == "grey" else palette
            values = rng.integers(0, count, size)
            form = Bitmap(header=header, bits=bits, palette=palette, top_down=top_down)
            name = f"header {header}, {bits} bits, {count} {kind}, {size}" + " top down" * top_down
            if share > 1 and header < 40:  # these don't say how many they have
                continue
            right = palette[values]
            grey = [np.ascontiguousarray(right[..., :1])] if kind == "grey" else []
            yield _cell(name, form, size, rows(values, bits, top_down=top_down), right, *grey)


def colours() -> Iterator[Cell]:
    """24 bits; 16 and 32 with and without masks, of any order and width, with and without alpha."""
    masks: dict[str, tuple[int, tuple[int, ...]]] = {
        "24": (24, ()), "5-5-5": (16, ()), "32": (32, ()), "16 as 5-6-5": (16, (0xF800, 0x07E0, 0x001F)),
        "16 as 5-5-5": (16, (0x7C00, 0x03E0, 0x001F)), "16 as 4-4-4": (16, (0x0F00, 0x00F0, 0x000F)),
        "16 as 4-4-4-4": (16, (0x0F00, 0x00F0, 0x000F, 0xF000)), "16 as 5-5-5-1": (16, (0x7C00, 0x3E0, 0x1F, 0x8000)),
        "16, blue first": (16, (0x001F, 0x07E0, 0xF800)), "16 as 3-3-2": (16, (0xE0, 0x1C, 0x03)),
        "32 as 8-8-8": (32, (0xFF0000, 0xFF00, 0xFF)), "32 as 8-8-8-8": (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
        "32, alpha last": (32, (0xFF000000, 0xFF0000, 0xFF00, 0xFF)), "32, red last": (32, (0xFF, 0xFF00, 0xFF0000)),
        "32 as RGBA": (32, (0xFF, 0xFF00, 0xFF0000, 0xFF000000)), "32 as 6-6-6": (32, (0x3F000, 0xFC0, 0x3F)),
        "32 as 10-10-10": (32, (0x3FF00000, 0xFFC00, 0x3FF)),
        "32 as 10-10-10-2": (32, (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000)),
    }  # fmt: skip
    for header, (name, (bits, fields)), size, top_down in product(HEADERS, masks.items(), _SIZES, (False, True)):
        if header in (12, 16) and (fields or bits != 24 or top_down):
            continue
        if fields and (header == 64 or (header == 52 and len(fields) == 4)):
            continue  # these have no masks, or none of alpha
        words = np.random.default_rng(bits).integers(0, 1 << bits, size)
        compression = 0 if not fields else ALPHA_FIELDS if header == 40 and len(fields) == 4 else FIELDS
        form = Bitmap(header=header, bits=bits, compression=compression, masks=fields, top_down=top_down)
        usual = {16: (0x7C00, 0x03E0, 0x001F), 24: (0xFF0000, 0xFF00, 0xFF), 32: (0xFF0000, 0xFF00, 0xFF)}
        right = [_fields(words, fields or usual[bits])]
        if name == "32":  # what its fourth byte means is not said: padding, or opacity as some programs write it
            right.append(_fields(words, (*usual[bits], 0xFF000000)))
        text = f"header {header}, {name}, {size}" + " top down" * top_down
        yield _cell(text, form, size, rows(words, bits, top_down=top_down), *right)
        if bits == 32 and len(fields) != 3:
            words &= ~fields[3] if fields else 0xFFFFFF
            opaque = _fields(words, fields[:3] or usual[bits])
            yield _cell(f"{text}, alpha all 0", form, size, rows(words, bits, top_down=top_down), opaque)


def _fields(words: Pixels, masks: tuple[int, ...]) -> Pixels:
    """Each mask's bits, scaled so that all of them set are 255, rounded; or 65535 where one has more than 8 bits."""
    shifts = [(mask & -mask).bit_length() - 1 for mask in masks]
    tops = [mask >> shift for mask, shift in zip(masks, shifts, strict=True)]
    full, dtype = (255, np.uint8) if max(tops) < 256 else (65535, np.uint16)
    channels = [
        (((words & mask) >> shift) * full + top // 2) // top
        for mask, shift, top in zip(masks, shifts, tops, strict=True)
    ]
    return np.stack(channels, axis=2).astype(dtype)


def runs() -> Iterator[Cell]:
    """RLE4 and RLE8: runs, literals, ends of lines, deltas over what keeps the first colour, an end that is missing."""
    for bits, header, size in product((4, 8), (40, 64, 108, 124), [(5, 7), (6, 16), (3, 33)]):
        rng = np.random.default_rng(bits)
        palette = rng.integers(0, 256, (1 << bits, 3)).astype(np.uint8)
        form = Bitmap(header=header, bits=bits, compression=RLE4 if bits == 4 else RLE8, palette=palette)
        values = rng.integers(0, 1 << bits, size).repeat(3, 1)[:, : size[1]]
        width = size[1]
        lines = [_literals(row, bits) for row in values[::-1]]
        coded = {
            "runs": (b"\0\0".join(_runs(row) for row in values[::-1]) + b"\0\1", values),
            "literals": (b"\0\0".join(lines) + b"\0\1", values),
            "no end": (b"\0\0".join(lines), values),
            "end of line and of bitmap": (b"\0\0".join(lines) + b"\0\0\0\1", values),
        }
        jumped = values.copy()
        jumped[-1, 2:], jumped[:-2], jumped[-2, :2] = 0, 0, 0
        delta = _runs(values[-1, :2]) + b"\0\2\0\1" + _literals(values[-2, 2:], bits) + b"\0\1"
        coded["a delta, and rows that are not there"] = delta, jumped
        short = values.copy()
        short[:, width // 2 :] = 0
        coded["rows that end early"] = b"\0\0".join(_runs(row[: width // 2]) for row in values[::-1]) + b"\0\1", short
        for name, (body, right) in coded.items():
            yield _cell(f"RLE{bits}, header {header}, {size}, {name}", form, size, body, palette[right])
        body = b"\0\0".join(_runs(row) + b"\5\1" for row in values[::-1]) + b"\0\1"
        long = _cell(f"RLE{bits}, header {header}, {size}, rows too long", form, size, body, palette[values])
        yield replace(long, reasons=("damaged", *long.reasons))


def _runs(row: Pixels) -> bytes:
    """Runs of one value; of 4 bits both nibbles have it."""
    out = b""
    for value in row.tolist():
        out += bytes([1, value * 17 if row.max() < 16 and value < 16 else value])
    return out


def _literals(row: Pixels, bits: int) -> bytes:
    """Absolute mode, which takes 3 values or more, filled up to an even number of bytes."""
    if len(row) < 3:
        return _runs(row)
    values = row.astype(np.uint8)
    if bits == 4:
        even = np.pad(values, (0, len(values) % 2))
        values = even[::2] << 4 | even[1::2]
    data = values.tobytes()
    return bytes([0, len(row)]) + data + bytes(len(data) % 2)


def inside() -> Iterator[Cell]:
    """JPEG and PNG in a bitmap, CMYK, and numbers that mean nothing: to be refused by name, or read right."""
    picture = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    kinds = {"PNG": (PNG, 0, "PNG|compression 5"), "JPEG": (JPEG, 0, "JPEG|compression 4"),
             "CMYK": (CMYK, 32, "CMYK|compression 11"), "huffman": (FIELDS, 1, "Huffman|compression 3|1[- ]bit"),
             "compression 99": (99, 24, "99"), "RLE24": (4, 24, "RLE|compression 4|JPEG"),
             "48 bits": (RGB, 48, "48[- ]bit"), "64 bits": (RGB, 64, "64[- ]bit"), "3 bits": (RGB, 3, "3[- ]bit"),
             "0 bits": (RGB, 0, "0[- ]bit")}  # fmt: skip
    for (name, (compression, bits, reason)), header in product(kinds.items(), (40, 108, 124)):
        form = Bitmap(header=header, bits=bits, compression=compression)
        right = (Reading(pixels=picture, colours=3),) if name == "PNG" else ()
        body = file.getvalue() if name == "PNG" else bytes(4000)
        data = bmp(form, (6, 8), body)
        yield Cell(name=f"{name}, header {header}", file=lambda data=data: data, readings=right, reasons=(reason,),
                   extension=".bmp", format="bmp")  # fmt: skip


def by_pillow() -> Iterator[Cell]:
    """What Pillow writes."""
    pixels = np.random.default_rng(0).integers(0, 256, (9, 11, 4), np.uint8)
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        picture = Image.fromarray(pixels).convert(mode)
        file = io.BytesIO()
        picture.save(file, "BMP")
        right = np.array(picture.convert("RGBA" if mode == "RGBA" else "RGB"))
        other = {"RGBA": [right[..., :3]], "1": [right[..., :1]], "L": [right[..., :1]]}  # as padding; as grey
        readings = [right, *other.get(mode, [])]
        data = file.getvalue()
        actual = tuple(
            Reading(pixels=r, colours=min(3, r.shape[2]), extra=("straight",) * (r.shape[2] == 4)) for r in readings
        )
        yield Cell(name=f"Pillow {mode}", file=lambda data=data: data, readings=actual, extension=".bmp", format="bmp")


def cells() -> Iterator[Cell]:
    for section in (palettes, colours, runs, inside, by_pillow):
        yield from section()
