"""A scene as SVG: roles are classes, so that one file serves light and dark paper; frames are CSS animations.

All that a browser does by itself works where the file is an image on a page (no scripts, nothing from elsewhere), and
rules are for this figure alone where it is part of the page, as in notebooks. What shows no animations, or is asked for
less motion, shows the last frame, which is complete.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any, Final
from zlib import crc32

from convcli.drawing.scene import Box, Dot, Group, Item, Path, Picture, Scene, Text, arrow_head, is_visible
from convcli.drawing.theme import FONT, colour
from convcli.errors import UsageError, printable

#: Bytes that an SVG may have.
MOST_BYTES: Final = 16 << 20
#: The part of a step in which what moves glides to its next place.
GLIDE: Final = 0.28
_BASE: Final = (
    "text{font-variant-numeric:tabular-nums}", ".h{paint-order:stroke;stroke-width:3px;stroke-linejoin:round}",
    ".p{image-rendering:pixelated}",
)  # fmt: skip
THEMES: Final = ("auto", "light", "dark")


def encode(scene: Scene, theme: str = "auto", scale: float = 1) -> bytes:
    """The file, shown `scale` pixels per unit where nothing says otherwise.

    `theme` is light, dark, or auto: both, as the viewer likes. Raises UsageError for a file of 16 MiB.
    """
    writer = _Writer(scene)
    body = "\n".join(map(writer.item, scene.items))
    title, about = (escape(printable(text)) for text in (scene.title, scene.about))
    width, height = number(scene.width), number(scene.height)
    sides = f'width="{number(scene.width * scale)}" height="{number(scene.height * scale)}"'
    # Figures of one page may differ in their colours and times alone: their rules must not meet.
    looks = "".join(writer.rules("", theme))
    name = f"c{crc32(f'{title}{about}{sides}{body}{looks}'.encode()):08x}"
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{name}" viewBox="0 0 {width} {height}" {sides} '
        f'role="img" aria-labelledby="{name}-t {name}-d" font-family="{FONT}">\n'
        f'<title id="{name}-t">{title}</title>\n<desc id="{name}-d">{about}</desc>\n'
        f"<style>{''.join(writer.rules(name, theme))}</style>\n"
        f'<rect class="f-paper" width="100%" height="100%" rx="8"/>\n{body}\n</svg>\n'
    )
    data = text.encode()
    if len(data) > MOST_BYTES:
        raise UsageError(f"the drawing would be {len(data) / 2**20:.0f} MB of SVG", hint="-o NAME.png")
    return data


def number(value: float) -> str:
    """At most two places after the point, and no zeros at their end."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _attributes(**values: Any) -> str:
    """Attributes of a tag; what is None is left out."""
    texts = {k: number(v) if isinstance(v, int | float) else v for k, v in values.items() if v is not None}
    return "".join(f' {name.replace("_", "-")}="{text}"' for name, text in texts.items())


