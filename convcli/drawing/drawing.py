"""A drawing: a scene that is shown, or saved in any format that its name says."""

from __future__ import annotations

import math
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypedDict

from convcli.drawing import svg
from convcli.drawing.scene import Scene
from convcli.errors import ImageError, UsageError, printable, reason
from convcli.records import record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: Extension -> format of drawings, those that can move first.
FORMATS: Final = {
    ".svg": "svg", ".gif": "gif", ".png": "png", ".apng": "png", ".webp": "webp", ".avif": "avif", ".jpg": "jpeg",
    ".jpeg": "jpeg",
}  # fmt: skip
MOVING: Final = ("svg", "gif", "webp", "png", "avif")
#: Pixels of a drawing, all frames together.
MOST_PIXELS: Final = 1 << 29
#: JPEG blurs thin lines otherwise; text stays sharp in lossless files.
_OPTIONS: Final = {
    "jpeg_quality": 92, "jpeg_subsampling": "444", "webp_lossless": 1, "gif_dither": 0, "png_compression": 6,
}  # fmt: skip


#: Light or dark paper, or both in one SVG, as the viewer likes.
Theme: TypeAlias = Literal["auto", "light", "dark"]


class Look(TypedDict, total=False):
    """The settings of a drawing."""

    theme: Theme
    scale: float | None
    width: int | None


@record(eq=False)
class Drawing:
    """A figure, perhaps of several frames. A notebook shows it by itself.

    `theme` is light, dark or auto: in SVG both, as the viewer likes, else light. `scale` is pixels per unit: by
    default 1 of SVG, 2 of other stills, 1.5 of what moves; or `width` is the pixels across.
    """

    scene: Scene
    theme: Theme = "auto"
    scale: float | None = None
    width: int | None = None

    def __post_init__(self) -> None:
        if self.theme not in svg.THEMES:
            raise UsageError(f"unknown theme '{self.theme}'", hint=f"one of: {', '.join(svg.THEMES)}")
        if self.scale is not None and self.width is not None:
            raise UsageError("scale and width both say a size", hint="leave one out")
        for name, size in (("scale", self.scale), ("width", self.width)):
            if size is not None and not 0 < size < math.inf:
                raise UsageError(f"{name} {size} is no size of a drawing", hint=f"{name} 2")

    def __repr__(self) -> str:
        return f"<Drawing '{printable(self.scene.title)}', {self.frames} frame{'s' * (self.frames > 1)}>"

    @property
    def frames(self) -> int:
        return self.scene.frames

    def frame(self, number: int) -> Drawing:
        """One step as a still drawing; the first is number 1. Raises UsageError for one that isn't there."""
        if not 1 <= number <= self.frames:
            raise UsageError(f"frame {number} of {self.frames}", hint="frames count from 1")
        return self._with(self.scene.at(number - 1))

    def _with(self, scene: Scene) -> Drawing:
        return replace(self, scene=scene)

    def _scale(self, default: float) -> float:
        """Pixels per unit."""
        return self.width / self.scene.width if self.width else self.scale or default

    def svg(self) -> str:
        """The drawing as SVG."""
        return svg.encode(self.scene, self.theme, self._scale(1)).decode()

    def _repr_svg_(self) -> str:
        return self.svg()

    def pixels(self) -> list[npt.NDArray[np.uint8]]:
        """All frames as `(height, width, 3)` RGB. Raises UsageError where these are more than 2^29 pixels."""
        from convcli.drawing import raster

        scale = self._scale(2 if self.frames == 1 else 1.5)
        size = self.scene.width * self.scene.height * scale**2
        if size * raster.FINER**2 > MOST_PIXELS or size * self.frames > MOST_PIXELS:
            fact = f"{self.frames} frame{'s' * (self.frames > 1)} of {size / 1e6:.0f} megapixels"
            raise UsageError(fact, hint="less --scale, or .svg")
        return raster.frames(self.scene, scale, dark=self.theme == "dark")

    def encode(self, format: str, place: str = "the drawing") -> bytes:
        """The drawing as a file of a format: svg, gif, png, webp, avif or jpeg.

        Raises UsageError where it moves and the format can't.
        """
        if format not in FORMATS.values():
            known = " ".join(FORMATS)
            raise UsageError(f"{place}: '{format}' is no format of drawings", hint=f"formats: {known}")
        if self.frames > 1 and format not in MOVING:
            raise UsageError(f"{place}: a {format.upper()} can't move", hint="--frame N, or .svg .gif .webp .png")
        if format == "svg":
            return self.svg().encode()
        from convcli.pictures.encoding import encode, encode_frames
        from convcli.pictures.format import Animation

        options = {key: value for key, value in _OPTIONS.items() if key.startswith(format)}
        frames = self.pixels()
        if format == "gif":
            from convcli.drawing.palette import reduced

            frames = reduced(frames)
        if len(frames) == 1:
            return encode(frames[0], format=format, place=place, options=options)
        animation = Animation(frames=frames, durations=self.scene.durations)
        return encode_frames(animation, format=format, place=place, options=options)

    def save(self, path: str | Path) -> None:
        """Writes the file that the name's ending says, whole or not at all; it may replace another.

        Raises UsageError for an ending of no format, ImageError where it can't be written.
        """
        data = self.encode(format_of(str(path)), str(path))
        target = Path(path)
        try:
            handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".convcli-", suffix=".part")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                Path(temporary).chmod(0o666 & ~_umask())
                Path(temporary).replace(target)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise ImageError(f"can't be written: {reason(error)}", place=str(path)) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def format_of(path: str) -> str:
    """The format that a file's ending names; raises UsageError where it is none of drawings."""
    ending = Path(path).suffix.lower()
    if ending not in FORMATS:
        raise UsageError(
            f"{path}: {ending or 'no ending'} is no format of drawings", hint=f"one of {' '.join(FORMATS)}"
        )
    return FORMATS[ending]
