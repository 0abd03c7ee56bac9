"""OpenCV's codecs: pixels put in order on their way from and to them, and a proof of what they wrote."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from convcli.errors import ImageError
from convcli.pictures.format import Animation, Header, Note, Pixels, Source, Target, TruncatedError
from convcli.pictures.opencv import check_memory, is_out_of_memory, opencv, overheard, quiet
from convcli.pictures.registry import FORMATS
from convcli.pictures.sniff import header, identify

_IN_PLACE: Final = 1 << 22  # bytes of pixels that are worth a file in memory
_MOST_BYTES = (1 << 31) - 1  # of a file that OpenCV decodes: its matrices count columns in 32 bits
_MARK: Final = 32  # bytes that no picture begins with, since nobody can know them
#: The flip that each EXIF orientation asks for, from 5 on after a transposition.
_FLIPS: Final = {2: 1, 3: -1, 4: 0, 6: 1, 7: -1, 8: 0}


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Pixels as stored, turned and mirrored as their EXIF orientation (1 to 8) says."""
    if not 2 <= orientation <= 8:
        return pixels
    turned: Pixels
    if pixels.shape[2] > 4 or pixels.dtype.itemsize == 8:  # beyond what OpenCV turns
        turned = pixels.transpose(1, 0, 2) if orientation >= 5 else pixels
        axes: dict[int, tuple[int, ...]] = {1: (1,), -1: (0, 1), 0: (0,)}
        return np.ascontiguousarray(np.flip(turned, axes[_FLIPS[orientation]]) if orientation in _FLIPS else turned)
    cv2 = opencv()
    turned = cv2.transpose(pixels) if orientation >= 5 else pixels
    if orientation in _FLIPS:
        turned = cv2.flip(turned, _FLIPS[orientation])
    return turned.reshape(*turned.shape[:2], pixels.shape[2])


def displayed(pixels: Pixels, facts: Header, orientation: int) -> Pixels:
    """Pixels as stored, cropped as their file's header says, turned upright, and scaled to the full range."""
    if facts.crop:
        left, top, width, height = facts.crop
        pixels = np.ascontiguousarray(pixels[top : top + height, left : left + width])
    return full_range(upright(pixels, orientation), facts.maximum, facts.minimum)


def full_range(pixels: Pixels, maximum: int, minimum: int = 0) -> Pixels:
    """Integer pixels scaled, rounded: black, `minimum`, is 0, and white, `maximum` unless that is 0, the largest value
    of their dtype."""
    full = int(np.iinfo(pixels.dtype).max)
    if (maximum or full, minimum) == (full, 0):
        return pixels
    wide = np.uint32 if pixels.dtype.itemsize < 4 else np.uint64
    scaled = (pixels.clip(minimum, maximum).astype(wide) - minimum) * full
    return ((scaled + (maximum - minimum) // 2) // (maximum - minimum)).astype(pixels.dtype)


def range_notes(pixels: Pixels, maximum: int, minimum: int = 0) -> tuple[Note, ...]:
    """What is to be said of pixels that `full_range` scales."""
    full = int(np.iinfo(pixels.dtype).max)
    if (maximum or full, minimum) == (full, 0):
        return ()
    values = f"from {minimum} to {maximum}" if minimum else f"up to {maximum}"
    return (Note("colours", f"its values {values} are scaled to {full}"),)


def swapped(pixels: Pixels, *, in_place: bool = False) -> Pixels:
    """BGR(A) to RGB(A) or back; `in_place` where OpenCV can."""
    if pixels.shape[2] < 3:
        return np.ascontiguousarray(pixels)
    if pixels.dtype not in (np.uint8, np.uint16, np.float32):
        return np.ascontiguousarray(pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]])
    cv2 = opencv()
    code = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    turned: Pixels = cv2.cvtColor(np.ascontiguousarray(pixels), code, dst=pixels if in_place else None)
    return turned


def coloured(pixels: Pixels) -> Pixels:
    """Grey as three equal channels, its alpha behind them; colours as they are."""
    return pixels if pixels.shape[2] > 2 else pixels[:, :, [0, 0, 0, 1][: pixels.shape[2] + 2]]


def read(source: Source, data: bytes, *, logged: bool = False) -> Pixels:
    """The pixels (height, width, channels) that OpenCV decodes `data` to, in RGB(A) order.

    `logged`: of damaged samples OpenCV only writes to its log, and leaves them black.
    """
    return swapped(_decoded(source, data, -1, logged=logged), in_place=True)


def read_rgb(source: Source, data: bytes, size: tuple[int, int] = (0, 0)) -> Pixels:
    """As `read`, for what is stored as three colours: straight to RGB, 8 or 16 bits, not turned upright.

    `size`, height and width, is given where 8-bit colours must come of it.
    """
    return _decoded(source, data, rgb_flags(opencv()), size)


def rgb_flags(cv2: Any) -> int:
    """What `read_rgb` asks OpenCV for."""
    flags: int = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    return flags