class _Writer:
    """Items as tags, and the rules that they need."""

    def __init__(self, scene: Scene) -> None:
        self._frames = scene.frames
        self._steps = scene.frames + scene.rest if scene.frames > 1 else 1
        self._seconds = scene.seconds
        self._fills, self._strokes = {"paper"}, set[str]()
        self._motions: dict[str, tuple[str, str]] = {}

    def rules(self, name: str, theme: str) -> Iterator[str]:
        """The style of the figure whose root has the class `name`."""
        yield from (f".{name} {rule}" for rule in _BASE)
        yield from self._colours(name, dark=theme == "dark")
        if theme == "auto":
            yield from ("@media(prefers-color-scheme:dark){", *self._colours(name, dark=True), "}")
        length = number(self._steps * self._seconds)
        for motion, (keys, timing) in self._motions.items():
            yield f"@keyframes {name}{motion}{{{keys}}}"
            yield f".{name} .{motion}{{animation:{name}{motion} {length}s {timing} infinite}}"
        if self._motions:
            yield f"@media(prefers-reduced-motion:reduce){{.{name} *{{animation:none!important}}}}"

    def _colours(self, name: str, *, dark: bool) -> Iterator[str]:
        for letter, kind, roles in (("f", "fill", self._fills), ("s", "stroke", self._strokes)):
            yield from (f".{name} .{letter}-{role}{{{kind}:{colour(role, dark=dark)}}}" for role in sorted(roles))

    def item(self, item: Any) -> str:
        classes: Iterable[str]
        inner = ""
        if isinstance(item, Group):
            moving = len(set(item.moves)) > 1
            classes = [self._motion(item.moves)] if moving else []
            x, y = item.moves[-1] if item.moves else (0, 0)
            where = f"translate({number(x)} {number(y)})" if x or y else None
            attributes, name = _attributes(transform=where), "g"
            inner = "\n".join(map(self.item, item.items))
        elif isinstance(item, Text):
            name, classes, attributes, inner = self._text(item)
        elif isinstance(item, Picture):
            name, classes = "image", () if item.smooth else ("p",)
            attributes = _attributes(
                x=item.x, y=item.y, width=item.w, height=item.h, preserveAspectRatio="none", href=_data(item)
            )
        else:
            name, classes, attributes = self._shape(item)
        timing, hidden = self._timing(item)
        listed = " ".join(filter(None, (*classes, timing)))
        note = f"<title>{escape(printable(item.note))}</title>" if item.note else ""
        head = f"<{name}" + (f' class="{listed}"' if listed else "") + attributes + hidden
        return f"{head}>{note}{inner}</{name}>" if note or inner else f"{head}/>"

    def _text(self, item: Text) -> tuple[str, list[str], str, str]:
        classes = self._paint(item.role, "paper" if item.halo else "") + ["h"] * item.halo
        attributes = _attributes(
            x=item.x, y=item.y, font_size=item.size, text_anchor=None if item.anchor == "start" else item.anchor,
            font_weight=600 if item.bold else None,
        )  # fmt: skip
        return "text", classes, attributes, escape(printable(item.text))

    def _shape(self, item: Box | Dot | Path) -> tuple[str, list[str], str]:
        attributes = _attributes(
            fill=None if item.fill else "none", fill_opacity=item.opacity if item.fill and item.opacity < 1 else None,
            stroke_width=item.width if item.stroke and item.width != 1 else None,
            stroke_dasharray="3 3" if item.stroke and not isinstance(item, Dot) and item.dashed else None,
        )  # fmt: skip
        classes = self._paint(item.fill, item.stroke)
        if isinstance(item, Box):
            place = _attributes(x=item.x, y=item.y, width=item.w, height=item.h, rx=item.radius or None)
            return "rect", classes, place + attributes
        if isinstance(item, Dot):
            return "circle", classes, _attributes(cx=item.x, cy=item.y, r=item.r) + attributes
        line = _line(item.points) + "Z" * item.closed
        if item.arrow:
            line += _line(arrow_head(item.points, item.arrow))
        thin = item.opacity if item.stroke and not item.fill and item.opacity < 1 else None
        ends = {"stroke_linecap": "round", "stroke_linejoin": "round"} if item.stroke else {}
        return "path", classes, _attributes(d=line, stroke_opacity=thin, **ends) + attributes

    def _paint(self, fill: str, stroke: str) -> list[str]:
        self._fills |= {fill} - {""}
        self._strokes |= {stroke} - {""}
        return [f"f-{fill}"] * bool(fill) + [f"s-{stroke}"] * bool(stroke)

    def _timing(self, item: Item) -> tuple[str, str]:
        """The class and attribute of an item that is not always visible; those of the same frames share a class."""
        if item.frames is None or self._frames == 1:
            return "", ""
        first, stop = item.frames
        stop = self._steps if stop >= self._frames else stop
        if (first, stop) == (0, self._steps):
            return "", ""
        name = f"t{first}-{stop}"
        if name not in self._motions:
            keys = f"0%{{visibility:{'hidden' if first else 'visible'}}}"
            keys += f"{self._share(first)}{{visibility:visible}}" if first else ""
            end = f"{self._share(stop)},100%{{visibility:hidden}}" if stop < self._steps else ""
            self._motions[name] = keys + (end or "100%{visibility:visible}"), "step-end"
        return name, "" if is_visible(item, self._frames - 1) else ' visibility="hidden"'

    def _motion(self, moves: Sequence[tuple[float, float]]) -> str:
        """The class of what moves so: it stays most of a step, then glides to its next place."""
        keys = ""
        for frame, (x, y) in enumerate(moves):
            stop = self._steps if frame == len(moves) - 1 else frame + 1 - GLIDE
            keys += f"{self._share(frame)},{self._share(stop)}{{transform:translate({number(x)}px,{number(y)}px)}}"
        same = (name for name, motion in self._motions.items() if motion[0] == keys)
        name = next(same, f"m{len(self._motions)}")
        self._motions[name] = keys, "ease-in-out"
        return name

    def _share(self, frame: float) -> str:
        return f"{number(100 * frame / self._steps)}%"


def _line(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)


def _data(item: Picture) -> str:
    from convcli.drawing.images import embedded

    kind, data = embedded(item)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
