"""Netpbm: PBM, PGM, PPM and PAM, and PFM for floats.

Source: Netpbm's pbm(5), pgm(5), ppm(5), pam(5), pfm(5).
"""

from __future__ import annotations

import math
import re
from typing import Final

import numpy as np

from convcli.errors import ImageError
from convcli.pictures import sniff
from convcli.pictures.codecs import full_range, read
from convcli.pictures.format import Completed, Decoded, Header, Note, Pixels, Source, Target, TruncatedError, padded

# Patterns are compiled when a file has the format.
_HEADER: Final = (
    rb"(?:P([14])|P([2356Ff]))(?:\s|#[^\n]*\n)+(\d+)(?:\s|#[^\n]*\n)+(\d+)(?(2)(?:(?:\s|#[^\n]*\n)+(\d+))?)\s"
)
_PAM_HEADER: Final = rb"P7\n(?:[^\n]*\n){1,64}?ENDHDR\n"
_PAM_FIELD: Final = rb"^(WIDTH|HEIGHT|DEPTH|MAXVAL)[ \t]+(\d{1,10})[ \t]*$"


def header(data: bytes) -> Header:
    if data.startswith(b"P7"):
        head = re.match(_PAM_HEADER, data)
        fields = dict(re.findall(_PAM_FIELD, head[0], re.M)) if head else {}
        if not head or len(fields) < 4:
            raise ImageError("damaged PAM: its header lacks WIDTH, HEIGHT, DEPTH, MAXVAL or ENDHDR")
        names = (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")
        width, height, channels, maximum = (int(fields[name]) for name in names)
        return Header(width=width, height=height, channels=channels, maximum=maximum, body=head.end())
    head = re.match(_HEADER, data[:4096])
    if not head or any(len(digits or b"") > 10 for digits in head.groups()):
        raise ImageError("damaged PNM: its header has no width and height")
    kind, width, height, maximum = head[1] or head[2], int(head[3]), int(head[4]), int(head[5] or 1)
    channels = 3 if kind in b"36F" else 1
    return Header(width=width, height=height, channels=channels, maximum=maximum, body=head.end())


def completed(data: bytes) -> Completed | None:
    facts = header(data)
    if data[1:2] not in b"4567":
        return None
    row = facts.width * facts.channels * (2 if facts.maximum > 255 else 1)
    if data[1:2] == b"4":
        row = (facts.width + 7) // 8
    return padded(data, facts.body, row * facts.height)


def decode(source: Source) -> Decoded:
    """PGM, PPM and PAM, scaled to the full range of their depth; OpenCV reads the forms in text, and PBM."""
    facts = sniff.header(source.data, source.format)
    source.limit(facts.width, facts.height)
    shape, top = (facts.height, facts.width, facts.channels), facts.maximum
    full = 255 if top < 256 else 65535
    if not (facts.width and facts.height and 1 <= facts.channels <= 4 and 1 <= top <= 65535):
        fact = f"unsupported PNM: {facts.width} x {facts.height} pixels of {facts.channels} channels up to {top}"
        raise ImageError(fact)
    if source.data[1:2] in b"567":
        dtype = np.dtype(np.uint8 if full == 255 else ">u2")
        needed, left = math.prod(shape) * dtype.itemsize, len(source.data) - facts.body
        if left < needed:
            fact = f"truncated PNM: its pixels need {needed} bytes, {left} are left"
            raise TruncatedError(fact)
        pixels = np.frombuffer(source.data, dtype, math.prod(shape), facts.body).reshape(shape)
        pixels = pixels.astype(dtype.newbyteorder("="))
    else:
        pixels = read(source, source.data + b"\n")
        top = max(top, 255)  # OpenCV scales 8 bits
    if top == full:
        return Decoded(pixels=pixels)
    note = Note("colours", f"its values up to {top} are scaled to {full}")
    return Decoded(pixels=full_range(pixels, top), notes=(note,))


def encode(pixels: Pixels, target: Target) -> bytes:
    """A binary "pnm" (PGM for 1 channel, PPM for 3), "pam" or "pfm" file."""
    height, width, channels = pixels.shape
    if target.format == "pfm":  # rows from the bottom up; a negative scale says little-endian
        head = f"P{'f' if channels == 1 else 'F'}\n{width} {height}\n-1.0\n"
        return head.encode("ascii") + pixels[::-1].astype("<f4").tobytes()
    top = 255 if pixels.dtype.itemsize == 1 else 65535
    if target.format == "pam":
        kind = ("GRAYSCALE", "GRAYSCALE_ALPHA", "RGB", "RGB_ALPHA")[channels - 1]
        head = f"P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH {channels}\nMAXVAL {top}\nTUPLTYPE {kind}\nENDHDR\n"
    else:
        head = f"P{5 if channels == 1 else 6}\n{width} {height}\n{top}\n"
    return head.encode("ascii") + (pixels if top == 255 else pixels.astype(">u2")).tobytes()
