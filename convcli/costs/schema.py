"""The JSON Schemas (draft 2020-12) of network files and of `convcli compare --format json`."""

from __future__ import annotations

from typing import Any

from convcli.costs.columns import DATA
from convcli.networks.entrance import CHANNELS
from convcli.networks.kinds import ACTIVATION, FROM, KINDS, NAME, REPEAT, Kind
from convcli.ops.branches import RANGES
from convcli.ops.fields import ABOUT
from convcli.spec.schema import field_schema

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_SHARE = {"type": "number", "minimum": 0}
_WHOLE = {"type": "integer", "minimum": 1}
_CHAIN = {"$ref": "#/$defs/chain"}


def network() -> dict[str, Any]:
    """Of a network file, made from the table of kinds that reads it."""
    size = {"anyOf": [{"type": "string", "pattern": "^[1-9][0-9]*(x[1-9][0-9]*){2}$"}, _three()]}
    fields = {name: field for kind in KINDS.values() for name, field in kind.fields.items()}
    return {
        "$schema": DRAFT,
        "title": "convcli network",
        "description": "Layers of a network, for convcli compare, and with weights for convcli apply.",
        "type": "object",
        "properties": {
            "about": field_schema(ABOUT),
            "input": {"description": "Height x width x channels.", **size},
            "weights": {
                "description": "A file of arrays: a layer NAME takes NAME.weight, NAME.bias and NAME.slope.",
                "type": "string",
                "pattern": r"\.(npz|safetensors|onnx)$",
            },
            "picture": _picture(),
            "defaults": {
                "description": "Fields of every convolution that has them, where it doesn't say otherwise.",
                "type": "object",
                "properties": {name: field_schema(field) for name, field in fields.items()},
                "additionalProperties": False,
            },
            "blocks": {"description": "Chains by name.", "type": "object", "additionalProperties": _CHAIN},
            "layers": {**_CHAIN, "minItems": 1},
        },
        "required": ["layers"],
        "anyOf": [{"required": ["input"]}, {"required": ["picture"]}],
        "additionalProperties": False,
        "$defs": {
            "chain": {"type": "array", "items": {"oneOf": [*map(_item, KINDS, KINDS.values()), _pooling()]}},
        },
    }


def _picture() -> dict[str, Any]:
    """How a picture enters."""
    numbers = {"anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}]}
    shares = {"type": "object", "properties": {"mean": numbers, "std": numbers}, "additionalProperties": False}
    return {
        "description": "Which channels of a picture enter, and in which range.",
        "type": "object",
        "properties": {"channels": {"enum": list(CHANNELS)}, "range": {"anyOf": [{"enum": list(RANGES)}, shares]}},
        "required": ["channels"],
        "additionalProperties": False,
    }


def _three() -> dict[str, Any]:
    return {"type": "array", "items": _WHOLE, "minItems": 3, "maxItems": 3}


def _item(name: str, kind: Kind) -> dict[str, Any]:
    values: dict[str, dict[str, Any]] = {
        "whole": _WHOLE,
        "channels": {"anyOf": [_WHOLE, {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1}]},
        "word": {"enum": list(kind.words)},
        "join": {"anyOf": [_TEXT, *({"type": "array", "items": item, "minItems": 2} for item in (_TEXT, _CHAIN))]},
        "activation": field_schema(ACTIVATION),
        "name": _TEXT,
        "chain": _CHAIN,
    }
    fields = {**kind.fields, "name": NAME, "repeat": REPEAT, "from": FROM}
    return {
        "title": name,
        "type": "object",
        "properties": {
            name: {"description": kind.doc, **values[kind.value]},
            **{key: field_schema(field) for key, field in fields.items()},
        },
        "required": [name],
        "additionalProperties": False,
    }


def _pooling() -> dict[str, Any]:
    """A pool by its name alone: average."""
    return {"enum": [name for name, kind in KINDS.items() if kind.meant]}


def comparison() -> dict[str, Any]:
    """Of the JSON of `convcli compare`, made from the table of columns."""
    cost = _object({measure.key: {"description": measure.doc, **measure.schema} for measure in DATA})
    operation = _object(
        {"network": _TEXT, "operation": _TEXT, "params_weights": _COUNT, "params_share": _SHARE}
        | {"macs": _COUNT, "macs_share": _SHARE}
    )
    machine = _object(
        {"processor": _TEXT, "threads": _COUNT, "system": _TEXT, "python": _TEXT}
        | {"packages": {"type": "object", "additionalProperties": _TEXT}}
    )
    costs = {"type": "array", "items": {"$ref": "#/$defs/cost"}}
    properties = {
        "title": _TEXT,
        "baseline": {"description": "The row that ratios are against.", "type": ["string", "null"]},
        "rows": {"description": "What is compared.", **costs},
        "layers": {"description": "The layers of the networks among the rows, in order.", **costs},
        "operations": {
            "description": "The share of each kind of operation in each network.",
            "type": "array",
            "items": operation,
        },
        "machine": {"description": "What times were measured on.", "anyOf": [machine, {"type": "null"}]},
        "notes": {"description": "Conventions and warnings in words.", "type": "array", "items": _TEXT},
    }
    return {
        "$schema": DRAFT,
        "title": "convcli compare",
        "description": "Costs of kernels, layers and networks. Units are in the names; bytes are those of float32.",
        **_object(properties),
        "$defs": {"cost": cost},
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    """An object that has all of these properties and no others."""
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
