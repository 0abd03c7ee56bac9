"""The kernels that a combined one is made of: names, rows of numbers, mappings of fields."""

from __future__ import annotations

from convcli.errors import KernelError
from convcli.ops.tensors import is_array
from convcli.spec import library
from convcli.spec.nodes import Node
from convcli.spec.reader import Unbuilt, with_fields

#: What other programs call ways to combine.
COMBINATIONS = {
    "norm": "that is magnitude here", "hypot": "that is magnitude here", "rms": "that is magnitude here",
    "l2": "that is magnitude here", "add": "that is sum here", "average": "that is mean here",
    "subtract": "that is difference here", "minus": "that is difference here", "lighten": "that is max here",
    "darken": "that is min here",
}  # fmt: skip


def kernels(node: Node, name: str) -> tuple[Unbuilt, ...]:
    """The entries of the list of field `name`. Raises `KernelError` at the one that is wrong."""
    if not isinstance(node.value, list):
        raise node.error(f"'{name}' is a list of kernels, not {node.kind}", f"{name}: [sobel-x, sobel-y]")
    return tuple(_part(item, number) for number, item in enumerate(node.value, 1))


def _part(node: Node, number: int) -> Unbuilt:
    if isinstance(node.value, dict | list) or is_array(node.value):
        return Unbuilt(with_fields(node), f"part {number}")
    if not isinstance(node.value, str):
        raise node.error(f"part {number} is {node.kind}, no kernel", "a name, rows of numbers or a mapping of fields")
    try:
        return library.written(node.value, node.source.folder)
    except KernelError as error:
        raise error if error.place else node.error(error.fact, error.hint) from error
