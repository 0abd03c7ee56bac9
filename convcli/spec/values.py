"""A node and the kind of its field -> a plain value, with an error at the node where it is none."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from convcli.engine.geometry import BORDERS
from convcli.errors import FieldError, KernelError, suggestion
from convcli.ops import tensors
from convcli.ops.fields import WAYS, Field, Kind
from convcli.ops.rules import RuleCall
from convcli.ops.tensors import GREATEST, Tensor
from convcli.spec.arrays import FILES, array
from convcli.spec.nodes import Node
from convcli.spec.scalars import number, quoted, share, whole

if TYPE_CHECKING:
    from convcli.ops.activation import Activation
    from convcli.ops.branches import BranchCall

AXES = ("x", "y", "z", "yx", "zx", "zy", "zyx")
PADDINGS = ("same", "valid", "same_upper", "same_lower")


def read(node: Node, field: Field, name: str) -> Any:
    """The value of field `name`; raises `KernelError` at the place of what is wrong."""
    try:
        return READERS[field.kind](node, field, name)
    except FieldError as error:
        raise at(node, error.path[1:], error) from error


def at(node: Node, path: tuple[str | int, ...], error: FieldError) -> KernelError:
    """`error` at the node that `path` leads to from `node` (or as near as the path exists)."""
    for step, following in itertools.zip_longest(path, path[1:]):
        value = node.value
        if isinstance(value, dict) and step in value:
            below: Node = value[step]
            if following in value and not isinstance(below.value, dict):
                continue  # a flat rule, {fill: 1, size: 3}: parameters stand beside its name, not below it
            if following is None and isinstance(below.value, dict) and node.keys and step in node.keys:
                return node.key_error(str(step), error.fact, error.hint)
            node = below
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            node = value[step]
        else:
            break
    return node.error(error.fact, error.hint)


def _text(node: Node, field: Field, name: str) -> str:
    if not isinstance(node.value, str):
        hint = "put it in quotes" if node.value is not None else ""
        raise node.error(f"'{name}' must be text, not {node.kind}", hint)
    return node.value


def _flag(node: Node, field: Field, name: str) -> bool:
    if not isinstance(node.value, bool):
        hint = {"on": "write true", "yes": "write true", "off": "write false", "no": "write false"}
        raise node.error(f"'{name}' must be true or false, not {quoted(node)}", hint.get(str(node.value).lower(), ""))
    return node.value


def _whole(node: Node, field: Field, name: str) -> int:
    return whole(node, f"'{name}'", field.least)


def _choice(node: Node, name: str, choices: tuple[str, ...], what: str = "", hint: str = "") -> str:
    if not isinstance(node.value, str) or node.value not in choices:
        hint = hint or (suggestion(node.value, choices) if isinstance(node.value, str) else "")
        raise node.error(f"'{name}' must be {what or 'one of ' + ', '.join(choices)}, not {quoted(node)}", hint)
    return node.value


def _border(node: Node, field: Field, name: str) -> str:
    if isinstance(node.value, int | float) and not isinstance(node.value, bool):
        value = number(node, f"'{name}'")
        return f"{value:.17g}" if value else "zero"
    from convcli.spec import words

    row = words.lookup(str(node.value), words.BORDERS)
    hint = f"that is {', '.join(filter(None, (row.answer, row.note)))} here" if row else ""
    return _choice(node, name, BORDERS, f"one of {', '.join(BORDERS)}, or a number", hint)


def _axes(node: Node, field: Field, name: str) -> str:
    same = [axes for axes in AXES if isinstance(node.value, str) and sorted(axes) == sorted(node.value)]
    return _choice(node, name, AXES, hint=f"did you mean '{same[0]}'?" if same else "")


def _divisor(node: Node, field: Field, name: str) -> float | str:
    if isinstance(node.value, str):
        return _choice(node, name, ("sum",), "a number or sum")
    value = number(node, f"'{name}'")
    if value == 0:
        raise node.error(f"'{name}' is 0: nothing can be divided by it")
    if abs(value) < 1 / GREATEST:
        raise node.error(f"'{name}' is {value:g}, too close to 0 to divide by")
    return value


def _sizes(node: Node, field: Field, name: str) -> Any:
    if isinstance(node.value, list):
        if not 1 <= len(node.value) <= 3:
            raise node.error(f"'{name}' has {len(node.value)} numbers; it takes one, or one per axis")
        return [whole(item, f"'{name}'", field.least) for item in node.value]
    if isinstance(node.value, dict):
        raise node.error(
            f"'{name}' must be a number or a list of them, not a mapping", "one per axis: [1, 2] is y 1, x 2"
        )
    return whole(node, f"'{name}'", field.least)


def _padding(node: Node, field: Field, name: str) -> Any:
    if isinstance(node.value, str):
        # TensorFlow's SAME is not PyTorch's.
        hint = {"SAME": "that is same_upper here"}.get(node.value, "")
        return _choice(node, name, PADDINGS, "same, valid or numbers", hint or _lowered(node.value, PADDINGS))
    if not isinstance(node.value, list):
        return whole(node, f"'{name}'", 0)
    if not 1 <= len(node.value) <= 3:
        raise node.error(f"'{name}' has {len(node.value)} entries; it takes one per axis")
    return [_axis_padding(item, name) for item in node.value]


def _lowered(text: str, choices: tuple[str, ...]) -> str:
    """A hint where only the letters' case is wrong."""
    return f"write {text.lower()}" if text.lower() in choices else ""


