"""Drawings as files: closed, accessible and escaped SVG; pixels that move; all that other readers can read."""

from __future__ import annotations

import dataclasses
import io
import itertools
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageSequence

import convcli
import convcli.drawing
from convcli.drawing import Drawing, theme
from convcli.drawing.scene import Box, Text
from convcli.errors import ConvcliError, UsageError
from tests.drawing.parsed import NS, root

KERNEL = {"weights": [[1, -2, 3], [4, 5, -6], [7, 8, 9]], "padding": 1, "stride": 2, "border": "zero"}


@pytest.fixture(scope="module")
def moving() -> Drawing:
    return convcli.draw.steps(KERNEL, values=np.arange(16).reshape(4, 4), scale=1)


def test_svg_is_accessible_closed_and_the_same_every_time(moving: Drawing) -> None:
    parsed, text = root(moving), moving.svg()
    title, about = parsed[0], parsed[1]
    assert parsed.get("role") == "img"
    assert parsed.get("aria-labelledby") == f"{title.get('id')} {about.get('id')}"
    assert (title.tag, about.tag) == (f"{NS}title", f"{NS}desc")
    assert "Weights, row by row: 1 −2 3; 4 5 −6; 7 8 9." in (about.text or "")
    assert "prefers-reduced-motion" in text and "prefers-color-scheme:dark" in text
    assert not re.search(r"(href|src)=\"(?!data:image/|#)|<script|javascript:|url\(|@import|\son\w+=", text)
    assert text == convcli.draw.steps(KERNEL, values=np.arange(16).reshape(4, 4)).svg()


def test_themes_alone_have_no_other() -> None:
    light, dark = (convcli.draw.kernel("sharpen", theme=name).svg() for name in ("light", "dark"))
    assert "prefers-color-scheme" not in light + dark
    assert theme.LIGHT["paper"] in light and theme.DARK["paper"] in dark


def test_rules_are_for_their_own_figure(moving: Drawing) -> None:
    """Several figures of a notebook are one page: neither rules nor animations nor names may meet."""
    other = convcli.draw.steps("sharpen", (3, 4)).svg()
    names = [set(re.findall(r'(?:id="|@keyframes |<svg[^>]* class=")([\w-]+)', text)) for text in (moving.svg(), other)]
    assert not names[0] & names[1]
    style = re.search(r"<style>(.*)</style>", moving.svg(), re.S)
    assert style
    roots = [convcli.draw.steps("box", (3, 3), **look).svg().split('class="')[1].split('"')[0]
             for look in ({}, {"theme": "dark"}, {"seconds": 2})]  # fmt: skip
    assert len(set(roots)) == 3
    own = moving.svg().split('class="')[1].split('"')[0]
    selectors = re.findall(r"(?:^|\})([^{}@%]+)\{", re.sub(r"@keyframes \S+\{(?:[^{}]*\{[^{}]*\})*\}", "", style[1]))
    assert all(selector.strip().startswith(f".{own} ") for selector in selectors)


@pytest.mark.parametrize("text", ['</desc><script>alert(1)</script> & "x"', "a\x1b[31mb\0c", "ß\n日本 " * 300])
def test_hostile_names_are_escaped(text: str) -> None:
    kernel = convcli.load({"weights": [[1, 2]], "about": text.replace("\0", "")})
    for drawn in (convcli.draw.kernel(kernel), convcli.draw.steps(kernel, (3, 3), title=text)):
        assert "<script" not in drawn.svg()
        ET.fromstring(drawn.svg())
        assert drawn.scene.width < 1500
        assert np.asarray(drawn.frame(1).pixels()[0]).size


def test_without_animation_the_last_frame_is_seen(moving: Drawing) -> None:
    sums = [element for element in root(moving).iter(f"{NS}text") if element.get("font-size") == "14"]
    visible = [element.text for element in sums if element.get("visibility") != "hidden"]
    assert len(visible) == 1
    assert visible[0] == next(i.text for i in moving.frame(4).scene.items if isinstance(i, Text) and i.size == 14)


