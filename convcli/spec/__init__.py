"""Kernel files: text -> located nodes -> values of fields -> a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcli.records import lazily

if TYPE_CHECKING:
    from convcli.spec.library import check, load, names, read
    from convcli.spec.reader import from_mapping

__all__ = ["check", "from_mapping", "load", "names", "read"]
__getattr__ = lazily(__name__, {"spec.library": "check load names read", "spec.reader": "from_mapping"})
