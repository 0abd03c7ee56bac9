"""What figures are made of: numbers, titles, cells, heat maps, scales."""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from convcli.drawing.scene import Box, Text
from convcli.drawing.theme import over
from convcli.errors import one_line, printable
from convcli.ops.products import whole_factor
from convcli.records import record

if TYPE_CHECKING:
    import numpy.typing as npt

    from convcli.ops import Kernel

    Floats = npt.NDArray[np.floating[Any]]

#: The margin of figures.
PAD: Final = 22
#: Characters of a line of text.
LINE: Final = 116
_TITLE: Final = 1000.0  # how wide a title may be
#: Opacity of a cell from which its number is black or white, and not ink.
STRONG: Final = 0.25
#: Widths of characters as parts of the text's size in DejaVu Sans, the widest of common fonts; others are 0.64 wide.
_WIDTHS: Final = {
    character: width
    for width, characters in (
        (0.33, "ijlIJ.,:;'/\\|· "),
        (0.42, 'ftr()[]!-⌊⌋"²'),
        (0.86, "wmCDGHNOQUM%#+<=>~×−→÷∗≈…½¼"),
    )
    for character in characters
}
_WIDER: Final = 0x2E80  # from here on characters are square
_GAMMA: Final = 0.8
#: Characters of a number in a cell.
_BRIEF: Final = 6


def number(value: float, digits: int = 3) -> str:
    """A number as it is drawn: whole ones whole, others with three digits, a true minus sign.

    >>> number(-2), number(0.125), number(1234.5), number(0.00001234)
    ('−2', '.125', '1234.5', '1e-5')
    """
    value = float(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "∞" if value > 0 else "−∞"
    if abs(value) < 1e-12:
        return "0"
    if abs(value - round(value)) < 1e-9 and abs(value) < 1e6:
        text = str(round(value))
    else:
        most = max(digits - (abs(value) < 0.1), len(str(int(abs(value)))) + 1 if abs(value) >= 100 else 0)
        text = f"{value:.{most}g}"
        if "e" in text:
            text = f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")
        elif "." in text:
            text = text.rstrip("0").rstrip(".").replace("0.", ".", int(abs(value) < 1))
    return text.replace("-", "−", int(value < 0))


def brief(value: float) -> str:
    """A number as it is drawn where there is little room: what would be long in parts of a power of ten.

    >>> brief(-332999.9), brief(1e6), brief(-15.25)
    ('−3.3e5', '1e6', '−15.2')
    """
    text = number(value)
    if len(text) <= _BRIEF or abs(value) < 1:
        return text
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}".replace("-", "−", int(value < 0))


def width_of(text: str, size: float = 12, *, bold: bool = False) -> float:
    """The most that a text takes in the fonts that viewers have; they can't be measured here."""
    widths = (_WIDTHS.get(character, 1.0 if ord(character) >= _WIDER else 0.64) for character in text)
    return size * sum(widths) * (1.13 if bold else 1)


def cut(text: str, room: float, size: float = 12, *, bold: bool = False) -> str:
    """A text on one line, that takes no more than the room; what is too long ends in dots."""
    text = one_line(text)
    if width_of(text, size, bold=bold) <= room:
        return text
    while text and width_of(f"{text}…", size, bold=bold) > room:
        text = text[:-1]
    return f"{text}…"


def wrapped(text: str, lines: int = 3) -> list[str]:
    """A text in lines that are no wider than most figures; what is too long ends in dots."""
    parts = textwrap.wrap(" ".join(printable(text).split()), LINE) or [""]
    return parts if len(parts) <= lines else [*parts[: lines - 1], parts[lines - 1][: LINE - 1] + "…"]


def heading(kernel: Kernel, title: str | None) -> str:
    """The title that was asked for, or what the kernel is called."""
    if title is not None:
        return title
    if kernel.name in ("inline", "kernel"):
        kind = "" if kernel.type == "dense" else f"{kernel.type.replace('_', ' ')} "
        return f"{kind}kernel of {'×'.join(map(str, kernel.taps))} taps".capitalize()
    return kernel.name


def header(text: str, lines: Sequence[str] = ()) -> tuple[list[Any], float, float]:
    """A heading of one line and lines below it, where the figure goes on below them, and how wide they are."""
    text = cut(wrapped(text, 1)[0], _TITLE, 16, bold=True)
    items: list[Any] = [Text(x=PAD, y=PAD + 10, text=text, size=16, bold=True, anchor="start")] if text else []
    y = PAD + 10.0 if text else PAD - 8.0
    for line in filter(None, lines):
        y += 18
        items.append(Text(x=PAD, y=y, text=line, role="faint", anchor="start"))
    widest = max([width_of(text, 16, bold=True), *map(width_of, lines)])
    return items, y + 20, widest + 2 * PAD


def cell(x: float, y: float, size: float, **look: Any) -> Box:
    """One square of a grid."""
    return Box(x=x + 1.5, y=y + 1.5, w=size - 3, h=size - 3, radius=3, **look)


def fitted(text: str, size: float, most: float = 15) -> float:
    """The size of a number in a square cell."""
    return min(most, size * 0.44, size * 1.25 / max(len(text), 2))


