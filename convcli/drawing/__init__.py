"""Pictures of kernels: a figure is a scene of shapes with roles, which is written as SVG or drawn as pixels.

Nothing here computes a convolution: results come from `Kernel.apply`, places from `Kernel.reads` and windows, costs
from reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcli.records import lazily

if TYPE_CHECKING:
    from convcli.drawing.drawing import Drawing

__all__ = ["Drawing", "draw"]

_load = lazily(__name__, {"drawing.drawing": "Drawing"})


def __getattr__(name: str) -> object:
    if name == "draw":
        import importlib

        return importlib.import_module("convcli.drawing.draw")
    return _load(name)
