"""A mapping of fields -> a kernel, with overrides; every error at its line and column."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from convcli.errors import FieldError, KernelError, suggestion
from convcli.ops import TYPES, Kernel
from convcli.ops.fields import ABOUT
from convcli.ops.rules import RuleCall
from convcli.ops.tensors import Tensor, reshaped
from convcli.spec.calls import parameter
from convcli.spec.nodes import Node, Source, from_python
from convcli.spec.plain import parse
from convcli.spec.values import at, read

#: Fields of weights in rows and columns.
MATRICES = ("weights", "depthwise")
#: Fields which a kernel of any type may have besides those of its type.
GENERAL = ("about", "type")
#: Other programs' words for types, without their lines and dashes.
WORDS = {
    "conv": "dense", "conv1d": "dense", "conv2d": "dense", "conv3d": "dense", "convolution": "dense", "linear": "dense",
    "standard": "dense", "deconv": "transposed", "deconvolution": "transposed", "convtranspose": "transposed",
    "convtranspose2d": "transposed", "conv2dtranspose": "transposed", "upsample": "transposed",
    "deformconv": "deformable", "deformconv2d": "deformable", "dcn": "deformable", "dcnv2": "deformable",
    "separableconv2d": "depthwise_separable", "sepconv": "depthwise_separable",
}  # fmt: skip


def from_text(
    text: str, *, name: str, source: str, folder: Path, overrides: Mapping[str, Node] | None = None
) -> Kernel:
    """The kernel written in YAML `text`; bare rows of numbers are dense weights.

    `source` is shown in errors; file names in the text are looked up in `folder`. Raises `KernelError`.
    """
    node = parse(text, Source(source, text, folder))
    if isinstance(node.value, list):
        place = node.line, node.column
        node = Node({"weights": node}, node.source, *place, keys={"weights": place})
    return _build(node, name, overrides or {})


def from_mapping(fields: Mapping[str, Any], *, name: str, overrides: Mapping[str, Node] | None = None) -> Kernel:
    """The kernel with these fields, as in a kernel file; arrays may be numpy's. Raises `KernelError`."""
    return _build(from_python(fields, Source(name)), name, overrides or {})


def parse_overrides(text: str, source: str) -> dict[str, Node]:
    """`field=value,field=value` as nodes; values are YAML, commas inside brackets don't separate.

    Raises `KernelError` for one without a name or a value, and for one given twice.
    """
    overrides: dict[str, Node] = {}
    for part in _split(text):
        name, equals, value = part.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise KernelError(f"'{part}' is not of the form field=value", place=source)
        if name.strip() in overrides:
            raise KernelError(f"'{name.strip()}' is given twice", place=source)
        overrides[name.strip()] = override(value, f"{source}, {name.strip()}")
    return overrides


def override(value: str, source: str) -> Node:
    """One overriding value from the command line; file names are looked up in the working folder."""
    node = parse(value, Source(source, value, Path()))
    return _unlocated(node, Source(source, "", Path()))


def _unlocated(node: Node, source: Source) -> Node:
    """Without lines and columns, which say nothing on a command line."""
    value = node.value
    if isinstance(value, dict):
        value = {key: _unlocated(item, source) for key, item in value.items()}
    elif isinstance(value, list):
        value = [_unlocated(item, source) for item in value]
    return Node(value, source)


def _split(text: str) -> list[str]:
    parts, depth, start = [], 0, 0
    for index, character in enumerate(text):
        depth += (character in "[{(") - (character in "]})")
        if character == "," and depth == 0:
            parts.append(text[start:index])
            start = index + 1
    return [*parts, text[start:]]


def _build(node: Node, name: str, overrides: Mapping[str, Node]) -> Kernel:
    if not isinstance(node.value, dict):
        raise node.error(
            f"a kernel is a mapping of fields or rows of numbers, not {node.kind}", "about: ..., weights: ..."
        )
    if "layers" in node.value:
        raise node.key_error("layers", "this is a network file, no kernel", "convcli apply -k and compare read it")
    kernel_type = _kernel_type(node)
    node, beside = _overridden(node, kernel_type, overrides)
    known = {"about": ABOUT, **kernel_type.FIELDS}
    for key in node.value:
        if key not in known and key != "type":
            raise _unknown(node, key, kernel_type)
    values: dict[str, Any] = {"name": name}
    for key, field in known.items():
        if key in node.value:
            values[key] = read(node.value[key], field, key)
        elif field.required:
            raise node.error(f"'{key}' is missing; a {kernel_type.type} kernel needs it")
        else:
            values[key] = field.default
    unused = _into_rules(values, beside)
    if unused:
        raise _unknown_override(unused, beside[unused], values, kernel_type)
    notes = _squared(values)
    try:
        return kernel_type.build(values).replace(locate=partial(located, node), notes=tuple(notes))
    except FieldError as error:
        if error.path[-1] in beside:
            raise beside[str(error.path[-1])].error(error.fact, error.hint) from error
        raise located(node, error) from error


