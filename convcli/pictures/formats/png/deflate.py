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
from typing import Any, Final

_fast: Any = zlib
with suppress(ImportError):
    _fast = importlib.import_module("isal.isal_zlib")

#: What they raise of data that they can't inflate.
ERRORS: tuple[type[Exception], ...] = (zlib.error, _fast.error)

crc32: Callable[..., int] = _fast.crc32
adler32: Callable[..., int] = _fast.adler32
decompressobj: Callable[[], Any] = _fast.decompressobj


#: Bytes at the start that ISA-L packs by themselves. Its assembly (`write_first_byte` in igzip_icf_body_h1_gr_bt.asm)
#: enters the third byte of a stream into its table under a hash of the stream's own address, so that matches with the
#: first bytes are found or not as memory lies; its C code, which packs few bytes, does it right. Four of them would do.
_FIRST: Final = 8


def deflated(data: bytes | memoryview, strategy: int, end: int, level: int = 1) -> bytes:
    """Raw deflate up to `end`, a kind of flush; `strategy` is zlib's, ISA-L has one for all."""
    if level != 1 or _fast is zlib:
        packer = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
        return packer.compress(data) + packer.flush(end)
    packer, view = _fast.compressobj(level, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY), memoryview(data).cast("B")
    first = packer.compress(view[:_FIRST]) + packer.flush(zlib.Z_SYNC_FLUSH)
    return b"".join((first, packer.compress(view[_FIRST:]), packer.flush(end)))
