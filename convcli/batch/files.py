"""Output files: whether they may be written, and writes that are whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from convcli.batch import temporaries
from convcli.errors import ImageError, reason
from convcli.records import late

if TYPE_CHECKING:
    from convcli.batch import durability
else:  # not for a single output
    durability = late("convcli.batch.durability")

#: A file to be written: its path, its bytes or pieces of them, and whether another file may be replaced.
Output: TypeAlias = tuple[str, bytes | Iterable[bytes], bool]


class ExistsError(ImageError):
    """An output has the name of a file that is not to be replaced."""


def check_target(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Raise ImageError, before any work, where a file can't be written: it exists, or its folder won't take it."""
    check_new(path, overwrite=overwrite)
    place = os.fspath(path)
    folder = _folder(_resolved(place))
    if os.access(os.path.join(folder, ""), os.W_OK | os.X_OK):  # which no file is, by that name
        return
    if not os.path.isdir(folder):
        import shlex

        fact = f"its folder '{folder}' " + ("is a file" if os.path.exists(folder) else "does not exist")
        raise ImageError(fact, place=place, hint="" if os.path.exists(folder) else f"mkdir -p {shlex.quote(folder)}")
    raise ImageError(f"its folder '{folder}' is not writable", place=place)


def check_new(path: str | os.PathLike[str], *, overwrite: bool) -> None:
    """Raise ImageError where something has an output's name that may not be replaced; its folder may be missing."""
    place = os.fspath(path)
    try:
        os.lstat(place)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _failed(place, error) from None
    if os.path.isdir(place):
        raise ImageError("it is a folder, not a file", place=place)
    if not overwrite:
        raise _exists(place)
    if os.path.exists(place) and not os.path.isfile(place):
        raise ImageError("it is a device or a pipe, not a file", place=place)


def check_backup(path: str, backup: str) -> None:
    """Raise ImageError where something has the name under which what an output replaces would stay."""
    if os.path.lexists(backup):
        raise _put_aside(path, backup)


def write_standard(data: bytes | memoryview) -> None:
    """Write to stdout. Raises ImageError, but BrokenPipeError where nobody reads it any more."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _failed("stdout", error) from error


def write_atomically(
    path: str | os.PathLike[str], data: bytes | Iterable[bytes], *, overwrite: bool = True, backup: str = ""
) -> None:  # fmt: skip
    """Write a file so that it is there with all of `data` (or its pieces), or is what it was before, at any moment.

    The bytes go to a temporary file `.convcli-*.part` in the target's folder, which is then renamed. A link is written
    through; the permissions of a file that existed are kept. The temporary file goes away on any failure, also Ctrl-C.
    Without `overwrite` a file that has got the name meanwhile stays. What is replaced stays under the name `backup`, if
    that is one.

    Raises ImageError with the system's reason.
    """
    write_together([(os.fspath(path), data, overwrite)], backup)


def write_together(items: Iterable[Output], backup: str = "") -> None:
    """Write several files, (path, data, overwrite), each as `write_atomically` does, and all of them or none.

    None is renamed before all temporary files are whole. Where a renaming fails even so, those files that were not
    there before are taken away again; what was replaced is not brought back. Raises ImageError.
    """
    pending = Pending(backup)
    try:
        pending.write(items)
        pending.finish()
    finally:
        pending.give_up()


class Pending:
    """Files that lie under temporary names until `finish` puts them in place, perhaps in another thread.

    What a file replaces stays under the name `backup`, if that is one.
    """

    def __init__(self, backup: str = "") -> None:
        self._backup = backup
        self._written: list[tuple[str, str, str, bool]] = []
        self._leaders: dict[str, tuple[str, int]] = {}
        self._names: list[str] = []
        self._place = ""
        #: Open files that `sync` is to make durable, by their paths, and the first of them that could not be.
        self.unsynced: dict[int, str] = {}
        self.fault: tuple[str, OSError] | None = None
        #: Bytes that were written.
        self.size = 0

    def write(self, items: Iterable[Output], *, later: bool = False) -> None:
        """Writes (path, data, overwrite), or gives all up and raises ImageError.

        To be made durable takes a file a third of the time of a small picture. With `later` this is left to `sync` for
        the first file in each folder.
        """
        with self._or_none():
            for self._place, data, overwrite in items:
                self._write(data, overwrite=overwrite, later=later and os.name == "posix")

    def _write(self, data: bytes | Iterable[bytes], *, overwrite: bool, later: bool) -> None:
        target = _resolved(self._place) if overwrite else self._place
        folder, mode = _folder(target), _mode(target)
        leader, _ = self._leaders.get(folder, ("", 0))
        handle, temporary = temporaries.create(folder, leader, self._names)
        leads = not leader and os.name == "posix"  # elsewhere an open file can be neither renamed nor removed
        if leads:
            self._leaders[folder] = temporary, handle
        self._written.append((self._place, temporary, target, overwrite))
        try:
            for piece in (data,) if isinstance(data, bytes) else data:
                self.size += _write_all(handle, piece)
            if leads and later:
                self.unsynced[handle] = self._place
            else:
                os.fsync(handle)
        finally:
            if not leads:
                os.close(handle)
        if overwrite and mode is not None:
            os.chmod(temporary, mode)

    def finish(self) -> None:
        """Puts them in place. Raises ImageError; then those that were not there before are not there."""
        with self._or_none():
            sync([self])
            if self.fault:
                self._place, error = self.fault
                raise error
            # Those with the lock come last: it is for the others, too.
            in_order = sorted(self._written, key=lambda item: temporaries.leads(item[1]))
            for self._place, temporary, target, overwrite in in_order:
                there = overwrite and os.path.exists(target)
                temporaries.put(temporary, target, overwrite=overwrite, backup=self._backup)
                if not there:
                    self._names.append(target)
        self._names.clear()
        self.give_up()

    def give_up(self) -> None:
        """Takes away what is not in place; once, however often it is asked to."""
        self.unsynced.clear()  # they are about to be closed
        for path in self._names:
            with contextlib.suppress(OSError):
                os.unlink(path)
        while self._leaders:
            os.close(self._leaders.popitem()[1][1])

    @contextlib.contextmanager
    def _or_none(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.give_up()
            if isinstance(error, OSError):
                raise _failed(self._place, error) from None
            raise


def sync(several: Sequence[Pending]) -> None:
    """Makes what was written durable, of all of them together. What can't be is raised where each is finished."""
    handles = [handle for pending in several for handle in pending.unsynced]
    faults = durability.sync(handles) if handles else {}
    for pending in several:
        for handle, place in pending.unsynced.items():
            if handle in faults and not pending.fault:
                pending.fault = place, faults[handle]
        pending.unsynced.clear()


