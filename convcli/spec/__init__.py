"""Kernel files: text -> located nodes -> values of fields -> a kernel."""

from __future__ import annotations

from convcli.spec.reader import from_mapping, from_text

__all__ = ["from_mapping", "from_text"]
