"""What a rule is: weights made from parameters, as in `{gaussian: {sigma: 1.5}}`, and a call of one in a kernel file.

A rule knows its shape in plain Python and makes its numbers with numpy. A parameter that may differ per axis takes one
number or one per axis (in the order z, y, x).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from convcli.errors import FieldError
from convcli.ops.tensors import Tensor
from convcli.records import record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

#: The most taps a rule may make along one axis (enough for a sigma of 1000 pixels), and in all.
LONGEST = 8191
MOST = 1 << 24


@record(kw_only=False)
class Parameter:
    """One parameter of a rule: its meaning, default (None: must be given), range, whether it may be per axis."""

    doc: str
    default: float | None = None
    low: float = -math.inf
    high: float = math.inf
    per_axis: bool = False
    whole: bool = False
    optional: bool = False


@record
class Rule:
    """Weights made from parameters.

    `shape(parameters, stride)` and `values(parameters, shape, stride)` get every per-axis parameter as a tuple with one
    number per axis, and the kernel's stride per axis.
    """

    name: str
    about: str
    parameters: Mapping[str, Parameter]
    shape: Callable[[Mapping[str, Any], tuple[int, ...]], tuple[int, ...]]
    values: Callable[[Mapping[str, Any], tuple[int, ...], tuple[int, ...]], Array]
    ranks: tuple[int, ...] = (1, 2, 3)


@record(kw_only=False)
class RuleCall:
    """A rule named in a kernel file with its `parameters` there, not yet resolved to a shape."""

    rule: Rule
    parameters: Mapping[str, Any]

    def rank(self, default: int) -> int:
        """The rank that per-axis parameters ask for, else `default` (or the only rank the rule has)."""
        lengths = {len(value) for value in self.parameters.values() if isinstance(value, Sequence)}
        if lengths:
            return max(lengths)
        return default if default in self.rule.ranks else self.rule.ranks[0]

    def resolve(self, rank: int, stride: tuple[int, ...], path: str) -> Tensor:
        """The weights on `rank` axes; raises `FieldError` for a rank or parameter the rule doesn't take."""
        rule = self.rule
        if rank not in rule.ranks:
            axes = " or ".join(str(r) for r in rule.ranks)
            raise FieldError((path, rule.name), f"rule '{rule.name}' makes weights of {axes} axes, not {rank}")
        values = self.values(rank, path)
        shape = rule.shape(values, stride)
        if max(shape) > LONGEST:
            raise FieldError((path, rule.name), f"{max(shape)} taps along one axis are more than {LONGEST}")
        if math.prod(shape) > MOST:
            size = "x".join(map(str, shape))
            raise FieldError((path, rule.name), f"{size} taps are {math.prod(shape):,}, more than {MOST:,}")
        return Tensor(shape=shape, origin=self.describe(), make=lambda: rule.values(values, shape, stride))

    def values(self, rank: int, path: str) -> dict[str, Any]:
        """All parameters, defaults filled in and checked."""
        return {name: self._value(name, rank, path) for name in self.rule.parameters}

    def _value(self, name: str, rank: int, path: str) -> Any:
        parameter = self.rule.parameters[name]
        value = self.parameters.get(name, parameter.default)
        where = (path, self.rule.name, name) if name in self.parameters else (path, self.rule.name)
        if value is None:
            if parameter.optional:
                return None
            raise FieldError(where, f"rule '{self.rule.name}' needs '{name}'", hint=parameter.doc)
        if isinstance(value, Sequence):
            if not parameter.per_axis:
                raise FieldError(where, f"'{name}' takes one number, not {len(value)}")
            if len(value) != rank:
                raise FieldError(
                    where,
                    f"'{name}' has {len(value)} numbers, the kernel moves along {rank} ax{'es' if rank > 1 else 'is'}",
                )
        numbers = tuple(value) if isinstance(value, Sequence) else (value,)
        for number in numbers:
            if parameter.whole and number != int(number):
                raise FieldError(where, f"'{name}' is a whole number, not {number:g}")
            if not parameter.low <= number <= parameter.high:
                limit = f"at least {parameter.low:g}" if number < parameter.low else f"at most {parameter.high:g}"
                raise FieldError(where, f"'{name}' is {number:g}; it must be {limit}")
        if parameter.whole:
            numbers = tuple(int(number) for number in numbers)
        if not parameter.per_axis:
            return numbers[0]
        return numbers if len(numbers) == rank else numbers * rank

    def describe(self) -> str:
        """The call in one line: `gaussian(sigma=1.5)`."""
        listed = ", ".join(f"{name}={_short(value)}" for name, value in self.parameters.items())
        return f"{self.rule.name}({listed})"


def _short(value: Any) -> str:
    return "[" + ", ".join(f"{v:g}" for v in value) + "]" if isinstance(value, Sequence) else f"{value:g}"
