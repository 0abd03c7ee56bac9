"""Numbers of a kernel file, checked, with an error where they stand."""

from __future__ import annotations

import math
from typing import Any

from convcli.ops.tensors import GREATEST
from convcli.spec.nodes import Node

#: The greatest whole number taken.
GREATEST_WHOLE = 1 << 31


def number(node: Node, what: str) -> float:
    """A finite number."""
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise node.error(f"{what} must be a number, not {quoted(node)}", _number_hint(value))
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise node.error(f"{what} must be a finite number, not {value}")
    if abs(value) > GREATEST:
        raise node.error(f"{what} is {value:g}; numbers go from -{GREATEST:g} to {GREATEST:g}")
    return value


def parameter(node: Node, name: str) -> Any:
    """The value of a rule's parameter: a number, or a list of them."""
    if isinstance(node.value, list):
        return [number(item, f"'{name}'") for item in node.value]
    return number(node, f"'{name}'")


def _number_hint(value: Any) -> str:
    if isinstance(value, str) and "/" in value:
        return "write whole numbers and a divisor instead of fractions"
    if isinstance(value, str) and "," in value:
        return "decimals have a point, not a comma"
    return ""


def share(node: Node, what: str, least: float) -> float:
    """A number, or text such as 50%; at least `least`."""
    text = node.value
    if isinstance(text, str) and text.strip().endswith("%"):
        try:
            value = float(text.strip()[:-1]) / 100
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise node.error(f"{what} must be a number or per cent, not '{text}'", "0.5 or 50%")
    else:
        value = number(node, what)
    if value < least:
        raise node.error(f"{what} is {value:g}; it must be at least {least:g}")
    return value


def whole(node: Node, what: str, least: int) -> int:
    """A whole number of at least `least`."""
    value = number(node, what)
    if value != int(value):
        raise node.error(f"{what} must be a whole number, not {value:g}")
    if value < least:
        raise node.error(f"{what} is {value:g}; it must be at least {least}")
    if value > GREATEST_WHOLE:
        raise node.error(f"{what} is {value:g}; it must be at most {GREATEST_WHOLE}")
    return int(value)


def quoted(node: Node) -> str:
    if isinstance(node.value, bool):
        return "true" if node.value else "false"
    return f"'{node.value}'" if isinstance(node.value, str | int | float) else node.kind
