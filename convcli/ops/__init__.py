"""The kernel types, one file each, and the table of them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping

from convcli.ops.base import Count, Kernel

_HOMES = {
    "dense": ("convcli.ops.dense", "Dense"),
    "separable": ("convcli.ops.separable", "Separable"),
    "depthwise_separable": ("convcli.ops.depthwise_separable", "DepthwiseSeparable"),
    "transposed": ("convcli.ops.transposed", "Transposed"),
    "deformable": ("convcli.ops.deformable", "Deformable"),
    "combined": ("convcli.ops.combined", "Combined"),
}


class _Types(Mapping[str, type[Kernel]]):
    """Loads a type's module, and the engine below it, when the type is asked for."""

    def __getitem__(self, name: str) -> type[Kernel]:
        module, kind = _HOMES[name]
        kernel: type[Kernel] = getattr(importlib.import_module(module), kind)
        return kernel

    def __contains__(self, name: object) -> bool:
        return name in _HOMES

    def __iter__(self) -> Iterator[str]:
        return iter(_HOMES)

    def __len__(self) -> int:
        return len(_HOMES)


#: Every kernel type by its name in kernel files.
TYPES: Mapping[str, type[Kernel]] = _Types()

__all__ = ["TYPES", "Count", "Kernel"]