def _axis_padding(node: Node, name: str) -> int | tuple[int, int]:
    if not isinstance(node.value, list):
        return whole(node, f"'{name}'", 0)
    if len(node.value) != 2:
        raise node.error(f"'{name}' of one axis has {len(node.value)} numbers; it takes [before, after]")
    before, after = (whole(item, f"'{name}'", 0) for item in node.value)
    return before, after


def _weights(node: Node, field: Field, name: str) -> Tensor | RuleCall:
    if isinstance(node.value, dict):
        from convcli.ops.weight_rules import RULES
        from convcli.spec.calls import rule

        return rule(node, name, RULES)
    if not isinstance(node.value, list | str) and not tensors.is_array(node.value):
        raise node.error(f"'{name}' must be rows of numbers, a rule or {FILES}, not {quoted(node)}")
    return array(node, field, name)


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


def _offsets(node: Node, field: Field, name: str) -> Tensor | RuleCall | BranchCall:
    if not isinstance(node.value, dict):
        return array(node, field, name)
    if "branch" in node.value:
        from convcli.spec.branches import branch

        return branch(node, name, read)
    from convcli.ops.displacements import DISPLACEMENTS
    from convcli.ops.orientations import ORIENTATIONS
    from convcli.spec.calls import rule

    return rule(node, name, {**DISPLACEMENTS, **ORIENTATIONS})


def _mask(node: Node, field: Field, name: str) -> Tensor | BranchCall:
    if not isinstance(node.value, dict):
        return array(node, field, name)
    from convcli.spec.branches import branch

    return branch(node, name, read)


def _range(node: Node, field: Field, name: str) -> str:
    from convcli.ops.branches import RANGES

    return _choice(node, name, tuple(RANGES))


def _length(node: Node, field: Field, name: str) -> float:
    value = number(node, f"'{name}'")
    if value <= 0:
        raise node.error(f"'{name}' is {value:g}; it must be above 0")
    return value


def _share(node: Node, field: Field, name: str) -> float:
    return share(node, f"'{name}'", field.least)


def _activation(node: Node, field: Field, name: str) -> Activation | None:
    from convcli.spec.activations import activation

    return activation(node, name, named=field.kind == "named_activation")


def _kernels(node: Node, field: Field, name: str) -> Any:
    from convcli.spec.parts import kernels

    return kernels(node, name)


def _combination(node: Node, field: Field, name: str) -> str:
    from convcli.spec.parts import COMBINATIONS

    return _choice(node, name, WAYS, hint=COMBINATIONS.get(str(node.value).lower(), ""))


def _turn(node: Node, field: Field, name: str) -> int:
    degrees = number(node, f"'{name}'")
    if degrees % 45 or not -360 <= degrees <= 360:
        hint = "the rules motion and gabor take any angle"
        raise node.error(f"'{name}' is {degrees:g}; it must be a multiple of 45, from -360 to 360", hint)
    return int(degrees) % 360


def _biases(node: Node, field: Field, name: str) -> bool | Tensor:
    return node.value if isinstance(node.value, bool) else array(node, field, name)


READERS: dict[Kind, Callable[[Node, Field, str], Any]] = {
    "text": _text,
    "weights": _weights,
    "taps": _taps_field,
    "array": array,
    "offsets": _offsets,
    "sizes": _sizes,
    "padding": _padding,
    "border": _border,
    "divisor": _divisor,
    "flag": _flag,
    "axes": _axes,
    "whole": _whole,
    "activation": _activation,
    "named_activation": _activation,
    "biases": _biases,
    "mask": _mask,
    "range": _range,
    "length": _length,
    "share": _share,
    "kernels": _kernels,
    "combination": _combination,
    "turn": _turn,
}
