"""Pixels -> image files: our own PNG, PNM and TIFF, OpenCV's encoders, and a proof of what they wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from convcli import arrays, carriers, png, sniff, tiff
from convcli.errors import ImageError
from convcli.files import WRITABLE, check_held
from convcli.metadata import NOTHING, Metadata, fitted
from convcli.opencv import opencv, quiet, swapped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[Any]

_QUALITY: Final = 95  # of the lossy formats: chained filters should not sharpen an encoder's blocks


def encode(
    pixels: Pixels, *, format: str, place: str, metadata: Metadata = NOTHING, options: Mapping[str, Any] | None = None
) -> bytes:
    """The bytes of an image file of `pixels`, shaped (height, width, channels) or (height, width), in RGB(A) order.

    JPEG, WebP and AVIF are written at quality 95, TIFF uncompressed. Where a format has no grey with alpha (WebP, BMP,
    JPEG 2000, AVIF) the grey becomes three equal channels, as plain grey does in WebP. Of `metadata` the file gets what
    `fit` leaves.

    Raises ImageError where the format can't hold the depth, the channels or the size; nothing is converted in silence.
    """
    if format == "npy":
        return arrays.write_npy(pixels)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    check_held(pixels, format, place)
    metadata, _ = fit(metadata, pixels, format)
    if format in ("pnm", "pam", "pfm"):
        return arrays.write_pixels(pixels, format=format)
    if format == "png":
        data = png.encode(pixels)
    elif format == "tiff":
        data = tiff.encode([pixels], metadata=metadata)
    else:
        data = _encoded(pixels, format, place, metadata)
    return carriers.put(data, format, metadata)


def fit(metadata: Metadata, pixels: Pixels, format: str) -> tuple[Metadata, tuple[str, ...]]:
    """The metadata that a file of these pixels in `format` gets, and notes on what is dropped and why."""
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    return fitted(metadata, format=format, shape=(height, width, _written(channels, format)))


def _written(channels: int, format: str) -> int:
    """How many channels a format has for a picture of so many."""
    if channels == 2 and format in ("webp", "bmp", "jp2", "avif"):
        return 4
    return 3 if channels == 1 and format == "webp" else channels


def _encoded(pixels: Pixels, format: str, place: str, metadata: Metadata) -> bytes:
    """OpenCV's encoder, and a proof of what it wrote."""
    import numpy as np

    cv2 = opencv(place)
    settings = {
        "jpeg": [cv2.IMWRITE_JPEG_QUALITY, _QUALITY],
        "webp": [cv2.IMWRITE_WEBP_QUALITY, _QUALITY],
        "avif": [cv2.IMWRITE_AVIF_QUALITY, _QUALITY],
    }
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
                WRITABLE[format][0], swapped(pixels), list(present), list(present.values()), settings.get(format, [])
            )
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
        with quiet(cv2):
            back = cv2.imdecode(np.frombuffer(data, np.uint8), -1)
        return back is not None and back.shape[:2] == shape[:2]
    found = sniff.header(data, format, place="")
    return (found.height, found.width) == shape[:2]
