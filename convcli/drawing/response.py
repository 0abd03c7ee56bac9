"""What a kernel does to frequencies: its gain as a picture and along directions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from convcli.drawing.parts import brief, number, width_of
from convcli.drawing.scene import Box, Path, Picture, Text
from convcli.drawing.strips import once
from convcli.ops.deformable import Deformable
from convcli.records import record

if TYPE_CHECKING:
    from convcli.drawing.parts import Floats
    from convcli.ops import Kernel

#: Frequencies along an axis, an odd number: at least so many, and as many as tell apart what long kernels do.
SIZE, _FINEST = 129, 257
#: Beyond the frequencies that are drawn gains are less than this part of the greatest.
_LITTLE, _NARROWEST = 0.01, 1 / 4096
_NICE: Final = (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10)
#: Ends of axes that are labelled as they are; others as parts of a power of ten.
_PLAIN: Final = (0.01, 1e4)
_FRACTIONS: Final = {0.5: "½", 0.25: "¼"}


@record
class Response:
    """`gain` (magnitude of the Fourier transform) by frequency, (size, size), from -`reach` to `reach` cycles per
    pixel; 0 is in the middle. The coarser of input and output holds frequencies up to the `limits` along y and x."""

    gain: Floats
    reach: float
    limits: tuple[float, float] = (0.5, 0.5)

    @classmethod
    def of(cls, weights: Floats, dilation: Sequence[int] = (1, 1), stride: Sequence[int] = (1, 1)) -> Response:
        """That of `(h, w)` taps, as far as there is something to see."""
        longest = max(n * d for n, d in zip(weights.shape, dilation, strict=True))
        size, reach = min(max(SIZE, 2 * longest + 1), _FINEST), 0.5
        gain = response(weights, size, dilation)
        while reach > _NARROWEST:
            half = slice((size - 1) // 4, size - (size - 1) // 4)
            inner = tuple(half if n > 1 else slice(None) for n in weights.shape)  # no frequency is seen of one tap
            outer = gain.copy()
            outer[inner] = 0
            if not outer.any() or outer.max() >= _LITTLE * gain.max():
                break
            reach /= 2
            gain = response(weights, size, dilation, reach)
        return cls(gain=gain, reach=reach, limits=(0.5 / stride[0], 0.5 / stride[1]))

    @classmethod
    def of_kernel(cls, kernel: Kernel, weights: Floats) -> Response:
        """That of a kernel of one or two axes, along y and x."""
        rest = (1,) * (2 - weights.ndim)
        taps = weights.reshape(*rest, *weights.shape)
        return cls.of(taps, (*rest, *kernel.dilation), (*rest, *kernel.stride))

    @property
    def beyond(self) -> float:
        """The greatest gain of a frequency beyond the limits: it takes part as another one, within them."""
        axis = np.abs(np.linspace(-self.reach, self.reach, len(self.gain)))
        outside = np.logical_or(*np.meshgrid(*(axis > limit + 1e-9 for limit in self.limits), indexing="ij"))
        return float(self.gain.max(initial=0, where=outside))

    def lines(self) -> dict[str, Floats]:
        """The gain from frequency 0 on along three directions."""
        middle = len(self.gain) // 2
        return {
            "horizontal": self.gain[middle, middle:], "vertical": self.gain[middle:, middle],
            "diagonal": np.diagonal(self.gain)[middle:],
        }  # fmt: skip


def response(weights: Floats, size: int = SIZE, dilation: Sequence[int] = (1, 1), reach: float = 0.5) -> Floats:
    """The gain of `(h, w)` taps, `dilation` apart, `(size, size)`: from -`reach` to `reach` cycles per pixel."""
    angles = 2 * np.pi * reach * np.linspace(-1, 1, size)
    down, right = (
        np.exp(-1j * np.outer(angles, d * (np.arange(n) - (n - 1) / 2)))
        for n, d in zip(weights.shape, dilation, strict=True)
    )
    gain: Floats = np.abs(down @ weights @ right.T)
    return gain


def folded(kernel: Kernel, weights: Floats) -> str:
    """What becomes of frequencies that the coarser of input and output can't hold; nothing where both are as fine."""
    if max(kernel.stride) == 1 or weights.ndim > 2 or isinstance(kernel, Deformable):
        return ""
    limits = once([f"1/{2 * step}" for step in kernel.stride])
    what = "copies of lower ones" if kernel.type == "transposed" else "aliases: they come out as lower ones"
    response = Response.of_kernel(kernel, weights)
    if min(response.limits) >= response.reach:
        return f"frequencies beyond {limits} cycles would be {what}; their gain is below {_LITTLE:.0%}"
    gain = number(response.beyond)
    return f"frequencies beyond {limits} cycles, the dashed line, are {what}; their gain is up to {gain}"


