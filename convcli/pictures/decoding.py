"""Image files -> pixels: OpenCV's decoders, corrected format by format.

OpenCV reads BGR, turns some formats upright and not others, and drops grey's alpha.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from convcli.errors import ImageError
from convcli.pictures import orientation
from convcli.pictures.formats.png import structure
from convcli.pictures.formats.tiff import directories, layout as exif
from convcli.pictures.opencv import swapped
from convcli.pictures.source import Decoded, Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[Any]


_CMYK: Final = "its CMYK colours are turned into RGB"


def _decode_png(source: Source) -> Decoded:
    import numpy as np

    found = structure.inspect(source.data, place=source.place)
    source.limit(found.width, found.height)
    pixels = png_samples(source, found.plain, found.colour, opaque=not found.transparent)
    if found.colour == 0 and len(found.transparent) == 2:
        # One grey value is transparent, which OpenCV passes over.
        value = int.from_bytes(found.transparent, "big") & (1 << found.depth) - 1
        if found.depth < 8:
            value = value * 255 // ((1 << found.depth) - 1)
        alpha = (pixels != value) * pixels.dtype.type(np.iinfo(pixels.dtype).max)
        pixels = np.concatenate([pixels, alpha], axis=2)
    return orientation.upright(pixels, directories.orientation(found.exif)), found.frames, ()


def png_samples(source: Source, data: bytes, colour: int, *, opaque: bool = True) -> Pixels:
    """The samples of a PNG file, whose chunks are sound, of this colour type; `opaque` where none of them is a tRNS."""
    import numpy as np

    if colour == 2 and opaque:
        return source.read_rgb(data)
    pixels = swapped(source.read(data, -1), in_place=True)
    return np.ascontiguousarray(pixels[:, :, ::3]) if colour == 4 else pixels


def _decode_tiff(source: Source) -> Decoded:
    """TIFF, which OpenCV turns upright itself."""
    import numpy as np

    try:
        layout = exif.layout(source.data)
    except ValueError as error:
        raise ImageError(f"damaged or truncated TIFF: {error}", place=source.place) from None
    source.limit(layout.width, layout.height)
    if layout.refusal:
        raise ImageError(f"unsupported TIFF: {layout.refusal}", place=source.place)
    pixels = swapped(source.read(layout.data, -1), in_place=True)
    if layout.pairs:
        pixels = pixels.reshape(pixels.shape[0], -1, 2)
        if layout.differences:  # modulo the depth, from the pixel on the left
            pixels = np.cumsum(pixels, axis=1, dtype=pixels.dtype)
    if layout.opaque:
        pixels = np.ascontiguousarray(pixels[:, :, :3])
    if layout.inverted and pixels.dtype.kind == "u":
        colours = pixels[:, :, :1] if layout.pairs else pixels
        np.subtract(np.iinfo(pixels.dtype).max, colours, out=colours)
    notes: tuple[str, ...] = (_CMYK,) if layout.opaque else ()
    notes += ("its colours are stored multiplied by alpha, and taken as they are",) if layout.premultiplied else ()
    return orientation.upright(pixels, layout.orientation), layout.pages, notes


def _decode_pnm(source: Source) -> Decoded:
    """PGM, PPM and PAM, scaled to the full range of their depth; OpenCV reads the forms in text, and PBM."""
    from convcli.pictures.formats import pnm
    from convcli.pictures.headers import header

    found = header(source.data, "pnm", place=source.place)
    source.limit(found.width, found.height)
    shape, top = (found.height, found.width, found.channels), found.maximum
    if not (found.width and found.height and 1 <= found.channels <= 4 and 1 <= top <= 65535):
        fact = f"unsupported PNM: {found.width} x {found.height} pixels of {found.channels} channels up to {top}"
        raise ImageError(fact, place=source.place)
    if source.data[1:2] in b"567":
        try:
            pixels = pnm.read_pixels(source.data, shape=shape, maximum=top, start=found.body)
        except ValueError as error:
            raise ImageError(f"truncated PNM: {error}", place=source.place) from None
    else:
        pixels = swapped(source.read(source.data + b"\n", -1), in_place=True)
        top = max(top, 255)  # OpenCV scales 8 bits
    full = 255 if top < 256 else 65535
    if top == full:
        return pixels, 1, ()
    return pnm.full_range(pixels, top), 1, (f"its values up to {top} are scaled to {full}",)


def decode_other(source: Source) -> Decoded:
    import numpy as np

    from convcli.pictures.headers import header

    found = header(source.data, source.format, place=source.place)
    source.limit(found.width, found.height)
    if source.format == "jpeg" and found.channels > 1:
        pixels = source.read_rgb(source.data, (found.height, found.width))
    else:
        pixels = swapped(source.read(source.data, -1), in_place=True)
    if source.format == "bmp" and pixels.shape[2] == 4 and not pixels[:, :, 3].any():
        pixels = np.ascontiguousarray(pixels[:, :, :3])  # the fourth byte is padding, as it is in most such files
    notes = (_CMYK,) if source.format == "jpeg" and found.channels == 4 else ()
    return orientation.upright(pixels, found.orientation or directories.orientation(found.exif)), found.frames, notes


#: The decoders of formats that need their own; `decode_other` takes the rest.
DECODERS: Final = {"png": _decode_png, "tiff": _decode_tiff, "pnm": _decode_pnm}
