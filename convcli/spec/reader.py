"""A mapping of fields -> a kernel, with overrides; every error at its line and column."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

from convcli.errors import FieldError, KernelError, suggestion
from convcli.ops import TYPES, Kernel
from convcli.ops.fields import GENERAL as ALL
from convcli.ops.rules import RuleCall
from convcli.ops.tensors import Tensor, is_array
from convcli.records import record
from convcli.spec.nodes import Node, Source, from_python
from convcli.spec.plain import parse
from convcli.spec.scalars import parameter, quoted
from convcli.spec.values import at, read

#: Kernels within kernels at most: so deep, and so many.
DEEPEST, MOST = 8, 4096
_open: ContextVar[tuple[int, int]] = ContextVar("open", default=(0, 0))
#: Fields which a kernel of any type may have besides those of its type.
GENERAL = (*ALL, "type")
#: What is said of fields that are missing.
_EXAMPLES = {
    "weights": "weights: [[1, 2, 1], [2, 4, 2], [1, 2, 1]]",
    "offsets": "offsets: {swirl: {angle: 90}}, offsets: FILE.npy, or offsets: {branch: ...}",
}
#: Other programs' words for types, without their lines and dashes.
WORDS = {
    "conv": "dense", "conv1d": "dense", "conv2d": "dense", "conv3d": "dense", "convolution": "dense", "linear": "dense",
    "standard": "dense", "deconv": "transposed", "deconvolution": "transposed", "convtranspose": "transposed",
    "convtranspose2d": "transposed", "conv2dtranspose": "transposed", "upsample": "transposed",
    "deformconv": "deformable", "deformconv2d": "deformable", "dcn": "deformable", "dcnv2": "deformable",
    "separableconv2d": "depthwise_separable", "sepconv": "depthwise_separable",
}  # fmt: skip


@record(kw_only=False)
class Unbuilt:
    """A kernel that is written down: a mapping of fields, a name, and what overrides fields."""

    node: Node
    name: str
    overrides: Mapping[str, Node] = dataclasses.field(default_factory=dict)

    def overridden(self, more: Mapping[str, Node]) -> Unbuilt:
        """The same with further overrides."""
        return Unbuilt(self.node, self.name, {**self.overrides, **more})

    def kernel(self) -> Kernel:
        """The kernel itself. Raises `KernelError`."""
        with _nested(self.node):
            return _build(self.node, self.name, self.overrides)

    def takes(self, key: str) -> bool:
        """Whether it has such a field, or a rule of it such a parameter."""
        kernel_type = _kernel_type(self.node)
        if key in kernel_type.FIELDS and key not in kernel_type.HANDED_ON:
            return True
        known = ((name, self.node.value[name]) for name in kernel_type.FIELDS if name in self.node.value)
        with _nested(self.node):
            values = {name: read(node, kernel_type.FIELDS[name], name) for name, node in known}
            if key.isdigit() and any(len(call.rule.parameters) >= int(key) for call in _calls(values)):
                return True
            return key in _parameters(values) or any(part.takes(key) for part in _parts(values))

    def calls(self) -> list[RuleCall]:
        """The rules that it names with their parameters, those of its parts, too."""
        with _nested(self.node):
            values = _values(self.node, self.name, self.overrides)[2]
            return [*_calls(values), *(call for part in _parts(values) for call in part.calls())]


@contextlib.contextmanager
def _nested(node: Node) -> Iterator[None]:
    """A kernel that may be part of one, of which there may not be too many: a file may name itself."""
    depth, count = _open.get()
    if depth >= DEEPEST or count >= MOST:
        raise node.error(f"kernels within kernels, more than {DEEPEST} deep or more than {MOST} in all")
    _open.set((depth + 1, count + 1))
    try:
        yield
    finally:
        _open.set((depth, _open.get()[1] if depth else 0))


def of_text(text: str, *, name: str, source: str, folder: Path) -> Unbuilt:
    """The kernel written in YAML `text`; bare rows of numbers are dense weights.

    `source` is shown in errors; file names in the text are looked up in `folder`. Raises `KernelError`.
    """
    node = parse(text, Source(source, text, folder))
    return Unbuilt(with_fields(node), name)


def with_fields(node: Node) -> Node:
    """A mapping of fields, which rows of numbers are the weights of. Raises `KernelError` where it is neither."""
    if isinstance(node.value, list) or is_array(node.value):
        place = node.line, node.column
        return Node({"weights": node}, node.source, *place, node.path, keys={"weights": place} if node.line else None)
    if not isinstance(node.value, dict):
        raise node.error(
            f"a kernel is a mapping of fields or rows of numbers, not {node.kind}", "about: ..., weights: ..."
        )
    if "layers" in node.value:
        raise node.key_error("layers", "this is a network file, no kernel", "convcli apply -k and compare read it")
    return node


def of_mapping(fields: Mapping[str, Any], *, name: str) -> Unbuilt:
    """The kernel with these fields, as in a kernel file; arrays may be numpy's. Raises `KernelError`."""
    return Unbuilt(with_fields(from_python(fields, Source(name))), name)