@pytest.mark.parametrize("source", ["sharpen", "sobel-x", "gaussian", "{weights: [1, 2, 1]}"])
def test_nothing_lies_outside(source: str) -> None:
    kernel = convcli.load(source)
    moving = convcli.draw.steps(kernel, (6, 7)[: len(kernel.axes)]) if max(kernel.taps) < 9 else kernel.draw()
    for scene, frame in ((moving.scene, 0), (moving.scene, moving.frames - 1), (kernel.draw().scene, 0)):
        for item, dx, dy in scene.visible(frame):
            if isinstance(item, Box):
                assert item.x + dx >= -1 and item.x + dx + item.w <= scene.width + 1
                assert item.y + dy >= -1 and item.y + dy + item.h <= scene.height + 1


def test_frames_are_those_of_the_scene(moving: Drawing) -> None:
    frames = moving.pixels()
    assert len(frames) == moving.frames == 4
    assert frames[0].shape == (round(moving.scene.height), round(moving.scene.width), 3)
    for number, frame in enumerate(frames):
        assert np.array_equal(frame, moving.frame(number + 1).pixels()[0])
    assert all((a != b).any() for a, b in itertools.pairwise(frames))


@pytest.mark.parametrize("format", ["gif", "webp", "png", "avif"])
def test_animations_are_read_by_others(moving: Drawing, format: str, tmp_path: Path) -> None:
    ending = "apng" if format == "png" else format
    moving.save(tmp_path / f"a.{ending}")
    frames = moving.pixels()
    if format != "avif":
        done, read = cv2.imreadanimation(str(tmp_path / f"a.{ending}"))
        assert done and len(read.frames) == len(frames)
        assert list(read.durations)[:-1] == [900] * (len(frames) - 1) and read.durations[-1] == 2700
        for ours, theirs in zip(frames, read.frames, strict=True):
            assert np.abs(ours.astype(int) - theirs[..., 2::-1]).mean() < 1.5
    with Image.open(tmp_path / f"a.{ending}") as image:
        theirs = [np.asarray(frame.convert("RGB")).astype(int) for frame in ImageSequence.Iterator(image)]
    assert len(theirs) == len(frames)
    for ours, read_ in zip(frames, theirs, strict=True):
        assert np.abs(ours - read_).mean() < 1.5


@pytest.mark.parametrize(("format", "most"), [("png", 0), ("jpeg", 2), ("webp", 0), ("avif", 2), ("gif", 1.5)])
def test_stills_are_read_by_others(moving: Drawing, format: str, most: float) -> None:
    still = moving.frame(2)
    with Image.open(io.BytesIO(still.encode(format))) as image:
        assert np.abs(np.asarray(image.convert("RGB")).astype(int) - still.pixels()[0]).mean() <= most


