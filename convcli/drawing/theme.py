"""What roles look like, on light and on dark paper, and which text can be read on what.

Hues are those of Okabe & Ito, "Color Universal Design" (2008), which the colour-blind can tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LIGHT: Final[Mapping[str, str]] = {
    "paper": "#ffffff", "ink": "#24292f", "faint": "#57606a", "rule": "#d0d7de", "ghost": "#f6f8fa",
    "ghostline": "#aeb7c1", "input": "#cfe3f6", "inputline": "#1b6ab3", "tap": "#fbd28a", "tapline": "#8a4d00",
    "output": "#bde6d6", "outputline": "#00734f", "pos": "#d55e00", "neg": "#0072b2", "mark": "#ffffff",
    "marked": "#24292f", "hot": "#e69f00", "c1": "#1b85d6", "c2": "#e69f00", "c3": "#009e73", "c4": "#d55e00",
    "c5": "#cc79a7", "c6": "#56b4e9", "black": "#000000", "white": "#ffffff",
}  # fmt: skip
DARK: Final[Mapping[str, str]] = {
    "paper": "#0d1117", "ink": "#e6edf3", "faint": "#9da7b3", "rule": "#30363d", "ghost": "#161b22",
    "ghostline": "#4b5560", "input": "#16395c", "inputline": "#58a6ff", "tap": "#6f4605", "tapline": "#f5bd5a",
    "output": "#10493a", "outputline": "#3fcf9f", "pos": "#f58a3c", "neg": "#4aa8f0", "mark": "#ffffff",
    "marked": "#24292f", "hot": "#e69f00", "c1": "#58a6ff", "c2": "#e3a72f", "c3": "#3fcf9f", "c4": "#f58a3c",
    "c5": "#e39ac3", "c6": "#8fd0f5", "black": "#000000", "white": "#ffffff",
}  # fmt: skip
FONT: Final = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"
#: Text on cells of the signed map: black or white, whichever is read better, on light paper and on dark.
ON: Final = {"onbb": ("black", "black"), "onbw": ("black", "white"), "onwb": ("white", "black"),
             "onww": ("white", "white")}  # fmt: skip


def colour(role: str, *, dark: bool) -> str:
    """#rrggbb of a role."""
    return (DARK if dark else LIGHT)[ON[role][dark] if role in ON else role]


def rgb(role: str, *, dark: bool) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour(role, dark=dark)[1:])
    return red, green, blue


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, 1 to 21. Source: WCAG 2.2, relative luminance."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    shares = [part / 255 for part in bytes.fromhex(colour[1:])]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def mixed(role: str, opacity: float, *, dark: bool) -> str:
    """The colour of a role that lies with an opacity over that of ghosts."""
    pairs = zip(rgb("ghost", dark=dark), rgb(role, dark=dark), strict=True)
    return "#" + "".join(f"{round(under * (1 - opacity) + over * opacity):02x}" for under, over in pairs)


def over(role: str, opacity: float) -> str:
    """The role of text on a cell of a role and opacity."""
    grounds = [mixed(role, opacity, dark=dark) for dark in (False, True)]
    return "on" + "".join("b" if contrast("#000000", g) > contrast("#ffffff", g) else "w" for g in grounds)