def from_mapping(fields: Mapping[str, Any], *, name: str) -> Kernel:
    """The kernel itself of `of_mapping`."""
    return of_mapping(fields, name=name).kernel()


def _values(
    node: Node, name: str, overrides: Mapping[str, Node]
) -> tuple[type[Kernel], Node, dict[str, Any], dict[str, Node]]:
    """The type, the mapping with overrides of the type's own fields, the values of all fields with overrides of rules
    and parts in them, and those overrides."""
    kernel_type = _kernel_type(node)
    node, beside = _overridden(node, kernel_type, overrides)
    known = {**ALL, **kernel_type.FIELDS}
    for key in node.value:
        if key not in known and key != "type":
            raise _unknown(node, key, kernel_type)
    values: dict[str, Any] = {"name": name}
    for key, field in known.items():
        if key in node.value:
            values[key] = read(node.value[key], field, key)
        elif field.required:
            raise node.error(f"'{key}' is missing; a {kernel_type.type} kernel needs it", _EXAMPLES.get(key, ""))
        else:
            values[key] = field.default
    beside = _by_name(values, beside, name)
    unused = _into_rules(values, beside)
    if unused:
        raise _unknown_override(unused, beside[unused], values, kernel_type)
    return kernel_type, node, values, beside


def _build(node: Node, name: str, overrides: Mapping[str, Node]) -> Kernel:
    kernel_type, node, values, beside = _values(node, name, overrides)
    notes: list[str] = []
    if "radius" in overrides or any(isinstance(value, Tensor) and value.rank == 1 for value in values.values()):
        from convcli.spec.remarks import cut_off, squared

        notes = [*squared(values), *cut_off(_calls(values), overrides)]
    try:
        kernel = kernel_type.build(values)
        return kernel.replace(locate=partial(located, node), notes=(*kernel.notes, *notes), group=values["group"])
    except FieldError as error:
        if error.path[-1] in beside:
            raise beside[str(error.path[-1])].error(error.fact, error.hint) from error
        raise located(node, error) from error


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
    """The mapping with overrides of the kernel's own fields put in, and those left, meant for its rules and parts."""
    handed_on = {key: value for key, value in node.value.items() if key in kernel_type.HANDED_ON}
    own = {
        key: value for key, value in overrides.items() if key in kernel_type.FIELDS and key not in kernel_type.HANDED_ON
    }
    beside = {key: value for key, value in {**handed_on, **overrides}.items() if key not in own}
    keys = {key: place for key, place in (node.keys or {}).items() if key not in own}
    fields = {key: value for key, value in node.value.items() if key not in handed_on}
    return Node({**fields, **own}, node.source, node.line, node.column, node.path, keys), beside