def fraction(value: float) -> str:
    """A frequency, which is a power of two, as text.

    >>> fraction(0.25), fraction(-1 / 16), fraction(0)
    ('¼', '−1/16', '0')
    """
    if not value:
        return "0"
    return "−" * (value < 0) + _FRACTIONS.get(abs(value), f"1/{round(1 / abs(value))}")


def colour_map(shares: Floats) -> Any:
    """Numbers from 0 to 1 as the colours of cividis, dark blue to yellow, which all eyes and grey prints keep apart.

    Source: Nuñez, Anderton & Renslow 2018, doi:10.1371/journal.pone.0199239.
    """
    grey = np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
    return cv2.applyColorMap(grey, cv2.COLORMAP_CIVIDIS)[..., ::-1].copy()


def gain_picture(response: Response, x: float, y: float, side: float) -> list[Any]:
    """The gain by both frequencies; y points down, as in pictures."""
    most = float(response.gain.max())
    items: list[Any] = [
        Picture(x=x, y=y, w=side, h=side, pixels=colour_map(response.gain / (most or 1)), smooth=True),
        Box(x=x, y=y, w=side, h=side, stroke="rule"),
    ]
    for at in (0, 0.5, 1):
        text = fraction((2 * at - 1) * response.reach)
        items.append(Text(x=x + side * at, y=y + side + 16, text=text, size=11, role="faint"))
        items.append(Text(x=x - 7, y=y + side * at + 4, text=text, size=11, role="faint", anchor="end"))
    scale = f"blue: 0, yellow: {number(most)}" + f"; beyond: below {_LITTLE:.0%}" * (response.reach < 0.5)
    shares = [min(limit / response.reach, 1) * side for limit in response.limits]
    if min(shares) < side:
        left, top = x + (side - shares[1]) / 2, y + (side - shares[0]) / 2
        frame: dict[str, Any] = {"x": left, "y": top, "w": shares[1], "h": shares[0]}
        items += [Box(**frame, stroke="marked", width=3), Box(**frame, stroke="mark", width=1.4, dashed=True)]
    for line, text in enumerate(("gain by frequency, cycles per pixel", scale)):
        items.append(Text(x=x + side / 2, y=y + side + 34 + 16 * line, text=text, role="faint"))
    return items


def gain_plot(
    response: Response, x: float, y: float, w: float, h: float, lines: Mapping[str, Floats] | None = None
) -> list[Any]:  # fmt: skip
    """Gains from frequency 0 on as curves, of all three directions unless others are said; equal ones are one, with all
    their names."""
    lines, reach = lines or response.lines(), response.reach
    top = nice_top(max(float(values.max()) for values in lines.values()))
    unit = 10.0 ** math.floor(math.log10(top)) if not _PLAIN[0] <= top < _PLAIN[1] else 1.0
    items: list[Any] = []
    if unit != 1:
        items.append(Text(x=x - 7, y=y - 12, text=f"× {brief(unit)}", size=11, role="faint", anchor="end"))
    for k in range(5):
        at = y + h - h * k / 4
        items.append(Path(points=((x, at), (x + w, at)), stroke="rule"))
        items.append(Text(x=x - 7, y=at + 4, text=number(top / unit * k / 4), size=11, role="faint", anchor="end"))
    limit = min(response.limits)
    if limit < reach and (limit == max(response.limits) or len(lines) == 1):
        at = x + w * limit / reach
        items.append(Path(points=((at, y), (at, y + h)), stroke="ghostline", width=1.5, dashed=True))
    joined: list[tuple[list[str], Floats]] = []
    for name, values in lines.items():
        same = (names for names, others in joined if np.allclose(others, values, atol=1e-6 * top))
        names = next(same, None)
        if names is None:
            joined.append(([name], values))
        else:
            names.append(name)
    at = x
    for index, (names, values) in enumerate(joined):
        last, role = len(values) - 1, f"c{index + 1}"
        points = tuple((x + w * k / last, y + h - h * float(v) / top) for k, v in enumerate(values))
        items.append(Path(points=points, stroke=role, width=2.2, dashed=index == 1))
        if names != [""]:
            text = " = ".join(names)
            items.append(Path(points=((at, y - 14), (at + 16, y - 14)), stroke=role, width=2.6, dashed=index == 1))
            items.append(Text(x=at + 21, y=y - 10, text=text, size=11, role="faint", anchor="start"))
            at += 21 + width_of(text, 11) + 14
    for share in (0, 0.5, 1):
        items.append(Text(x=x + w * share, y=y + h + 16, text=fraction(share * reach), size=11, role="faint"))
    return items


def nice_top(value: float) -> float:
    """The end of an axis that reaches to a value."""
    unit = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(k * unit for k in _NICE if k * unit >= value * 0.999)
