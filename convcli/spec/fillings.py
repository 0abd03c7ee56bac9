"""What the braces in the answers of `convcli.spec.words` become, by the values that were typed behind a word."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from convcli.engine import geometry
from convcli.errors import closest
from convcli.spec.words import BORDERS, DEPTHS, FIELDS, KERNELS, lookup

_SCREENS = {"720p": "720x1280", "1080p": "1080x1920", "hd": "1080x1920", "4k": "2160x3840", "8k": "4320x7680"}


def field(text: str) -> str:
    """A kernel's field as written, `size=5`, by its name here; a number without its unit."""
    name, equals, value = text.partition("=")
    if not equals:
        return _number(text) or text
    row = lookup(name.strip(), FIELDS)
    return (row and filled(row.answer, name, [value])) or text


def filled(answer: str, name: str, values: Sequence[str]) -> str | None:
    """An answer with its braces filled in; None where the values make no sense.

    >>> filled(":radius={half}", "size", ["5"])
    ':radius=2'
    """
    value = " ".join(values)
    parts = {key: fill(value) for key, fill in FILLINGS.items() if f"{{{key}}}" in answer}
    return None if None in parts.values() else answer.format(name=name, **parts)


def _half(value: str) -> str | None:
    """The radius of a kernel of an odd size."""
    number = re.fullmatch(r"\[?(\d+)(?:[x,]\s*\1)?\]?", value)
    return str(max(int(number[1]) // 2, 1)) if number else None


def _size(value: str) -> str:
    number = re.match(r"[1-9]\d*", value)
    return f":size={number[0]}" if number else ""


def _sigma(value: str) -> str:
    """As ImageMagick writes it, 0x2, as a number, or none."""
    number = re.match(r"(?:\d*x)?(\d*\.?\d+)", value)
    return f":sigma={number[1]}" if number and float(number[1]) else ""


def _border(value: str) -> str:
    row = lookup(value, BORDERS)
    return row.answer if row else closest(value, geometry.BORDERS) or value


def _number(value: str) -> str | None:
    """A number without its unit: 2px, 30deg."""
    number = re.fullmatch(r"([-+]?(?:\d+\.?\d*|\.\d+))\s*(?:px|pixels?|deg|degrees|°|s)?", value.strip())
    return number[1] if number else None


def _sizes(value: str) -> str:
    """Sizes per axis, or one for both: 2x2 is 2, 2x3 is [2,3]."""
    sizes = re.split("[x*,]", value.strip("()[] ").replace(" ", "")) if re.fullmatch(r"[\d\sx*,()\[\]]+", value) else []
    if len(sizes) < 2 or not all(sizes):
        return value
    return sizes[0] if len({*sizes}) == 1 else f"[{','.join(sizes)}]"


def _picture_size(value: str) -> str | None:
    """Height x width of a layer's input, (3, 480, 640), of pixels in all, 12MP, or of a screen, 4K.

    >>> _picture_size("12MP"), _picture_size("3x480x640")
    ('3000x4000', '480x640')
    """
    if screen := _SCREENS.get(value.lower()):
        return screen
    if pixels := re.fullmatch(r"(\d*\.?\d+)\s*(?:mp|mpx|mpix|megapixels?)", value.lower()):
        side = max(round((float(pixels[1]) * 1e6 / 12) ** 0.5), 1)
        return f"{3 * side}x{4 * side}"
    return "x".join(re.findall(r"\d+", value)[-2:]) if re.fullmatch(r"[\d\sx*,()\[\]]+", value) else None


def _sharpen(value: str) -> str:
    """As ImageMagick writes it, 0x1, it is an unsharp mask; else the matrix."""
    number = re.fullmatch(r"[\d.]*x([\d.]+)", value)
    return f"unsharp:sigma={number[1]},amount=.863" if number else "sharpen"


def _motion(value: str) -> str:
    """ImageMagick's radius x sigma + angle."""
    number = re.fullmatch(r"[\d.]*x([\d.]+)(?:\+([\d.]+))?", value)
    return f"motion:length={2 * float(number[1]) + 1:.0f},angle={number[2] or 0}" if number else "motion"


def _morphology(value: str) -> str:
    """What ImageMagick makes by a method with a kernel; convolving turns a matrix."""
    method, _, kernel = value.partition(" ")
    if kernel.lower() in ("sobel", "prewitt", "scharr"):  # one direction of them
        return f"{kernel.lower()}-x"
    row = lookup(kernel, KERNELS)
    if kernel[:1].isdigit() and method.lower() == "convolve":
        return f"{kernel}:flip=true"
    return row.answer if row else kernel


def _creation(value: str) -> str | None:
    """GDAL's creation option, `COMPRESS=DEFLATE`."""
    name, _, setting = value.partition("=")
    return f"tiff_compression={FILLINGS['compression'](setting)}" if name.lower() == "compress" else None


def _chain(value: str) -> str | None:
    """The kernels of a chain of ffmpeg's filters, `gblur=sigma=2,sobel`; None where one has values that none takes."""
    kernels = [_filter(*one.partition("=")[::2]) for one in re.split(",(?=[a-z])", value)]
    return None if None in kernels else " -k ".join(map(str, kernels))


def _filter(name: str, values: str) -> str | None:
    """The kernel of one filter of ffmpeg; of a convolution that of the first plane."""
    if name == "gblur":
        return f"gaussian{_sigma(values.removeprefix('sigma='))}"
    if name == "boxblur":
        radius = re.match(r"(?:luma_radius=|lr=)?(\d+)", values or "2")
        return f"box:size={2 * int(radius[1]) + 1}" if radius else None
    if name == "unsharp" and (amount := re.match(r"\d+:\d+:([\d.]+)", values)):
        return f"unsharp:amount={amount[1]}"
    if name == "convolution" and re.match(r"-?\d", values):
        return values.partition(":")[0]
    row = lookup(name, KERNELS)
    return None if values else row.answer if row else name


def _factor(value: str) -> str | None:
    """The kernel that makes a picture so many times larger or smaller."""
    number = re.fullmatch(r"(\d*\.?\d+)([%x]?)", value)
    factor = float(number[1]) / (100 if number[2] == "%" else 1) if number else 0
    return {0.5: "downsample-2x", 2.0: "upsample-cubic-2x"}.get(factor) or (
        f"upsample-cubic-2x:stride={factor:.0f}" if 2 < factor < 20 and factor == int(factor) else None
    )


FILLINGS: dict[str, Callable[[str], str | None]] = {
    "value": lambda value: value,
    "folder": lambda value: value.rstrip("/") + "/",
    "half": _half,
    "size": _size,
    "region": lambda value: re.sub(r"(\d+),(\d+),(\d+),(\d+)", r"\3x\4+\1+\2", value),
    "depth": lambda value: row.answer if (row := lookup(value, DEPTHS)) else value,
    "compression": lambda value: "deflate" if value.lower() in ("deflate", "zip", "zlib", "lzw") else "none",
    "creation": _creation,
    "sigma": _sigma,
    "sharpen": _sharpen,
    "motion": _motion,
    "morphology": _morphology,
    "pixels": lambda value: "symmetric" if value.lower() == "mirror" else _border(value),
    "geometry": lambda value: f":{value}" if value else "",
    "chain": _chain,
    "factor": _factor,
    "grey": lambda value: "grey" if value.lower() in ("gray", "grey", "lineargray", "luma") else None,
    "border": _border,
    "number": _number,
    "inverse": lambda value: f"{1 / float(number):.3g}" if (number := _number(value)) and float(number) else None,
    "across": lambda value: number[1] if (number := re.fullmatch(r"(\d{2,})(?:x\d+)?(?:px)?", value)) else None,
    "sizes": _sizes,
    "padding": lambda value: {"full": None, "none": "valid", "SAME": "same_upper"}.get(value, _sizes(value)),
    "kernel": lambda value: row.answer if (row := lookup(value, KERNELS)) else value,
    "hxw": _picture_size,
}
