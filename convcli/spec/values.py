"""A node and the kind of its field -> a plain value, with an error at the node where it is none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from convcli import tensors
from convcli.borders import BORDERS
from convcli.displacements import DISPLACEMENTS
from convcli.errors import FieldError, KernelError, suggestion
from convcli.ops.fields import Field, Kind
from convcli.rules import RuleCall, call
from convcli.spec.nodes import Node
from convcli.tensors import Tensor
from convcli.weight_rules import RULES

AXES = ("x", "y", "z", "yx", "zx", "zy", "zyx")
FILE_ENDINGS = (".npy", ".npz")


def read(node: Node, field: Field, name: str) -> Any:
    """The value of field `name`; raises `KernelError` at the place of what is wrong."""
    try:
        return READERS[field.kind](node, field, name)
    except FieldError as error:
        raise at(node, error.path[1:], error) from error


def at(node: Node, path: tuple[str | int, ...], error: FieldError) -> KernelError:
    """`error` at the node that `path` leads to from `node` (or as near as the path exists)."""
    for step in path:
        value = node.value
        if isinstance(value, dict) and step in value:
            last = step == path[-1]
            if last and node.keys and step in node.keys and isinstance(value[step].value, dict):
                return node.key_error(str(step), error.fact, error.hint)
            node = value[step]
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            node = value[step]
        else:
            break
    return node.error(error.fact, error.hint)


def number(node: Node, what: str) -> float:
    """A finite number."""
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        shown = f"'{value}'" if isinstance(value, str) else node.kind
        raise node.error(f"{what} must be a number, not {shown}", _number_hint(value))
    if not math.isfinite(value):
        raise node.error(f"{what} must be a finite number, not {value}")
    return float(value)


def _number_hint(value: Any) -> str:
    if isinstance(value, str) and "/" in value:
        return "write whole numbers and a divisor instead of fractions"
    if isinstance(value, str) and "," in value:
        return "decimals have a point, not a comma"
    return ""


def whole(node: Node, what: str, least: int) -> int:
    """A whole number of at least `least`."""
    value = number(node, what)
    if value != int(value):
        raise node.error(f"{what} must be a whole number, not {value:g}")
    if not least <= value <= 1 << 31:
        raise node.error(f"{what} is {int(value)}; it must be at least {least}")
    return int(value)


def _text(node: Node, field: Field, name: str) -> str:
    if not isinstance(node.value, str):
        raise node.error(f"'{name}' must be text, not {node.kind}", "put it in quotes")
    return node.value


def _flag(node: Node, field: Field, name: str) -> bool:
    if not isinstance(node.value, bool):
        raise node.error(f"'{name}' must be true or false, not {_shown(node)}")
    return node.value


def _whole(node: Node, field: Field, name: str) -> int:
    return whole(node, f"'{name}'", field.least)


def _choice(node: Node, name: str, choices: tuple[str, ...]) -> str:
    if node.value not in choices or not isinstance(node.value, str):
        hint = suggestion(str(node.value), choices) if isinstance(node.value, str) else ""
        raise node.error(f"'{name}' must be one of {', '.join(choices)}, not {_shown(node)}", hint)
    return node.value


def _border(node: Node, field: Field, name: str) -> str:
    return _choice(node, name, BORDERS)


def _axes(node: Node, field: Field, name: str) -> str:
    return _choice(node, name, AXES)


def _divisor(node: Node, field: Field, name: str) -> float | str:
    if isinstance(node.value, str):
        return _choice(node, name, ("sum",))
    value = number(node, f"'{name}'")
    if value == 0:
        raise node.error(f"'{name}' is 0: nothing can be divided by it")
    return value


def _sizes(node: Node, field: Field, name: str) -> Any:
    if isinstance(node.value, list):
        if not 1 <= len(node.value) <= 3:
            raise node.error(f"'{name}' has {len(node.value)} numbers; it takes one, or one per axis")
        return [whole(item, f"'{name}'", field.least) for item in node.value]
    return whole(node, f"'{name}'", field.least)


def _padding(node: Node, field: Field, name: str) -> Any:
    if isinstance(node.value, str):
        return _choice(node, name, ("same", "valid"))
    if not isinstance(node.value, list):
        return whole(node, f"'{name}'", 0)
    if not 1 <= len(node.value) <= 3:
        raise node.error(f"'{name}' has {len(node.value)} entries; it takes one per axis")
    return [_axis_padding(item, name) for item in node.value]


def _axis_padding(node: Node, name: str) -> int | tuple[int, int]:
    if not isinstance(node.value, list):
        return whole(node, f"'{name}'", 0)
    if len(node.value) != 2:
        raise node.error(f"'{name}' of one axis has {len(node.value)} numbers; it takes [before, after]")
    before, after = (whole(item, f"'{name}'", 0) for item in node.value)
    return before, after


def _array(node: Node, field: Field, name: str) -> Tensor:
    """Numbers, nested lists of numbers, or the name of an array file."""
    value = node.value
    if hasattr(value, "dtype"):
        return tensors.given(value)
    if isinstance(value, str):
        return _file(node, name)
    if isinstance(value, list):
        shape, numbers = _nested(node, name)
        return tensors.inline(numbers, shape)
    return tensors.inline([number(node, f"'{name}'")], (1,))


def _file(node: Node, name: str) -> Tensor:
    text: str = node.value
    if not text.partition("::")[0].endswith(FILE_ENDINGS):
        raise node.error(f"'{name}' must be numbers, a rule or a .npy or .npz file, not '{text}'")
    try:
        return tensors.from_file(text, node.source.folder)
    except KernelError as error:
        raise node.error(f"{error.place}: {error.fact}" if error.place else error.fact, error.hint) from error


def _nested(node: Node, name: str) -> tuple[tuple[int, ...], list[float]]:
    """The shape and the numbers of nested lists; raises where rows differ in length."""
    items: list[Node] = node.value
    if not items:
        raise node.error(f"'{name}' holds an empty list")
    if not any(isinstance(item.value, list) for item in items):
        return (len(items),), [number(item, f"a number in '{name}'") for item in items]
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


def _weights(node: Node, field: Field, name: str) -> Tensor | RuleCall:
    if isinstance(node.value, dict):
        return rule(node, name, RULES)
    if not isinstance(node.value, list | str) and not hasattr(node.value, "dtype"):
        raise node.error(f"'{name}' must be rows of numbers, a rule or a .npy or .npz file, not {_shown(node)}")
    return _array(node, field, name)


def _taps_field(node: Node, field: Field, name: str) -> Any:
    if isinstance(node.value, dict) and set(node.value) & set("zyx"):
        if unknown := [key for key in node.value if key not in ("z", "y", "x")]:
            raise node.key_error(unknown[0], f"unknown axis '{unknown[0]}'", "axes are x, y and z")
        return {axis: _one_axis(item, field, name) for axis, item in node.value.items()}
    return _one_axis(node, field, name)


def _one_axis(node: Node, field: Field, name: str) -> Tensor | RuleCall:
    value = _weights(node, field, name)
    if isinstance(value, Tensor) and value.rank not in (1, 3):
        hint = "a separable kernel has one row of taps per axis: {y: [...], x: [...]}" if value.rank == 2 else ""
        raise node.error(f"taps of one axis have rank 1, or 3 in a filter bank; these have rank {value.rank}", hint)
    return value


def _offsets(node: Node, field: Field, name: str) -> Tensor | RuleCall:
    return rule(node, name, DISPLACEMENTS) if isinstance(node.value, dict) else _array(node, field, name)


def rule(node: Node, name: str, table: Mapping[str, Any]) -> RuleCall:
    """A rule: `{gaussian: {sigma: 2}}`, or flat as `{fill: 1, size: [3, 3]}`."""
    fields: dict[str, Node] = node.value
    if not fields:
        raise node.error(f"'{name}' names no rule", f"one of: {', '.join(table)}")
    head = next(iter(fields))
    inner = fields[head]
    if isinstance(inner.value, dict) and len(fields) == 1:
        return call(head, {key: _parameter(item, key) for key, item in inner.value.items()}, name, table)
    if inner.value is None and len(fields) == 1:
        return call(head, {}, name, table)
    if head in table and head in table[head].parameters:
        return call(head, {key: _parameter(item, key) for key, item in fields.items()}, name, table)
    if head not in table:
        call(head, {}, name, table)
    if len(fields) > 1:
        raise node.error(f"'{name}' holds {len(fields)} fields where one rule was expected", _example(head, table))
    raise inner.error(f"the parameters of rule '{head}' must be a mapping, not {_shown(inner)}", _example(head, table))


def _example(name: str, table: Mapping[str, Any]) -> str:
    parameters = table[name].parameters
    return f"write {{{name}: {{{next(iter(parameters))}: ...}}}}" if parameters else f"write {{{name}: {{}}}}"


def _parameter(node: Node, name: str) -> Any:
    if isinstance(node.value, list):
        return [number(item, f"'{name}'") for item in node.value]
    return number(node, f"'{name}'")


def _shown(node: Node) -> str:
    if isinstance(node.value, bool):
        return "true" if node.value else "false"
    return f"'{node.value}'" if isinstance(node.value, str | int | float) else node.kind


READERS: dict[Kind, Callable[[Node, Field, str], Any]] = {
    "text": _text,
    "weights": _weights,
    "taps": _taps_field,
    "array": _array,
    "offsets": _offsets,
    "sizes": _sizes,
    "padding": _padding,
    "border": _border,
    "divisor": _divisor,
    "flag": _flag,
    "axes": _axes,
    "whole": _whole,
}
