"""Netpbm: PBM, PGM, PPM and PAM, and PFM for floats.

Source: Netpbm's pbm(5), pgm(5), ppm(5), pam(5), pfm(5).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Final

import numpy as np

from convcli.errors import ImageError
from convcli.pictures import sniff
from convcli.pictures.codecs import full_range, range_notes, read
from convcli.pictures.format import Completed, Decoded, Header, Note, Pixels, Source, Target, TruncatedError, padded

# Patterns are compiled when a file has the format. A comment goes on to the end of its line, which ends a number, too.
_GAP: Final = rb"(?:\s|#[^\r\n]*[\r\n])+"
_SIZE: Final = _GAP + rb"(\d{1,10})" + _GAP + rb"(\d{1,10})"
_HEADERS: Final = {
    b"14": rb"P[14]" + _SIZE + rb"(?:\s|#[^\r\n]*[\r\n])",
    b"2356": rb"P[2356]" + _SIZE + _GAP + rb"(\d{1,10})(?:\s|#[^\r\n]*[\r\n])",
    b"Ff": rb"P[Ff]" + _SIZE + _GAP + rb"([-+.\w]{1,40})(?:\r\n|\s)",
}
_BINARY: Final = (b"P4", b"P5", b"P6", b"P7")
_LONGEST: Final = 1 << 16  # bytes of a header with its comments
_PAM_HEADER: Final = rb"P7\n(?:[^\n]*\n){1,64}?ENDHDR\n"
_PAM_FIELD: Final = rb"^(WIDTH|HEIGHT|DEPTH|MAXVAL)[ \t]+(\d{1,10})[ \t]*$"
_PAM_KIND: Final = rb"^TUPLTYPE[ \t]+(.*?)[ \t]*$"
_TUPLES: Final = {
    "BLACKANDWHITE": 1, "GRAYSCALE": 1, "RGB": 3, "BLACKANDWHITE_ALPHA": 2, "GRAYSCALE_ALPHA": 2, "RGB_ALPHA": 4,
}  # fmt: skip


def header(data: bytes) -> Header:
    """The first picture's header; `frames` is the number of pictures, which follow each other in binary files."""
    return replace(_header(data), frames=len(_starts(data)))


def pages(data: bytes) -> Iterator[bytes]:
    """For every picture of a file what begins with it."""
    return (data[at:] for at in _starts(data))


def _starts(data: bytes) -> list[int]:
    """Where the pictures of a file begin: the first, and binary ones that follow it."""
    starts, at = [0], 0
    while data[at : at + 2] in _BINARY:
        try:
            facts = _header(data, at)
        except ImageError:
            if not at:
                raise
            starts.pop()  # something else follows
            break
        end = facts.body + row(data[at + 1 : at + 2], facts) * facts.height
        space = re.compile(rb"\s*").match(data, end) if end < len(data) else None
        if space is None or space.end() <= at or data[space.end() : space.end() + 2] not in _BINARY:
            break
        at = space.end()
        starts.append(at)
    return starts


def row(kind: bytes, facts: Header) -> int:
    """Bytes of a row of the kinds that are not text."""
    if kind == b"4":
        return (facts.width + 7) // 8
    return facts.width * facts.channels * (4 if kind in b"Ff" else 2 if facts.maximum > 255 else 1)


