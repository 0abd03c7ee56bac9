"""Pages of TIFF files to pixels: by OpenCV's decoder where it is right, else from the samples as they are stored."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from convcli.channels import MOST, Channels
from convcli.errors import ImageError
from convcli.pictures.codecs import read, upright
from convcli.pictures.format import CMYK, LEAST_SHARE, Completed, Decoded, Header, Source, TruncatedError
from convcli.pictures.formats.tiff import directories as tags, meaning, stacks
from convcli.pictures.formats.tiff.blocks import check_blocks
from convcli.pictures.formats.tiff.directories import Directory, directories, listed, patched
from convcli.pictures.formats.tiff.samples import OF_BYTES, predictor, stored, stored_dtype
from convcli.records import late, record

if TYPE_CHECKING:
    from convcli.pictures.formats.tiff import extra
else:  # few files want it
    extra = late("convcli.pictures.formats.tiff.extra")

#: Compressions whose codes OpenCV's libtiff knows, and that are for grey, RGB and the like alone: fax codes, JPEG.
_OF_PICTURES = frozenset({2, 3, 4, 7})
_JPEG = 7


@record
class Layout:
    """How the first page of a TIFF file lies.

    `channels` say what its samples mean, `bits` and `kind` ("u", "i", "f") how they are stored. `by_opencv`: OpenCV
    decodes it right, but for what `decode` mends. `refusal` says why the page can't be read right at all, or is empty;
    `broken` what is wrong with the list of pages.
    """

    page: Directory
    pages: int
    channels: Channels
    bits: int
    kind: str
    by_opencv: bool
    refusal: str
    broken: str


def header(data: bytes) -> Header:
    try:
        pages = listed(data)[0]
        width, height, samples = (pages[0].first(tag, 0) for tag in (tags.WIDTH, tags.HEIGHT, tags.SAMPLES))
    except ValueError as error:
        raise TruncatedError(f"damaged or truncated TIFF: {error}") from None
    count = max(1, sum(page.is_page for page in pages))
    return Header(width=width, height=height, frames=count, channels=min(max(1, samples), MOST))


def layout(data: bytes) -> Layout:
    """The layout of a TIFF file's first page; reduced copies don't count as pages.

    Raises TruncatedError, saying what is wrong, where the file is cut short or damaged.
    """
    try:
        return _layout(data)
    except ValueError as error:
        raise TruncatedError(f"damaged or truncated TIFF: {error}") from None


def _layout(data: bytes) -> Layout:
    pages, broken = listed(data)
    page = pages[0]
    for offsets, counts in (tags.STRIPS, tags.TILES):
        for start, count in zip(page.get(offsets), page.get(counts), strict=False):
            if start + count > len(data):
                raise ValueError(f"its pixels reach byte {start + count}, it ends at byte {len(data)}")
    kinds = set(page.get(tags.SAMPLE_FORMAT)) or {1}
    kind = {1: "u", 2: "i", 3: "f", 4: "u"}.get(min(kinds), "") if len(kinds) == 1 else ""
    bits, channels = page.first(tags.BITS, 1), Channels.bands(1)
    by_opencv, refusal = False, _refusal(page, kind)
    if not refusal:
        try:
            channels = meaning.channels(page)
        except ValueError as error:
            refusal = str(error)
        by_opencv = _by_opencv(page, bits, channels)
    if not refusal and not by_opencv:
        refusal = _refused_samples(page, bits, kind)
    if not refusal:
        check_blocks(page)
    return Layout(
        page=page, pages=max(1, sum(page.is_page for page in pages)), channels=channels, bits=bits, kind=kind,
        by_opencv=by_opencv, refusal=refusal, broken=broken,
    )  # fmt: skip


def _refusal(page: Directory, kind: str) -> str:
    """Why a page can't be read, however its samples lie; empty where it can."""
    if (deep := page.first(tags.DEPTH, 1)) > 1:
        return f"its picture is {deep} deep, a volume in one page; volumes of a page for each slice can be read"
    foreign = meaning.foreign_colours(page)
    if foreign:
        return f"its colours are {foreign}; grey, RGB, palette, CMYK and YCbCr can be read"
    if page.first(tags.COMPRESSION, 1) not in OF_BYTES | _OF_PICTURES:
        return f"its compression is {meaning.compression(page)}; none, LZW, deflate, PackBits, JPEG, CCITT can be read"
    bits = page.get(tags.BITS) or (1,)
    if len(set(bits)) > 1:
        return f"samples of {', '.join(map(str, bits[:4]))} bits; all of one depth can be read"
    if page.first(tags.COMPRESSION, 1) == _JPEG and bits[0] != 8:
        return f"JPEG of {bits[0]} bits; 8 can be read"
    if not kind:
        return "samples that are complex or of several kinds; integers and floats can be read"
    ycbcr = page.first(tags.PHOTOMETRIC, meaning.MINISBLACK) == meaning.YCBCR
    if ycbcr and (bits[0] != 8 or kind != "u" or page.first(tags.SAMPLES, 1) != 3):
        what = f"{page.first(tags.SAMPLES, 1)} samples of {bits[0]} bits"
        return f"YCbCr of {what}{'' if kind == 'u' else ', signed or floats'}; 3 of 8 bits can be read"
    return ""


