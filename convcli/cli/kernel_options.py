"""Kernels of the command line: `-k` in all its forms, with the options that override fields or say how to compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.options import OVERRIDES, algorithm, headed, kernel_overrides, together
from convcli.errors import UsageError
from convcli.filtering import MODES
from convcli.loading import load_numpy
from convcli.ops.fields import WAYS

if TYPE_CHECKING:
    from convcli.ops import Kernel
    from convcli.spec.nodes import Node

_option = headed("Kernels")
kernel_options = together(
    _option(
        "-k", "--kernel", "kernels", multiple=True, required=True, metavar="KERNEL",
        help="A name, name:field=value, YAML file or YAML text; several run one after the other.",
    ),
    kernel_overrides,
    _option(
        "--combine", type=click.Choice(WAYS), metavar="BY",
        help="Run the kernels on the same input and make one result of theirs: magnitude, sum, mean, difference, max"
        " or min.",
    ),
    _option(
        "--range", type=click.Choice(MODES), default="auto", show_default=True,
        help="What becomes of negative and over-bright results; auto: abs of kernels that sum to 0, else clip.",
    ),
    algorithm,
)  # fmt: skip


def read_kernels(sources: Sequence[str], options: Mapping[str, Any]) -> list[Kernel]:
    """The kernels, each with those overrides that its type has a field for; their numbers are not made yet.

    Raises `KernelError`, and `UsageError` for an option that none of the kernels takes.
    """
    from convcli.spec import read

    nodes = overrides(options)
    if options.get("combine"):
        return [_combined(sources, options["combine"], nodes)]
    kernels, used = [], set()
    for source in sources:
        kernel = _network(source) or read(source)
        own = {name: node for name, node in nodes.items() if name in kernel.FIELDS}
        used |= set(own)
        kernels.append(read(source, own) if own else kernel)
    for name in nodes:
        if name not in used:
            types = sorted({kernel.type for kernel in kernels})
            hint = f"--where {options[name]} filters where that picture is white" if name == "mask" else ""
            raise UsageError(f"--{name} has no use: {' and '.join(types)} kernels take no {name}", hint=hint)
    return kernels


def overrides(options: Mapping[str, Any]) -> dict[str, Node]:
    """The fields that options override. Raises `KernelError`."""
    said = [name for name in OVERRIDES if options[name] is not None]
    if not said:
        return {}
    from convcli.spec.overrides import override

    return {name: override(options[name], f"--{name}") for name in said}


def _combined(sources: Sequence[str], by: str, nodes: Mapping[str, Node]) -> Kernel:
    """One kernel of several. Raises `KernelError`."""
    from convcli.spec.library import combined

    if len(sources) < 2:
        raise UsageError("--combine takes at least two kernels", hint=f"-k sobel-x -k sobel-y --combine {by}")
    return combined(sources, by, nodes)


def _network(source: str) -> Kernel | None:
    """The network that a source names; None where it is a kernel. For most kernels nothing of networks is loaded."""
    from convcli.spec.library import in_yaml, located

    if not in_yaml(located(source)):
        return None
    from convcli.networks.sources import network

    return network(source)


def check_kernels(kernels: Sequence[Kernel]) -> None:
    """Makes the numbers of all kernels; raises `KernelError` where some are wrong."""
    from convcli.spec import check

    load_numpy()
    for kernel in kernels:
        check(kernel)
