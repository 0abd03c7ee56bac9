"""The JSON Schema of kernel files, made from the same table of fields that reads them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from convcli.engine.geometry import BORDERS
from convcli.ops import TYPES, Kernel
from convcli.ops.activation import BARE
from convcli.ops.branches import FIELDS as BRANCH, RANGES
from convcli.ops.displacements import DISPLACEMENTS
from convcli.ops.fields import GENERAL, WAYS, Field, Kind
from convcli.ops.orientations import ORIENTATIONS
from convcli.ops.rules import Parameter
from convcli.ops.tensors import GREATEST
from convcli.ops.weight_rules import RULES
from convcli.spec.scalars import GREATEST_WHOLE
from convcli.spec.values import AXES, PADDINGS

_NUMBER = {"type": "number", "minimum": -GREATEST, "maximum": GREATEST}
_NUMBERS = {"$ref": "#/$defs/numbers"}
_FILE = {"type": "string", "pattern": r"\.(npy|(npz|safetensors|onnx)(::.+)?)$"}
_ACTIVATIONS = [
    {"type": "object", "properties": {name: form}, "required": [name], "additionalProperties": False}
    for name, form in {
        "leaky_relu": _NUMBER, "elu": _NUMBER, "prelu": {"anyOf": [_NUMBER, _NUMBERS, _FILE]},
        "clip": {"type": "array", "items": _NUMBER, "minItems": 2, "maxItems": 2},
    }.items()
]  # fmt: skip
_PER_AXIS_LIMIT = {"minItems": 1, "maxItems": 3}


def schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of one kernel: a mapping of fields, or bare rows of numbers."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "convcli kernel",
        "description": "One convolution kernel: what it is, its weights, and how it is laid over an image.",
        "oneOf": [*(_type(kernel) for kernel in TYPES.values()), {"type": "array", **_NUMBERS}],
        "$defs": {
            "numbers": {
                "type": "array",
                "minItems": 1,
                "anyOf": [{"items": _NUMBER}, {"items": _NUMBERS}],
            },
            "rule": {"oneOf": [form for rule in RULES.values() for form in _rule(rule)]},
            "displacement": {"oneOf": [form for rule in DISPLACEMENTS.values() for form in _rule(rule)]},
            "orientation": {"oneOf": [form for rule in ORIENTATIONS.values() for form in _rule(rule)]},
            "branch": _branch(),
        },
    }


def _type(kernel: type[Kernel]) -> dict[str, Any]:
    properties: dict[str, Any] = {
        **{name: field_schema(field) for name, field in GENERAL.items()},
        "type": {"const": kernel.type, "description": kernel.summary},
    }
    properties.update({name: field_schema(field) for name, field in kernel.FIELDS.items()})
    required = [name for name, field in kernel.FIELDS.items() if field.required]
    if kernel.type != "dense":
        required.insert(0, "type")
    return {
        "title": kernel.type,
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _branch() -> dict[str, Any]:
    """`{branch: {weights: ...}}`, or a list of layers."""
    layer = {
        "type": "object",
        "properties": {name: field_schema(field) for name, field in BRANCH.items()},
        "required": ["weights"],
        "additionalProperties": False,
    }
    return {
        "title": "branch",
        "description": "Convolutions that predict it from the picture: a layer, or a list of them.",
        "type": "object",
        "properties": {"branch": {"anyOf": [layer, {"type": "array", "items": layer, "minItems": 1}]}},
        "required": ["branch"],
        "additionalProperties": False,
    }


def field_schema(field: Field) -> dict[str, Any]:
    """The schema of one field's values."""
    values = _BY_LEAST[field.kind](field.least) if field.kind in _BY_LEAST else _KINDS[field.kind]
    described: dict[str, Any] = {"description": field.doc, **values}
    if field.default not in (None, ""):
        described["default"] = field.default
    return described


