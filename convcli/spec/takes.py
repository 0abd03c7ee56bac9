"""What a kernel takes: the parameters of its rules, each with its value, its default and what it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from convcli.ops import Kernel
from convcli.ops.rules import Parameter, RuleCall
from convcli.records import record
from convcli.spec.library import written
from convcli.spec.nodes import Node
from convcli.spec.reader import Unbuilt


@record
class Taken:
    """A parameter: `value` and `default` as they are written; what follows from others begins with "auto"."""

    name: str
    value: str
    default: str
    meaning: str

    @property
    def described(self) -> tuple[str, str]:
        """The value, with the default where that is another, and the meaning."""
        same = self.value == self.default or (self.default == "auto" and self.value.startswith("auto"))
        return (self.value if same else f"{self.value} (default {self.default})"), self.meaning


def taken(source: str, kernel: Kernel, extra: Mapping[str, Node] | None = None) -> list[Taken]:
    """The parameters of the kernel that `source` names, with those overridden by it and by `extra`."""
    unbuilt = written(source)
    overridden = unbuilt.overridden({key: node for key, node in (extra or {}).items() if unbuilt.takes(key)})
    plain = {key: value for key, _, _, value in _parameters(Unbuilt(unbuilt.node, unbuilt.name))}
    rows: dict[tuple[str, str], Taken] = {}
    for key, name, parameter, value in _parameters(overridden):
        row = Taken(
            name=name, value=_said(value, parameter, kernel), default=_said(plain.get(key), parameter, None),
            meaning=parameter.doc,
        )  # fmt: skip
        rows.setdefault((name, row.value), row)
    return list(rows.values())


def summary(source: str) -> str:
    """The names of parameters with their values: `sigma=1.5, radius`."""
    values: dict[str, str] = {}
    unbuilt = written(source)
    for _, name, _, value in _parameters(unbuilt):
        values.setdefault(name, name if value is None else f"{name}={_written(value)}")
    strides = [name for name in ("stride",) if name in unbuilt.node.value]
    return ", ".join([*values.values(), *(f"{name}={_written(unbuilt.node.value[name].value)}" for name in strides)])


def _parameters(unbuilt: Unbuilt) -> list[tuple[tuple[int, str], str, Parameter, Any]]:
    """Of each rule and parameter: a key, its name, what it is, and the value that was said, or its own default."""
    return [
        ((number, name), name, parameter, call.parameters.get(name, parameter.default))
        for number, call in enumerate(unbuilt.calls())
        for name, parameter in _named(call)
    ]


def _named(call: RuleCall) -> list[tuple[str, Parameter]]:
    return list(call.rule.parameters.items())


def _said(value: Any, parameter: Parameter, kernel: Kernel | None) -> str:
    if value is not None:
        return _written(value)
    if not parameter.optional:
        return "needed"
    if kernel is None:
        return "auto"
    radii = sorted({(taps - 1) // 2 for taps in kernel.taps})
    return f"auto: {', '.join(map(str, radii))}"


def _written(value: Any) -> str:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(_written(item) for item in value) + "]"
    return f"{value:g}" if isinstance(value, int | float) else str(value)
