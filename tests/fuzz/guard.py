"""Limits that a case must keep: seconds of time, mebibytes of memory beyond what the process had before."""

from __future__ import annotations

import contextlib
import faulthandler
import re
from collections.abc import Iterator
from pathlib import Path

SECONDS = 10
MEBIBYTES = 1024
#: What the process may take at all; what is beyond is a MemoryError or a failed allocation in C.
ADDRESS_SPACE = 6 << 30

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Broken(Exception):
    """A case that did something else than it may."""


def limit_address_space() -> None:
    """Keep a case that runs wild from taking the machine with it; for the whole process."""
    with contextlib.suppress(ImportError, ValueError):  # Windows, or a lower limit already
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))


def memory() -> tuple[int, int]:
    """(resident now, resident at most since the last reset) in KiB; zeros where the system doesn't tell (no Linux)."""
    try:
        status = _STATUS.read_text()
    except OSError:
        return 0, 0
    now, most = (re.search(rf"{name}:\s+(\d+)", status) for name in ("VmRSS", "VmHWM"))
    return (int(now[1]), int(most[1])) if now and most else (0, 0)


@contextlib.contextmanager
def limits(what: str) -> Iterator[None]:
    """Raise `Broken` where the block takes more memory; end the process with all stacks where it takes longer."""
    with contextlib.suppress(OSError):
        _RESET.write_text("5")  # the peak counts from now on
    before, _ = memory()
    faulthandler.dump_traceback_later(SECONDS, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
    taken = (memory()[1] - before) // 1024
    if taken > MEBIBYTES:
        raise Broken(f"{what} took {taken} MiB; at most {MEBIBYTES} are allowed")
