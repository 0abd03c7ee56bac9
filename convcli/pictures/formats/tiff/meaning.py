"""What the samples of a TIFF page mean: grey, colours, bands, opacity; palettes and inks as colours.

Source: TIFF Revision 6.0 (Adobe, 1992), sections 4 to 6, 16, 18 and 23.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from convcli.channels import MOST, Channels, Extra
from convcli.errors import ImageError
from convcli.pictures.codecs import full_range, range_notes
from convcli.pictures.format import CMYK, Decoded, Note, Pixels
from convcli.pictures.formats.tiff import directories as tags
from convcli.pictures.formats.tiff.directories import Directory

MINISWHITE, MINISBLACK, RGB, PALETTE, MASK, INKS, YCBCR = range(7)
#: Kinds of colours by name, that aren't taken for others.
_FOREIGN: Final = {
    8: "CIELab", 9: "ICCLab", 10: "ITULab", 32803: "the pattern of a camera's sensor (CFA)", 32844: "LogL",
    32845: "LogLuv", 34892: "linear raw", 51177: "depth",
}  # fmt: skip
_COMPRESSIONS: Final = {
    1: "none", 2: "CCITT", 3: "CCITT", 4: "CCITT", 5: "LZW", 6: "old JPEG", 7: "JPEG", 8: "deflate", 32766: "NeXT",
    32773: "PackBits", 32809: "ThunderScan", 32908: "PixarFilm", 32909: "PixarLog", 32946: "deflate",
    33003: "JPEG 2000", 33005: "JPEG 2000", 34676: "SGI log", 34677: "SGI log 24", 34712: "JPEG 2000", 34887: "LERC",
    34892: "lossy JPEG", 34925: "LZMA", 34933: "PNG", 50000: "ZSTD", 50001: "WebP", 50002: "JPEG XL",
    52546: "JPEG XL",
}  # fmt: skip


def compression(page: Directory) -> str:
    """A page's compression by name."""
    number = page.first(tags.COMPRESSION, 1)
    return _COMPRESSIONS.get(number, f"number {number}")


def foreign_colours(page: Directory) -> str:
    """The name of a page's kind of colours, where it is none that is read; or nothing."""
    kind = page.first(tags.PHOTOMETRIC, MINISBLACK)
    if kind == INKS and page.first(332, 1) != 1:
        return "inks other than CMYK"
    return "" if 0 <= kind <= YCBCR else _FOREIGN.get(kind, f"kind {kind}")


def channels(page: Directory) -> Channels:
    """What each of a page's channels is, palettes and inks being colours. Raises ValueError where there are too few.

    Samples that ExtraSamples doesn't tell of are bands.
    """
    samples, kind = page.first(tags.SAMPLES, 1), page.first(tags.PHOTOMETRIC, MINISBLACK)
    takes = {RGB: 3, YCBCR: 3, INKS: 4}.get(kind, 1)
    if not takes <= samples <= MOST:
        raise ValueError(f"{samples} samples per pixel; {takes} to {MOST} of such can be read")
    said = page.get(tags.EXTRA_SAMPLES)[: samples - takes]
    extra: list[Extra] = [tags.EXTRA[value] if value < 3 else "band" for value in said]
    extra += ["band"] * (samples - takes - len(extra))
    return Channels(colours=3 if kind in (RGB, YCBCR, INKS, PALETTE) else 1, extra=tuple(extra))


def interpreted(page: Directory, stored: Pixels, bits: int) -> Decoded:
    """The picture `(height, width, channels)` of a page's samples as they are stored, not yet upright.

    Raises ImageError where a palette is too short.
    """
    kind, means = page.first(tags.PHOTOMETRIC, MINISBLACK), channels(page)
    notes: list[Note] = []
    taken = 1 if kind == PALETTE else 0
    top = (1 << bits) - 1
    if stored.dtype.kind == "u" and bits != 8 * stored.dtype.itemsize:
        rest = full_range(stored[..., taken:], top)
        if rest.shape[2] and bits > 1:
            notes += range_notes(rest, top)
    else:
        rest = stored[..., taken:]
    if kind == MINISWHITE and stored.dtype.kind == "u":
        rest[..., :1] = np.iinfo(stored.dtype).max - rest[..., :1]
    elif kind == MINISWHITE:  # of which nobody can say what is black
        notes.append(Note("colours", f"its white is its least value, and stays so: {stored.dtype} is not inverted"))
    if kind == PALETTE:
        colours = _looked_up(page, stored[..., 0], bits)
        rest = np.concatenate((colours, _as_bytes(rest)), axis=2) if rest.shape[2] else colours
    if kind == INKS:
        notes.append(CMYK)
        rest = np.concatenate((_without_inks(rest[..., :4]), rest[..., 4:]), axis=2)
    if {"straight", "premultiplied"} & set(means.extra) and not means.alpha:
        notes.append(Note("colours", f"its alpha is one of {len(means.extra)} more samples: a band like the others"))
    return Decoded(pixels=np.ascontiguousarray(rest), notes=tuple(notes), channels=means)


def _looked_up(page: Directory, indices: Pixels, bits: int) -> Pixels:
    """The 8-bit colours of indices into the page's palette; maps of 8-bit values were written, too."""
    entries, size = page.get(tags.COLOUR_MAP), 1 << bits
    if len(entries) != 3 * size:
        raise ImageError(f"damaged TIFF: its palette has {len(entries):,} values, {bits} bits need {3 * size:,}")
    if min(entries) < 0 or max(entries) > 0xFFFF:
        span = f"{min(entries):,} to {max(entries):,}"
        raise ImageError(f"damaged TIFF: its palette goes from {span}, 16 bits from 0 to 65,535")
    palette = np.array(entries, np.uint16).reshape(3, size).T
    colours: Pixels = (palette if palette.max() < 256 else palette >> 8).astype(np.uint8)
    return colours[indices]


def _as_bytes(samples: Pixels) -> Pixels:
    """Samples beside a palette, whose colours have 8 bits."""
    if samples.dtype == np.uint8:
        return samples
    top = int(np.iinfo(samples.dtype).max)
    return ((samples.astype(np.uint64) * 255 + top // 2) // top).astype(np.uint8)


def _without_inks(inks: Pixels) -> Pixels:
    """RGB of cyan, magenta, yellow and black, without a profile: what of white each ink and black leave."""
    top = int(np.iinfo(inks.dtype).max)
    left = top - inks.astype(np.uint64)
    return ((left[..., :3] * left[..., 3:] + top // 2) // top).astype(inks.dtype)
