"""Pixels -> image files: our own PNG, PNM and TIFF, OpenCV's encoders, and a proof of what they wrote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from convcli.errors import ImageError, UsageError, suggestion
from convcli.pictures import carriers, sniff
from convcli.pictures.format import NOTHING, Metadata
from convcli.pictures.formats.png import writer as png_writer
from convcli.pictures.metadata import fitted
from convcli.pictures.opencv import opencv, quiet, swapped
from convcli.pictures.table import WRITABLE, check_shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[Any]

_QUALITY: Final = 95  # of the lossy formats: chained filters should not sharpen an encoder's blocks

_SUBSAMPLINGS: Final = {"444": 0x111111, "422": 0x211111, "420": 0x221111, "440": 0x121111, "411": 0x411111}

#: The settings that encoders take, as (format, name): what they may be, in words, and their default.
OPTIONS: Final[dict[tuple[str, str], tuple[str, Any]]] = {
    ("jpeg", "quality"): ("1 to 100", _QUALITY),
    ("jpeg", "progressive"): ("0 or 1", 0),
    ("jpeg", "optimize"): ("0 or 1", 0),
    ("jpeg", "subsampling"): ("444, 422, 420, 440 or 411", "420"),
    ("webp", "quality"): ("1 to 100", _QUALITY),
    ("webp", "lossless"): ("0 or 1", 0),
    ("avif", "quality"): ("1 to 100", _QUALITY),
    ("avif", "speed"): ("0 (small) to 10 (fast)", 9),
    ("png", "compression"): ("0 to 9", 1),
    ("tiff", "compression"): ("none or deflate", "none"),
    ("jp2", "compression"): ("1 to 1000 (lossless)", 1000),
}
_LEAST_JP2: Final = 32  # pixels a side: OpenCV asks for five halvings, and leaves a temporary file where it fails


def settings(format: str, options: Mapping[str, Any] | None, place: str = "") -> dict[str, Any]:
    """What an encoder is to be told: `flags` for OpenCV's, `whole` and `compression` for our own.

    `options` are `quality` and `FORMAT_NAME`, such as `jpeg_progressive`; those of other formats, and a quality where
    there is none, are passed over, so that one set serves a mixed batch. Raises UsageError for an unknown or impossible
    one.
    """
    chosen = _chosen(format, options or {})
    if format in ("png", "tiff"):
        return chosen
    if format not in ("jpeg", "webp", "avif", "jp2"):
        return {}
    cv2 = opencv(place)
    if format == "jp2":
        return {"flags": [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, chosen["compression"]]}
    if chosen.get("lossless"):
        chosen["quality"] = 101  # which OpenCV's animations go by
    flags = []
    for name, value in chosen.items():
        constant, number = f"IMWRITE_{format.upper()}_{name.upper()}", value
        if name == "subsampling":
            constant, number = "IMWRITE_JPEG_SAMPLING_FACTOR", _SUBSAMPLINGS[value]
        elif name == "lossless":
            constant = "IMWRITE_WEBP_LOSSLESS_MODE"
            number = cv2.IMWRITE_WEBP_LOSSLESS_PRESERVE_COLOR if value else cv2.IMWRITE_WEBP_LOSSLESS_OFF
        flags += [getattr(cv2, constant), number]
    if format == "jpeg":
        return {"flags": flags, "whole": bool(chosen["progressive"] or chosen["optimize"])}
    return {"flags": flags}


def _chosen(format: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of one format's encoder, by their short names."""
    chosen = {name: default for (owner, name), (_, default) in OPTIONS.items() if owner == format}
    for key, value in options.items():
        owner, _, name = key.rpartition("_")
        known = [f"{owner}_{name}" for owner, name in OPTIONS]
        if key != "quality" and key not in known:
            hint = suggestion(key, known) or "known: quality " + " ".join(known)
            raise UsageError(f"no encoder has a setting '{key}'", hint=hint)
        if name in chosen and owner in ("", format):
            chosen[name] = _checked(key, format, name, value)
    return chosen


def check_options(options: Mapping[str, Any]) -> None:
    """Raise UsageError for settings that no encoder has, or that one can't take."""
    for format in dict.fromkeys(owner for owner, _ in OPTIONS):
        _chosen(format, options)


def _checked(key: str, format: str, name: str, value: Any) -> Any:
    """A setting's value, if it may be that."""
    words, default = OPTIONS[format, name]
    if isinstance(default, str):
        if str(value) in words.replace(",", "").split() and str(value) != "or":
            return str(value)
    else:
        limits = [int(number) for number in re.findall(r"\d+", words)]
        if re.fullmatch(r"\d{1,4}", str(value)) and min(limits) <= int(value) <= max(limits):
            return int(value)
    raise UsageError(f"{key} is {words} for {format}, not {value}")


