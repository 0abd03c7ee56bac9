"""Animated PNG files: written, and proved and put in order before a decoder sees them.

OpenCV 5.0 writes beyond its buffers where the still picture of a file is none of its frames, which is allowed.

Source: PNG, third edition, section 11.3.6.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from convcli.errors import ImageError
from convcli.pictures.format import Animation, Target
from convcli.pictures.formats.png import metadata, structure, writer

_NEEDED: Final = (b"IHDR", b"PLTE", b"tRNS")
_CONTROL: Final = struct.Struct(">IIIIIHHBB")


def encode_frames(animation: Animation, target: Target) -> bytes:
    """Whole frames, each shown so many ms; the first is the picture that others see."""
    height, width = animation.frames[0].shape[:2]
    files = [writer.encode(frame, Target(format="png", settings=target.settings)) for frame in animation.frames]
    frames = [
        (
            struct.pack(">IIIIHHBB", width, height, 0, 0, min(duration, 65535), 1000, 0, 0),
            [body for kind, body in structure.contents(data) if kind == b"IDAT"],
        )
        for data, duration in zip(files, animation.durations, strict=True)
    ]
    return _file([(b"IHDR", files[0][16:29])], max(0, animation.loops), frames, metadata.chunks(target.metadata))


def ordered(data: bytes) -> bytes:
    """A file with the same frames, numbered from 0, the first of them as its still picture, and nothing else.

    `data` has been proved by `structure.inspect`. Raises ImageError where its frames are not what it says they are, or
    where the first covers only a part of the picture.
    """
    head, loops, promised = [], 0, 0
    frames: list[tuple[bytes, list[bytes]]] = []
    width, height = struct.unpack_from(">II", data, 16)
    for kind, body in structure.contents(data):
        if kind in _NEEDED:
            head.append((kind, body))
        elif kind == b"acTL" and len(body) == 8:
            promised, loops = struct.unpack(">II", body)
        elif kind == b"fcTL":
            if len(body) != _CONTROL.size:
                raise ImageError(f"damaged PNG: a frame's control has {len(body)} bytes, not 26")
            _, across, down, x, y, _, _, disposal, blending = _CONTROL.unpack(body)
            if not (across and down) or x + across > width or y + down > height or disposal > 2 or blending > 1:
                fact = f"damaged PNG: frame {len(frames) + 1} of {across} x {down} at {x}, {y} in {width} x {height}"
                raise ImageError(fact)
            frames.append((body[4:], []))
        elif kind == b"IDAT" and frames:
            frames[-1][1].append(body)
        elif kind == b"fdAT" and frames:
            frames[-1][1].append(body[4:])
    whole = sum(any(parts) for _, parts in frames)
    if whole != len(frames) or promised != len(frames):
        raise ImageError(f"damaged PNG: it promises {promised} frames, {whole} are there")
    if frames and struct.unpack_from(">IIII", frames[0][0]) != (width, height, 0, 0):
        raise ImageError("unsupported PNG: its first frame covers only a part of the picture")
    return _file(head, loops, frames)


def _file(
    head: Sequence[tuple[bytes, bytes]], loops: int, frames: Sequence[tuple[bytes, Sequence[bytes]]], more: bytes = b""
) -> bytes:
    """A file of frames, each the bytes of its control but for the number, and the parts of its data.

    `more` chunks stand behind the header.
    """
    pieces = [structure.SIGNATURE, *(structure.chunk(kind, body) for kind, body in head if kind == b"IHDR"), more]
    pieces.append(structure.chunk(b"acTL", struct.pack(">II", len(frames), loops)))
    pieces += [structure.chunk(kind, body) for kind, body in head if kind != b"IHDR"]
    number = 0
    for control, parts in frames:
        pieces.append(structure.chunk(b"fcTL", number.to_bytes(4, "big") + control))
        first, number = not number, number + 1
        if first:
            pieces += [structure.chunk(b"IDAT", part) for part in parts]
        else:
            pieces.append(structure.chunk(b"fdAT", number.to_bytes(4, "big") + b"".join(parts)))
            number += 1
    return b"".join((*pieces, structure.chunk(b"IEND", b"")))
