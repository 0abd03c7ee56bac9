"""Picture files to pixels and back."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convcli.pictures.encoding import encode
    from convcli.pictures.format import Animation, Metadata, Note, NotInBandsError, RowSource, RowWriter, TruncatedError
    from convcli.pictures.metadata import fit
    from convcli.pictures.opencv import allow_pixels
    from convcli.pictures.pixels import Pixels
    from convcli.pictures.reading import Picture, decode, decode_all
    from convcli.pictures.sniff import READABLE, identify
    from convcli.pictures.table import MAX_PIXELS, ONLY_READ, WRITABLE, check_shape, format_of

__all__ = [
    "MAX_PIXELS", "ONLY_READ", "READABLE", "WRITABLE", "Animation", "Metadata", "NotInBandsError", "Note", "Picture",
    "Pixels", "RowSource", "RowWriter", "TruncatedError", "allow_pixels", "check_shape", "decode", "decode_all",
    "encode", "fit", "format_of", "identify",
]  # fmt: skip

_HOMES = {
    "encoding": ("encode",),
    "format": ("Animation", "Metadata", "NotInBandsError", "Note", "RowSource", "RowWriter", "TruncatedError"),
    "metadata": ("fit",),
    "opencv": ("allow_pixels",),
    "pixels": ("Pixels",),
    "reading": ("Picture", "decode", "decode_all"),
    "sniff": ("READABLE", "identify"),
    "table": ("MAX_PIXELS", "ONLY_READ", "WRITABLE", "check_shape", "format_of"),
}


def __getattr__(name: str) -> Any:
    """Loads a public name from its module on first use (PEP 562)."""
    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module 'convcli.pictures' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"convcli.pictures.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
