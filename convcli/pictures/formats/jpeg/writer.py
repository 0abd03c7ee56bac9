"""JPEG files written by several threads: OpenCV encodes strips of rows, which are joined by restart markers.

At a restart marker an encoder forgets what came before, so the strips' own files hold what the whole picture's would:
the same coefficients, in the same code. Only what says how large the picture is, and where the markers are, is new.

Source: ITU-T T.81 (JPEG), B.2.1 (restart intervals), B.2.2 (frame header), B.2.4.4 (DRI), E.1.4 (restart).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, BinaryIO, Final

import numpy as np

from convcli.engine.threads import run_all
from convcli.errors import ImageError
from convcli.pictures.codecs import swapped
from convcli.pictures.format import Pixels, Target
from convcli.pictures.formats.jpeg.metadata import described
from convcli.pictures.formats.jpeg.segments import FRAMES, segments
from convcli.pictures.opencv import opencv, quiet

_SUBSAMPLINGS: Final = {"444": 0x111111, "422": 0x211111, "420": 0x221111, "440": 0x121111, "411": 0x411111}
#: Bytes of samples in a strip: a marker costs a few bytes, and a call as much as some thousand samples.
_STRIP_BYTES: Final = 1 << 21
#: The rows of a strip are a multiple of these: no row of blocks is higher, whatever the subsampling.
_GRAIN: Final = 16
_MOST_UNITS: Final = 65535  # that a restart interval may have
_INTERVAL: Final = 0xDD  # a marker


def flags(target: Target) -> list[int]:
    """What OpenCV's encoder is to be told."""
    cv2, settings = opencv(), target.settings
    return [
        cv2.IMWRITE_JPEG_QUALITY, settings["quality"],
        cv2.IMWRITE_JPEG_PROGRESSIVE, settings["progressive"],
        cv2.IMWRITE_JPEG_OPTIMIZE, settings["optimize"],
        cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _SUBSAMPLINGS[settings["subsampling"]],
    ]  # fmt: skip


class Writer:
    """Writes a JPEG file of 1 or 3 channels, 8 bits per sample, whose bytes don't depend on the number of threads."""

    def __init__(self, file: BinaryIO, size: int, target: Target) -> None:
        self._write, self._flags = file.write, flags(target)
        self._metadata = target.metadata
        # One strip where all of the picture decides on the code, or goes through several scans.
        self._whole = bool(target.settings["progressive"] or target.settings["optimize"])

    def begin(self, shape: Sequence[int], dtype: Any) -> None:
        """Nothing is written yet."""
        self._left, self._shape = shape[0], tuple(shape)
        rows = max(1, _STRIP_BYTES // (shape[1] * shape[2]))
        # A row of blocks has at most one for every 8 pixels.
        most = _MOST_UNITS // -(-shape[1] // 8) * 8
        self._strip = shape[0] if self._whole else max(_GRAIN, min(rows, most) // _GRAIN * _GRAIN)
        self._waiting: list[Pixels] = []
        self._count = 0

    def add(self, rows: Pixels) -> None:
        """The next rows, which need not stay as they are afterwards. Raises ImageError where OpenCV fails."""
        self._left -= len(rows)
        missing = self._strip - sum(map(len, self._waiting))
        if self._left and len(rows) < missing:
            self._waiting.append(rows.copy())
            return
        # The strip that is waited for, whole ones, and rows that will wait: few of them are copied.
        first = np.concatenate([*self._waiting, rows[:missing]]) if self._waiting else rows[:missing]
        pieces = [first, *(rows[start : start + self._strip] for start in range(missing, len(rows), self._strip))]
        self._waiting = [pieces.pop().copy()] if self._left and len(pieces[-1]) < self._strip else []
        strips: dict[int, _Strip] = {}

        def work(number: int) -> None:
            strips[number] = self._encoded(pieces[number])

        if len(pieces) == 1:  # a small picture, whose threads would take longer to be asked
            work(0)
        else:
            run_all(work, range(len(pieces)))
        for number in range(len(pieces)):
            self._join(strips[number])

    def end(self) -> None:
        """All rows are there."""
        self._write(b"\xff\xd9")

    def _encoded(self, rows: Pixels) -> _Strip:
        """What OpenCV makes of these rows."""
        cv2 = opencv()
        try:
            with quiet(cv2):
                done, out = cv2.imencode(".jpg", swapped(rows), self._flags)
        except cv2.error as error:
            raise ImageError(f"can't be written as jpeg: {error.err or error}") from None
        strip = _Strip(bytes(out)) if done else None
        if strip is None or strip.size != rows.shape[:2]:
            raise self._failure()
        return strip

    def _join(self, strip: _Strip) -> None:
        """Writes the scan of the next strip; before the first one, what precedes it, for a picture of all strips."""
        if not self._count:
            self._tables = strip.tables
            self._write(described(self._head(strip), self._metadata))
        elif strip.tables != self._tables:
            raise self._failure()
        else:
            self._write(bytes((0xFF, 0xD0 + (self._count - 1) % 8)))
        self._count += 1
        self._write(strip.code)

    def _head(self, first: _Strip) -> bytes:
        """What precedes the code: the segments of the first strip's file, made those of the whole picture."""
        height, width = self._shape[:2]
        frame = first.frame[:5] + struct.pack(">HH", height, width) + first.frame[9:]
        interval = b""
        if self._strip < height:
            across, down = first.unit()
            interval = struct.pack(">BBHH", 0xFF, _INTERVAL, 4, -(-width // across) * (self._strip // down))
        before, *between, scan = first.tables
        return b"".join((b"\xff\xd8", before, frame, *between, interval, scan))

    def _failure(self) -> ImageError:
        height, width = self._shape[:2]
        return ImageError(f"OpenCV can't write {width} x {height} as jpeg")


class _Strip:
    """A JPEG file in its parts: `frame` is the segment that tells its size; `tables` are those before it, joined, and
    each one behind it up to the one that starts the first scan; `code` is the rest but the end marker."""

    def __init__(self, file: bytes) -> None:
        walk = [*segments(file)]
        parts = [file[at:end] for _, at, end in walk]
        frame = next(number for number, (marker, _, _) in enumerate(walk) if marker in FRAMES)
        self.frame, self.code = parts[frame], file[walk[-1][2] : -2]
        self.tables = [b"".join(parts[:frame]), *parts[frame + 1 :]]

    @property
    def size(self) -> tuple[int, ...]:
        """Height and width."""
        return struct.unpack(">HH", self.frame[5:9])

    def unit(self) -> tuple[int, int]:
        """Width and height in pixels of the smallest unit of code: a block of the component with the fewest samples.

        A component that is alone has units of one block, whatever its factors.
        """
        frame = self.frame
        factors = [(frame[at] >> 4, frame[at] & 15) for at in range(11, len(frame), 3)] if frame[9] > 1 else [(1, 1)]
        return 8 * max(across for across, _ in factors), 8 * max(down for _, down in factors)