@contextlib.contextmanager
def placed(path: str, overwrites: Callable[[str], bool | None], backup: str = "") -> Iterator[BinaryIO]:
    """A file to write, which is there whole when the block ends, as by `write_atomically`. Raises ImageError.

    What it replaces stays under the name `backup`, if that is one.

    `overwrites` is asked when all is written, with the name that it has until then, whether it may replace another
    file; None: it is not wanted, and all stays as it was.
    """
    target, temporary_names = _resolved(path), list[str]()
    try:
        mode = _mode(target)
        handle, temporary = temporaries.create(_folder(target), names=temporary_names)
        # The lock is for as long as the file has a temporary name. An open file can't be renamed but on posix.
        held = os.dup(handle) if os.name == "posix" else None
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if mode is not None:
                os.chmod(temporary, mode)
            overwrite = overwrites(temporary)
            if overwrite is None:
                os.unlink(temporary)
            else:
                temporaries.put(temporary, target if overwrite else path, overwrite=overwrite, backup=backup)
        finally:
            if held is not None:
                os.close(held)
    except BaseException as error:
        for name in temporary_names:
            with contextlib.suppress(OSError):
                os.unlink(name)
        if isinstance(error, OSError):
            raise _failed(path, error) from None
        raise


def _write_all(handle: int, data: bytes) -> int:
    """Writes all of some bytes to an open file; their number."""
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]
    return len(data)


def _mode(target: str) -> int | None:
    """The permissions of a file that is to be replaced, which what replaces it gets; None where there is none.

    Raises IsADirectoryError.
    """
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return stat.S_IMODE(mode)


def _resolved(path: str) -> str:
    """Where a path that is a link leads; the path itself where it is none, or that can't be told."""
    if not os.path.islink(path):
        return path
    try:
        return os.path.realpath(path)
    except OSError:
        return path


def _folder(path: str) -> str:
    return os.path.dirname(path) or os.curdir


def _put_aside(place: str, backup: str) -> ImageError:
    fact = f"what it was would stay as {backup}, which exists already"
    return ImageError(fact, place=place, hint="--in-place with another suffix; nothing replaces an original")


def _exists(place: str) -> ImageError:
    return ExistsError("it exists already", place=place, hint="--overwrite replaces it")


def _failed(place: str, error: OSError) -> ImageError:
    if isinstance(error, temporaries.PutAsideError):
        return _put_aside(place, str(error.filename))
    if isinstance(error, FileExistsError):  # since a moment ago
        return _exists(place)
    return ImageError(f"can't be written: {reason(error)}", place=place)