def in_cell(text: str, x: float, y: float, size: float, high: float = 0, **look: Any) -> Text:
    """A number, `high` or as high as fits, in the middle of a square cell whose upper left corner is at (x, y)."""
    high = high or fitted(text, size)
    return Text(x=x + size / 2, y=y + size / 2 + high * 0.36, text=text, size=high, **look)


def signed(value: float, peak: float) -> tuple[str, float]:
    """The role and opacity of a signed number on the diverging map."""
    share = min(1.0, abs(value) / peak) if peak else 0.0
    return "pos" if value > 0 else "neg", round(share**_GAMMA, 3)


@record
class Look:
    """How signed numbers are drawn as cells: `peak` has the full colour; `signs` are those that there are.

    They are written into the cells multiplied by `factor` (0: they are not written), `rounded` where that isn't exact:
    to whole numbers of at most three digits, or by a factor of 1 to three digits.
    """

    peak: float
    signs: tuple[int, int] = (-1, 1)
    factor: float = 0
    rounded: bool = False

    @classmethod
    def of(cls, weights: Floats, *, numbers: bool) -> Look:
        peak = float(np.abs(weights).max())
        signs = -int((weights < 0).any()), int((weights > 0).any())
        if not numbers or not peak:
            return cls(peak=peak, signs=signs, factor=float(numbers))
        factor = whole_factor(weights)
        rounded = factor == 1 and not np.allclose(weights, np.rint(weights))
        if rounded:
            factor = 10.0 ** max(0, 3 - math.ceil(math.log10(peak * 1.0000001)))
            rounded = not np.allclose(weights * factor, np.rint(weights * factor), rtol=0, atol=1e-6)
        return cls(peak=peak, signs=signs, factor=factor, rounded=rounded)

    def text(self, value: Any) -> str:
        value = float(value) * self.factor
        return brief(round(value) if self.rounded and self.factor != 1 else value)

    @property
    def label(self) -> str:
        """What is to be said of the numbers in the cells."""
        return f"weights{self.scale}"

    @property
    def scale(self) -> str:
        """By what the numbers in the cells were multiplied."""
        if self.factor in (0, 1):
            return ", to three digits" * self.rounded
        return f" × {brief(self.factor)}" + " (rounded)" * self.rounded


def heat(weights: Floats, x: float, y: float, size: float, look: Look, name: Callable[..., str]) -> list[Any]:
    """A matrix of signed numbers as coloured cells; each tells its value under the `name` of its row and column."""
    longest = max(len(look.text(v)) for v in weights.reshape(-1)) if look.factor else 1
    high = min(size * 0.4, size * 1.3 / longest, 15)
    items: list[Any] = []
    for (row, column), value in np.ndenumerate(weights):
        left, top = x + column * size, y + row * size
        role, opacity = signed(float(value), look.peak)
        box = Box(
            x=left + 0.75, y=top + 0.75, w=size - 1.5, h=size - 1.5, radius=min(3, size / 8), fill="ghost",
            note=f"{name(row, column)} = {value:.6g}",
        )  # fmt: skip
        items.append(box)
        if opacity > 0.004:
            items.append(dataclasses.replace(box, fill=role, opacity=opacity))
        if look.factor:
            ink = over(role, opacity) if opacity > STRONG else "ink"
            items.append(in_cell(look.text(value), left, top, size, high, role=ink, note=box.note))
    return items


def heat_pixels(weights: Floats, peak: float) -> Floats:
    """Signed numbers as pixels of the diverging map on white."""
    share = (np.clip(np.abs(weights) / (peak or 1), 0, 1) ** _GAMMA)[..., None]
    hue = np.where((weights > 0)[..., None], np.array((213, 94, 0)), np.array((0, 114, 178)))
    pixels: Floats = np.rint(255 * (1 - share) + hue * share).astype(np.uint8)
    return pixels


def scale_bar(x: float, y: float, h: float, look: Look, *, pixels: bool = False) -> tuple[list[Any], float]:
    """The scale of the diverging map as far as there are numbers, and where it ends at the right.

    That of `pixels` is on white, as they are, on any paper.
    """
    low, high = look.signs
    if low == high:
        return [], x
    steps, w = 24, 10
    items: list[Any] = [Box(x=x, y=y, w=w, h=h, fill="white")] * pixels
    for k in range(steps):
        role, opacity = signed(high - (high - low) * (k + 0.5) / steps, 1)
        items.append(Box(x=x, y=y + h * k / steps, w=w, h=h / steps + 0.3, fill=role, opacity=opacity))
    items.append(Box(x=x, y=y, w=w, h=h, stroke="rule", radius=1))
    labels = ["+" + number(look.peak)] * high + ["0"] + [number(-look.peak)] * -low
    for text, at in zip(labels, np.linspace(0, 1, len(labels)).tolist(), strict=True):
        items.append(Text(x=x + w + 6, y=y + h * at + 4, text=text, size=11, role="faint", anchor="start"))
    return items, x + w + 6 + max(width_of(text, 11) for text in labels)
