"""TIFF files through `convcli apply -k identity`: what comes out, as others read it, is what went in.

Files whose samples have several right readings, or are right within a tolerance, are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import Image

from tests.pictures.matrix import tiff_cells, tiff_structures
from tests.pictures.matrix.cells import Cell, Reading, Result, Tally, looked_at
from tests.support import Pixels, run

#: What is wrong with an output, by the right reading of the input and what was said; empty where nothing is.
Judge = Callable[[Path, Reading, str], str]
#: Every so many of the cells are taken.
_STEP = 10
_KINDS = {0: "band", 1: "premultiplied", 2: "straight"}
#: Numbers that neither PNG nor, of 64 bits, TIFF is written with.
_REFUSED = r"uint64|int64|int8|int16|int32|uint32|float32|float64|16-bit|32-bit|64-bit|float"


def _cells() -> Iterator[Cell]:
    sections = (tiff_cells.storage, tiff_cells.depths, tiff_cells.palettes, tiff_cells.orientations)
    pages = [item for section in sections for item in list(section())[::_STEP]]
    for cell in (*(tiff_cells.cell(name, page) for name, page in pages), *tiff_structures.special_values()):
        if len(cell.readings) == 1 and not cell.readings[0].within and looked_at(cell.name):
            yield cell


def _run(folder: Path, extension: str, judged: Judge, limits: Callable[[Reading], str]) -> Tally:
    """Applies `identity` to each cell; a refusal may also name `limits`, what the output can't hold."""
    tally, source, out = Tally(), folder / "in.tif", folder / f"out{extension}"
    for cell in _cells():
        out.unlink(missing_ok=True)
        source.write_bytes(cell.file())
        done = run("apply", source, "-k", "identity", "-o", out)
        if done.code:
            limit = limits(cell.readings[0])
            known = [*cell.reasons, *([limit] if limit else [])]
            named = any(re.search(pattern, done.err, re.I) for pattern in known) and len(done.errors()) == 1
            words = done.err.strip()
            words = words if named and not out.exists() else f"refused without its reason: {words}"
            result = Result("refused" if words == done.err.strip() else "wrong", words)
        else:
            words = judged(out, cell.readings[0], done.err)
            result = Result("wrong" if words else "right", words)
        tally.whole.append((cell, result))
    return tally


def _compared(pixels: Pixels, right: Pixels) -> str:
    if (pixels.shape, pixels.dtype) != (right.shape, right.dtype):
        return f"{pixels.dtype} {pixels.shape} instead of {right.dtype} {right.shape}"
    same = np.ascontiguousarray(pixels).tobytes() == np.ascontiguousarray(right).tobytes()
    return "" if same else "values differ"


def to_tiff(folder: Path) -> Tally:
    """Bit for bit the input's samples, with its ExtraSamples and its colours."""

    def judged(path: Path, right: Reading, said: str) -> str:
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            pixels = page.asarray()
            kinds = tuple(_KINDS[int(kind)] for kind in page.extrasamples)
            colours, orientation = int(page.photometric), page.tags.get(274)
        if pixels.size != right.pixels.size:
            return f"{pixels.shape} instead of {right.pixels.shape}"
        pixels = pixels.reshape(right.pixels.shape)
        if words := _compared(pixels.astype(pixels.dtype.newbyteorder("=")), right.pixels):
            return words
        if (kinds, colours) != (right.extra, 2 if right.colours == 3 else 1):
            return f"ExtraSamples {kinds}, photometric {colours} of {right.colours} colours and {right.extra}"
        return "" if orientation is None or orientation.value == 1 else f"orientation {orientation.value}"

    return _run(folder, ".tif", judged, lambda right: r"u?int64" if right.pixels.dtype in (np.int64, np.uint64) else "")


def to_npy(folder: Path) -> Tally:
    """An array of the input's samples, bit for bit; premultiplied colours are divided out as for PNG."""

    def judged(path: Path, right: Reading, said: str) -> str:
        pixels = np.load(path)
        pixels = pixels.reshape(*pixels.shape[:2], -1)
        words = _compared(pixels, right.pixels)
        if words and right.extra == ("premultiplied",):
            return _divided_out(pixels, right)
        return words

    return _run(folder, ".npy", judged, lambda right: "")


def to_png(folder: Path) -> Tally:
    """8 and 16 bits of grey and RGB with or without alpha, divided out; what PNG can't hold is refused.

    Three bands may become red, green and blue, which is told.
    """

    def judged(path: Path, right: Reading, said: str) -> str:
        if right.extra == ("band", "band") and right.colours == 1 and "3 bands become" in said:
            return _compared(_png(path), right.pixels)
        if set(right.extra) - {"straight", "premultiplied"} or right.pixels.dtype.kind != "u":
            return f"written, and ought to be refused: {right.pixels.dtype}, {right.extra}"
        pixels = _png(path)
        return _divided_out(pixels, right) if right.extra == ("premultiplied",) else _compared(pixels, right.pixels)

    def limits(right: Reading) -> str:
        bands = r"band|channels" if set(right.extra) - {"straight", "premultiplied"} or len(right.extra) > 1 else ""
        depth = _REFUSED if right.pixels.dtype not in (np.uint8, np.uint16) else ""
        return "|".join(filter(None, (bands, depth)))

    return _run(folder, ".png", judged, limits)


def _divided_out(pixels: Pixels, right: Reading) -> str:
    """How a picture differs from one with premultiplied alpha, divided by it; what no one sees may be anything."""
    stored = right.pixels.astype(np.float64)
    alpha, full = stored[..., -1:], 1.0 if right.pixels.dtype.kind == "f" else float(np.iinfo(right.pixels.dtype).max)
    with np.errstate(divide="ignore", invalid="ignore"):
        colours = stored[..., :-1] * full / alpha
    if right.pixels.dtype.kind != "f":
        colours = np.clip(np.rint(colours), np.iinfo(right.pixels.dtype).min, full)
    alpha = np.clip(alpha, 0, full)  # beyond full there is no opacity
    wanted = np.where(alpha > 0, np.concatenate([colours, alpha], axis=2), pixels)
    if (pixels.shape, pixels.dtype) != (wanted.shape, right.pixels.dtype):
        return f"{pixels.dtype} {pixels.shape} instead of {right.pixels.dtype} {wanted.shape}"
    error = np.maximum(1.0 if right.pixels.dtype.kind != "f" else 0.0, 2e-6 * np.abs(wanted))
    return "" if (np.abs(pixels - wanted) <= error).all() else "values differ"


def _png(path: Path) -> Pixels:
    """By Pillow where it keeps 16 bits, which is of grey; else by imagecodecs."""
    with Image.open(path) as picture:
        if picture.mode in ("L", "LA", "RGB", "RGBA") and path.read_bytes()[24] == 8:
            pixels = np.array(picture)
        else:
            pixels = np.asarray(imagecodecs.png_decode(path.read_bytes()))
    return pixels.reshape(*pixels.shape[:2], -1)