def _by_name(values: Mapping[str, Any], overrides: Mapping[str, Node], name: str) -> dict[str, Node]:
    """Overrides that have only a place, as names of the parameters there; those of parts are left to them."""
    named = {key: node for key, node in overrides.items() if not key.isdigit()}
    for key in sorted(overrides.keys() - named.keys(), key=int):
        node, place = overrides[key], int(key)
        if any(part.takes(key) for part in _parts(values)):
            named[key] = node
            continue
        every = [[*call.rule.parameters][place - 1 : place] for call in _calls(values)]
        known = [names[0] for names in every if names]
        if len(set(known)) != 1 or len([value for value in values.values() if _calls({"": value})]) > 1:
            what = f"may be {' or '.join(dict.fromkeys(known))} of several rules" if known else "has no place"
            turn = isinstance(node.value, int) and node.value % 45 == 0
            hint = f"{name}:rotate={node.value} turns it" if turn else f"convcli show {name} tells what it takes"
            if known:
                hint = f"say which: {name}:{known[0]}={quoted(node).strip(chr(39))}"
            raise node.error(f"{quoted(node)} {what} in kernel '{name}'", hint)
        if known[0] in named:
            raise node.error(f"'{known[0]}' is given twice")
        named[known[0]] = node
    return named


def _into_rules(values: dict[str, Any], overrides: Mapping[str, Node]) -> str:
    """Puts overrides into the rules that have such a parameter; returns the name of one that none has, or nothing."""
    left = set(overrides)

    def into(value: Any) -> Any:
        if isinstance(value, RuleCall):
            mine = {key: parameter(node, key) for key, node in overrides.items() if key in value.rule.parameters}
            left.difference_update(mine)
            return RuleCall(value.rule, {**value.parameters, **mine})
        if isinstance(value, Unbuilt):
            theirs = {key: node for key, node in overrides.items() if value.takes(key)}
            left.difference_update(theirs)
            return value.overridden(theirs)
        if isinstance(value, tuple):
            return tuple(map(into, value))
        if isinstance(value, Mapping):
            return {key: into(item) for key, item in value.items()}
        return value

    if overrides:
        values.update({key: into(value) for key, value in values.items()})
    return next((key for key in overrides if key in left), "")


def _parts(values: Mapping[str, Any]) -> list[Unbuilt]:
    return [
        part for value in values.values() if isinstance(value, tuple) for part in value if isinstance(part, Unbuilt)
    ]


def _calls(values: Mapping[str, Any]) -> list[RuleCall]:
    items = [item for value in values.values() for item in (value.values() if isinstance(value, Mapping) else [value])]
    return [item for item in items if isinstance(item, RuleCall)]


def _parameters(values: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(name for call in _calls(values) for name in call.rule.parameters))


def _unknown(node: Node, key: str, kernel_type: type[Kernel]) -> KernelError:
    known = [*GENERAL, *kernel_type.FIELDS]
    elsewhere = [name for name, other in TYPES.items() if key in other.FIELDS]
    hint = suggestion(key, known)
    from convcli.spec.words import FIELDS, lookup

    if (row := lookup(key, FIELDS)) and (here := row.answer.partition("=")[0]) in known:
        hint = f"that is {here} here"
    if elsewhere:
        them = f"type {elsewhere[0]} has it" if len(elsewhere) == 1 else f"types {', '.join(elsewhere)} have it"
        hint = f"{them}; this is type {kernel_type.type}"
    return node.key_error(
        key, f"unknown field '{key}'", hint or f"fields of type {kernel_type.type}: {', '.join(known)}"
    )


def _unknown_override(key: str, node: Node, values: Mapping[str, Any], kernel_type: type[Kernel]) -> KernelError:
    parameters = _parameters(values)
    known = [*parameters, *kernel_type.FIELDS]
    from convcli.spec import fillings

    here = fillings.field(f"{key}={quoted(node).strip(chr(39))}").partition("=")
    hint = f"write {''.join(here)}" if here[0] != key and here[0] in known else suggestion(key, known)
    if key in ("radius", "sigma") and "size" in parameters:
        hint = "its size per axis: size=[3,5] is height and width"
    if not hint:
        rules = f"its rule takes {', '.join(parameters)}; " if parameters else ""
        hint = f"{rules}fields of type {kernel_type.type}: {', '.join(kernel_type.FIELDS)}"
    return node.error(f"kernel '{values['name']}' has no field or parameter '{key}'", hint)
