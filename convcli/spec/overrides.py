"""What stands behind a kernel's name: `gaussian:sigma=2,border=wrap`, `gaussian:2`, ImageMagick's `gaussian:0x2`."""

from __future__ import annotations

import re
from pathlib import Path

from convcli.errors import KernelError
from convcli.spec.nodes import Node, Source
from convcli.spec.plain import parse

#: Values after a kernel's name without a name of their own: numbers, lists, ImageMagick's radius x sigma.
_NUMBER = r"[-+]?(?:\d+(?:\.\d*)?|\.\d+)"
_BARE = re.compile(rf"{_NUMBER}|\[[-+\d.,\s]+\]|\d+\.?\d*x{_NUMBER}(?:\+{_NUMBER}){{0,2}}")


def parse_overrides(text: str, source: str) -> dict[str, Node]:
    """`field=value,field=value` as nodes; values are YAML, commas inside brackets don't separate.

    Raises `KernelError` for one without a name or a value, and for one given twice.
    """
    overrides: dict[str, Node] = {}
    for part in _split(text):
        if not overrides.keys() - set(map(str, range(1, len(overrides) + 1))) and _BARE.fullmatch(part.strip()):
            overrides |= _bare(part.strip(), len(overrides) + 1, source)
            continue
        name, equals, value = part.partition("=")
        if not equals or not name.strip() or not value.strip():
            hint = "a list stands in brackets: stride=[2,1]" if re.fullmatch(r"[-\d. ]+", part) else ""
            if hint and (whole := re.search(rf"(\w+=\d+),{re.escape(part)}$", text)):
                hint = f"{hint}; decimals have a point: {whole[1]}.{part}"
            raise KernelError(f"'{part}' is not of the form field=value", place=source, hint=hint)
        if name.strip() in overrides:
            raise KernelError(f"'{name.strip()}' is given twice", place=source)
        overrides[name.strip()] = override(value, f"{source}, {name.strip()}")
    return overrides


def _bare(part: str, number: int, source: str) -> dict[str, Node]:
    """A value without a name: a parameter of the kernel's rule by its place, or ImageMagick's `0x2+1.5+0.05`."""
    if "x" not in part:
        return {str(number): override(part, source)}
    values = re.split(r"[x+]", part)
    names = dict(zip(("radius", "sigma", "amount", "threshold"), values, strict=False))
    if float(names["radius"]) == 0:
        del names["radius"]
    if "threshold" in names:  # ImageMagick compares twice the difference with it
        names["threshold"] = f"{float(names['threshold']) / 2:g}"
    return {name: override(value, f"{source}, {name}") for name, value in names.items()}


def override(value: str, source: str) -> Node:
    """One overriding value from the command line; file names are looked up in the working folder.

    A list may stand without brackets: `2,1`.
    """
    if re.fullmatch(r"\s*\d+(\s*,\s*\d+)+\s*", value):
        value = f"[{value}]"
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