def test_files_are_whole_or_not_there(moving: Drawing, tmp_path: Path) -> None:
    for name, fact in (("a.jpg", "a JPEG can't move"), ("a.bmp", ".bmp is no format of drawings"), ("a", "no ending")):
        with pytest.raises(ConvcliError, match=fact):
            moving.save(tmp_path / name)
    with pytest.raises(ConvcliError, match="can't be written: no such file or directory"):
        moving.save(tmp_path / "no" / "a.svg")
    moving.save(tmp_path / "a.svg")
    moving.save(str(tmp_path / "a.svg"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]
    assert moving._repr_svg_() == (tmp_path / "a.svg").read_text()


def test_what_is_too_large_is_refused() -> None:
    with pytest.raises(ConvcliError, match="megapixels"):
        convcli.draw.kernel("sharpen", scale=100).pixels()
    with pytest.raises(ConvcliError, match="unknown theme 'blue'"):
        convcli.draw.kernel("sharpen", theme="blue")


PAIRS = [
    ("ink", "paper"), ("faint", "paper"), ("inputline", "paper"), ("outputline", "paper"), ("tapline", "paper"),
    ("ink", "input"), ("ink", "output"), ("ink", "tap"), ("tapline", "tap"), ("faint", "ghost"), ("ink", "ghost"),
]  # fmt: skip


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize(("ink", "ground"), PAIRS)
def test_text_can_be_read_on_its_ground(ink: str, ground: str, dark: bool) -> None:
    colours = [theme.colour(role, dark=dark) for role in (ink, ground)]
    assert theme.contrast(*colours) >= 4.5, theme.contrast(*colours)


@pytest.mark.parametrize("hue", ["pos", "neg"])
@pytest.mark.parametrize("dark", [False, True])
def test_numbers_on_cells_can_be_read_at_every_strength(hue: str, dark: bool) -> None:
    for opacity in np.linspace(0, 1, 101):
        role = theme.over(hue, float(opacity)) if opacity > 0.25 else "ink"
        ground = theme.mixed(hue, float(opacity), dark=dark)
        assert theme.contrast(theme.colour(role, dark=dark), ground) >= 4.5


def test_a_width_in_pixels_is_that_of_files(moving: Drawing) -> None:
    still = convcli.draw.kernel("sharpen", width=321)
    assert still.pixels()[0].shape[1] == 321
    assert root(still).get("width") == "321"
    small = dataclasses.replace(moving, scale=None, width=200)
    assert {frame.shape[1] for frame in small.pixels()} == {200} and small.frame(2).pixels()[0].shape[1] == 200


@pytest.mark.parametrize(
    "draw",
    [
        lambda: convcli.draw.kernel("sharpen", scale=0), lambda: convcli.draw.kernel("sharpen", scale=float("nan")),
        lambda: convcli.draw.kernel("sharpen", width=-5), lambda: convcli.draw.kernel("sharpen", scale=1, width=9),
        lambda: convcli.draw.kernel("sharpen", theme="grey"), lambda: convcli.draw.kernel("luma", columns=0),
        lambda: convcli.draw.sheet("box", np.zeros((4, 4)), columns=-1),
        lambda: convcli.draw.steps("box", (3, 3), seconds=0),
    ],
)  # fmt: skip
def test_settings_that_make_no_drawing_are_refused_with_a_hint(draw: Any) -> None:
    with pytest.raises(UsageError) as error:
        draw()
    assert error.value.hint


def test_names_of_figures_are_listed_and_drawings_are_told_in_a_line() -> None:
    assert dir(convcli.draw) == sorted(convcli.draw.__all__)
    assert all(callable(getattr(convcli.draw, name)) for name in dir(convcli.draw))
    assert repr(convcli.draw.steps("sharpen", (2, 2))) == "<Drawing 'Convolution arithmetic: sharpen', 4 frames>"
    assert repr(convcli.draw.kernel("box")) == "<Drawing 'Kernel box', 1 frame>"


@pytest.mark.parametrize("source", ["box", {"weights": [[1, 2]]}, [[1, 2], [3, 4]], np.ones((3, 3))], ids=str)
def test_one_kernel_needs_no_list(source: Any) -> None:
    picture = np.arange(48, dtype=np.uint8).reshape(6, 8)
    for figure in (convcli.draw.sheet, convcli.draw.field):
        assert figure(source, picture).svg() == figure([convcli.load(source)], picture).svg()


def test_all_that_figures_write_is_in_the_font_of_pixels() -> None:
    """What OpenCV's font lacks it draws as a question mark."""
    font = cv2.FontFace("sans")

    def drawn(character: str) -> bytes:
        paper = np.full((40, 60, 3), 255, np.uint8)
        return bytes(cv2.putText(paper, character, (10, 30), (0, 0, 0), font, 24, 400)[1])

    sources = Path(convcli.drawing.__file__).parent.glob("*.py")
    written = {character for path in sources for character in path.read_text() if not character.isascii()}
    assert written >= set("×−→÷⌈⌋½¼∗…")
    assert not [character for character in written if drawn(character) == drawn("?")]