def _squared(values: dict[str, Any]) -> list[str]:
    """Makes rows of 9, 25, 49 ... numbers, as other programs write a square, one; what is to be said of it."""
    notes = []
    for key, value in values.items():
        if key in MATRICES and isinstance(value, Tensor) and value.origin == "inline" and not values["axes"]:
            side = math.isqrt(value.size)
            if value.rank == 1 and side % 2 and side > 1 and side * side == value.size:
                values[key] = reshaped(value, (side, side))
                notes.append(f"{value.size} numbers in a row are taken as {side}x{side}; a row of taps has axes: x")
    return notes


def located(node: Node, error: FieldError) -> KernelError:
    """`error` at the place of the field it is about."""
    first, *rest = error.path
    if not rest and first in node.value and isinstance(node.value[first].value, dict):
        return node.key_error(str(first), error.fact, error.hint)
    return at(node, error.path, error)


def _kernel_type(node: Node) -> type[Kernel]:
    type_node = node.value.get("type")
    if type_node is None:
        return TYPES["dense"]
    if not isinstance(type_node.value, str):
        raise type_node.error(f"'type' must be one of {', '.join(TYPES)}, not {type_node.kind}")
    if type_node.value not in TYPES:
        hint = suggestion(type_node.value, TYPES) or f"one of: {', '.join(TYPES)}"
        plain = type_node.value.lower().replace("_", "").replace("-", "")
        if plain in WORDS:
            hint = f"that is type {WORDS[plain]} here"
        if type_node.value in ("dilated", "atrous", "depthwise", "strided"):
            hint = "that is type dense with a field: " + {
                "depthwise": "groups = channels", "strided": "stride"
            }.get(type_node.value, "dilation")  # fmt: skip
        raise type_node.error(f"unknown type '{type_node.value}'", hint)
    return TYPES[type_node.value]


def _overridden(node: Node, kernel_type: type[Kernel], overrides: Mapping[str, Node]) -> tuple[Node, dict[str, Node]]:
    """The mapping with overrides of the kernel's own fields put in, and those left, meant for its rules."""
    own = {key: value for key, value in overrides.items() if key in kernel_type.FIELDS}
    beside = {key: value for key, value in overrides.items() if key not in own}
    keys = {key: place for key, place in (node.keys or {}).items() if key not in own}
    return Node({**node.value, **own}, node.source, node.line, node.column, node.path, keys), beside


def _into_rules(values: dict[str, Any], overrides: Mapping[str, Node]) -> str:
    """Puts overrides into the rules that have such a parameter; returns the name of one that none has, or nothing."""
    left = set(overrides)

    def into(value: Any) -> Any:
        if isinstance(value, RuleCall):
            mine = {key: parameter(node, key) for key, node in overrides.items() if key in value.rule.parameters}
            left.difference_update(mine)
            return RuleCall(value.rule, {**value.given, **mine})
        if isinstance(value, Mapping):
            return {key: into(item) for key, item in value.items()}
        return value

    if overrides:
        values.update({key: into(value) for key, value in values.items()})
    return next((key for key in overrides if key in left), "")


def _parameters(values: Mapping[str, Any]) -> list[str]:
    names: list[str] = []
    for value in values.values():
        for item in value.values() if isinstance(value, Mapping) else [value]:
            if isinstance(item, RuleCall):
                names.extend(item.rule.parameters)
    return names


def _unknown(node: Node, key: str, kernel_type: type[Kernel]) -> KernelError:
    known = [*GENERAL, *kernel_type.FIELDS]
    elsewhere = [name for name, other in TYPES.items() if key in other.FIELDS]
    hint = suggestion(key, known)
    if elsewhere:
        them = f"type {elsewhere[0]} has it" if len(elsewhere) == 1 else f"types {', '.join(elsewhere)} have it"
        hint = f"{them}; this is type {kernel_type.type}"
    return node.key_error(
        key, f"unknown field '{key}'", hint or f"fields of type {kernel_type.type}: {', '.join(known)}"
    )


def _unknown_override(key: str, node: Node, values: Mapping[str, Any], kernel_type: type[Kernel]) -> KernelError:
    parameters = _parameters(values)
    known = [*parameters, *kernel_type.FIELDS]
    hint = suggestion(key, known)
    if not hint:
        rules = f"; of its rule: {', '.join(parameters)}" if parameters else ""
        hint = f"fields of type {kernel_type.type}: {', '.join(kernel_type.FIELDS)}{rules}"
    return node.error(f"kernel '{values['name']}' has no field or parameter '{key}'", hint)
