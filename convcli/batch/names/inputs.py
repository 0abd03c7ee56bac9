"""Inputs of a run, as the command line says them: names, patterns, folders, lists of names, and one share of them."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import stat
import sys
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from convcli.batch.names.finding import Input, identity, is_pattern, matches, pictures_in
from convcli.errors import ImageError, UsageError, reason
from convcli.files import streams
from convcli.records import record

STANDARD: Final = "-"
#: How array files begin, .npy and .npz.
ARRAYS: Final = (b"\x93NUMPY", b"PK\x03\x04")
#: Bytes from which the format of a file can be told, and what else it may be.
_HEAD: Final = 1 << 10
#: Bytes of a file that is read at once, whatever it is.
_SMALL: Final = 1 << 20
#: Bytes of a list of names: a million of the longest paths of Linux make sixteen times as many.
_LONGEST_LIST: Final = 1 << 28
T = TypeVar("T")


@record
class Shard:
    """One of several equal shares of a list: every `of`-th, from `number` (1 is the first) on."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Raises UsageError where `text` is not I/N with I from 1 to N.

        >>> Shard.parse("2/3").pick("abcdefgh")
        ['b', 'e', 'h']
        """
        number, slash, of = text.partition("/")
        if not (slash and number.isdecimal() and of.isdecimal() and len(text) < 20):
            raise UsageError(f"--shard {text}: a share is I/N, such as 1/8")
        if not 1 <= int(number) <= int(of):
            hint = "shares count from 1: add 1 to an index that counts from 0" if int(number) == 0 else ""
            raise UsageError(f"--shard {text}: there are shares 1 to {int(of)}", hint=hint)
        return cls(number=int(number), of=int(of))

    def pick(self, items: Sequence[T]) -> list[T]:
        """This share of a list."""
        return list(items[self.number - 1 :: self.of])


@record
class Selection:
    """What the command line says of inputs; `files_from` is a file of names, one a line or NUL-separated."""

    names: Sequence[str] = ()
    recursive: bool = False
    files_from: str | None = None
    null: bool = False
    shard: Shard | None = None


def collect(selection: Selection, *, output: str) -> list[Input]:
    """The inputs in order: names as they were given, what patterns and folders hold in natural order, then the list.

    A name that exists is that file or folder, also if it looks like a pattern; names in a list are always files. What
    lies in the folder that all results go to is no input. Raises `UsageError` for a list that can't be read.
    """
    folder = _results_folder(output)
    results = identity(folder) if folder else None
    inputs: list[Input] = []
    for name in selection.names:
        if name and os.path.isdir(name):
            inputs += pictures_in(name, recursive=selection.recursive, results=results)
        elif is_pattern(name) and not os.path.lexists(file_of(name)):
            fault = ImageError("no file matches this pattern", place=name)
            inputs += list(matches(name, results=results)) or [Input(name=name, discovered=True, fault=fault)]
        else:
            inputs.append(Input(name=name))
    if selection.files_from is not None:
        if selection.files_from == STANDARD in selection.names:
            raise UsageError("stdin (-) can't be both a picture and the list of --files-from")
        inputs += _listed(selection.files_from, null=selection.null)
    elif selection.null:
        raise UsageError("--null is about the names in a list", hint="find ... -print0 | ... --files-from - --null")
    return inputs


def _results_folder(output: str) -> str:
    """The folder that all results are written below; empty where none is sure."""
    if "{" in output:
        return os.path.dirname(output.partition("{")[0])
    return output if output != STANDARD and names_folder(output) else ""


def names_folder(output: str) -> bool:
    """Whether an output is a folder: it says so by a slash at its end, or there is one."""
    return output.endswith(("/", os.sep)) or os.path.isdir(output)


def _listed(source: str, *, null: bool) -> Iterator[Input]:
    """The names in a list, in its order; a fault where it holds none."""
    place = "stdin" if source == STANDARD else source
    data = _read_list(source, place)
    if not null:
        data = data.removeprefix(b"\xef\xbb\xbf")
        if b"\0" in data:
            hint = "--null takes names that end with NUL bytes (find -print0); lists in UTF-16 are not read"
            raise UsageError("NUL bytes in a list of one name a line", hint=hint)
    elif b"\0" not in data and b"\n" in data:
        hint = "names that stand one a line are read without --null"
        raise UsageError("no NUL byte in a list whose names end with one", hint=hint)
    names = data.split(b"\0") if null else [line.removesuffix(b"\r") for line in data.split(b"\n")]
    listed = [os.fsdecode(name) for name in names if name]
    if not listed:
        yield Input(name=source, discovered=True, fault=ImageError("names no input", place=place))
    for name in listed:
        yield Input(name=f".{os.sep}-" if name == STANDARD else name)


def _read_list(source: str, place: str) -> bytes:
    try:
        if source != STANDARD:
            with streams.opened(source, pipes=True) as file:
                return streams.read(file, _LONGEST_LIST)
        if sys.stdin.isatty():
            raise UsageError("nothing is piped in", hint="find ... -print0 | ... --files-from - --null")
        return streams.read(sys.stdin.buffer, _LONGEST_LIST)
    except OSError as error:
        raise UsageError(f"--files-from {place}: {reason(error)}") from None


def file_of(name: str) -> str:
    """The file that an input is in: itself, or the archive that it is a member of."""
    return name.partition("::")[0] if ".npz::" in name else name


def head(name: str) -> bytes:
    """The first bytes of a file that `check_input` found good; empty where it can't be read after all."""
    try:
        with streams.opened(file_of(name)) as file:
            return streams.piece(file, _HEAD)
    except OSError:
        return b""


