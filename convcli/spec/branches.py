"""Branches in a kernel file: `{branch: {weights: ...}}`, or a list of layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from convcli.errors import suggestion
from convcli.ops.branches import FIELDS, BranchCall
from convcli.ops.fields import Field
from convcli.spec.nodes import Node

#: What makes a value of the node of a field.
Read = Callable[[Node, Field, str], Any]


def branch(node: Node, name: str, read: Read) -> BranchCall:
    """The branch that the mapping of field `name` holds."""
    for key in node.value:
        if key != "branch":
            hint = f"that goes inside: {{branch: {{weights: ..., {key}: ...}}}}" if key in FIELDS else ""
            raise node.key_error(key, f"unknown field '{key}' beside 'branch'", hint or suggestion(key, ["branch"]))
    if not node.value:
        raise node.error(f"'{name}' names no branch", f"{name}: {{branch: {{weights: ...}}}}")
    inner = node.value["branch"]
    layers = inner.value if isinstance(inner.value, list) else [inner]
    if not layers:
        raise inner.error("a branch has at least one layer", "branch: {weights: ..., bias: ...}")
    return BranchCall(tuple(_layer(layer, read) for layer in layers))


def _layer(node: Node, read: Read) -> Mapping[str, Any]:
    if not isinstance(node.value, dict):
        raise node.error(f"a layer of a branch is a mapping of fields, not {node.kind}", "{weights: ..., bias: ...}")
    for key in node.value:
        if key not in FIELDS:
            hint = suggestion(key, FIELDS) or f"fields of a branch: {', '.join(FIELDS)}"
            raise node.key_error(key, f"unknown field '{key}' of a branch", hint)
    if "weights" not in node.value:
        raise node.error("'weights' is missing; a layer of a branch needs it")
    entries = node.value
    return {key: read(entries[key], field, key) if key in entries else field.default for key, field in FIELDS.items()}