def _whole(least: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": GREATEST_WHOLE}


def _sizes(least: int) -> dict[str, Any]:
    return {"anyOf": [_whole(least), {"type": "array", "items": _whole(least), **_PER_AXIS_LIMIT}]}


def _share(least: int) -> dict[str, Any]:
    percent = rf"^\s*{'-?' * (least < 0)}[0-9]+(\.[0-9]*)?\s*%\s*$"
    return {"anyOf": [{**_NUMBER, "minimum": least}, {"type": "string", "pattern": percent}]}


#: Kinds whose values depend on the least one that a field takes.
_BY_LEAST: Mapping[Kind, Callable[[int], dict[str, Any]]] = {"whole": _whole, "sizes": _sizes, "share": _share}
_PADDING = _whole(0)
_BOTH_ENDS = {"type": "array", "items": _PADDING, "minItems": 2, "maxItems": 2}
_WEIGHTS = [_NUMBERS, _FILE, {"$ref": "#/$defs/rule"}]
_PER_AXIS = {
    "type": "object",
    "properties": {axis: {"anyOf": _WEIGHTS} for axis in "zyx"},
    "additionalProperties": False,
    "minProperties": 1,
}
_MOVES = [{"$ref": f"#/$defs/{name}"} for name in ("displacement", "orientation", "branch")]
_KINDS: Mapping[Kind, dict[str, Any]] = {
    "text": {"type": "string"},
    "weights": {"anyOf": _WEIGHTS},
    "taps": {"anyOf": [*_WEIGHTS, _PER_AXIS]},
    "array": {"anyOf": [_NUMBER, _NUMBERS, _FILE]},
    "offsets": {"anyOf": [_NUMBERS, _FILE, *_MOVES]},
    "padding": {
        "anyOf": [
            {"enum": list(PADDINGS)},
            _PADDING,
            {"type": "array", "items": {"anyOf": [_PADDING, _BOTH_ENDS]}, **_PER_AXIS_LIMIT},
        ]
    },
    "border": {"anyOf": [{"enum": list(BORDERS)}, _NUMBER]},
    "divisor": {"anyOf": [{"const": "sum"}, {**_NUMBER, "not": {"const": 0}}]},
    "flag": {"type": "boolean"},
    "axes": {"enum": list(AXES)},
    "activation": {"anyOf": [{"enum": list(BARE)}, *_ACTIVATIONS]},
    "named_activation": {"anyOf": [{"enum": [*BARE, "prelu", "none"]}, *_ACTIVATIONS]},
    "mask": {"anyOf": [_NUMBERS, _FILE, {"$ref": "#/$defs/branch"}]},
    "range": {"enum": list(RANGES)},
    "length": {"type": "number", "exclusiveMinimum": 0, "maximum": GREATEST},
    "kernels": {"type": "array", "minItems": 1, "items": {"anyOf": [{"type": "string"}, {"$ref": "#"}]}},
    "turn": {"type": "number", "multipleOf": 45, "minimum": -360, "maximum": 360},
    "combination": {"enum": list(WAYS)},
    "biases": {"anyOf": [{"type": "boolean"}, _NUMBER, _NUMBERS, _FILE]},
}


def _rule(rule: Any) -> list[dict[str, Any]]:
    """A rule nested, `{gaussian: {sigma: 2}}`, and flat where a parameter has its name: `{fill: 1, size: 3}`."""
    needed = [
        name for name, parameter in rule.parameters.items() if parameter.default is None and not parameter.optional
    ]
    parameters = {
        "type": "object",
        "properties": {name: _parameter(parameter) for name, parameter in rule.parameters.items()},
        "required": needed,
        "additionalProperties": False,
    }
    inner = parameters if needed else {"anyOf": [parameters, {"type": "null"}]}
    nested = {
        "title": rule.name,
        "description": rule.about,
        "type": "object",
        "properties": {rule.name: inner},
        "required": [rule.name],
        "additionalProperties": False,
    }
    if rule.name in rule.parameters:
        return [nested, {"title": f"{rule.name}, flat", "description": rule.about, **parameters}]
    return [nested]


def _parameter(parameter: Parameter) -> dict[str, Any]:
    number: dict[str, Any] = {"type": "integer" if parameter.whole else "number"}
    if parameter.low > float("-inf"):
        number["minimum"] = parameter.low
    if parameter.high < float("inf"):
        number["maximum"] = parameter.high
    if parameter.per_axis:
        number = {"anyOf": [number, {"type": "array", "items": number, **_PER_AXIS_LIMIT}]}
    described = {"description": parameter.doc, **number}
    if parameter.default is not None:
        described["default"] = parameter.default
    return described
