"""What is right for a TIFF page, by the specification and by convcli's own rules for depth and alpha.

Source: TIFF Revision 6.0 (Adobe, 1992), sections 8, 16 to 23; ITU-R BT.601 (YCbCr).
"""

from __future__ import annotations

import numpy as np

from tests.pictures.matrix.cells import Reading
from tests.pictures.matrix.contents import native
from tests.pictures.matrix.pages import Page
from tests.support import Pixels

#: How many samples a colour takes, by PhotometricInterpretation.
TAKES = {0: 1, 1: 1, 2: 3, 3: 1, 4: 1, 5: 4, 6: 3}
#: Depths of which differences are defined.
WHOLE = {8, 16, 32, 64}
_EXTRAS = {1: "premultiplied", 2: "straight"}

#: What a refusal says, by what is unusual about a page.
_KINDS = {"v": "undefined|sample ?format|kind", "c": "complex|sample ?format", "z": "complex|sample ?format"}
_COLOURS = {
    4: "mask|kind 4", 5: "CMYK|kind 5", 6: "YCbCr|kind 6", 8: "CIE|Lab|kind 8", 9: "Lab|kind 9", 10: "Lab|kind 10",
    32803: "CFA|mosaic|filter array|32803", 32844: "Log|32844", 32845: "Log|32845", 34892: "raw|34892",
}  # fmt: skip
_CODECS = {
    2: "CCITT|fax|compression 2", 3: "CCITT|fax|compression 3", 4: "CCITT|fax|compression 4", 6: "JPEG|compression 6",
    7: "JPEG|compression 7", 34676: "SGI|Log|34676", 34712: "JPEG ?2000|34712", 34887: "LERC|34887",
    34925: "LZMA|34925", 50000: "ZSTD|Zstandard|50000", 50001: "WebP|50001", 50002: "JPEG ?XL|50002",
    52546: "JPEG ?XL|52546", 34933: "PNG|34933",
}  # fmt: skip


def reasons(page: Page) -> tuple[str, ...]:
    """Patterns of what a refusal may name; none for a page that every program reads."""
    bits, out = set(page.depths), []
    if len(bits) > 1:
        odd = [f"{depth}[- ]bit" for depth in bits - {1, *WHOLE}]
        out += ["bits.*differ|differ.*bits|" + ", ".join(map(str, page.depths)), *odd]
    elif not bits <= {1, 8, 16, 32} or (page.kind == "f" and bits == {16}):
        out.append(f"{page.depths[0]}[- ]bit")
    if page.kind in _KINDS:
        out.append(_KINDS[page.kind])
    if page.photometric not in (0, 1, 2, 3):
        known = "photometric|tag 262|colours" if page.photometric is None else f"(kind|photometric) {page.photometric}"
        out.append(_COLOURS.get(page.photometric or 0, known))
    if page.photometric == 3 and (page.samples > 1 or bits - {1, 8}):
        out.append("palette")
    if page.compression in _CODECS:
        out.append(_CODECS[page.compression])
    if page.predictor > 1:
        out.append("predictor")
    if page.samples > 4 or page.samples != TAKES.get(page.photometric or 0, 1) + len(page.extra or ()):
        out.append(f"{page.samples} (samples|channels|bands)")
    if page.planar:
        out.append("planes|planar")
    if page.photometric == 0 and page.kind not in "uv":
        out.append("white")
    return tuple(out)


