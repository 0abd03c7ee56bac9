"""Cells of the formats that need a codec: JPEG, WebP, AVIF, JPEG 2000, GIF; as others encode and decode them.

What is stored without loss has to come out as it went in, the rest as another decoder gives it, within rounding.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image

from tests.pictures.matrix.cells import Cell, Reading
from tests.pictures.matrix.rules import full_range
from tests.support import Pixels

_SIZES = [(40, 33), (64, 48)]


def smooth(size: tuple[int, int], channels: int, top: int = 255) -> Pixels:
    """Slopes, each channel another, from 0 to `top`."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    planes = [(rows * (c + 1) + columns * (3 - c % 3)) % 90 / 89 for c in range(channels)]
    slopes = [
        (rows / size[0], columns / size[1], 1 - rows / size[0], columns / size[1])[c % 4] for c in range(channels)
    ]
    mixed = np.stack(slopes, 2) * 0.9 + np.stack(planes, 2) * 0.1
    return np.rint(mixed * top).astype(np.uint16 if top > 255 else np.uint8)


def _reading(pixels: Pixels, within: float = 0, note: str = "") -> Reading:
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    colours = 3 if pixels.shape[2] > 2 else 1
    extra = ("straight",) * (pixels.shape[2] - colours)
    return Reading(pixels=np.ascontiguousarray(pixels), colours=colours, extra=extra, within=within, note=note)


def _cell(name: str, data: bytes, format: str, *readings: Reading, reasons: tuple[str, ...] = ()) -> Cell:
    return Cell(name=name, file=lambda: data, readings=readings, reasons=reasons, format=format,
                extension=f".{'jpg' if format == 'jpeg' else format}")  # fmt: skip


def jpeg() -> Iterator[Cell]:
    """Grey, YCbCr of every subsampling, RGB as it is, CMYK and YCCK; baseline, progressive, other processes."""
    for size, quality, progressive in product(_SIZES, (40, 90, 100), (False, True)):
        for mode, subsampling in [("L", -1), ("RGB", 0), ("RGB", 1), ("RGB", 2), ("CMYK", -1)]:
            picture = Image.fromarray(smooth(size, {"L": 1, "RGB": 3, "CMYK": 4}[mode]).squeeze(), mode)
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=quality, progressive=progressive, subsampling=subsampling)
            with Image.open(io.BytesIO(file.getvalue())) as back:
                right = np.array(back)
            text = f"{mode} {subsampling} {size} quality {quality} {'progressive' * progressive}"
            yield _cell(text, file.getvalue(), "jpeg", _reading(_inks(right) if mode == "CMYK" else right, 2))
    for size, (name, (colours, variant)) in product(_SIZES, _WAYS.items()):
        pixels = smooth(size, colours)
        data = bytes(imagecodecs.jpeg8_encode(pixels.squeeze(), 95, **variant))
        right = np.asarray(imagecodecs.jpeg8_decode(data, outcolorspace="cmyk" if colours == 4 else None))
        # With a mark by Adobe 255 is no ink, as all programs write and read that; without it, ink is ink.
        yield _cell(f"{name} {size}", data, "jpeg", _reading(_inks(255 - right) if colours == 4 else right, 3))
        if name == "CMYK":
            at = data.index(b"\xff\xee\0\x0eAdobe")
            # Practice differs, which is told: libjpeg's users take it for inverted, too.
            inverted = _reading(_inks(255 - right), 3, note="inverted")
            bare = data[:at] + data[at + 16 :]
            yield _cell(f"{name} {size}, no mark", bare, "jpeg", _reading(_inks(right), 3), inverted)
    processes: list[tuple[int, dict[str, Any]]] = [(12, {}), *((bits, {"lossless": True}) for bits in (8, 12, 16))]
    for size, (bits, variant) in product(_SIZES, processes):
        pixels = smooth(size, 3, (1 << bits) - 1)
        data = bytes(imagecodecs.jpeg8_encode(pixels, bitspersample=bits, **variant))
        words = "lossless" * bool(variant)
        right = full_range(pixels.astype(np.uint64), bits, 8 if bits == 8 else 16).astype(pixels.dtype)
        yield _cell(f"{bits} bits {words} {size}", data, "jpeg", _reading(right, 0 if variant else 900),
                    reasons=(f"{bits}[- ]bit", "lossless", "SOF|process|kind of JPEG"))  # fmt: skip


_WAYS: dict[str, tuple[int, dict[str, Any]]] = {
    "RGB as it is": (3, {"colorspace": "rgb", "outcolorspace": "rgb"}),
    "4:1:1": (3, {"subsampling": "411"}), "4:4:0": (3, {"subsampling": "440"}), "4:2:2": (3, {"subsampling": "422"}),
    "CMYK": (4, {"colorspace": "cmyk", "outcolorspace": "cmyk"}),
    "YCCK": (4, {"colorspace": "cmyk", "outcolorspace": "ycck"}), "optimized": (3, {"optimize": True}),
}  # fmt: skip


def _inks(cmyk: Pixels) -> Pixels:
    light = 255 - cmyk.astype(np.float64)
    return np.rint(light[..., :3] * light[..., 3:] / 255).astype(np.uint8)


def webp() -> Iterator[Cell]:
    for size, colours, lossless in product([*_SIZES, (1, 1)], (3, 4), (False, True)):
        for quality in (30, 100):
            pixels = smooth(size, colours)
            data = bytes(imagecodecs.webp_encode(pixels, quality, lossless=lossless))
            right = np.asarray(imagecodecs.webp_decode(data))
            readings = [_reading(right, 0 if lossless else 2)]
            if colours == 4 and right[..., 3].min() == 255:
                readings.append(_reading(right[..., :3], 2))
            yield _cell(f"{size} {colours} {'lossless' * lossless} quality {quality}", data, "webp", *readings)


