"""The segments of JPEG files: walked, their frame header read, completed where cut short, and decoded by OpenCV.

Source: ITU-T T.81 (JPEG), annex B.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import Final

from convcli.errors import ImageError
from convcli.pictures import sniff
from convcli.pictures.codecs import read, read_rgb, upright
from convcli.pictures.format import CMYK, EXIF_MARK, Completed, Decoded, Header, Note, Source, TruncatedError
from convcli.pictures.formats.tiff import directories
from convcli.pictures.registry import is_tiff

SCAN: Final = 0xDA
#: The markers of frame headers.
FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_END: Final = b"\xff\xd9"
_PROGRESSIVE: Final = 0xC2
_LOSSLESS: Final = 0xF7  # the frame header of JPEG-LS (ITU-T T.87)
_MARKER: Final = rb"\xff[\xc0-\xcf\xd8-\xfe]"


def segments(data: bytes) -> Sequence[tuple[int, int, int]]:
    """(marker, byte of the marker, byte behind it) of a file's segments, the last of which begins its first scan.

    Raises ImageError where there is no scan.
    """
    global _last
    known, walked = _last
    if known is not data:
        walked = _walked(data)
        if len(data) <= _SMALL:
            _last = data, walked
    return walked


#: The small file that was walked last, since several ask for its segments, and these.
_last: tuple[bytes | None, Sequence[tuple[int, int, int]]] = (None, ())
_SMALL: Final = 1 << 20


def _walked(data: bytes) -> list[tuple[int, int, int]]:
    walked: list[tuple[int, int, int]] = []
    at, marker = 2, -1
    while marker != SCAN:
        at = data.find(b"\xff", at)
        if at < 0:
            raise TruncatedError(f"truncated JPEG: it ends at byte {len(data)}, before its first scan")
        marker = data[at + 1]
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            raise ImageError(f"damaged JPEG: it has an end marker at byte {at}, before any scan")
        (length,) = struct.unpack_from(">H", data, at + 2)
        end = at + 2 + length
        if end > len(data):
            fact = f"its segment {marker:02X} at byte {at} needs {length} bytes, {len(data) - at - 2} are left"
            raise TruncatedError(f"truncated JPEG: {fact}")
        walked.append((marker, at, end))
        at = end
    return walked


def header(data: bytes) -> Header:
    """What stands before the first scan; after it, an end marker must follow."""
    blocks, frame, scan = [], -1, 0
    for marker, at, end in segments(data):
        if marker == 0xE1 and data[at + 4 : at + 10] == EXIF_MARK:
            blocks.append(data[at + 10 : end])
        elif marker in FRAMES:
            frame = at
        elif marker == _LOSSLESS:
            raise ImageError("unsupported JPEG: JPEG-LS; 8 bits and lossy can be read")
        scan = end
    if frame < 0:
        raise ImageError("damaged JPEG: it has no frame header, so no size")
    if data.rfind(_END, scan) < 0:  # from the end, where it is in a whole file
        raise TruncatedError(f"truncated JPEG: it ends at byte {len(data)} without an end marker")
    return _frame(data, frame, exif_of(blocks)[0], len(data) - scan)


def exif_of(blocks: Sequence[bytes]) -> tuple[bytes, str]:
    """One EXIF block of those in a file's segments, and words for what is not in it.

    A block of more than 64 KiB goes on in segments that begin with no header (as ExifTool and Pillow have it); of whole
    ones the first counts, and gets the fields that only others have.
    """
    whole: list[bytes] = []
    for block in blocks:
        if whole and not is_tiff(block):
            whole[-1] += block
        else:
            whole.append(block)
    if len(whole) < 2:
        return (whole[0], "") if whole else (b"", "")
    from convcli.pictures.formats.tiff import exif  # only here, since nearly all pictures have one

    block = whole[0]
    try:
        for more in whole[1:]:
            block = exif.merged(block, more)
    except (ValueError, struct.error):
        return block, "a further EXIF block dropped: it is damaged"
    return block, ""


def _frame(data: bytes, at: int, block: bytes, left: int) -> Header:
    """The frame header at byte `at`; `left` is the bytes from the first scan on, which bound its size."""
    kind, depth, height, width, channels = struct.unpack_from(">xBxxBHHB", data, at)
    if depth != 8 or kind not in (0xC0, 0xC1, 0xC2, 0xC9, 0xCA):
        lossy = "lossless or hierarchical" if kind in (0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF) else "lossy"
        raise ImageError(f"unsupported JPEG: {depth} bits per sample, {lossy}; 8 bits and lossy can be read")
    if not width or not height:
        raise ImageError(f"unsupported JPEG: its header says {width} x {height} pixels")
    factors = [(data[at + 11 + 3 * i] >> 4, data[at + 11 + 3 * i] & 15) for i in range(channels)]
    if channels not in (1, 3, 4):
        raise ImageError(f"unsupported JPEG: {channels} components; 1, 3 and 4 can be read")
    if not factors or min(min(pair) for pair in factors) < 1:
        raise ImageError("damaged JPEG: wrong sampling factors in its frame header")
    if channels == 1:
        factors = [(1, 1)]
    across, down = (8 * max(pair[axis] for pair in factors) for axis in (0, 1))
    blocks = -(-width // across) * -(-height // down) * sum(h * v for h, v in factors)
    # A Huffman-coded block takes a bit at least, and another one for its end where it isn't progressive.
    bits = {0xC0: 2, 0xC1: 2, 0xC2: 1}.get(kind, 0)
    if blocks * bits > 8 * left:
        raise ImageError(
            f"damaged JPEG: its header promises {width} x {height} pixels, more than {left} bytes can hold"
        )
    return Header(width=width, height=height, channels=channels, exif=block)


def completed(data: bytes) -> Completed | None:
    """A file that ends within its scans, with an end marker behind the last bytes that a decoder can take."""
    progressive, scan = False, 0
    for marker, at, _ in segments(data):
        progressive |= marker == _PROGRESSIVE
        scan = at
    last = scan
    for match in re.compile(_MARKER).finditer(data, scan):
        last = match.start()
    end = len(data)
    length = int.from_bytes(data[last + 2 : last + 4], "big")
    if data[last + 1] != SCAN or last + 2 + length > end:
        end = last  # a segment between scans, or one cut short
    return Completed(data=data[:end].removesuffix(b"\xff") + _END, share=None, coarse=progressive)


def decode(source: Source) -> Decoded:
    facts = sniff.header(source.data, source.format)
    source.limit(facts.width, facts.height)
    if facts.channels > 1:
        pixels = read_rgb(source, source.data, (facts.height, facts.width))
    else:
        pixels = read(source, source.data)
    pixels = upright(pixels, directories.orientation(facts.exif))
    return Decoded(pixels=pixels, notes=cmyk_notes(source.data) if facts.channels == 4 else ())


def cmyk_notes(data: bytes) -> tuple[Note, ...]:
    """Inks are stored inverted where Adobe's marker is, and where none says so, all readers take them to be."""
    if any(marker == 0xEE and data[at + 4 : at + 9] == b"Adobe" for marker, at, _ in segments(data)):
        return (CMYK,)
    return (Note("colours", "its CMYK colours, taken for inverted as nearly all are, are turned into RGB"),)
