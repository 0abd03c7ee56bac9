"""Temporary files beside their targets: locked while their writer lives, so that leftovers can be told and removed."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import time
from pathlib import Path
from typing import Any, Final

TEMPORARY_PREFIX: Final = ".convcli-"
TEMPORARY_SUFFIX: Final = ".part"

_FOLLOWS: Final = "+"
#: Where files can't be locked, a leftover is one that nobody has written to for so many seconds.
_ABANDONED_S: Final = 24 * 3600.0


class PutAsideError(FileExistsError):
    """A file has the name under which the one that is to be replaced would stay: its `filename`."""


def create(folder: str | os.PathLike[str], leader: str = "", names: list[str] | None = None) -> tuple[int, str]:
    """A new, empty, locked temporary file in `folder`: its descriptor, open for writing, and its path.

    The lock goes with the descriptor, or with the process, whatever ends it. A file that follows a `leader`, one of the
    same folder, is named after it and safe while the leader is there and locked: thousands needn't all stay open.
    The path is in `names` before the file is there, for a caller whom a signal may stop at any moment. Raises OSError.
    """
    led_by = os.path.basename(leader).removesuffix(TEMPORARY_SUFFIX)
    first = f"{led_by}{_FOLLOWS}" if leader else TEMPORARY_PREFIX
    while True:
        path = os.path.join(folder, f"{first}{os.urandom(8).hex()}{TEMPORARY_SUFFIX}")
        if names is not None:
            names.append(path)
        # O_EXCL: never through a link that someone else put there. 0o666 is what the umask is meant to narrow.
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            # A sweeper that came between the creation and the lock has removed the file, or is about to.
            if lock(handle) is not False and os.fstat(handle).st_nlink:
                return handle, path
        except BaseException:
            os.close(handle)
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise
        os.close(handle)


def put(temporary: str, target: str, *, overwrite: bool, backup: str = "") -> None:
    """Gives a temporary file the name of its target, in the same folder, in one step.

    What it replaces has the name `backup` before, if that is one; PutAsideError says that another file has it, which
    nothing ever replaces. Without `overwrite` whoever comes second gets FileExistsError, if the file system has
    links or a renaming that does not replace; where it has neither, such as some network and FUSE ones, the target is
    looked for just before. Raises OSError.
    """
    if overwrite and backup:
        _set_aside(target, backup)
        try:
            os.replace(temporary, target)
        except OSError:
            os.unlink(backup)  # of what is still in its place
            raise
    elif overwrite:
        os.replace(temporary, target)
    elif os.name == "nt":
        os.rename(temporary, target)
    elif not (_linked(temporary, target) or _renamed(temporary, target)):
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        os.replace(temporary, target)


def _set_aside(target: str, backup: str) -> None:
    """Gives a file a second name, in the same folder: by a link, or a copy where there are no links. Raises OSError."""
    try:
        os.link(target, backup, follow_symlinks=False)
    except FileExistsError as error:
        raise PutAsideError(error.errno, error.strerror, backup) from None
    except OSError:
        import shutil

        handle, copy = create(os.path.dirname(target) or os.curdir)
        try:
            with open(target, "rb") as source, os.fdopen(handle, "wb") as file:
                shutil.copyfileobj(source, file)
                file.flush()
                os.fsync(file.fileno())
            shutil.copystat(target, copy)
            put(copy, backup, overwrite=False)
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.unlink(copy)
            if isinstance(error, FileExistsError):
                raise PutAsideError(error.errno, error.strerror, backup) from None
            raise


def _linked(temporary: str, target: str) -> bool:
    """Whether the file has its target's name now, by a link; raises FileExistsError where another one has it."""
    try:
        os.link(temporary, target, follow_symlinks=False)
    except FileExistsError:
        # Over a network an answer may get lost, and the system asks a second time for what it has done.
        if not (os.path.exists(target) and os.path.samefile(temporary, target)):
            raise
    except OSError:
        return False
    os.unlink(temporary)
    return True


def _renamed(temporary: str, target: str) -> bool:
    """The same by Linux's renameat2(2), which serves some file systems without links, such as FAT."""
    import ctypes

    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError, TypeError):
        return False
    at_folder, no_replace = -100, 1  # AT_FDCWD, RENAME_NOREPLACE
    rename.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, ctypes.c_uint)
    if rename(at_folder, os.fsencode(temporary), at_folder, os.fsencode(target), no_replace) == 0:
        return True
    if ctypes.get_errno() == errno.EEXIST:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    return False


def leads(path: str | os.PathLike[str]) -> bool:
    """Whether a temporary file is not one that follows another."""
    return _FOLLOWS not in os.path.basename(path)


def sweep(folder: Path, *, at_most: int | None = None) -> int:
    """Removes what killed runs left in `folder`, never the file of a live writer; returns how many that were.

    Looks at no more than `at_most` of the folder's entries. What can't be read or removed stays, without a word: it is
    somebody else's.
    """
    removed = 0
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in itertools.islice(entries, at_most):
            if entry.name.startswith(TEMPORARY_PREFIX) and entry.name.endswith(TEMPORARY_SUFFIX):
                removed += _remove(Path(entry.path))
    return removed


def _remove(path: Path) -> bool:
    """Removes a temporary file unless its writer lives."""
    leader = path.with_name(path.name.partition(_FOLLOWS)[0] + TEMPORARY_SUFFIX)
    if not leads(path) and leader.exists() and not _remove(leader):
        return False
    try:
        if os.name != "posix":
            path.unlink()  # which fails while anybody has it open
            return True
        # For writing, which network file systems want of whoever locks; never waiting, and never through a link.
        handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        free = lock(handle)
        if free is None:
            free = time.time() - os.fstat(handle).st_mtime > _ABANDONED_S
        if free:
            path.unlink()
        return free
    except OSError:
        return False
    finally:
        os.close(handle)


def lock(handle: int) -> bool | None:
    """Whether the file is locked now, by this descriptor: False where another has it, None where that can't be told."""
    fcntl: Any
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True