def _decoded(
    source: Source, data: bytes, flags: int, size: tuple[int, int] = (0, 0), *, logged: bool = False
) -> Pixels:
    cv2, doubts = opencv(), list[str]()
    try:
        # Whatever the format: what one thread's decoder says is not to be taken for another's.
        with overheard(source.complaints, doubts), quiet(cv2, errors=logged):
            # An array that is not used costs as much as decoding a small picture does.
            pixels: Any = np.empty((*size, 3), np.uint8) if 3 * math.prod(size) >= _IN_PLACE else None
            if pixels is None or not _read_in_place(cv2, data, flags, pixels):
                pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:  # its words are of its own code, not of the file
        pixels = None
    if pixels is None or not pixels.size or (logged and source.complaints):
        if len(data) > _MOST_BYTES:
            raise ImageError(f"it has {len(data):,} bytes; OpenCV decodes at most {_MOST_BYTES:,}")
        with suppress(ImageError):  # of a header that is damaged, too
            facts = header(source.data, source.format)
            check_memory(16 * facts.width * facts.height)
        fact = f"damaged, truncated or unsupported {source.format.upper()}: its pixels can't be decoded"
        fact += f" ({source.complaints[0]})" if source.complaints else ""
        raise TruncatedError(fact)
    source.complaints.extend(doubts)
    shaped: Pixels = pixels.reshape(*pixels.shape[:2], -1)
    return shaped


def _read_in_place(cv2: Any, data: bytes, flags: int, out: Pixels) -> bool:
    """`read_into` for a file's bytes."""
    with suppress(AttributeError, OSError), in_memory(data) as path:  # not Linux, or not allowed
        return read_into(cv2, path, flags, out)
    return False


@contextmanager
def in_memory(data: bytes) -> Iterator[str]:
    """The path of a file in memory with these bytes. Raises OSError where the system has none."""
    if not hasattr(os, "memfd_create"):
        raise OSError
    with os.fdopen(os.memfd_create("convcli"), "wb") as file:
        file.write(data)
        file.flush()
        yield path_of(file.fileno())


def path_of(file: int) -> str:
    """A path of an open file, whatever its name is, on Linux. Raises OSError where there is none."""
    path = f"/proc/self/fd/{file}"
    Path(path).stat()
    return path


def read_into(cv2: Any, path: str, flags: int, out: Pixels) -> bool:
    """Decodes a file straight into `out`, which has the shape and dtype that come of it; False where that fails.

    `cv2.imdecode` decodes into memory of its own, and copies that: a quarter of the time of a JPEG file, and twice its
    pixels. Only `cv2.imread` takes an array. Where it can't read the header it leaves the array as it is, without a
    word: what stood in it first would still be there.
    """
    mark = np.frombuffer(os.urandom(min(out.nbytes, _MARK)), np.uint8)
    there = out.reshape(-1).view(np.uint8)[: len(mark)]
    there[:] = mark
    try:
        read = cv2.imread(path, out, flags)
    except cv2.error:  # another shape
        return False
    return read is not None and np.shares_memory(read, out) and not (there == mark).all()


def encoded(
    pixels: Pixels, target: Target, flags: Sequence[int] = (), *, described: bool = False, by_header: bool = True
) -> bytes:
    """A file of `pixels`, with the metadata in it if `described`, proved to be of their size.

    By its header, or if not `by_header` by reading it back. Raises ImageError.
    """
    cv2 = opencv()
    row, shape, metadata = FORMATS[target.format], pixels.shape, target.metadata
    if shape[2] in row.widened:
        pixels = coloured(pixels)
    blocks = {}
    if described:
        kinds = (cv2.IMAGE_METADATA_EXIF, cv2.IMAGE_METADATA_XMP, cv2.IMAGE_METADATA_ICCP)
        blocks = dict(zip(kinds, (metadata.exif, metadata.xmp, metadata.icc), strict=True))
    present = {kind: np.frombuffer(block, np.uint8) for kind, block in blocks.items() if block}
    try:
        with quiet(cv2):
            done, out = cv2.imencodeWithMetadata(
                row.extensions[0], swapped(pixels), list(present), list(present.values()), list(flags)
            )
    except cv2.error as error:
        raise _refused(target, error) from None
    data: bytes = out.tobytes() if done else b""
    if not done:
        check_memory(4 * pixels.nbytes)
    if identify(data) != target.format or _size(data, target.format, by_header=by_header) != shape[:2]:
        raise ImageError(f"OpenCV can't write {shape[1]} x {shape[0]} as {target.format}")
    return data


def _size(data: bytes, format: str, *, by_header: bool) -> tuple[int, ...]:
    """The height and width of a file just written."""
    if by_header:
        facts = header(data, format)
        return facts.height, facts.width
    cv2 = opencv()
    with quiet(cv2):
        back: Any = cv2.imdecode(np.frombuffer(data, np.uint8), -1)
    return () if back is None else back.shape[:2]


def encoded_frames(animation: Animation, target: Target, flags: Sequence[int]) -> bytes:
    """A file of all frames. Raises ImageError."""
    cv2 = opencv()
    frames = cv2.Animation()
    frames.frames = [swapped(coloured(frame)) for frame in animation.frames]
    frames.durations = np.array(animation.durations, np.int32)
    frames.loop_count = animation.loops
    try:
        with quiet(cv2):
            done, out = cv2.imencodeanimation(FORMATS[target.format].extensions[0], frames, list(flags))
    except cv2.error as error:
        raise _refused(target, error) from None
    data: bytes = out.tobytes() if done else b""
    count = len(animation.frames)
    if identify(data) != target.format or header(data, target.format).frames > count:
        raise ImageError(f"OpenCV can't write {count} frames as {target.format}")
    return data


def _refused(target: Target, error: Any) -> ImageError:
    if is_out_of_memory(error):
        raise MemoryError from None
    return ImageError(f"can't be written as {target.format}: {error.err or error}")
