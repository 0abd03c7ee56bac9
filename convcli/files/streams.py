"""Bytes of files and streams: no more of them than a caller wants, and no waiting for what is no file."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

#: Bytes that are read at a time where nobody knows how many will come: first so many, in the end so many. glibc keeps
#: more memory from then on where a large buffer is given back.
_FIRST_PIECE: Final = 1 << 16
_PIECE: Final = 1 << 24
#: Bytes for each of which more it is looked whether there is memory.
_MUCH: Final = 1 << 28


def opened(path: str | os.PathLike[str], *, pipes: bool = False) -> BinaryIO:
    """A file to be read, without a buffer; with `pipes` also a pipe or device, such as a shell's `<(...)`.

    Files of the kernel's that wait for what is to come give nothing instead, and `read` says so. Raises OSError.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if not stat.S_ISREG(mode):
            if not pipes:
                raise OSError(errno.EINVAL, "is a pipe or device, not a file")
            os.set_blocking(handle, True)
        return os.fdopen(handle, "rb", buffering=0)
    except BaseException:
        os.close(handle)
        raise


def read(stream: BinaryIO, most: int, head: bytes = b"") -> bytes:
    """The bytes `head`, which were read already, and all behind them.

    Raises OSError, also where they are more than `most` together, or more than the machine has memory for.
    """
    parts, count, checked, size = [head] if head else [], len(head), _MUCH, _FIRST_PIECE
    while part := piece(stream, size):
        size = min(2 * size, _PIECE)
        parts.append(part)
        count += len(part)
        if count > most:
            raise _too_many(most)
        if count > checked:
            _check_memory(checked)  # for as many again
            checked *= 2
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read_again(file: BinaryIO, most: int, head: bytes) -> bytes:
    """All of a file from its start, where its first bytes were `head`; as `read`, but one whose size is known."""
    size = os.fstat(file.fileno()).st_size
    if not size:  # as the kernel says of its own files
        return read(file, most, head)
    if size > most:
        raise _too_many(most, size)
    if size > _MUCH:
        _check_memory(size)
    file.seek(0)
    return file.read()


def read_into(file: int, into: memoryview, at: int) -> int:
    """Fills `into` with the bytes of an open file from byte `at` on, whatever other threads read of it.

    Returns how many there were: fewer where the file ends. Raises OSError.
    """
    done = 0
    while done < len(into) and (count := os.preadv(file, [into[done:]], at + done)):
        done += count
    return done


def piece(stream: BinaryIO, most: int) -> bytes:
    """The next bytes of a stream, `most` at most; none at its end. Raises OSError."""
    data: bytes | None = stream.read(most)
    if data is None:
        raise BlockingIOError(errno.EAGAIN, "nothing comes of it, and no end")
    return data


def free_memory() -> int:
    """Bytes that this machine, or container, has free; 0 where that can't be told."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free = next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return 0
    try:  # of the container, where there is one
        group = Path("/sys/fs/cgroup")
        most = int((group / "memory.max").read_text(encoding="ascii"))
        free = min(free, most - int((group / "memory.current").read_text(encoding="ascii")))
    except (OSError, ValueError):
        pass  # no limit but the machine's
    return max(free, 1)


def _check_memory(count: int) -> None:
    free = free_memory()
    if free and count > free:
        raise OSError(errno.ENOMEM, f"not enough memory: {count:,} bytes are to be read, {free:,} are free")


def _too_many(most: int, size: int = 0) -> OSError:
    fact = f"it has {size:,} bytes; at most {most:,} are read" if size else f"it has more than {most:,} bytes"
    return OSError(errno.EFBIG, fact)