def _header(data: bytes, at: int = 0) -> Header:
    kind = data[at + 1 : at + 2]
    if kind == b"7":
        head = re.compile(_PAM_HEADER).match(data, at)
        fields = dict(re.findall(_PAM_FIELD, head[0], re.M)) if head else {}
        if not head or len(fields) < 4:
            raise ImageError("damaged PAM: its header lacks WIDTH, HEIGHT, DEPTH, MAXVAL or ENDHDR")
        names = (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")
        width, height, channels, maximum = (int(fields[name]) for name in names)
        return Header(width=width, height=height, channels=channels, maximum=maximum, body=head.end())
    pattern = next((pattern for kinds, pattern in _HEADERS.items() if kind and kind in kinds), rb"(?!)")
    head = re.compile(pattern).match(data, at, at + _LONGEST)
    if not head:
        missing = "width, height and scale" if kind in b"Ff" else "width and height"
        raise ImageError(f"damaged PNM: its header has no {missing}")
    maximum = int(head[3]) if kind in b"2356" else 1
    channels = 3 if kind in b"36F" else 1
    return Header(width=int(head[1]), height=int(head[2]), channels=channels, maximum=maximum, body=head.end())


def completed(data: bytes) -> Completed | None:
    facts = header(data)
    if data[1:2] not in b"4567":
        return None
    return padded(data, facts.body, row(data[1:2], facts) * facts.height)


def decode(source: Source) -> Decoded:
    """PBM, PGM, PPM and PAM, binary or in text, scaled to the full range of their depth."""
    data, facts = source.data, sniff.header(source.data, source.format)
    source.limit(facts.width, facts.height)
    kind, top = data[1:2], facts.maximum
    if not (facts.width and facts.height and 1 <= facts.channels <= 4 and 1 <= top <= 65535):
        fact = f"unsupported PNM: {facts.width} x {facts.height} pixels of {facts.channels} channels up to {top}"
        raise ImageError(fact)
    notes = tuples(data, facts) if kind == b"7" else ()
    shape = facts.height, facts.width, facts.channels
    stored = _words(source, facts) if kind in b"123" else _samples(data, facts, "PNM")
    if kind in b"14":
        bits = np.unpackbits(stored, axis=1)[:, : facts.width].reshape(shape) if kind == b"4" else stored.reshape(shape)
        return Decoded(pixels=(1 - bits.astype(np.uint8)) * np.uint8(255), frames=facts.frames)  # 1 is black
    beyond = int((stored > top).sum()) if top not in (255, 65535) or kind in b"23" else 0
    if beyond:
        source.complaints.append(f"{beyond} of its values are larger than {top}, which is white")
        stored = np.minimum(stored, top)
    pixels = stored.astype(np.uint8 if top < 256 else np.uint16).reshape(shape)
    return Decoded(pixels=full_range(pixels, top), frames=facts.frames, notes=notes + range_notes(pixels, top))


def decode_pfm(source: Source) -> Decoded:
    """PFM: a positive scale says that samples are big-endian, a negative one little-endian; rows go upwards.

    Samples are divided by the scale's size, as `pfmtopam` and OpenCV do, which is told of. NaN and infinity stay.
    """
    data, facts = source.data, sniff.header(source.data, source.format)
    source.limit(facts.width, facts.height)
    if not (facts.width and facts.height):
        raise ImageError(f"unsupported PFM: {facts.width} x {facts.height} pixels")
    head = re.match(_HEADERS[b"Ff"], data[: facts.body])
    word = head[3].decode("ascii", "replace") if head else ""
    try:
        scale = float(word)
    except ValueError:
        scale = 0.0
    if not scale or not math.isfinite(scale):
        raise ImageError(f"damaged PFM: its scale is {word}, and no number but 0")
    rows = _samples(data, facts, "PFM").view("<f4" if scale < 0 else ">f4")
    pixels = rows[::-1].reshape(facts.height, facts.width, facts.channels).astype(np.float32)
    if abs(scale) == 1:
        return Decoded(pixels=pixels)
    pixels = np.divide(pixels, abs(scale), dtype=np.float64).astype(np.float32)
    return Decoded(pixels=pixels, notes=(Note("colours", f"its samples are divided by its scale, {abs(scale):g}"),))


def _samples(data: bytes, facts: Header, name: str) -> Pixels:
    """The rows of a binary file: bytes, or numbers of 16 bits."""
    size = row(data[1:2], facts)
    needed, left = size * facts.height, len(data) - facts.body
    if left < needed:
        raise TruncatedError(f"truncated {name}: its pixels need {needed} bytes, {left} are left")
    wide = data[1:2] in b"567" and facts.maximum > 255
    rows = np.frombuffer(data, ">u2" if wide else np.uint8, needed // (2 if wide else 1), facts.body)
    return rows.reshape(facts.height, -1)


def _words(source: Source, facts: Header) -> Pixels:
    """The numbers of a file in text, as OpenCV reads them where they are up to 65535, so that it scales none.

    Raises ImageError where other things are among them, and TruncatedError where there are too few.
    """
    data, count = source.data, facts.height * facts.width * facts.channels
    text = data[facts.body :]
    if count <= len(text):  # else memory would be taken for nothing
        if data[1:2] == b"1":
            letters = np.frombuffer(re.sub(rb"#[^\r\n]*", b"", text) if b"#" in text else text, np.uint8)
            digits = letters[letters > 0x20][:count] - np.uint8(0x30)
            if len(digits) == count and digits.max() <= 1:
                return digits
        else:
            head = b"P%s\n%d %d\n65535\n" % (data[1:2], facts.width, facts.height)
            with suppress(TruncatedError):
                return read(source, head + text + b"\n").reshape(-1)
    strange = re.search(rb"[^01\s]" if data[1:2] == b"1" else rb"[^\d\s]", re.sub(rb"#[^\r\n]*", b"", text))
    if strange:
        raise ImageError(f"damaged PNM: '{chr(strange[0][0])}' among its values")
    raise TruncatedError(f"truncated PNM: it has less than the {count} values that its pixels need")


def tuples(data: bytes, facts: Header) -> tuple[Note, ...]:
    """What is to be said of what a PAM file's channels are. Raises ImageError where they are no colours."""
    kind = " ".join(word.decode("latin-1") for word in re.findall(_PAM_KIND, data[: facts.body], re.M))
    if kind and kind not in _TUPLES:
        able = "GRAYSCALE, RGB and BLACKANDWHITE can be read, with _ALPHA or without"
        raise ImageError(f"unsupported PAM: tuples of {kind}; {able}")
    if kind and _TUPLES[kind] != facts.channels:
        raise ImageError(f"damaged PAM: tuples of {kind} have {_TUPLES[kind]} channels, these have {facts.channels}")
    if kind or facts.channels == 1:
        return ()
    names = {2: "grey and alpha", 3: "RGB", 4: "RGBA"}
    return (Note("colours", f"its channels are taken for {names[facts.channels]}: nothing says what they are"),)


def encode_pfm(pixels: Pixels, target: Target) -> bytes:
    """Rows from the bottom up; a negative scale says little-endian."""
    height, width, channels = pixels.shape
    head = f"P{'f' if channels == 1 else 'F'}\n{width} {height}\n-1.0\n"
    return head.encode("ascii") + pixels[::-1].astype("<f4").tobytes()
