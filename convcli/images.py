"""Image files <-> arrays of pixels: the one place that calls OpenCV's codecs, and corrects them.

Inside the program pixels are (height, width, channels) in RGB(A) order and upright. OpenCV reads BGR, turns some
formats upright and not others, drops grey's alpha, and writes what a format can't hold as something else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from convcli import arrays, exif, png, sniff
from convcli.errors import ImageError
from convcli.files import WRITABLE, check_held, format_of, holds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[Any]

__all__ = ["MAX_PIXELS", "WRITABLE", "Picture", "decode", "encode", "format_of", "holds"]

MAX_PIXELS: Final = 1 << 30  # OpenCV's own limit, so it needs no setting of its own

_QUALITY: Final = 95  # of the lossy formats: chained filters should not sharpen an encoder's blocks


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A decoded image.

    `pixels` (height, width, channels), native byte order, C-contiguous, upright; channels 1 grey, 2 grey and alpha,
    3 RGB, 4 RGBA. `format` as told by the content; `frames` or pages in the file, of which this is the first; `notes`
    are warnings.
    """

    pixels: Pixels
    format: str
    frames: int
    notes: tuple[str, ...]

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is opacity."""
        return self.pixels.shape[2] in (2, 4)


def decode(data: bytes, *, place: str, max_pixels: int = MAX_PIXELS) -> Picture:
    """The first frame of an image file's bytes, upright; its format is told by its content.

    Values are as stored: grey stays grey, 16 bits and floats are kept; palettes become RGB(A), 1 to 4 bits become 8,
    and PNM's values are scaled to the full 8 or 16 bits. More than `max_pixels` are refused from the header.

    Raises ImageError, naming `place`, for anything that is no image, unsupported, cut short or damaged.
    """
    format = sniff.identify(data)
    if not format:
        fact, hint = sniff.unknown(data)
        raise ImageError(fact, place=place, hint=hint)
    special = {"png": _decode_png, "tiff": _decode_tiff, "pnm": _decode_pnm}
    source = _Source(data=data, format=format, place=place, max_pixels=max_pixels)
    try:
        pixels, frames, notes = special.get(format, _decode_other)(source)
    except MemoryError:
        raise ImageError("not enough memory to decode it", place=place) from None
    if frames > 1:
        notes = (f"frame 1 of {frames}", *notes)
    return Picture(pixels=pixels, format=format, frames=frames, notes=notes)


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A file on its way through `decode`."""

    data: bytes
    format: str
    place: str
    max_pixels: int

    def limit(self, width: int, height: int) -> None:
        """Refuse a picture that is too large, before memory is taken for it."""
        if width * height > self.max_pixels:
            fact = f"{width} x {height} is {width * height:,} pixels; at most {self.max_pixels:,} are read"
            raise ImageError(fact, place=self.place)

    def read(self, data: bytes, flags: int) -> Pixels:
        """OpenCV's decoder; the result is (height, width, channels), in OpenCV's order of channels."""
        import numpy as np

        cv2 = opencv(self.place)
        try:
            with _quiet(cv2):
                pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error as error:
            raise ImageError(f"can't be decoded as {self.format}: {error.err or error}", place=self.place) from None
        if pixels is None or not pixels.size:
            fact = f"damaged, truncated or unsupported {self.format}: its pixels can't be decoded"
            raise ImageError(fact, place=self.place)
        shaped: Pixels = pixels.reshape(*pixels.shape[:2], -1)
        return shaped


Decoded = tuple["Pixels", int, tuple[str, ...]]


def _decode_png(source: _Source) -> Decoded:
    import numpy as np

    found = png.inspect(source.data, place=source.place)
    source.limit(found.width, found.height)
    pixels = _rgb(source.read(found.plain, -1), in_place=True)
    if found.colour == 4:
        pixels = np.ascontiguousarray(pixels[:, :, ::3])
    elif found.colour == 0 and len(found.transparent) == 2:
        # One grey value is transparent, which OpenCV passes over.
        value = int.from_bytes(found.transparent, "big") & (1 << found.depth) - 1
        if found.depth < 8:
            value = value * 255 // ((1 << found.depth) - 1)
        alpha = (pixels != value) * pixels.dtype.type(np.iinfo(pixels.dtype).max)
        pixels = np.concatenate([pixels, alpha], axis=2)
    return exif.upright(pixels, exif.orientation(found.exif)), found.frames, ()


