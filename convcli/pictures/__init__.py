"""Picture files to pixels and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcli.records import lazily

if TYPE_CHECKING:
    from convcli.pictures.encoding import encode
    from convcli.pictures.format import Animation, Metadata, NotInBandsError, RowSource, RowWriter, TruncatedError
    from convcli.pictures.metadata import fit
    from convcli.pictures.reading import Picture, decode, decode_all
    from convcli.pictures.sniff import identify
    from convcli.pictures.table import MAX_PIXELS

__all__ = [
    "MAX_PIXELS", "Animation", "Metadata", "NotInBandsError", "Picture", "RowSource", "RowWriter", "TruncatedError",
    "decode", "decode_all", "encode", "fit", "identify",
]  # fmt: skip

__getattr__ = lazily(
    __name__,
    {
        "pictures.encoding": "encode",
        "pictures.format": "Animation Metadata NotInBandsError RowSource RowWriter TruncatedError",
        "pictures.metadata": "fit",
        "pictures.reading": "Picture decode decode_all",
        "pictures.sniff": "identify",
        "pictures.table": "MAX_PIXELS",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
