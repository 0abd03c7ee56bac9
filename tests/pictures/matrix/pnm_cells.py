"""Netpbm cells: plain and raw PBM, PGM and PPM, PAM and PFM.

Source: Netpbm's pbm(5), pgm(5), ppm(5), pam(5), pfm(5).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from tests.pictures.matrix.cells import Cell, Reading
from tests.support import Pixels

_MAXIMA = (1, 2, 3, 15, 100, 127, 254, 255, 256, 1000, 1023, 4095, 32767, 65534, 65535)
_SIZES = [(1, 1), (5, 7), (6, 16)]
#: How a header may be laid out: what stands between the numbers.
_HEADERS = {"lines": b"\n", "blanks": b" ", "comments": b"\n# of 3 colours, 255\n", "tabs": b"\t \t"}


def pnm() -> Iterator[Cell]:
    for kind, size, (name, between) in product(range(1, 7), _SIZES, _HEADERS.items()):
        for maximum in (1,) if kind in (1, 4) else _MAXIMA:
            values = np.random.default_rng(maximum).integers(0, maximum + 1, (*size, 3 if kind in (3, 6) else 1))
            values[0, 0], values[-1, -1] = 0, maximum
            words = [f"P{kind}", str(size[1]), str(size[0]), *([] if kind in (1, 4) else [str(maximum)])]
            head = between.join(word.encode() for word in words) + b"\n"
            body = _text(values, kind) if kind < 4 else _raw(values, maximum, kind == 4)
            displayed = 1 - values if kind in (1, 4) else values
            yield _cell(f"P{kind} {size} up to {maximum}, {name}", head + body, displayed, maximum)


def _text(values: Pixels, kind: int) -> bytes:
    """Rows of text; the samples of a bitmap need nothing between them."""
    rows = (
        "".join(map(str, row)) if kind == 1 else "  ".join(map(str, row)) for row in values.reshape(len(values), -1)
    )
    return "\n".join(rows).encode() + b"\n"


def _raw(values: Pixels, maximum: int, bits: bool = False) -> bytes:
    if bits:
        return np.packbits(values[..., 0].astype(np.uint8), axis=1).tobytes()
    return values.astype(np.uint8 if maximum < 256 else ">u2").tobytes()


def _cell(name: str, data: bytes, values: Pixels, maximum: int, extra: tuple[str, ...] = (), colours: int = 0) -> Cell:
    """Scaled to the full range of 8 bits, or of 16 where the maximum is above 255; which is told, but of bitmaps."""
    dtype, full = (np.uint8, 255) if maximum < 256 else (np.uint16, 65535)
    pixels = (values.astype(np.uint64) * full + maximum // 2) // maximum
    colours = colours or values.shape[2] - len(extra)
    return Cell(
        name=name, file=lambda: data, readings=(Reading(pixels=pixels.astype(dtype), colours=colours, extra=extra),),
        notes="" if maximum in (1, full) else "scaled", extension=".pnm", format="pnm",
        reasons=("DEPTH|channels|TUPLTYPE|tuple",) if values.shape[2] > 4 else (),
    )  # fmt: skip


def pam() -> Iterator[Cell]:
    kinds = {
        "BLACKANDWHITE": 1, "GRAYSCALE": 1, "RGB": 3, "BLACKANDWHITE_ALPHA": 2, "GRAYSCALE_ALPHA": 2, "RGB_ALPHA": 4,
    }  # fmt: skip
    for (kind, depth), size, maximum in product(kinds.items(), _SIZES, _MAXIMA):
        if kind.startswith("BLACK") and maximum > 1:
            continue
        values = np.random.default_rng(maximum).integers(0, maximum + 1, (*size, depth))
        extra = ("straight",) * kind.endswith("ALPHA")
        yield _cell(f"PAM {kind} {size} up to {maximum}", _pam(values, maximum, kind), values, maximum, extra)
    for depth in (1, 2, 3, 4, 5, 6):
        # Without a type, or of one that means nothing here, the channels have no meaning that could be wrong.
        for kind in ("", "MULTISPECTRAL"):
            values = np.random.default_rng(depth).integers(0, 256, (5, 7, depth))
            bands = _cell(
                f"PAM of depth {depth} {kind}", _pam(values, 255, kind), values, 255, ("band",) * (depth - 1), 1
            )
            usual = _cell("", b"", values[..., :4], 255, ("straight",) * (depth in (2, 4)))
            readings = bands.readings if depth > 4 else (*bands.readings, *usual.readings)
            yield Cell(name=bands.name, file=bands.file, readings=readings, extension=".pam", format="pnm",
                       reasons=("DEPTH|channels|TUPLTYPE|tuple",))  # fmt: skip


def _pam(values: Pixels, maximum: int, kind: str) -> bytes:
    height, width, depth = values.shape
    head = f"P7\nWIDTH {width}\nHEIGHT {height}\n# a comment\nDEPTH {depth}\nMAXVAL {maximum}\n"
    head += f"TUPLTYPE {kind}\n" if kind else ""
    return head.encode() + b"ENDHDR\n" + _raw(values, maximum)


def pfm() -> Iterator[Cell]:
    for (kind, samples), size, scale in product({"f": 1, "F": 3}.items(), _SIZES, (1.0, -1.0, 2.5, -2.5, 0.5, -100.0)):
        values = np.random.default_rng(3).normal(0, 10, (*size, samples)).astype(np.float32)
        values[0, 0] = np.nan
        values[-1, -1] = np.inf
        order = "<" if scale < 0 else ">"
        data = f"P{kind}\n{size[1]} {size[0]}\n{scale}\n".encode() + values[::-1].astype(f"{order}f4").tobytes()
        note = "" if abs(scale) == 1 else "scale"
        scaled = Reading(pixels=values / np.float32(abs(scale)), colours=samples, note=note)  # as Netpbm has it
        stored = Reading(pixels=values, colours=samples, note=note)
        yield Cell(
            name=f"PFM {kind} {size} scale {scale}", file=lambda data=data: data, readings=(scaled, stored),
            extension=".pfm", format="pfm",
        )  # fmt: skip
