"""Arrays in a kernel file: numbers, nested lists of them, or the name of an array file."""

from __future__ import annotations

from dataclasses import replace

from convcli.errors import KernelError, UsageError
from convcli.ops import tensors
from convcli.ops.fields import Field
from convcli.ops.tensors import Tensor
from convcli.spec.nodes import Node
from convcli.spec.scalars import number, quoted

FILE_ENDINGS = (".npy", *tensors.MEMBERED)
FILES = "a .npy, .npz, .safetensors or .onnx file"
#: Files of PyTorch's: programs, which could do anything.
PICKLES = (".pt", ".pth", ".ckpt", ".pkl")


def array(node: Node, field: Field, name: str) -> Tensor:
    """Numbers, nested lists of numbers, or the name of an array file."""
    value = node.value
    if tensors.is_array(value):
        from convcli.ops.arrays import real_array

        try:
            return replace(tensors.of_array(real_array(value)), fail=node.error)
        except UsageError as error:
            raise node.error(error.fact, error.hint) from error
    if isinstance(value, str):
        return _file(node, field, name)
    if isinstance(value, list):
        shape, numbers = _nested(node, name)
        return tensors.inline(numbers, shape)
    if not isinstance(value, int | float) or isinstance(value, bool):
        forms = "an array, a rule or" if field.kind == "offsets" else "numbers or"
        raise node.error(f"'{name}' must be {forms} {FILES}, not {quoted(node)}")
    return tensors.inline([number(node, f"'{name}'")], (1,))


def _file(node: Node, field: Field, name: str) -> Tensor:
    text: str = node.value
    if text.partition("::")[0].endswith(PICKLES):
        raise pickled(node, text)
    if not text.partition("::")[0].endswith(FILE_ENDINGS):
        forms = "numbers or" if field.kind == "array" else "numbers, a rule or"
        raise node.error(f"'{name}' must be {forms} {FILES}, not {quoted(node)}")
    try:
        return replace(tensors.from_file(text, node.source.folder), fail=node.error)
    except KernelError as error:
        raise node.error(f"{error.place}: {error.fact}" if error.place else error.fact, error.hint) from error


def pickled(node: Node, name: str) -> KernelError:
    """The error for a file of PyTorch's, with what makes one of it that is read."""
    path = name.partition("::")[0]
    target = path[: path.rindex(".")] + ".safetensors"
    hint = (
        'python3 -c "import torch; from safetensors.torch import save_file;'
        f" save_file(torch.load('{path}', weights_only=True), '{target}')\""
    )
    return node.error(f"{path} is a pickle, a program that could do anything, and is not read", hint)


def _nested(node: Node, name: str) -> tuple[tuple[int, ...], list[float]]:
    """The shape and the numbers of nested lists; raises where rows differ in length."""
    items: list[Node] = node.value
    if not items:
        raise node.error(f"'{name}' holds an empty list")
    if not any(isinstance(item.value, list) for item in items):
        return (len(items),), [number(item, f"an entry of '{name}'") for item in items]
    shapes, numbers = [], []
    for item in items:
        if not isinstance(item.value, list):
            raise item.error(f"'{name}' mixes numbers and rows: {item.kind} where a row was expected")
        shape, row = _nested(item, name)
        shapes.append(shape)
        numbers.extend(row)
        if shape != shapes[0]:
            index = len(shapes)
            if len(shape) == 1 == len(shapes[0]):
                raise item.error(f"row {index} has {_taps(shape[0])}, row 1 has {shapes[0][0]}")
            raise item.error(f"part {index} of '{name}' has shape {shape}, part 1 has {shapes[0]}")
    return (len(items), *shapes[0]), numbers


def _taps(count: int) -> str:
    return f"{count} tap" if count == 1 else f"{count} taps"
