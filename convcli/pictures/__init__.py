"""Picture files to pixels and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcli.records import lazily

if TYPE_CHECKING:
    from convcli.pictures.encoding import encode
    from convcli.pictures.format import (
        Animation,
        Metadata,
        Note,
        NotInBandsError,
        Pixels,
        RowSource,
        RowWriter,
        TruncatedError,
    )
    from convcli.pictures.metadata import fit
    from convcli.pictures.opencv import allow_pixels
    from convcli.pictures.reading import Picture, decode, decode_all
    from convcli.pictures.sniff import READABLE, identify
    from convcli.pictures.table import MAX_PIXELS, ONLY_READ, WRITABLE, check_shape, format_of

__all__ = [
    "MAX_PIXELS", "ONLY_READ", "READABLE", "WRITABLE", "Animation", "Metadata", "NotInBandsError", "Note", "Picture",
    "Pixels", "RowSource", "RowWriter", "TruncatedError", "allow_pixels", "check_shape", "decode",
    "decode_all", "encode", "fit", "format_of", "identify",
]  # fmt: skip

__getattr__ = lazily(
    __name__,
    {
        "pictures.encoding": "encode",
        "pictures.format": "Animation Metadata NotInBandsError Note Pixels RowSource RowWriter TruncatedError",
        "pictures.metadata": "fit",
        "pictures.opencv": "allow_pixels",
        "pictures.reading": "Picture decode decode_all",
        "pictures.sniff": "READABLE identify",
        "pictures.table": "MAX_PIXELS ONLY_READ WRITABLE check_shape format_of",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