def avif() -> Iterator[Cell]:
    """8, 10 and 12 bits, as libavif decodes them; of more than 8, white is the largest value of 16 bits."""
    for size, bits, colours, sampling in product(_SIZES, (8, 10, 12), (1, 3, 4), ("444", "420", "422", "400")):
        if (sampling == "400") != (colours == 1):
            continue
        for level in (60, 100):
            pixels = smooth(size, colours, (1 << bits) - 1)
            data = bytes(imagecodecs.avif_encode(pixels.squeeze(), level, bitspersample=bits, pixelformat=sampling))
            right = np.asarray(imagecodecs.avif_decode(data))
            right = right.reshape(*size, -1)
            # Colours that are coded at half the size are spread as a decoder likes.
            within = (3 if sampling in ("444", "400") else 14) * (1 if bits == 8 else 257)
            scaled = full_range(right.astype(np.uint64), bits, 8 if bits == 8 else 16)
            scaled = scaled.astype(np.uint8 if bits == 8 else np.uint16)
            grey = [scaled[..., :1]] if colours == 1 else []
            readings = [_reading(one, within, "scaled" if bits > 8 else "") for one in (scaled, *grey)]
            yield _cell(f"{size} {bits} bits {colours} {sampling} level {level}", data, "avif", *readings)


def jp2() -> Iterator[Cell]:
    """1 to 16 bits without loss, of 1 to 5 components; boxes and bare codestreams."""
    depths = (4, 6, 8, 9, 10, 12, 14, 15, 16)
    for size, bits, colours, codec in product(_SIZES, depths, range(1, 6), ("jp2", "j2k")):
        top = (1 << bits) - 1
        pixels = smooth(size, colours, top).astype(np.uint8 if bits <= 8 else np.uint16)
        pixels[0, 0], pixels[-1, -1] = 0, top
        data = bytes(
            imagecodecs.jpeg2k_encode(pixels.squeeze(), reversible=True, bitspersample=bits, codecformat=codec)
        )
        scaled = full_range(pixels.astype(np.uint64), bits, 8 if bits <= 8 else 16).astype(pixels.dtype)
        note = "scaled" if 8 < bits < 16 else ""
        readings = [_reading(scaled, 0, note)] if colours < 5 else []
        if colours != 3:  # what more components are is told by boxes alone, which these files lack
            extra = ("band",) * (colours - 1)
            readings.append(Reading(pixels=scaled, colours=1, extra=extra, note=note))
        if colours > 3:
            extra = ("band",) * (colours - 3)
            readings.append(Reading(pixels=scaled, colours=3, extra=extra, note=note))
        yield _cell(f"{codec} {size} {bits} bits {colours} components", data, "jp2", *readings,
                    reasons=(f"{bits}[- ]bit", f"{colours} (components|channels)", "components"))  # fmt: skip
    for size, colours, dtype in product(_SIZES, (1, 3), (np.int8, np.int16)):
        top = np.iinfo(dtype).max
        pixels = (smooth(size, colours, 2 * top).astype(np.int32) - top).astype(dtype)
        data = bytes(imagecodecs.jpeg2k_encode(pixels.squeeze(), reversible=True, codecformat="jp2"))
        yield _cell(f"signed {np.dtype(dtype)} {size} {colours}", data, "jp2", _reading(pixels), reasons=("signed",))


def gif() -> Iterator[Cell]:
    """The first frame, as Pillow shows it: palettes, transparency, interlaced rows, frames that fill a part."""
    options: list[tuple[str, Callable[[Pixels], Image.Image], dict[str, Any]]] = [
        ("grey", lambda pixels: Image.fromarray(pixels[..., 0]), {}),
        ("palette", lambda pixels: Image.fromarray(pixels[..., :3]).quantize(64), {}),
        ("2 colours", lambda pixels: Image.fromarray(pixels[..., :3]).quantize(2), {}),
        ("transparent", lambda pixels: Image.fromarray(pixels[..., :3]).quantize(16), {"transparency": 3}),
    ]
    for size, (name, make, variant), interlaced, frames in product([*_SIZES, (1, 1)], options, (0, 1), (1, 3)):
        pictures = [make(np.roll(smooth(size, 3), 5 * number, axis=0)) for number in range(frames)]
        file = io.BytesIO()
        more = {"save_all": True, "append_images": pictures[1:]} if frames > 1 else {}
        pictures[0].save(file, "GIF", interlace=interlaced, **variant, **more)
        with Image.open(io.BytesIO(file.getvalue())) as back:
            count = getattr(back, "n_frames", 1)
            right = np.array(back.convert("RGBA"))
        opaque = [right[..., :3]] if right[..., 3].min() == 255 else []
        grey = [right[..., :1]] if name == "grey" else []
        note = f"frame 1 of {count}" if count > 1 else ""
        seen = _Hidden(**vars(_reading(right, 0, note)))
        yield _cell(f"{name} {size} {'interlaced' * interlaced} {frames} frames", file.getvalue(), "gif", seen,
                    *(_reading(one, 0, note) for one in (*opaque, *grey)))  # fmt: skip


class _Hidden(Reading):
    """Colours that nobody sees, where alpha is 0, may be any."""

    def _differs(self, pixels: Pixels, channels: tuple[int, tuple[str, ...]] | None) -> str:
        if pixels.shape == self.pixels.shape and (pixels[..., -1] == self.pixels[..., -1]).all():
            pixels = np.where(pixels[..., -1:] == 0, self.pixels, pixels)
        return super()._differs(pixels, channels)
