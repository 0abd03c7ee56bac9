"""Kernels of the command line: `-k` in all its forms, with the options that override fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from convcli.errors import UsageError
from convcli.ops import Kernel
from convcli.spec import library
from convcli.spec.nodes import Node
from convcli.spec.reader import override


def read_kernels(sources: Sequence[str], overrides: Mapping[str, str | None]) -> list[Kernel]:
    """The kernels, each with those overrides that its type has a field for; their numbers are not made yet.

    Raises `KernelError`, and `UsageError` for an option that none of the kernels takes.
    """
    nodes = {name: override(value, f"--{name}") for name, value in overrides.items() if value is not None}
    kernels, used = [], set()
    for source in sources:
        kernel = library.read(source)
        mine: dict[str, Node] = {name: node for name, node in nodes.items() if name in kernel.FIELDS}
        used |= set(mine)
        kernels.append(library.read(source, mine) if mine else kernel)
    for name in nodes:
        if name not in used:
            types = sorted({kernel.type for kernel in kernels})
            raise UsageError(f"--{name} has no use: {' and '.join(types)} kernels take no {name}")
    return kernels


def load_kernels(sources: Sequence[str], overrides: Mapping[str, str | None]) -> list[Kernel]:
    """As `read_kernels`, with the numbers made and checked."""
    kernels = read_kernels(sources, overrides)
    check_kernels(kernels)
    return kernels


def check_kernels(kernels: Sequence[Kernel]) -> None:
    """Makes the numbers of all kernels; raises `KernelError` where some are wrong."""
    for kernel in kernels:
        library.check(kernel)
