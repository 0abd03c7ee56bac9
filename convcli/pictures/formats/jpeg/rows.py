"""A JPEG file read in bands: OpenCV decodes all of it, in a thread, and its rows are taken as they come.

`cv2.imread` fills the array that it is handed from top to bottom. Marks that stand in some rows before it begins are
gone when it has come so far: what lies well above them is decoded, and can be filtered while the rest is.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any, Final

import numpy as np

from convcli.channels import Channels
from convcli.errors import ImageError
from convcli.pictures import sniff
from convcli.pictures.codecs import in_memory, path_of, read_into, rgb_flags
from convcli.pictures.format import Metadata, Note, NotInBandsError, Pixels, Source
from convcli.pictures.formats.jpeg.segments import cmyk_notes
from convcli.pictures.formats.tiff import directories
from convcli.pictures.opencv import opencv, overheard, quiet
from convcli.pictures.registry import FORMATS

#: Bytes of samples from which it is worth it: smaller pictures are decoded before the threads have begun.
_LEAST: Final = 1 << 24
#: Bytes of samples of a band. A mark in each band takes memory at once, so of a large picture there are a few.
_BAND_BYTES: Final = 1 << 21
_MOST_BANDS: Final = 32
#: Bytes of samples between the end of a band and its mark: more than what a processor may still have to store when
#: another one sees what it stored later.
_BEHIND: Final = 1 << 16
_MARK: Final = 32  # bytes that no row begins with, since nobody can know them
_PAUSE: Final = 0.001  # seconds


class JpegBands:
    """A JPEG file as a `RowSource`, from a path or its bytes.

    Anything out of the ordinary, damage too, is left to the ordinary way, which knows what to say of it.
    """

    format: str = "jpeg"
    sequential: bool = True
    once: bool = True
    pages: int = 1
    dtype = np.dtype(np.uint8)

    def __init__(self, source: str | bytes, *, least: int, max_pixels: int, **_: bool) -> None:
        """`least` is how many bytes of samples are worth it; what else other formats are told is passed over.

        Raises NotInBandsError for a file that is to be read whole.
        """
        self._files = ExitStack()
        self._thread: threading.Thread | None = None
        try:
            self._open(source, max(least, _LEAST))
            facts = sniff.header(self._data, self.format)
            Source(data=b"", format=self.format, max_pixels=max_pixels).limit(facts.width, facts.height)
            channels = 1 if facts.channels == 1 else 3
            small = facts.height * facts.width * channels < max(least, _LEAST)
            if small or directories.orientation(facts.exif) != 1:
                raise NotInBandsError
            if isinstance(source, bytes):
                self._path = self._files.enter_context(in_memory(source))
            self.notes: tuple[Note, ...] = cmyk_notes(self._data) if facts.channels == 4 else ()
        except (ImageError, OSError, ValueError, struct.error, NotInBandsError):
            self.close()
            raise NotInBandsError from None
        self.shape: tuple[int, int, int] = (facts.height, facts.width, channels)
        self.channels = Channels.of(channels)
        row = facts.width * channels
        step = max(_BAND_BYTES // row, -(-facts.height // _MOST_BANDS), 1)
        starts = range(0, facts.height, step)
        self.cuts: Sequence[tuple[int, int]] = [(start, min(start + step, facts.height)) for start in starts]
        self._behind = _BEHIND // row + 1
        self._next, self._seen, self._decoded = 0, b"", False

    def _open(self, source: str | bytes, least: int) -> None:
        """Raises OSError, and ValueError for an empty file."""
        if isinstance(source, bytes):
            self._data: Any = source
            size = len(source)
        else:
            file = os.open(source, os.O_RDONLY)
            self._files.callback(os.close, file)
            size, self._path = os.fstat(file).st_size, path_of(file)
        if size * FORMATS[self.format].densest < least:
            raise NotInBandsError
        if not isinstance(source, bytes):
            # Read as bytes are: only the pages of it that are looked at take memory.
            self._data = self._files.enter_context(mmap.mmap(file, 0, access=mmap.ACCESS_READ))

    def metadata(self) -> Metadata:
        return sniff.metadata(self._data, self.format)

    def read(self, cut: tuple[int, int], array: Pixels) -> None:
        """Returns when the rows of the next of `cuts` are in `array`, the same one each time.

        Raises NotInBandsError for rows that were there before, as well.
        """
        if cut[0] != self._next:
            raise NotInBandsError
        if not self._thread:
            self._begin(array)
        assert self._thread
        self._next = cut[1]
        last = cut[1] + self._behind >= len(array)
        while self._thread.is_alive() and (last or self._is_marked(array, cut)):
            time.sleep(_PAUSE)
        if not self._thread.is_alive() and (not self._decoded or (not last and self._is_marked(array, cut))):
            raise NotInBandsError
        # Nor may rows be changed that were there already, by a decoder that goes through them once more.
        if cut[0] and array[cut[0]].tobytes() != self._seen:
            raise NotInBandsError
        self._seen = array[cut[1] : cut[1] + 1].tobytes()

    def _begin(self, array: Pixels) -> None:
        self._mark = os.urandom(min(_MARK, array[:1].nbytes))
        for _, stop in self.cuts:
            if stop + self._behind < len(array):
                array[stop + self._behind].reshape(-1)[: len(self._mark)] = np.frombuffer(self._mark, np.uint8)
        self._thread = threading.Thread(target=self._decode, args=(array,), daemon=True)
        self._thread.start()

    def _is_marked(self, array: Pixels, cut: tuple[int, int]) -> bool:
        """Whether the mark of a band is still there."""
        begins: bytes = array[cut[1] + self._behind].reshape(-1)[: len(self._mark)].tobytes()
        return begins == self._mark

    def _decode(self, array: Pixels) -> None:
        cv2, complaints = opencv(), list[str]()
        flags = rgb_flags(cv2) if self.shape[2] == 3 else cv2.IMREAD_UNCHANGED
        with suppress(MemoryError, OSError), overheard(complaints), quiet(cv2):
            self._decoded = read_into(cv2, self._path, flags, array)
        self._decoded &= not complaints

    def close(self) -> None:
        if self._thread:
            self._thread.join()
        self._files.close()