def _decode_tiff(source: _Source) -> Decoded:
    """TIFF, which OpenCV turns upright itself."""
    import numpy as np

    try:
        layout = exif.layout(source.data)
    except ValueError as error:
        raise ImageError(f"damaged or truncated TIFF: {error}", place=source.place) from None
    source.limit(layout.width, layout.height)
    if layout.refusal:
        raise ImageError(f"unsupported TIFF: {layout.refusal}", place=source.place)
    pixels = _rgb(source.read(layout.data, -1), in_place=True)
    if layout.pairs:
        pixels = pixels.reshape(pixels.shape[0], -1, 2)
        if layout.differences:  # modulo the depth, from the pixel on the left
            pixels = np.cumsum(pixels, axis=1, dtype=pixels.dtype)
    if layout.inverted and pixels.dtype.kind == "u":
        colours = pixels[:, :, :1] if layout.pairs else pixels
        np.subtract(np.iinfo(pixels.dtype).max, colours, out=colours)
    notes = ("its colours are stored multiplied by alpha, and taken as they are",) if layout.premultiplied else ()
    return exif.upright(pixels, layout.orientation), layout.pages, notes


def _decode_pnm(source: _Source) -> Decoded:
    """PGM, PPM and PAM, scaled to the full range of their depth; OpenCV reads the forms in text, and PBM."""
    found = sniff.header(source.data, "pnm", place=source.place)
    source.limit(found.width, found.height)
    shape, top = (found.height, found.width, found.channels), found.maximum
    if not (found.width and found.height and 1 <= found.channels <= 4 and 1 <= top <= 65535):
        fact = f"unsupported PNM: {found.width} x {found.height} pixels of {found.channels} channels up to {top}"
        raise ImageError(fact, place=source.place)
    if source.data[1:2] in b"567":
        try:
            pixels = arrays.read_pixels(source.data, shape=shape, maximum=top, start=found.body)
        except ValueError as error:
            raise ImageError(f"truncated PNM: {error}", place=source.place) from None
    else:
        pixels = _rgb(source.read(source.data + b"\n", -1), in_place=True)
        top = max(top, 255)  # OpenCV scales 8 bits
    full = 255 if top < 256 else 65535
    if top == full:
        return pixels, 1, ()
    return arrays.full_range(pixels, top), 1, (f"its values up to {top} are scaled to {full}",)


def _decode_other(source: _Source) -> Decoded:
    import numpy as np

    found = sniff.header(source.data, source.format, place=source.place)
    source.limit(found.width, found.height)
    if source.format == "jpeg" and found.channels > 1:
        cv2 = opencv(source.place)
        # Straight to RGB, and as stored: by these flags OpenCV leaves the orientation alone.
        pixels = source.read(source.data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    else:
        pixels = _rgb(source.read(source.data, -1), in_place=True)
    if source.format == "bmp" and pixels.shape[2] == 4 and not pixels[:, :, 3].any():
        pixels = np.ascontiguousarray(pixels[:, :, :3])  # the fourth byte is padding, as it is in most such files
    return exif.upright(pixels, exif.orientation(found.exif)), found.frames, ()


def _rgb(pixels: Pixels, *, in_place: bool = False) -> Pixels:
    """BGR(A) to RGB(A) or back; `in_place` where OpenCV can."""
    import cv2
    import numpy as np

    if pixels.shape[2] < 3:
        return np.ascontiguousarray(pixels)
    if pixels.dtype not in (np.uint8, np.uint16, np.float32):
        return np.ascontiguousarray(pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]])
    code = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    turned: Any = cv2.cvtColor(np.ascontiguousarray(pixels), code, dst=pixels if in_place else None)
    result: Pixels = turned
    return result