def _by_opencv(page: Directory, bits: int, channels: Channels) -> bool:
    """Whether OpenCV decodes a page right."""
    kind, compression = page.first(tags.PHOTOMETRIC, meaning.MINISBLACK), page.first(tags.COMPRESSION, 1)
    together = page.first(tags.PLANAR, 1) == 1 or page.first(tags.SAMPLES, 1) == 1
    if kind == meaning.YCBCR or compression in _OF_PICTURES:
        return True
    if compression == 1 and bits >= 8:  # samples that need no decoder
        return False
    if bits not in (8, 16, 32, 64) and not (bits == 1 and kind == meaning.MINISBLACK):
        return False
    format = page.first(tags.SAMPLE_FORMAT, 1)
    if format > 3 or (format == 3 and bits == 16) or tags.PHOTOMETRIC not in page.entries:
        return False
    if compression == 1 and tags.TILE_WIDTH in page.entries:  # which OpenCV refuses where bytes follow their samples
        return False
    if tags.EXTRA_SAMPLES in page.entries and not channels.extra:
        return False
    grey = kind == meaning.MINISBLACK and not channels.extra
    return grey or (kind == meaning.RGB and together and channels.extra in ((), ("straight",)))


def _refused_samples(page: Directory, bits: int, kind: str) -> str:
    """Why samples that OpenCV doesn't read right can't be taken out of their bytes; empty where they can."""
    photometric, differences = page.first(tags.PHOTOMETRIC, meaning.MINISBLACK), predictor(page)
    if stored_dtype(bits, kind) is None:
        names = {"u": "unsigned", "i": "signed", "f": "float"}
        return f"{bits}-bit {names[kind]} samples; 1 to 32 and 64 bits, signed from 8, floats from 16 can be read"
    if photometric == meaning.PALETTE and (kind != "u" or bits > 16):
        return f"a palette with {bits}-bit {'signed' if kind == 'i' else 'float'} samples"
    if photometric == meaning.INKS and (kind != "u" or bits > 16):
        return f"CMYK of {bits}-bit {'unsigned' if kind == 'u' else 'signed or float'} samples; 8 and 16 can be read"
    fits = {1: True, 2: bits in (8, 16, 32, 64), 3: kind == "f"}
    return "" if fits.get(differences) else f"predictor {differences} on {bits}-bit samples"


def completed(data: bytes) -> Completed | None:
    """A file of plain samples with zeros for those that are missing."""
    page = next(directories(data), None)
    missing = lacking(page) if page else None
    return Completed(data=data + bytes(missing[0]), share=missing[1]) if missing else None