def full_range(values: Pixels, bits: int, to: int) -> Pixels:
    """`bits` of unsigned numbers scaled so that white is white of `to` bits, rounded."""
    top, full = (1 << bits) - 1, (1 << to) - 1
    return values if bits == to else (values * np.uint64(full) + np.uint64(top // 2)) // np.uint64(top)


def readings(page: Page, values: Pixels) -> tuple[Reading, ...]:
    """What a page of these samples may be read as; nothing where it has to be refused."""
    takes = TAKES.get(1 if page.photometric is None else page.photometric)
    if page.kind in "cz" or not takes or (page.predictor == 2 and set(page.depths) - WHOLE):
        return ()
    upright = turned(values, page.orientation or 1)
    if page.photometric == 3:
        return _palette(page, upright)
    if page.samples < takes:
        return (_plain(page, upright, 1),) if page.samples == 1 or page.photometric == 2 else ()
    if page.photometric == 5:
        return (_cmyk(page, upright),) if page.kind == "u" else ()
    if page.photometric == 6:
        return (_ycbcr(page, upright),) if page.kind == "u" and page.depths[0] == 8 else ()
    if page.photometric == 0 and page.kind in "uv":
        first, every = ([0], list(range(page.samples)))
        inverted = [first] if page.samples < 3 else [first, every]
        return tuple(_plain(page, upright, 1, inverted=channels) for channels in inverted)
    return (_plain(page, upright, takes),)


def extras(page: Page, count: int) -> tuple[str, ...]:
    """What the last `count` samples are; those that ExtraSamples does not reach are bands."""
    kinds = [_EXTRAS.get(kind, "band") for kind in page.extra or ()][:count]
    return (*("band",) * (count - len(kinds)), *kinds)


def turned(values: Pixels, orientation: int) -> Pixels:
    """As tag 274 asks for: 1 as it is, 2 mirrored, 3 turned by half, 4 upside down; from 5 on rows are columns."""
    if orientation > 4:
        values = values.swapaxes(0, 1)
    across = orientation in (2, 3, 6, 7)
    down = orientation in (3, 4, 7, 8)
    return values[:: -1 if down else 1, :: -1 if across else 1]


def _plain(page: Page, values: Pixels, colours: int, *, inverted: list[int] | None = None) -> Reading:
    """Samples as they are, integers scaled to the next of 8, 16 and 32 bits."""
    dtype = native(page, values)
    out = np.empty(values.shape, dtype)
    for s, bits in enumerate(page.depths):
        channel = values[..., s]
        out[..., s] = full_range(channel, bits, 8 * out.itemsize) if page.kind in "uv" else channel
    for s in inverted or ():
        out[..., s] = np.iinfo(dtype).max - out[..., s]
    return Reading(pixels=out, colours=colours, extra=extras(page, page.samples - colours))


def _palette(page: Page, values: Pixels) -> tuple[Reading, ...]:
    if page.map is None or page.kind not in "uv" or len(page.map) != 3 << page.depths[0]:
        return ()
    table = np.array(page.map, np.uint64).reshape(3, -1)
    table = (table >> np.uint64(8 * (table.max() > 255))).astype(np.uint8)
    colours = table[:, values[..., 0].astype(np.int64)].transpose(1, 2, 0)
    further = [full_range(values[..., s], page.depths[s], 16) / 257 for s in range(1, page.samples)]
    pixels = np.stack([*np.moveaxis(colours, 2, 0), *(np.rint(band).astype(np.uint8) for band in further)], axis=2)
    # A palette's colours have 8 bits, so that alpha of 16 is rounded or cut to 8.
    within = 1 if further and page.depths[0] > 8 else 0
    return (Reading(pixels=pixels, colours=3, extra=extras(page, page.samples - 1), within=within),)


def _cmyk(page: Page, values: Pixels) -> Reading:
    """Ink 0 is white; section 16. Without a profile each ink takes away its own light, and black all of it."""
    plain = _plain(page, values, 4).pixels
    full = float(np.iinfo(plain.dtype).max)
    light = (full - plain[..., :3].astype(np.float64)) * (full - plain[..., 3:4].astype(np.float64)) / full
    pixels = np.concatenate([np.rint(light).astype(plain.dtype), plain[..., 4:]], axis=2)
    within = 1 if set(page.depths) <= WHOLE else 2  # rounded twice
    return Reading(pixels=pixels, colours=3, extra=extras(page, page.samples - 4), within=within)


def _ycbcr(page: Page, values: Pixels) -> Reading:
    """Section 21 with its defaults: BT.601, no headroom."""
    y, cb, cr = (values[..., s].astype(np.float64) - 128 * (s > 0) for s in range(3))
    red, green, blue = y + 1.402 * cr, y - 0.114 * 1.772 / 0.587 * cb - 0.299 * 1.402 / 0.587 * cr, y + 1.772 * cb
    light = np.rint(np.stack([red, green, blue], axis=2)).clip(0, 255)
    pixels = np.concatenate([light, values[..., 3:]], axis=2).astype(np.uint8)
    return Reading(pixels=pixels, colours=3, extra=extras(page, page.samples - 3), within=2)
