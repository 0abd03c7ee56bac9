"""Several kernels side by side on one picture; and before, after and the difference."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from convcli.drawing.images import eight_bits
from convcli.drawing.parts import PAD, Look, cut, header, heading, heat_pixels, number, scale_bar, width_of, wrapped
from convcli.drawing.scene import Picture, Scene, Text
from convcli.errors import UsageError
from convcli.filtering import Chain, filter_pixels
from convcli.networks.runnable import NetworkKernel
from convcli.records import record

if TYPE_CHECKING:
    from convcli.drawing.parts import Floats
    from convcli.ops import Kernel

#: How wide a panel is drawn, that of a difference, columns, and panels at most.
WIDTH, WIDTH_OF_DIFFERENCE, COLUMNS, MOST = 300.0, 330.0, 3, 100
#: What becomes of negative and over-bright results: as in `apply`, or as each kernel needs it.
RANGES: Final = ("auto", "clip", "abs", "offset", "rescale")
_GAP, _LINE = 14, 34
#: The share of samples whose greatest magnitude spans the greys from the middle on.
_PERCENTILE: Final = 99


@record(eq=False)
class Panel:
    """A picture (height, width, 3) of bytes, what it is, and what is to be said of its greys."""

    pixels: Any
    name: str
    remark: str = ""


def figure(
    kernels: Sequence[Kernel], picture: Any, *, title: str | None = None, columns: int | None = None,
    range: str = "auto",
) -> Scene:  # fmt: skip
    """The picture, (height, width, channels), and what each kernel makes of it; a bank's channels are panels.

    In the `range` auto, results of kernels whose taps sum to 0 are grey where they are 0. Raises UsageError for more
    than 100 panels, `ShapeError` for a kernel that doesn't fit.
    """
    if range not in RANGES:
        raise UsageError(f"unknown range '{range}'", hint=f"one of: {', '.join(RANGES)}")
    panels = [Panel(pixels=eight_bits(picture), name="the picture itself")]
    for kernel in kernels:
        panels += _panels(kernel, picture, range)
        if len(panels) > MOST + 1:
            raise UsageError(f"more than {MOST} panels", hint="fewer kernels, or a bank of fewer channels")
    size = f"{picture.shape[1]}×{picture.shape[0]} pixels"
    what = f"{len(panels) - 1} results on {size}" if len(panels) > 2 else f"on {size}"
    maps = any(isinstance(kernel, NetworkKernel) and kernel.makes_maps for kernel in kernels) and range == "auto"
    says = "maps: orange is positive, blue negative, in full colour from the number at the right on" if maps else ""
    name = ", ".join(heading(kernel, None) for kernel in kernels) if title is None else title
    return arranged(panels, name, [what, *filter(None, [says])], columns or COLUMNS)


def arranged(panels: Sequence[Panel], name: str, lines: Sequence[str], columns: int) -> Scene:
    """Panels as a contact sheet."""
    items, top, wide = header(name, lines)
    items, y = list(items), top
    for first in range(0, len(panels), columns):
        row = panels[first : first + columns]
        high = max(WIDTH * panel.pixels.shape[0] / panel.pixels.shape[1] for panel in row)
        for place, panel in enumerate(row):
            items += _panel(panel, PAD + place * (WIDTH + _GAP), y, WIDTH, high)
        y += high + _LINE
    width = 2 * PAD + min(columns, len(panels)) * (WIDTH + _GAP) - _GAP
    return Scene(
        width=max(width, wide), height=y + PAD - _GAP, items=tuple(items), title=f"Sheet of {name}",
        about=f"{'; '.join(lines)}. " + ", ".join(f"{p.name} ({p.remark})" if p.remark else p.name for p in panels),
    )  # fmt: skip


def _panel(panel: Panel, x: float, y: float, width: float, high: float) -> list[Any]:
    own = width * panel.pixels.shape[0] / panel.pixels.shape[1]
    enlarged = panel.pixels.shape[1] * 2 < width
    items: list[Any] = [Picture(x=x, y=y, w=width, h=own, pixels=panel.pixels, smooth=not enlarged)]
    name = cut(panel.name, width - bool(panel.remark) * (width_of(panel.remark, 11) + 10), 13, bold=True)
    items.append(Text(x=x, y=y + high + 17, text=name, size=13, bold=True, anchor="start"))
    if panel.remark:
        items.append(Text(x=x + width, y=y + high + 17, text=panel.remark, size=11, role="faint", anchor="end"))
    return items


def _panels(kernel: Kernel, picture: Any, range: str) -> list[Panel]:
    name = heading(kernel, None)
    if isinstance(kernel, NetworkKernel) and kernel.makes_maps and range == "auto":
        return _maps(kernel, picture)
    mode = range if range != "auto" else "float" if kernel.sums_to_zero else "clip"
    result = np.asarray(filter_pixels(picture, Chain([kernel], mode), counted=False).array)
    remark = "" if range == "auto" or mode == "clip" else mode
    if mode == "float":
        result, remark = _around_grey(result)
    if result.shape[2] in (1, 3):
        return [Panel(pixels=eight_bits(result), name=name, remark=remark)]
    if result.shape[2] > MOST:
        raise UsageError(f"kernel '{kernel.name}' makes {result.shape[2]} channels; at most {MOST} panels are drawn")
    return [
        Panel(pixels=eight_bits(result[..., k : k + 1]), name=f"{name}, channel {k}", remark=remark)
        for k in np.arange(result.shape[2])
    ]


def _maps(network: NetworkKernel, picture: Any) -> list[Panel]:
    """The maps that leave a network, each in signed colours up to a magnitude that few of its samples exceed."""
    maps = np.asarray(filter_pixels(picture, Chain([network], "float"), counted=False).array, np.float64)
    if maps.shape[2] > MOST:
        raise UsageError(f"network '{network.name}' makes {maps.shape[2]} maps; at most {MOST} panels are drawn")
    panels = []
    for k in np.arange(maps.shape[2]):
        peak = _peak(maps[..., k])
        pixels = heat_pixels(np.nan_to_num(maps[..., k]), peak)
        panels.append(Panel(pixels=pixels, name=f"map {k}", remark=f"±{number(float(f'{peak:.3g}'))}"))
    return panels


def _peak(result: Floats) -> float:
    """A magnitude that few finite samples exceed."""
    finite = np.abs(result[np.isfinite(result)])
    return float(np.percentile(finite, _PERCENTILE)) if finite.size else 0.0


def _around_grey(result: Floats) -> tuple[Any, str]:
    """Results with 0 as grey, and how far from 0 black and white are."""
    peak = _peak(result) or 1.0
    grey = np.clip(np.rint(128 + np.nan_to_num(result) * (127 / peak)), 0, 255).astype(np.uint8)
    return grey, f"grey: 0, ±{number(float(f'{peak:.3g}'))}"


def difference(kernel: Kernel, picture: Any, *, title: str | None = None) -> Scene:
    """The picture before and after a kernel that keeps its size, and how the mean of its channels changes."""
    after = np.asarray(filter_pixels(picture, Chain([kernel], "clip"), counted=False).array)
    if after.shape[:2] != picture.shape[:2]:
        before, now = ("x".join(map(str, array.shape[:2])) for array in (picture, after))
        raise UsageError(f"kernel '{kernel.name}' makes {now} of {before}: there is no difference of other sizes")
    both = [eight_bits(array) for array in (picture, after)]
    change = both[1].astype(np.float64).mean(axis=2) - both[0].astype(np.float64).mean(axis=2)
    peak = max(1.0, round(float(np.percentile(np.abs(change), 98))))
    return _compared(kernel, both, change, peak, title)


def _compared(kernel: Kernel, both: Sequence[Any], change: Floats, peak: float, text: str | None) -> Scene:
    name = heading(kernel, text)
    items, top, wide = header(name, wrapped(kernel.about))
    items, w = list(items), WIDTH_OF_DIFFERENCE
    high = w * change.shape[0] / change.shape[1]
    remark = f"mean of |difference|: {np.abs(change).mean():.2f}"
    panels = [
        Panel(pixels=both[0], name="before"), Panel(pixels=both[1], name="after"),
        Panel(pixels=heat_pixels(change, peak), name="difference", remark=remark),
    ]  # fmt: skip
    for place, panel in enumerate(panels):
        items += _panel(panel, PAD + place * (w + _GAP), top, w, high)
    bar, right = scale_bar(PAD + 3 * (w + _GAP), top + 6, high - 12, Look(peak=peak), pixels=True)
    about = f"{kernel.about} Before, after, and the difference of each pixel's mean in 255ths; {remark}."
    return Scene(
        width=max(right + PAD, wide), height=math.ceil(top + high + _LINE + 8), items=(*items, *bar),
        title=f"{name}: before, after, difference", about=about.strip(),
    )  # fmt: skip