def lacking(page: Directory) -> tuple[int, float] | None:
    """How many bytes a file of plain samples lacks at its end, and the share of its samples that is there.

    None where nothing is missing, or too much.
    """
    if page.first(tags.COMPRESSION, 1) != 1:
        return None
    pairs = ((page.get(offsets), page.get(sizes)) for offsets, sizes in (tags.STRIPS, tags.TILES))
    spans, size = [span for pair in pairs for span in zip(*pair, strict=True)], len(page.data)
    needed = sum(many for _, many in spans)
    there = sum(max(0, min(many, size - start)) for start, many in spans)
    end = max((start + many for start, many in spans), default=0)
    if not size < end <= size + 2 * needed or there < needed * LEAST_SHARE:
        return None
    return end - size, there / needed


def decode(source: Source) -> Decoded:
    """The first page, upright."""
    try:
        return _decoded(source)
    except ValueError as error:
        raise TruncatedError(f"damaged or truncated TIFF: {error}") from None


def _decoded(source: Source) -> Decoded:
    """As `decode`; raises ValueError for tags that are damaged, too."""
    sides = header(source.data)
    width, height = sides.width, sides.height
    source.limit(width, height)
    facts = layout(source.data)
    first = tags.starting_with(facts.page)
    if first is not source.data:  # a reduced copy comes before it
        source = replace(source, data=first)
        facts = layout(first)
    page = facts.page
    unlisted = () if facts.broken else stacks.unlisted(page, facts.pages)
    if facts.refusal:
        decoded = extra.decode(source, facts.refusal, decode)
        return replace(decoded, frames=facts.pages, notes=(*decoded.notes, *unlisted))
    if facts.by_opencv:
        decoded = _by_decoder(source, facts)
    else:
        _limit_samples(source, width, height, facts.channels.count)
        plain = meaning.interpreted(page, stored(source, page, facts.bits, facts.kind), facts.bits)
        decoded = Decoded(
            pixels=upright(plain.pixels, page.first(tags.ORIENTATION, 1)), notes=plain.notes, channels=plain.channels
        )
    if facts.broken:  # not before: what a decoder complains of is an error
        source.complaints.append(f"{facts.broken}: {facts.pages} of its pages can be reached")
    return Decoded(
        pixels=decoded.pixels, frames=facts.pages, notes=(*decoded.notes, *unlisted),
        channels=decoded.channels or facts.channels,
    )  # fmt: skip


def _limit_samples(source: Source, width: int, height: int, count: int) -> None:
    """Refuse bands that together are more samples than the largest picture of four channels."""
    most = 4 * source.max_pixels
    if width * height * count > most:
        size = f"{width} x {height} pixels of {count} bands are {width * height * count:,} samples"
        fact = f"{size}; at most {most:,} are read"
        raise ImageError(fact, hint="--max-pixels raises the limit, which is a quarter of that")


def _by_decoder(source: Source, facts: Layout) -> Decoded:
    """What OpenCV makes of a page."""
    page, data, inks = facts.page, source.data, facts.page.first(tags.PHOTOMETRIC, 1) == meaning.INKS
    orientation, changes = page.first(tags.ORIENTATION, 1), {}
    if facts.channels.alpha:
        changes[tags.EXTRA_SAMPLES] = 0  # told of an alpha channel, OpenCV multiplies 8-bit colours by it
    if orientation != 1:
        changes[tags.ORIENTATION] = 1  # told of another, libtiff mirrors each tile of 8 bits where it lies
    if changes:
        data = patched(page, changes)
    if facts.broken:
        data = page.as_last(data)
    pixels = read(source, data, logged=True)
    if inks:  # to which OpenCV gives an alpha channel that the file lacks
        pixels = np.ascontiguousarray(pixels[:, :, :3])
    return Decoded(
        pixels=upright(pixels, orientation), notes=(CMYK,) if inks else (), channels=Channels.of(pixels.shape[2])
    )
