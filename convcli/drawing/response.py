"""What a kernel does to frequencies: its gain as a picture and along directions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from convcli.drawing.parts import number, width_of
from convcli.drawing.scene import Box, Path, Picture, Text

if TYPE_CHECKING:
    from convcli.drawing.parts import Floats

#: Frequencies along an axis, from half a cycle per sample to half a cycle the other way.
SIZE: Final = 129
_NICE: Final = (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10)


def response(weights: Floats, size: int = SIZE) -> Floats:
    """The gain (magnitude of the Fourier transform) of `(h, w)` taps by frequency, `(size, size)`; 0 in the middle."""
    angles = np.linspace(-np.pi, np.pi, size)
    down, right = (np.exp(-1j * np.outer(angles, np.arange(n) - (n - 1) / 2)) for n in weights.shape)
    gain: Floats = np.abs(down @ weights @ right.T)
    return gain


def colour_map(shares: Floats) -> Any:
    """Numbers from 0 to 1 as the colours of cividis, dark blue to yellow, which all eyes and grey prints keep apart.

    Source: Nuñez, Anderton & Renslow 2018, doi:10.1371/journal.pone.0199239.
    """
    grey = np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
    return cv2.applyColorMap(grey, cv2.COLORMAP_CIVIDIS)[..., ::-1].copy()


def gain_picture(gain: Floats, x: float, y: float, side: float) -> list[Any]:
    """The gain by both frequencies; y points down, as in pictures."""
    items: list[Any] = [
        Picture(x=x, y=y, w=side, h=side, pixels=colour_map(gain / (gain.max() or 1)), smooth=True),
        Box(x=x, y=y, w=side, h=side, stroke="rule"),
    ]
    for at, text in ((0, "−½"), (0.5, "0"), (1, "½")):
        items.append(Text(x=x + side * at, y=y + side + 16, text=text, size=11, role="faint"))
        items.append(Text(x=x - 7, y=y + side * at + 4, text=text, size=11, role="faint", anchor="end"))
    label = "gain by frequency, cycles per pixel; blue: 0"
    return [*items, Text(x=x + side / 2, y=y + side + 34, text=label, role="faint")]


def gain_plot(lines: Mapping[str, Floats], x: float, y: float, w: float, h: float) -> list[Any]:
    """Gains from frequency 0 to half a cycle as curves; equal ones are one, with all their names."""
    top = nice_top(max(float(values.max()) for values in lines.values()))
    items: list[Any] = []
    for k in range(5):
        at = y + h - h * k / 4
        items.append(Path(points=((x, at), (x + w, at)), stroke="rule"))
        items.append(Text(x=x - 7, y=at + 4, text=number(top * k / 4), size=11, role="faint", anchor="end"))
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
    for share, text in ((0, "0"), (0.5, "¼"), (1, "½")):
        items.append(Text(x=x + w * share, y=y + h + 16, text=text, size=11, role="faint"))
    return items


def nice_top(value: float) -> float:
    """The end of an axis that reaches to a value."""
    unit = 10.0 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next(k * unit for k in _NICE if k * unit >= value * 0.999)
