"""How much memory an input will take, by its header, and how much there is."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

#: Bytes per pixel on the way through: decoded, as floats while it is filtered, and the result (RGB).
_PER_PIXEL: Final = 24
#: The share of the memory that is free when a run starts that its pictures may take together.
_SHARE: Final = 0.6


def needed(data: bytes) -> int:
    """Bytes that filtering the file of these bytes takes, roughly; 0 where its header doesn't tell."""
    from convcli import npy
    from convcli.errors import ImageError
    from convcli.pictures import sniff
    from convcli.pictures.format import Header

    try:
        if data.startswith(npy.NPY_SIGNATURE):
            return _PER_PIXEL * math.prod(npy.npy_header(data)[0])
        format = sniff.identify(data)
        facts = sniff.header(data, format) if format else Header()
    except (ImageError, ValueError):
        return 0  # it won't get far
    return _PER_PIXEL * facts.width * facts.height


def budget() -> int:
    """Bytes that a run's pictures may take together: a share of what is free; 0 where that can't be told."""
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
    return max(int(_SHARE * free), 1)
