"""Metadata in PNG files: the chunks iCCP, eXIf, pHYs and those of texts, XMP among them.

Source: PNG, third edition, section 11.3; Adobe XMP specification, part 3.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from convcli.pictures.format import EXIF_MARK, INCH, Metadata
from convcli.pictures.formats.png import structure
from convcli.pictures.formats.tiff import directories
from convcli.records import late

if TYPE_CHECKING:
    from convcli.pictures.formats.png import texts
else:
    texts = late("convcli.pictures.formats.png.texts")

_XMP: Final = b"XML:com.adobe.xmp"
_XMP_SEGMENT: Final = b"http://ns.adobe.com/xap/1.0/\0"
_LONG: Final = 1024  # bytes of a text that are worth packing
#: x and y of white, red, green and blue, in 1/100000.
_SRGB: Final = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
#: Chunks that are taken up, or that make the picture, or that mean nothing to a user.
_PASSED_OVER: Final = frozenset({
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"acTL", b"fcTL", b"fdAT", b"cHRM", b"gAMA", b"iCCP", b"sBIT", b"sRGB",
    b"cICP", b"mDCV", b"mDCv", b"cLLI", b"cLLi", b"eXIf", b"pHYs", b"tEXt", b"zTXt", b"iTXt", b"bKGD", b"hIST", b"sPLT",
    b"tIME", b"oFFs", b"iDOT", b"vpAg", b"caNv", b"orNT", b"prVW",
})  # fmt: skip
_LOST: Final = {
    b"caBX": "content credentials (C2PA)", b"sTER": "stereo layout", b"sCAL": "scale of the subject (sCAL)",
    b"pCAL": "what the samples measure (pCAL)", b"mkBT": "layers of Fireworks",
}  # fmt: skip


def metadata(data: bytes) -> Metadata:
    """What stands in the chunks of a file, before and behind its pixels."""
    walk = [
        (kind, data[start:end] if kind not in (b"IDAT", b"fdAT") else b"")
        for kind, start, end in structure.walked(structure.reader(data), len(data))
    ]
    first: dict[bytes, bytes] = {}
    for kind, content in walk:
        first.setdefault(kind, content)
    blocks, words, lost = _texts(walk)
    icc, exif, density = (
        first.get(b"iCCP", b""),
        first.get(b"eXIf", b"").removeprefix(EXIF_MARK),
        first.get(b"pHYs", b""),
    )
    if icc:
        icc = texts.inflated(icc[icc.index(b"\0") + 2 :])
    exif, dpi = exif or blocks.get("exif", b""), None
    if len(density) == 9 and density[8] == 1:
        across, down = (round(side * INCH, 2) for side in struct.unpack_from(">II", density))
        dpi = (across, down) if across and down else None
    lost += _colours(first, managed=bool(icc or blocks.get("icc")))
    lost += [f"{_LOST[kind]} dropped" for kind in first if kind in _LOST]
    others = [kind.decode("latin-1") for kind in first if kind not in _PASSED_OVER | _LOST.keys()]
    if others:
        lost.append(f"records of other kinds ({', '.join(others)}) dropped")
    return Metadata(
        icc=icc or blocks.get("icc", b""), exif=exif, xmp=blocks.get("xmp", b""), dpi=dpi or directories.dpi(exif),
        texts=tuple(words), lost=tuple(dict.fromkeys(lost)),
    )  # fmt: skip


def _texts(walk: Sequence[tuple[bytes, bytes]]) -> tuple[dict[str, bytes], list[tuple[str, str]], list[str]]:
    """Blocks of metadata that are written as texts, the texts that are none, and what is lost."""
    blocks: dict[str, bytes] = {}
    words: list[tuple[str, str]] = []
    lost: list[str] = []
    inflated = 0
    for kind, content in walk:
        if kind not in structure.TEXTS:
            continue
        if kind == b"iTXt" and content.startswith(_XMP + b"\0"):
            blocks["xmp"] = texts.international(content[len(_XMP) + 1 :])
            continue
        try:
            keyword, text = texts.text(kind, content)
        except (ValueError, IndexError, zlib.error):
            lost.append("a damaged text dropped")
            continue
        name, inflated = texts.profile_name(keyword), inflated + len(text)
        if inflated > texts.MOST:  # texts that inflate without bound
            lost.append("further texts dropped")
            break
        if name:
            _profile(name, text, blocks, lost)
        elif not texts.is_repeated(keyword):
            words.append((keyword, text))
    return blocks, words, lost


def _profile(name: str, text: str, blocks: dict[str, bytes], lost: list[str]) -> None:
    """Take up a profile that is written as digits, or what is lost with it."""
    try:
        block = texts.profile(text)
    except ValueError:
        lost.append(f"a damaged profile ({name}) dropped")
        return
    block = block.removeprefix(EXIF_MARK)
    if name in ("exif", "app1") and block[:2] in (b"II", b"MM"):
        blocks.setdefault("exif", block)
    elif name in ("icc", "icm"):
        blocks.setdefault("icc", block)
    elif name == "xmp" or block.startswith(_XMP_SEGMENT):
        blocks.setdefault("xmp", block.removeprefix(_XMP_SEGMENT))
    else:
        lost.append("Photoshop and IPTC records dropped" if name in ("iptc", "8bim") else f"a profile ({name}) dropped")


def _colours(first: Mapping[bytes, bytes], *, managed: bool) -> list[str]:
    """What is lost with chunks that say which colours the samples stand for, where it is not sRGB's."""
    if b"cICP" in first:
        return ["colour space (cICP) dropped"]
    if managed or b"sRGB" in first:
        return []
    gamma, primaries = first.get(b"gAMA", b""), first.get(b"cHRM", b"")
    lost = []
    if len(gamma) == 4 and not 45000 <= int.from_bytes(gamma, "big") <= 46000:
        lost.append(f"gamma of {int.from_bytes(gamma, 'big') / 1e5:g} dropped")
    if len(primaries) == 32:
        apart = (abs(a - b) for a, b in zip(struct.unpack(">8I", primaries), _SRGB, strict=True))
        lost += ["primaries (cHRM) dropped"] if max(apart) > 1000 else []
    return lost


def chunks(metadata: Metadata) -> bytes:
    """The chunks for what is there of metadata; all of them may stand behind the header."""
    contents = []
    if metadata.icc:
        contents.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)))
    if metadata.dpi:
        across, down = (min(round(side / INCH), 0x7FFFFFFF) for side in metadata.dpi)
        contents.append((b"pHYs", struct.pack(">IIB", across, down, 1)))
    if metadata.exif:
        contents.append((b"eXIf", metadata.exif))
    if metadata.xmp:
        contents.append((b"iTXt", _XMP + bytes(5) + metadata.xmp))
    for keyword, text in metadata.texts:
        name, plain = keyword.encode("latin-1"), text.encode("utf-8")
        if len(plain) > _LONG:
            contents.append((b"iTXt", name + b"\0\1\0\0\0" + zlib.compress(plain)))
        else:
            contents.append((b"tEXt", name + b"\0" + plain) if text.isascii() else (b"iTXt", name + bytes(5) + plain))
    return b"".join(structure.chunk(kind, content) for kind, content in contents)
