"""What a JP2 file's boxes say of the components of its codestream: palette, colours, opacity.

OpenCV makes grey of palettes, takes channels in the order in which they lie, and mixes up YCC.

Source: ITU-T T.800 (JPEG 2000), annex I; T.801, annex M (further colour spaces).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np

from convcli.channels import Channels as Meaning
from convcli.errors import ImageError
from convcli.pictures.codecs import full_range, range_notes
from convcli.pictures.format import Decoded, Note, Pixels
from convcli.pictures.formats.boxes import Span, boxes
from convcli.records import record

_GREY, _RGB, _YCC = 17, 16, 18
#: Enumerated colour spaces that can't be read, by their names.
_SPACES: Final = {
    0: "bi-level", 1: "YCbCr(1)", 3: "YCbCr(2)", 4: "YCbCr(3)", 9: "PhotoYCC", 11: "CMY", 12: "CMYK", 13: "YCCK",
    14: "CIELab", 15: "bi-level(2)", 19: "CIEJab", 20: "e-sRGB", 21: "ROMM-RGB", 22: "YPbPr", 23: "YPbPr", 24: "e-sYCC",
}  # fmt: skip
MODELS: Final = {b"GRAY": _GREY, b"RGB ": _RGB}
#: Red, green and blue of luma and the two colour differences (sYCC, IEC 61966-2-1, annex F).
_YCC_TO_RGB: Final = np.array([[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]])


@record
class Channels:
    """What a file's boxes say of its components: how they make channels, and what these are.

    `space` is an enumerated colour space (0: not said), `palette` columns of values, `bits` those of each, `sources`
    for each channel its component and its column (-1: none), `meanings` its number, type and association (`cdef`).
    """

    space: int = 0
    palette: tuple[np.ndarray[tuple[int], np.dtype[np.uint16]], ...] = ()
    bits: tuple[int, ...] = ()
    sources: tuple[tuple[int, int], ...] = ()
    meanings: tuple[tuple[int, int, int], ...] = ()


def channels(data: bytes, described: Span, bits: Sequence[int]) -> Channels:
    """What the boxes in `jp2h` say. Raises ImageError for what can't be read."""
    parts: dict[bytes, Span] = {}
    spaces = []
    for kind, span in boxes(data, *described):
        parts.setdefault(kind, span)
        if kind == b"colr":
            spaces.append(_space(data[span[0] : span[1]]))
    readable = [space for space in spaces if isinstance(space, int)]
    if spaces and not readable:
        raise ImageError(f"unsupported JPEG 2000: its colours are {spaces[0]}; grey, RGB and sYCC can be read")
    meanings: tuple[tuple[int, int, int], ...] = ()
    if b"cdef" in parts:
        start = parts[b"cdef"][0]
        (count,) = struct.unpack_from(">H", data, start)
        meanings = tuple(struct.unpack_from(">HHH", data, start + 2 + 6 * index) for index in range(count))
    palette = _palette(data, parts[b"pclr"][0]) if b"pclr" in parts else ((), ())
    sources: list[tuple[int, int]] = []
    if b"pclr" in parts:
        if b"cmap" not in parts:
            raise ImageError("damaged JPEG 2000: a palette, and nothing that says what it is for (cmap)")
        start, end = parts[b"cmap"]
        for at in range(start, end, 4):
            component, kind, column = struct.unpack_from(">HBB", data, at)
            if component >= len(bits) or kind > 1 or (kind and column >= len(palette[1])):
                raise ImageError(
                    f"damaged JPEG 2000: a channel of component {component}, column {column} of its palette"
                )
            sources.append((component, column if kind else -1))
    return Channels(
        space=readable[0] if readable else 0, palette=palette[0], bits=palette[1], sources=tuple(sources),
        meanings=meanings,
    )  # fmt: skip


def _space(content: bytes) -> int | str:
    """The colour space of a `colr` box that can be read, or the name of one that can't."""
    if content[0] == 1:
        (number,) = struct.unpack_from(">I", content, 3)
        return number if number in (_GREY, _RGB, _YCC) else _SPACES.get(number, f"in the space {number}")
    if content[0] in (2, 3):
        model = content[19:23]
        return MODELS.get(model, f"{model.decode('latin-1').strip() or 'nothing'} of an ICC profile")
    return f"given by the method {content[0]}"


