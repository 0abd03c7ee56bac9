"""Activations: what a kernel does with each sample of its result, once the bias is added.

Source: ONNX operators Relu, LeakyRelu, PRelu, Sigmoid, Tanh, Abs, Clip, Elu, Gelu, Softplus, Exp, Sqrt, Erf (opset 22).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Final

from convcli.errors import FieldError
from convcli.ops.tensors import Tensor
from convcli.records import late, record

if TYPE_CHECKING:
    import numpy as np

    from convcli.engine.activation import Curve
    from convcli.engine.dtypes import DTypeLike
else:
    np = late("numpy")

#: Activations by their names, and how each is written in a kernel file.
FORMS: Final = {
    "relu": "relu", "leaky_relu": "{leaky_relu: 0.1}", "prelu": "{prelu: [0.1, 0.2, ...]}", "sigmoid": "sigmoid",
    "tanh": "tanh", "abs": "abs", "clip": "{clip: [0, 1]}", "elu": "{elu: 1}", "gelu": "gelu", "softplus": "softplus",
    "exp": "exp", "sqrt": "sqrt", "erf": "erf",
}  # fmt: skip
#: Those that stand alone, without a number.
BARE: Final = tuple(name for name, form in FORMS.items() if name == form)


#: Those that rise everywhere, as functions of one number.
_RISING: Final[Mapping[str, Callable[[float], float]]] = {
    "exp": lambda x: math.exp(min(x, 700.0)), "sqrt": lambda x: math.sqrt(max(x, 0.0)),
    "softplus": lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))),
}  # fmt: skip


@record
class Activation:
    """One of `FORMS`: `numbers` are the slope of `leaky_relu`, the slopes of `prelu`, the two ends of `clip`, or what
    `elu` comes down to, turned over."""

    #: Its name is what it does.
    ASIDE: ClassVar[frozenset[str]] = frozenset()

    name: str
    numbers: Tensor | None = None

    def __str__(self) -> str:
        """As people read it: "leaky_relu 0.1", "prelu 16 slopes"."""
        if self.numbers is None:
            return self.name
        if self.name == "prelu":
            return f"prelu, {self.numbers.size} slope{'s' if self.numbers.size > 1 else ''}"
        return " ".join([self.name, *(f"{number:g}" for number in self.numbers.array)])

    def check(self, outputs: int | None) -> None:
        """Raises `FieldError` where there are other than one slope, or one for each of the `outputs` of a bank."""
        if self.name == "prelu" and self.numbers is not None and self.numbers.size != 1:
            flat = self.numbers.size == max(self.numbers.shape)
            if not flat or (outputs is not None and self.numbers.size != outputs):
                expected = f"{outputs} output channels" if outputs is not None else "one number per channel"
                raise FieldError("activation", f"the slopes of prelu have shape {self.numbers.shape} for {expected}")

    def curve(self, dtype: DTypeLike) -> Curve:
        """What the engine does."""
        from convcli.engine.activation import Curve

        numbers = np.zeros(0) if self.numbers is None else self.numbers.array.reshape(-1)
        name = "slope" if self.name in ("leaky_relu", "prelu") else self.name
        return Curve(name, numbers.astype(dtype))

    def reach(self, ends: tuple[float, float] | None) -> tuple[float, float] | None:
        """The least and greatest result where samples lie between `ends` (None: anywhere); None where there is none."""
        bounds = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "erf": (-1.0, 1.0)}
        if self.name in bounds:
            return bounds[self.name]
        if self.name == "clip" and self.numbers is not None:
            least, greatest = map(float, self.numbers.array)
            return (least, greatest) if ends is None else tuple(min(max(end, least), greatest) for end in ends)  # type: ignore[return-value]
        if ends is None:
            return None
        low, high = ends
        if self.name in _RISING:
            return _RISING[self.name](low), _RISING[self.name](high)
        if self.name == "gelu":  # its least result is -.17
            return max(min(low, 0.0), -0.17), max(high, 0.0)
        if self.name == "elu" and self.numbers is not None:
            # Of a negative number it falls below 0.
            least = float(self.numbers.array[0]) * math.expm1(min(low, 0.0))
            return min(least, low if low > 0 else 0.0), max(high, least, 0.0)
        if self.name == "relu":
            return max(low, 0.0), max(high, 0.0)
        if self.name == "abs":
            return (0.0 if low <= 0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))
        slopes = [] if self.numbers is None else [float(self.numbers.array.min()), float(self.numbers.array.max())]
        results = [end if end > 0 else slope * end for end in ends for slope in slopes]
        return min(0.0, *results), max(0.0, *results)
