"""Where the outputs of a kernel read along one axis, as cells in a row; and the arithmetic of its sizes in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from convcli.drawing.parts import number
from convcli.engine.borders import source_indices
from convcli.engine.geometry import Gather, Scatter, Window, extent
from convcli.errors import UsageError

if TYPE_CHECKING:
    from convcli.drawing.parts import Floats
    from convcli.ops import Kernel

#: Places along an axis, and steps, that can be followed by eye.
MOST_PLACES, MOST_STEPS = 40, 400
#: How wide, in cells, a mark is for places that are left out.
_LEFT_OUT: Final = 0.7
#: The window of an axis that a kernel doesn't have.
FLAT: Final = Gather(1, 1, 1, 0, 1)


class Strip:
    """The input along one axis as outputs see it, samples `step` places apart: the `places` that are drawn, ascending.

    `kinds` are "input", "border" (the rule's samples) or "gap" (zeros between the samples of a transposed kernel),
    `sources` the sample that each place shows, or -1 for a zero. `starts` is the first place of each output's taps.
    """

    def __init__(self, window: Window, n: int, border: str, read: Floats | None = None) -> None:
        """`read` are the places that deformable taps read: besides the input only these are drawn."""
        transposed = isinstance(window, Scatter)
        self.step = window.stride if transposed else 1
        reach, step = window.dilation * (window.taps - 1), 1 if transposed else window.stride
        first = window.before - reach if transposed else -window.before
        last = first + (window.length - 1) * step
        self.starts = range(first, last + 1, step)
        if read is None:
            low, high = min(0, first), max((n - 1) * self.step, last + reach) + 1
            check_places(high - low)
            places = np.arange(low, high)
        else:
            places = np.unique(np.concatenate([np.arange(n), np.floor(read), np.ceil(read)])).astype(np.int64)
            check_places(len(places), hint="--frame N for what one step reads, or --size 4x4")
        #: Where places lie, in cells from the first; a step larger than 1 is where others are left out.
        self.places, self.offsets = (
            places,
            np.arange(len(places)) + _LEFT_OUT * np.cumsum(np.diff(places, prepend=places[0]) > 1),
        )
        there, index = places % self.step == 0, places // self.step
        self.sources = np.where(there, source_indices(index, n, border), -1)
        inside = (places >= 0) & (places <= (n - 1) * self.step)
        self.kinds = np.where(~inside, "border", np.where(there, "input", "gap"))
        self.gaps = ~there

    @property
    def cells(self) -> list[tuple[float, str]]:
        """Of each place, where it lies and its kind."""
        return list(zip(self.offsets.tolist(), self.kinds.tolist(), strict=True))

    @property
    def middle(self) -> float:
        """The middle of the input, in cells."""
        return float(self.offsets[self.kinds != "border"].mean()) + 0.5

    @property
    def span(self) -> float:
        """Cells from the first place to the end of the last."""
        return float(self.offsets[-1]) + 1

    def at(self, places: Any) -> Floats:
        """Where places lie, those between two that are drawn, too."""
        at: Floats = np.interp(places, self.places, self.offsets)
        return at

    def left_out(self) -> list[tuple[float, int]]:
        """Where places are left out, in cells from the first, and how many."""
        missing = np.diff(self.places) - 1
        return [(float(self.offsets[k]) + 1 + _LEFT_OUT / 2, int(missing[k])) for k in np.flatnonzero(missing)]


def check_places(count: int, hint: str = "--size 8x8, or less padding, dilation or stride") -> None:
    if count > MOST_PLACES:
        fact = f"{count} places along an axis; at most {MOST_PLACES} can be told apart"
        raise UsageError(fact, hint=hint)


def kind_of(down: str, right: str) -> str:
    """What the cell of two places is."""
    return "border" if "border" in (down, right) else "gap" if "gap" in (down, right) else "input"


def check_rank(kernel: Kernel) -> None:
    if len(kernel.axes) > 2:
        fact = f"kernel '{kernel.name}' is of rank {len(kernel.axes)}; steps are drawn of 1-D and 2-D ones"
        raise UsageError(fact, hint="convcli draw kernel shows its slices")


def check_steps(lengths: Sequence[int], *, still: bool, what: str = "outputs") -> None:
    """Raises UsageError for an animation that nobody can follow."""
    steps = math.prod(lengths)
    if steps > MOST_STEPS and not still:
        fact = f"{'x'.join(map(str, lengths))} {what} make {steps:,} steps; at most {MOST_STEPS} can be followed"
        raise UsageError(fact, hint="--size 8x8, or --frame N for one of them")


def described(kernel: Kernel, n: Sequence[int]) -> str:
    """Taps, stride, dilation and padding, and what size becomes of which."""
    windows = kernel.windows(n, kernel.axes)
    parts = [f"{times(kernel.taps)} taps"]
    if isinstance(windows[-1], Scatter):
        parts.append("transposed")
    parts += [f"{name} {once(values)}" for name in ("stride", "dilation") if max(values := getattr(kernel, name)) > 1]
    ends = [p if isinstance(p, str) else str(p[0]) if p[0] == p[1] else f"{p[0]}+{p[1]}" for p in kernel.padding]
    parts.append("padding " + (ends[0] if len(set(ends)) == 1 else ", ".join(ends)))
    if any(extra := getattr(kernel, "output_padding", ())):
        parts.append(f"output padding {once(extra)}")
    if (groups := getattr(kernel, "groups", 1)) > 1:
        parts.append(f"{groups} groups")
    return f"{', '.join(parts)}: {times(n)} → {times([window.length for window in windows])}"


def relation(kernel: Kernel, n: Sequence[int]) -> str:
    """The arithmetic of the output's size; of both axes where they differ."""
    texts = [_relation(kernel, axis, length) for axis, length in enumerate(n)]
    if len(set(texts)) == 1:
        return f"output {texts[0]}"
    return ", ".join(f"{axis}: {text}" for axis, text in zip(kernel.axes, texts, strict=True))


def _relation(kernel: Kernel, axis: int, n: int) -> str:
    """Relations 6 and 14 of Dumoulin & Visin, arXiv:1603.07285, with numbers."""
    window, padding = kernel.window(n, axis), kernel.padding[axis]
    span = extent(window.taps, window.dilation)
    if isinstance(window, Gather):
        if isinstance(padding, str):
            return f"⌈{n} ÷ {window.stride}⌉ = {window.length}"
        return f"⌊({n} + {padding[0]} + {padding[1]} − {span}) ÷ {window.stride}⌋ + 1 = {window.length}"
    if isinstance(padding, str):
        cut = window.length != n * window.stride
        return f"cut to {window.length}" if cut else f"{n} × {window.stride} = {window.length}"
    extra = getattr(kernel, "output_padding", (0,) * len(kernel.axes))[axis]
    more = f" + {extra}" if extra else ""
    return f"({n} − 1) × {window.stride} + {span}{more} − {padding[0]} − {padding[1]} = {window.length}"


def times(values: Sequence[Any]) -> str:
    return "×".join(map(str, values))


def once(values: Sequence[Any]) -> str:
    """One of equal values, else all of them."""
    return times(values if len(set(values)) > 1 else values[:1])


def sum_in_words(
    products: Sequence[tuple[float, float]], bias: float, result: float, activation: str = "", most: int = 10
) -> str:
    """`3·2 + 1·(−1) = 5`: samples times weights; the middle of a long sum is left out.

    With an activation it is `relu(3·2 + 1·(−7)) = 0`.
    """
    terms = [f"{_signed(sample)}·{_signed(weight)}" for sample, weight in products]
    if bias:
        terms.append(_signed(bias))
    exact = all(is_exact(value) for value in (*(v for pair in products for v in pair), bias, result))
    if len(terms) > most:
        terms = [*terms[: most // 2], "…", *terms[-(most // 2 - 1) :]]
    total = " + ".join(terms or ["0"])
    total = f"{activation}({total})" if activation else total
    return f"{total} {'=' if exact else '≈'} {number(result)}"


def _signed(value: float) -> str:
    text = number(value)
    return f"({text})" if value < 0 else text


def is_exact(value: float) -> bool:
    """Whether a number is drawn with all its digits."""
    return math.isclose(float(number(value).replace("−", "-")), value, rel_tol=1e-9, abs_tol=1e-12)