def small(name: str) -> bytes | None:
    """All of a small file that `check_input` found good, opened and read once; None of any other."""
    try:
        with streams.opened(file_of(name)) as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(size + 1) if 0 < size <= _SMALL else b""
    except OSError:  # told where it is read again
        return None
    return data if data and len(data) == size else None


def read_input(name: str, max_pixels: int) -> bytes:
    """The bytes of an input, a file or stdin. What starts as no picture or array does is not read on.

    A file has at most 32 bytes for each of `max_pixels`, RGBA of 64 bits, or as many as an array's header says, and
    256 MiB for what it holds beside them. Raises ImageError.
    """
    place = "stdin" if name == STANDARD else name
    try:
        if name == STANDARD:
            start = streams.piece(sys.stdin.buffer, _HEAD)
            return streams.read(sys.stdin.buffer, _most(start, max_pixels, place), start)
        with streams.opened(file_of(name)) as file:
            start = streams.piece(file, _HEAD)
            return streams.read_again(file, _most(start, max_pixels, place), start)
    except OSError as error:
        hint = "--max-pixels raises the limit" if error.errno == errno.EFBIG else ""
        raise ImageError(f"can't be read: {reason(error)}", place=place, hint=hint) from error


def _most(start: bytes, max_pixels: int, place: str) -> int:
    """The most bytes of a file that starts so; raises ImageError where that is none that could be filtered."""
    beside, most = 1 << 28, 32 * max_pixels
    if start.startswith(ARRAYS[0]):
        from convcli.files import npy

        with contextlib.suppress(ValueError):  # told when all is there
            shape, _, _, first = npy.npy_header(start)
            most = max(most, first + 8 * math.prod(shape))
    elif not start.startswith(ARRAYS):
        from convcli.pictures import sniff
        from convcli.pictures.format import at

        with at(place):
            sniff.format_of(start)
    return most + beside


def check_input(name: str) -> None:
    """Raise ImageError where a name is no file that can be read; nothing is opened."""
    if name == STANDARD:
        if sys.stdin.isatty():
            raise ImageError("nothing is piped in", place="stdin")
        return
    if not name:
        raise ImageError("an empty file name", place="''")
    file = file_of(name)
    try:
        mode = os.stat(file).st_mode
    except FileNotFoundError:
        raise ImageError("no such file", place=file) from None
    except (OSError, ValueError) as error:
        raise ImageError(f"can't be read: {reason(error)}", place=file) from None
    if stat.S_ISDIR(mode):
        raise ImageError("is a folder, not a file", place=file, hint="a folder as an input gives the pictures in it")
    if not stat.S_ISREG(mode):
        raise ImageError("is a pipe or device, not a file", place=file, hint="pipe it in and read -")
    if not os.access(file, os.R_OK):
        raise ImageError("can't be read: permission denied", place=file)
