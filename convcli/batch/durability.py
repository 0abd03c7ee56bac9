"""Making files durable: a group by one call where the file system can, and tells what it lost; else one by one.

Source: Linux's syncfs(2), which reports errors of data from 5.8 on, and those of the file system's own, as of its
journal, from 5.17 on ("vfs: make sync_filesystem return errors from ->sync_fs"); statfs(2).
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

#: The numbers that statfs(2) has for ext2 to ext4, XFS, Btrfs and F2FS, where syncfs(2) waits for data and metadata.
#: Not those that pass it on to no server (FUSE), or hide the errors of the file system below (overlays).
_ABLE: Final = frozenset({0xEF53, 0x58465342, 0x9123683E, 0xF2F52010})
_SINCE: Final = (5, 17)
#: Seconds after which such a call was busy with what others write: then only our own files are waited for.
_PATIENCE_S: Final = 1.0
#: File systems by their devices: whether files there are made durable together.
_together: dict[int, bool] = {}


def sync(handles: Sequence[int]) -> dict[int, OSError]:
    """Makes open files durable; returns the errors of those that could not be."""
    systems: dict[int, list[int]] = {}
    errors: dict[int, OSError] = {}
    for handle in handles:
        try:
            systems.setdefault(os.fstat(handle).st_dev, []).append(handle)
        except OSError as error:
            errors[handle] = error
    for device, group in systems.items():
        # An error there may be that of another program's file: each of ours is asked for its own then.
        if len(group) > 1 and _sync_system(group[0], device):
            continue
        for handle in group:
            try:
                os.fsync(handle)
            except OSError as error:
                errors[handle] = error
    return errors


def _sync_system(handle: int, device: int) -> bool:
    """Whether all of the file system of an open file is durable now."""
    calls = _calls()
    if calls is None:
        return False
    syncfs, kind = calls
    if device not in _together:
        _together[device] = kind(handle) in _ABLE
    if not _together[device]:
        return False
    begun = time.monotonic()
    done = syncfs(handle) == 0
    _together[device] = time.monotonic() - begun < _PATIENCE_S
    return done


@cache
def _calls() -> tuple[Callable[[int], int], Callable[[int], int]] | None:
    """syncfs, and what kind of file system an open file is on; None where the system has not both."""
    release = re.match(r"(\d+)\.(\d+)", os.uname().release) if sys.platform == "linux" else None
    if not release or (int(release[1]), int(release[2])) < _SINCE:
        return None
    import ctypes

    try:
        library = ctypes.CDLL(None)
        syncfs, fstatfs = library.syncfs, library.fstatfs
    except (OSError, AttributeError, TypeError):
        return None
    syncfs.argtypes = (ctypes.c_int,)
    fstatfs.argtypes = (ctypes.c_int, ctypes.c_void_p)

    def kind(handle: int) -> int:
        status: Any = (ctypes.c_long * 64)()  # its first member is the number, 120 bytes are all of it
        return -1 if fstatfs(handle, status) else int(status[0]) & 0xFFFFFFFF

    return syncfs, kind
