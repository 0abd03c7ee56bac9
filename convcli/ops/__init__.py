"""The kernel types, one file each, and the table of them."""

from __future__ import annotations

from convcli.ops.base import Count, Kernel
from convcli.ops.deformable import Deformable
from convcli.ops.dense import Dense
from convcli.ops.depthwise_separable import DepthwiseSeparable
from convcli.ops.separable import Separable
from convcli.ops.transposed import Transposed

#: Every kernel type by its name in kernel files.
TYPES: dict[str, type[Kernel]] = {
    kernel.type: kernel for kernel in (Dense, Separable, DepthwiseSeparable, Transposed, Deformable)
}

__all__ = ["TYPES", "Count", "Kernel"]
