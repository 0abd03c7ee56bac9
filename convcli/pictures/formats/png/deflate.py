"""Deflate and its checksums: by ISA-L where that is installed (the extra `convcli[fast]`), else by Python's zlib.

Intel's library inflates in half the time, and deflates in a quarter of it, on processors of others, too. What it
writes is another file of the same pixels: noisy pictures come out as large, smooth ones up to a tenth larger, flat
graphics smaller. Levels from 2 on, for those who want small files, are zlib's.

Source: RFC 1950 (zlib), RFC 1951 (deflate).
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

_fast: Any = zlib
with suppress(ImportError):
    _fast = importlib.import_module("isal.isal_zlib")

#: What they raise of data that they can't inflate.
ERRORS: tuple[type[Exception], ...] = (zlib.error, _fast.error)

crc32: Callable[..., int] = _fast.crc32
adler32: Callable[..., int] = _fast.adler32
decompressobj: Callable[[], Any] = _fast.decompressobj


def deflated(data: bytes | memoryview, strategy: int, end: int, level: int = 1) -> bytes:
    """Raw deflate up to `end`, a kind of flush; `strategy` is zlib's, ISA-L has one for all."""
    chosen: Any = zlib
    if level == 1 and _fast is not zlib:
        chosen, strategy = _fast, zlib.Z_DEFAULT_STRATEGY
    packer = chosen.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
    return packer.compress(data) + packer.flush(end)  # type: ignore[no-any-return]