def _palette(data: bytes, at: int) -> tuple[tuple[np.ndarray[tuple[int], np.dtype[np.uint16]], ...], tuple[int, ...]]:
    """The columns of a `pclr` box, and the bits of their values."""
    rows, count = struct.unpack_from(">HB", data, at)
    kinds = data[at + 3 : at + 3 + count]
    if any(kind & 0x80 or kind > 15 for kind in kinds) or not rows or not count:
        raise ImageError("unsupported JPEG 2000: its palette has no values of 1 to 16 bits, unsigned")
    row = struct.Struct(">" + "".join("B" if kind < 8 else "H" for kind in kinds))
    values = [row.unpack_from(data, at + 3 + count + row.size * index) for index in range(rows)]
    return tuple(np.array(column, np.uint16) for column in zip(*values, strict=True)), tuple(kind + 1 for kind in kinds)


def check(bits: Sequence[int], channels: Channels) -> None:
    """Raise ImageError for kinds of components that OpenCV can't decode."""
    if len(bits) == 2:
        raise ImageError("unsupported JPEG 2000: 2 components, grey and alpha; 1, 3 and 4 can be read")
    if channels.space == _YCC and len(set(bits)) > 1:
        raise ImageError(f"unsupported JPEG 2000: sYCC of {', '.join(map(str, bits))} bits")


def looked_up(pixels: Pixels, channels: Channels) -> Pixels:
    """Channels of components by a palette; what lies behind its end is its last entry, as readers have it."""
    planes = []
    for component, column in channels.sources:
        plane = pixels[:, :, component]
        if column >= 0:
            values = channels.palette[column]
            plane = values[np.minimum(plane, len(values) - 1)]
        planes.append(plane)
    return np.stack(planes, axis=2)


def coloured(pixels: Pixels, bits: Sequence[int], channels: Channels) -> Decoded:
    """Grey, RGB or RGBA of full range of channels as their boxes say, and what there is to be said of it."""
    order, premultiplied, notes = _order(pixels.shape[2], channels)
    pixels = pixels if order == [*range(pixels.shape[2])] else pixels[:, :, order]
    depths = [bits[channel] for channel in order]
    if channels.space == _YCC:
        top = (1 << depths[0]) - 1
        centred = pixels[:, :, :3] - np.array([0, 1 << depths[0] - 1, 1 << depths[0] - 1])
        colours = np.rint(centred @ _YCC_TO_RGB.T).clip(0, top).astype(pixels.dtype)
        pixels = np.concatenate([colours, pixels[:, :, 3:]], axis=2)
    dtype = np.uint8 if max(depths) <= 8 else np.uint16
    full = 8 * np.dtype(dtype).itemsize
    if any(depth != full for depth in depths):
        planes = [full_range(pixels[:, :, c].astype(dtype), (1 << depth) - 1) for c, depth in enumerate(depths)]
        pixels = np.stack(planes, axis=2)
        notes += range_notes(pixels, (1 << min(depths)) - 1)
    pixels = np.ascontiguousarray(pixels.astype(dtype, copy=False))
    means = Meaning.of(pixels.shape[2])
    return Decoded(pixels=pixels, notes=notes, channels=means.with_extra("premultiplied") if premultiplied else means)


def _order(count: int, channels: Channels) -> tuple[list[int], bool, tuple[Note, ...]]:
    """The channels that are colours, in their order, then alpha; whether colours are multiplied by it; notes.

    Raises ImageError where they make no grey, RGB or either with alpha.
    """
    colours = {association: number for number, kind, association in channels.meanings if kind == 0}
    opacities = [(number, kind, whole) for number, kind, whole in channels.meanings if kind in (1, 2)]
    others = [number for number, kind, _ in channels.meanings if kind > 2]
    if not channels.meanings:
        if channels.space == 0 and count == 4:
            note = Note("colours", "its fourth channel is taken for alpha: nothing says what it is")
            return [0, 1, 2, 3], False, (note,)
        colours = {number + 1: number for number in range(count)}
    wanted = {0: len(colours), _GREY: 1}.get(channels.space, 3)
    fitting = sorted(colours) == list(range(1, wanted + 1)) and max(colours.values()) < count and not others
    if not fitting or wanted not in (1, 3) or len(opacities) > 1 or len(colours) + len(opacities) != count:
        what = {_GREY: "grey", _RGB: "RGB", _YCC: "sYCC"}.get(channels.space, "colours")
        kinds = f"{len(colours)} of colour, {len(opacities)} of opacity"
        raise ImageError(f"unsupported JPEG 2000: {count} channels ({kinds}) for {what}")
    if any(whole or number >= count for number, _, whole in opacities):
        raise ImageError("unsupported JPEG 2000: an opacity of one colour alone")
    alpha = [number for number, _, _ in opacities]
    return [colours[place] for place in sorted(colours)] + alpha, any(kind == 2 for _, kind, _ in opacities), ()
