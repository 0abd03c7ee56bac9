"""Rules in a kernel file: `{gaussian: {sigma: 2}}`, or flat, `{fill: 1, size: [3, 3]}`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convcli.errors import suggestion
from convcli.ops.rules import Rule, RuleCall
from convcli.spec.nodes import Node
from convcli.spec.scalars import parameter, quoted


def rule(node: Node, name: str, table: Mapping[str, Any]) -> RuleCall:
    """A rule: `{gaussian: {sigma: 2}}`, or flat as `{fill: 1, size: [3, 3]}`."""
    fields: dict[str, Node] = node.value
    if not fields:
        raise node.error(f"'{name}' names no rule", f"one of: {', '.join(table)}")
    head = next((key for key in fields if key in table), next(iter(fields)))
    inner = fields[head]
    if head not in table:
        hint = suggestion(head, table) or f"one of: {', '.join(table)}"
        raise node.key_error(head, f"unknown rule '{head}'", hint)
    if isinstance(inner.value, dict) and len(fields) == 1:
        return _call(table[head], inner)
    if inner.value is None and len(fields) == 1:
        return RuleCall(table[head], {})
    if head in table[head].parameters:
        return _call(table[head], node)
    if len(fields) > 1:
        raise node.error(f"'{name}' holds {len(fields)} fields where one rule was expected", _example(head, table))
    raise inner.error(f"the parameters of rule '{head}' must be a mapping, not {quoted(inner)}", _example(head, table))


def _call(rule: Rule, node: Node) -> RuleCall:
    """A call of `rule` with the parameters in the mapping `node`."""
    for key in node.value:
        if key not in rule.parameters:
            hint = suggestion(key, rule.parameters) or f"its parameters: {', '.join(rule.parameters) or 'none'}"
            raise node.key_error(key, f"rule '{rule.name}' has no parameter '{key}'", hint)
    return RuleCall(rule, {key: parameter(item, key) for key, item in node.value.items()})


def _example(name: str, table: Mapping[str, Any]) -> str:
    parameters = table[name].parameters
    return f"write {{{name}: {{{next(iter(parameters))}: ...}}}}" if parameters else f"write {{{name}: {{}}}}"
