"""One file of the matrix, what is right for it, and how it came out in both ways of reading."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from convcli.errors import ImageError
from convcli.pictures import NotInBandsError, decode
from convcli.pictures.reading import open_rows
from tests.support import Pixels

Outcome = Literal["right", "refused", "whole", "wrong"]
_MOST = 1 << 30
#: One of so many cells is looked at: which ones, their names say, so that every value of every axis has its turn.
SHARE = 1


def looked_at(name: str) -> bool:
    """Whether a cell of this name is among them."""
    return zlib.crc32(name.encode()) % SHARE == 0


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A picture that a file may rightly be read as.

    `pixels` (height, width, channels) upright, of which the first `colours` are a colour (1 grey or the first band,
    3 RGB), and what each `extra` channel is; `within` is how far a sample may be off, where rounding is left open;
    `told` is a pattern of what a reader has to be told of it.
    """

    pixels: Pixels
    colours: int
    extra: tuple[str, ...] = ()
    within: float = 0
    note: str = ""

    def difference(self, pixels: Pixels, channels: tuple[int, tuple[str, ...]] | None, notes: str = "") -> str:
        """How a picture, read with notes, differs from it; empty where it does not."""
        words = self._differs(pixels, channels)
        return words or ("" if re.search(self.note, notes) else f"no note says {self.note!r}: {notes!r}")

    def _differs(self, pixels: Pixels, channels: tuple[int, tuple[str, ...]] | None) -> str:
        mine = self.pixels
        if (pixels.shape, pixels.dtype) != (mine.shape, mine.dtype):
            return f"{pixels.dtype} {pixels.shape} instead of {mine.dtype} {mine.shape}"
        if channels not in (None, (self.colours, self.extra)):
            return f"channels {channels} instead of {(self.colours, self.extra)}"
        if self.within:
            apart = np.abs(pixels.astype(np.float64) - mine.astype(np.float64)).max()
            return f"values differ by more than {self.within}" if not apart <= self.within else ""
        if pixels.tobytes() != np.ascontiguousarray(mine).tobytes():
            wrong = (pixels != mine).any(axis=(0, 1))
            return f"values differ in {'all' if wrong.all() else 'some'} channels"
        return ""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A file. Any of `readings` is right; without one it has to be refused.

    A refusal is one where its text matches one of `reasons`, patterns that name what the file is. `notes` is a pattern
    of what a reader has to be told, whichever the reading.
    """

    name: str
    file: Callable[[], bytes]
    readings: tuple[Reading, ...]
    reasons: tuple[str, ...] = ()
    notes: str = ""
    extension: str = ".tif"
    format: str = "tiff"


@dataclass
class Result:
    """How a cell came out in one way of reading: the outcome, and what is wrong or why it was refused."""

    outcome: Outcome
    words: str = ""


@dataclass
class Tally:
    """The cells of a section, with how they came out whole and in bands."""

    whole: list[tuple[Cell, Result]] = field(default_factory=list)
    bands: list[tuple[Cell, Result]] = field(default_factory=list)
    several: int = 0  # that came in more than one band

    def count(self, route: Literal["whole", "bands"], outcome: Outcome) -> int:
        return sum(result.outcome == outcome for _, result in getattr(self, route))

    def wrong(self) -> Iterator[str]:
        """A line for each cell and way that is wrong."""
        for route in ("whole", "bands"):
            for cell, result in getattr(self, route):
                if result.outcome == "wrong":
                    yield f"{cell.name} [{route}]: {result.words}"


def run(cells: Iterator[Cell], folder: Path) -> Tally:
    """Reads every cell in both ways."""
    tally, seen = Tally(), set()
    for cell in cells:
        assert cell.name not in seen, f"two cells are called {cell.name}"
        seen.add(cell.name)
        if not looked_at(cell.name):
            continue
        data = cell.file()
        tally.whole.append((cell, whole(cell, data)))
        path = folder / f"cell{cell.extension}"
        path.write_bytes(data)
        result, count = in_bands(cell, path)
        tally.bands.append((cell, result))
        tally.several += count > 1
    return tally


def whole(cell: Cell, data: bytes) -> Result:
    try:
        picture = decode(data, place="cell", max_pixels=_MOST)
    except ImageError as error:
        return _refused(cell, str(error))
    except Exception as error:  # whatever gets past is a traceback for the user
        return Result("wrong", f"raises {type(error).__name__}: {error}")
    if picture.pixels.flags.c_contiguous and picture.pixels.dtype.isnative:
        return _judged(cell, picture.pixels, channels_of(picture, picture.pixels.shape[2]), picture.notes)
    return Result("wrong", "the pixels are not native, or not contiguous")


def in_bands(cell: Cell, path: Path) -> tuple[Result, int]:
    """And in how many bands."""
    try:
        with closing(open_rows(str(path), cell.format, least=1, max_pixels=_MOST)) as source:
            pixels = np.empty(source.shape, source.dtype)
            for start, stop in source.cuts:
                source.read((start, stop), pixels)
            channels = channels_of(source, source.shape[2])
            notes = (*source.notes, f"frame 1 of {source.pages}")  # the number is told by whoever asked for it
            return _judged(cell, pixels, channels, notes), len(source.cuts)
    except NotInBandsError:
        return Result("whole"), 0
    except ImageError as error:
        return _refused(cell, str(error)), 0
    except Exception as error:
        return Result("wrong", f"raises {type(error).__name__}: {error}"), 0


def channels_of(picture: Any, count: int) -> tuple[int, tuple[str, ...]]:
    """What a picture or row source says of its channels; where it says nothing, what their number used to mean."""
    channels = getattr(picture, "channels", None)
    if channels is None:
        return (3 if count > 2 else 1), ("straight",) * (count in (2, 4))
    return channels.colours, tuple(channels.extra)


def _judged(cell: Cell, pixels: Pixels, channels: tuple[int, tuple[str, ...]], notes: tuple[Any, ...]) -> Result:
    if not cell.readings:
        return Result("wrong", f"read as {pixels.dtype} {pixels.shape}, and ought to be refused")
    said = " ".join(map(str, notes))
    differences = [reading.difference(pixels, channels, said) for reading in cell.readings]
    if all(differences):
        return Result("wrong", differences[0])
    if not re.search(cell.notes, said):
        return Result("wrong", f"no note says {cell.notes!r}: {said!r}")
    return Result("right")


def _refused(cell: Cell, words: str) -> Result:
    if any(re.search(pattern, words, re.I) for pattern in cell.reasons):
        return Result("refused", words)
    return Result("wrong", f"refused without its reason: {words}")