def encode(pixels: Pixels, *, format: str, place: str) -> bytes:
    """The bytes of an image file of `pixels`, shaped (height, width, channels) or (height, width), in RGB(A) order.

    JPEG, WebP and AVIF are written at quality 95, TIFF uncompressed. Where a format has no grey with alpha (WebP, TIFF,
    BMP, JPEG 2000, AVIF) the grey becomes three equal channels, as plain grey does in WebP.

    Raises ImageError where the format can't hold the depth, the channels or the size; nothing is converted in silence.
    """
    if format == "npy":
        return arrays.write_npy(pixels)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    check_held(pixels, format, place)
    if format == "png":
        return png.encode(pixels)
    if format in ("pnm", "pam", "pfm"):
        return arrays.write_pixels(pixels, format=format)
    return _encoded(pixels, format, place)


def _encoded(pixels: Pixels, format: str, place: str) -> bytes:
    """OpenCV's encoder, and a proof of what it wrote."""
    cv2 = opencv(place)
    settings = {
        "jpeg": [cv2.IMWRITE_JPEG_QUALITY, _QUALITY],
        "webp": [cv2.IMWRITE_WEBP_QUALITY, _QUALITY],
        "avif": [cv2.IMWRITE_AVIF_QUALITY, _QUALITY],
        "tiff": [cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_NONE],
    }
    channels = pixels.shape[2]
    if channels == 2:
        pixels = pixels[:, :, [0, 0, 0, 1]]
    elif channels == 1 and format == "webp":
        pixels = pixels[:, :, [0, 0, 0]]
    try:
        with _quiet(cv2):
            done, out = cv2.imencode(WRITABLE[format][0], _rgb(pixels), settings.get(format, []))
    except cv2.error as error:
        raise ImageError(f"can't be written as {format}: {error.err or error}", place=place) from None
    data = out.tobytes() if done else b""
    if sniff.identify(data) != format or not _complete(cv2, data, format, pixels.shape):
        hint = "it needs 32 pixels a side" if format == "jp2" else ""
        raise ImageError(
            f"OpenCV can't write {pixels.shape[1]} x {pixels.shape[0]} as {format}", place=place, hint=hint
        )
    return data


def _complete(cv2: Any, data: bytes, format: str, shape: tuple[int, ...]) -> bool:
    """Whether a file just written has the size it should; AVIF is read back, since OpenCV may cut it short."""
    import numpy as np

    if format in ("avif", "jp2"):
        with _quiet(cv2):
            back = cv2.imdecode(np.frombuffer(data, np.uint8), -1)
        return back is not None and back.shape[:2] == shape[:2]
    if format == "tiff":
        layout = exif.layout(data)
        return (layout.height, layout.width) == shape[:2]
    found = sniff.header(data, format, place="")
    return (found.height, found.width) == shape[:2]


def opencv(place: str = "") -> Any:
    """The module cv2, or an ImageError that says how to get a working one."""
    try:
        import cv2

        cv2.imdecode  # noqa: B018 - two wheels in one place leave a module without functions
    except (ImportError, AttributeError) as error:
        hint = "pip uninstall opencv-python opencv-python-headless; pip install opencv-python-headless"
        raise ImageError(f"OpenCV can't be used: {error}", place=place, hint=hint) from None
    return cv2


_quiet_lock, _quiet_depth, _quiet_before = threading.Lock(), 0, 0


@contextmanager
def _quiet(cv2: Any) -> Iterator[None]:
    """Keep OpenCV's log off stderr during a call, also with several at once.

    libjpeg's own complaint about corrupt data in a scan still gets through, and so does libpng's about a damaged
    deflate stream under a right CRC: both write to the file descriptor itself, and only redirecting that for the whole
    process would stop them, which would swallow other threads' output too.
    """
    global _quiet_depth, _quiet_before
    with _quiet_lock:
        if _quiet_depth == 0:
            _quiet_before = cv2.utils.logging.getLogLevel()
            cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        _quiet_depth += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if _quiet_depth == 0:
                cv2.utils.logging.setLogLevel(_quiet_before)
