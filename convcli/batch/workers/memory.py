"""How much memory an input will take, by its header, and how much there is."""

from __future__ import annotations

import math
from typing import Final

from convcli.files import streams

#: Bytes per pixel on the way through: decoded, as floats while it is filtered, and the result (RGB).
_PER_PIXEL: Final = 24
#: The share of the memory that is free when a run starts that its pictures may take together.
_SHARE: Final = 0.6


def needed(data: bytes, more: float = 0) -> int:
    """Bytes that filtering the file of these bytes takes, roughly; 0 where its header doesn't tell.

    `more` are those per pixel that a network's maps take.
    """
    from convcli.errors import ImageError
    from convcli.files import npy
    from convcli.pictures import sniff
    from convcli.pictures.format import Header

    try:
        if data.startswith(npy.NPY_SIGNATURE):
            return int((_PER_PIXEL + more) * math.prod(npy.npy_header(data)[0]))
        format = sniff.identify(data)
        facts = sniff.header(data, format) if format else Header()
    except (ImageError, ValueError):
        return 0  # it won't get far
    return int((_PER_PIXEL + more) * facts.width * facts.height)


def budget() -> int:
    """Bytes that a run's pictures may take together: a share of what is free; 0 where that can't be told."""
    free = streams.free_memory()
    return free and max(int(_SHARE * free), 1)
