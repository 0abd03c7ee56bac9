"""How a page of a TIFF file lays its samples out, and its pixels: OpenCV's decoder, told what it would get wrong."""

from __future__ import annotations

import numpy as np

from convcli.errors import ImageError
from convcli.pictures.codecs import read, upright
from convcli.pictures.format import CMYK, LEAST_SHARE, Completed, Decoded, Header, Note, Source, TruncatedError
from convcli.pictures.formats.tiff import directories as tags
from convcli.pictures.formats.tiff.directories import Directory, directories, patched
from convcli.records import record

_PREMULTIPLIED = Note("colours", "its colours are stored multiplied by alpha, and taken as they are")


@record
class Layout:
    """How the first page of a TIFF lies, and what a decoder that knows only simple layouts is to be told.

    `data` is the file, changed where OpenCV 5 would decode it wrongly. `pairs`: it reads as grey of twice the width,
    for grey and alpha, still as `differences` along the rows where it has a predictor, and turned by `orientation`.
    `inverted`: white is 0. `opaque`: CMYK, to which OpenCV gives an alpha channel that the file lacks. `refusal` says
    why the page can't be read right at all, or is empty.
    """

    data: bytes
    width: int
    height: int
    pages: int
    pairs: bool
    differences: bool
    orientation: int
    inverted: bool
    opaque: bool
    premultiplied: bool
    refusal: str


def header(data: bytes) -> Header:
    facts = layout(data)
    return Header(width=facts.width, height=facts.height, frames=facts.pages)


def layout(data: bytes) -> Layout:
    """The layout of a TIFF file's first page; reduced copies don't count as pages.

    Raises TruncatedError, saying what is wrong, where the file is cut short or damaged.
    """
    try:
        return _layout(data)
    except ValueError as error:
        raise TruncatedError(f"damaged or truncated TIFF: {error}") from None


def _layout(data: bytes) -> Layout:
    pages = list(directories(data))
    if not pages:
        raise ValueError("it has no page")
    page = pages[0]
    for offsets, counts in (tags.STRIPS, tags.TILES):
        for start, count in zip(page.get(offsets), page.get(counts), strict=False):
            if start + count > len(data):
                raise ValueError(f"its pixels reach byte {start + count}, it ends at byte {len(data)}")
    samples, extra, predictor = page.first(tags.SAMPLES, 1), page.get(tags.EXTRA_SAMPLES), page.first(tags.PREDICTOR, 1)
    refusal = _refusal(page, samples, predictor)
    changes: dict[int, int] = {}
    if samples == 2 and not refusal:
        same = {tags.BITS: page.first(tags.BITS, 8), tags.SAMPLE_FORMAT: page.first(tags.SAMPLE_FORMAT, 1)}
        doubled = {tag: 2 * page.first(tag, 0) for tag in (tags.WIDTH, tags.TILE_WIDTH)}
        ones = dict.fromkeys((tags.SAMPLES, tags.PREDICTOR, tags.ORIENTATION, tags.PHOTOMETRIC), 1)
        changes = {**ones, tags.EXTRA_SAMPLES: 0, **same, **doubled}
    elif samples == 4 and extra == (2,):
        changes = {tags.EXTRA_SAMPLES: 0}  # told of an alpha channel, OpenCV multiplies 8-bit colours by it
    return Layout(
        data=patched(page, changes) if changes else data,
        width=page.first(tags.WIDTH, 0),
        height=page.first(tags.HEIGHT, 0),
        pages=sum(page.is_page for page in pages),
        pairs=samples == 2,
        differences=samples == 2 and predictor == 2,
        orientation=page.first(tags.ORIENTATION, 1) if samples == 2 else 1,
        inverted=page.first(tags.PHOTOMETRIC, 1) == 0 and (samples == 2 or page.first(tags.BITS, 1) > 8),
        opaque=page.first(tags.PHOTOMETRIC, 1) == 5 and samples == 4,
        premultiplied=1 in extra,
        refusal=refusal,
    )


def _refusal(page: Directory, samples: int, predictor: int) -> str:
    """Why OpenCV would fail on a page, or silently read something else; empty where it reads it right."""
    bits, photometric = page.first(tags.BITS, 1), page.first(tags.PHOTOMETRIC, 1)
    floats = page.first(tags.SAMPLE_FORMAT, 1) == 3
    if samples > 4:
        return f"{samples} samples per pixel; 1 to 4 can be read"
    if samples > 1 and page.first(tags.PLANAR, 1) == 2 and (bits > 8 or samples == 2):
        return f"{bits}-bit samples in separate planes; 8 bits, or samples side by side, can be read"
    if photometric > 6 and photometric not in (32844, 32845):
        return f"its colours are of kind {photometric}; grey, RGB, palette, CMYK and YCbCr can be read"
    if bits not in (1, 8, 12, 16, 32, 64) or (floats and bits == 16):
        return f"{bits}-bit {'floats' if floats else 'samples'}; 1, 8, 16, 32 and 64 bits, floats from 32, can be read"
    if samples == 2 and (predictor > 2 or (predictor == 2 and tags.TILE_WIDTH in page.entries)):
        return "grey and alpha with a predictor, in tiles or floats"
    return ""


def completed(data: bytes) -> Completed | None:
    """A file of plain samples with zeros for those that are missing."""
    page = next(directories(data), None)
    if page is None or page.first(tags.COMPRESSION, 1) != 1:
        return None
    pairs = ((page.get(offsets), page.get(sizes)) for offsets, sizes in (tags.STRIPS, tags.TILES))
    spans = [span for pair in pairs for span in zip(*pair, strict=True)]
    needed = sum(size for _, size in spans)
    there = sum(max(0, min(size, len(data) - start)) for start, size in spans)
    end = max(start + size for start, size in spans)
    if needed <= 0 or there < needed * LEAST_SHARE or end > len(data) + 2 * needed:
        return None
    return Completed(data=data + bytes(max(0, end - len(data))), share=there / needed)


def decode(source: Source) -> Decoded:
    """OpenCV turns pixels upright itself."""
    facts = layout(source.data)
    source.limit(facts.width, facts.height)
    if facts.refusal:
        raise ImageError(f"unsupported TIFF: {facts.refusal}")
    pixels = read(source, facts.data, logged=True)
    if facts.pairs:
        pixels = pixels.reshape(pixels.shape[0], -1, 2)
        if facts.differences:  # modulo the depth, from the pixel on the left
            pixels = np.cumsum(pixels, axis=1, dtype=pixels.dtype)
    if facts.opaque:
        pixels = np.ascontiguousarray(pixels[:, :, :3])
    if facts.inverted and pixels.dtype.kind == "u":
        colours = pixels[:, :, :1] if facts.pairs else pixels
        np.subtract(np.iinfo(pixels.dtype).max, colours, out=colours)
    notes = [CMYK] if facts.opaque else []
    notes += [_PREMULTIPLIED] if facts.premultiplied else []
    return Decoded(pixels=upright(pixels, facts.orientation), frames=facts.pages, notes=tuple(notes))