def encode(
    pixels: Pixels, *, format: str, place: str, metadata: Metadata = NOTHING, options: Mapping[str, Any] | None = None
) -> bytes:
    """The bytes of an image file of `pixels`, shaped (height, width, channels) or (height, width), in RGB(A) order.

    JPEG, WebP and AVIF are written at quality 95, TIFF uncompressed, where `options` (see `settings`) say nothing else.
    Where a format has no grey with alpha (WebP, BMP, JPEG 2000, AVIF) the grey becomes three equal channels, as plain
    grey does in WebP. Of `metadata` the file gets what `fit` leaves.

    Raises ImageError where the format can't hold the depth, the channels or the size; nothing is converted in silence.
    """
    if format == "npy":
        from convcli import npy
        from convcli.pictures.formats import pnm

        return npy.write_npy(pixels)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    check_shape(pixels.shape, pixels.dtype, format, place)
    metadata, _ = fit(metadata, pixels, format)
    if format in ("pnm", "pam", "pfm"):
        from convcli import npy
        from convcli.pictures.formats import pnm

        return pnm.write_pixels(pixels, format=format)
    if format == "png":
        data = png_writer.encode(pixels, **settings(format, options, place))
    elif format == "tiff":
        from convcli.pictures.formats.tiff import writer as tiff_writer

        data = tiff_writer.encode([pixels], metadata=metadata, **settings(format, options, place))
    elif format == "jpeg":
        from convcli.pictures.formats.jpeg import writer as jpeg_writer

        data = jpeg_writer.encode(pixels, place=place, **settings(format, options, place))
    else:
        data = _encoded(pixels, format, place, metadata, options)
    return carriers.put(data, format, metadata)


def fit(metadata: Metadata, pixels: Pixels, format: str, *, animated: bool = False) -> tuple[Metadata, tuple[str, ...]]:
    """The metadata that a file of these pixels in `format` gets, and notes on what it can't keep, grey included."""
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    written = _written(channels, format)
    grey = {1: "grey", 2: "grey and alpha"}.get(channels)
    colours = "RGBA" if written == 4 else "RGB"
    turned = (f"{grey} becomes {colours} in {format} files",) if written != channels else ()
    if animated and format == "avif":
        format = "avif sequence"  # for which OpenCV takes none
    kept, notes = fitted(metadata, format=format, shape=(height, width, written))
    return kept, (*turned, *notes)


def _written(channels: int, format: str) -> int:
    """How many channels a format has for a picture of so many."""
    if channels == 2 and format in ("webp", "bmp", "jp2", "avif"):
        return 4
    return 3 if channels == 1 and format == "webp" else channels


def _encoded(pixels: Pixels, format: str, place: str, metadata: Metadata, options: Mapping[str, Any] | None) -> bytes:
    """OpenCV's encoder, and a proof of what it wrote."""
    import numpy as np

    cv2 = opencv(place)
    flags = settings(format, options, place).get("flags", [])
    if format == "jp2" and min(pixels.shape[:2]) < _LEAST_JP2:
        fact = f"OpenCV can't write {pixels.shape[1]} x {pixels.shape[0]} as jp2"
        raise ImageError(fact, place=place, hint=f"it needs {_LEAST_JP2} pixels a side")
    if _written(pixels.shape[2], format) != pixels.shape[2]:
        pixels = pixels[:, :, [0, 0, 0, 1][: pixels.shape[2] + 2]]
    blocks = {}
    if format in ("webp", "avif"):
        kinds = (cv2.IMAGE_METADATA_EXIF, cv2.IMAGE_METADATA_XMP, cv2.IMAGE_METADATA_ICCP)
        blocks = dict(zip(kinds, (metadata.exif, metadata.xmp, metadata.icc), strict=True))
    present = {kind: np.frombuffer(block, np.uint8) for kind, block in blocks.items() if block}
    try:
        with quiet(cv2):
            done, out = cv2.imencodeWithMetadata(
                WRITABLE[format][0], swapped(pixels), list(present), list(present.values()), flags
            )
    except cv2.error as error:
        raise ImageError(f"can't be written as {format}: {error.err or error}", place=place) from None
    data = out.tobytes() if done else b""
    if sniff.identify(data) != format or not _complete(cv2, data, format, pixels.shape):
        raise ImageError(f"OpenCV can't write {pixels.shape[1]} x {pixels.shape[0]} as {format}", place=place)
    return data


def _complete(cv2: Any, data: bytes, format: str, shape: tuple[int, ...]) -> bool:
    """Whether a file just written has the size it should; AVIF is read back, since OpenCV may cut it short."""
    import numpy as np

    if format in ("avif", "jp2"):
        with quiet(cv2):
            back = cv2.imdecode(np.frombuffer(data, np.uint8), -1)
        return back is not None and back.shape[:2] == shape[:2]
    from convcli.pictures.headers import header

    found = header(data, format, place="")
    return (found.height, found.width) == shape[:2]
