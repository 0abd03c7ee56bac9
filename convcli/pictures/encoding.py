"""Pixels -> image files: checked, with metadata that fit, by the format's own encoder."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from convcli.pictures.format import NOTHING, Metadata, Target
from convcli.pictures.metadata import fit
from convcli.pictures.pixels import Pixels
from convcli.pictures.registry import FORMATS
from convcli.pictures.table import check_shape, chosen_settings


def encode(
    pixels: Pixels, *, format: str, place: str, metadata: Metadata = NOTHING, options: Mapping[str, Any] | None = None
) -> bytes:
    """The bytes of an image file of `pixels`, shaped (height, width, channels) or (height, width), in RGB(A) order.

    JPEG, WebP and AVIF are written at quality 95, TIFF uncompressed, where `options` (see `chosen_settings`) say
    nothing else. Where a format has no grey with alpha (WebP, BMP, JPEG 2000, AVIF) the grey becomes three equal
    channels, as plain grey does in WebP. Of `metadata` the file gets what `fit` leaves.

    Raises ImageError where the format can't hold the depth, the channels or the size; nothing is converted in silence.
    """
    row = FORMATS[format]
    if format == "npy":
        from convcli import npy  # an array is seldom written

        return npy.write_npy(pixels)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    check_shape(pixels.shape, pixels.dtype, format, place)
    metadata, _ = fit(metadata, pixels, format)
    chosen = chosen_settings(format, options)
    target = Target(format=format, place=place, metadata=metadata, settings=chosen)
    if row.encode:
        return row.encode(pixels, target)
    assert row.writer
    file = io.BytesIO()
    writer = row.writer(file, pixels.nbytes, target)
    writer.begin(pixels.shape, pixels.dtype)
    writer.add(pixels)
    writer.end()
    return file.getvalue()
