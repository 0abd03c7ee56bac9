"""docs/from-*.md: both commands of a row make the same picture or array, as far as its third cell says.

Where the other program isn't installed, ours runs all the same, and the test says that it was skipped.
"""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.project.pages import blocks, check, code, ran, rows, samples, shell
from tests.support import ROOT

DOCS = ROOT / "docs"
SHELL = ("imagemagick", "vips", "ffmpeg", "gimp")
#: Rows and columns at each side that programs continue differently.
FRAME = 8


def pairs(page: str) -> list[tuple[str, str, str]]:
    """The rows that have code on both sides: theirs, ours, and the mean difference in the third cell."""
    actual = [(code(row[0]), code(row[1]), row[2]) for row in rows(DOCS / f"from-{page}.md") if len(row) == 3]
    return [row for row in actual if row[1]]


def picture(folder: Path) -> Any:
    """The one picture or array called `out` in a folder, colours weighted by alpha, which is where they are seen."""
    (path,) = folder.glob("out.*")
    if path.suffix == ".npy":
        return np.load(path)
    pixels = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)).astype(np.float64)
    path.unlink()
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        pixels = pixels[..., :3] * (pixels[..., 3:] / 255)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def apart(theirs: Any, ours: Any) -> float:
    """The mean of the absolute differences, away from the frame. Grey may be compared with three equal channels."""
    assert theirs.shape[:2] == ours.shape[:2]
    inside = (slice(FRAME, -FRAME), slice(FRAME, -FRAME))
    return float(np.abs(theirs[inside] - ours[inside]).mean())


@pytest.mark.parametrize("page", SHELL)
def test_commands_make_the_same(page: str, tmp_path: Path) -> None:
    theirs, ours = samples(tmp_path / "theirs"), samples(tmp_path / "ours")
    for block in (block for block in blocks(DOCS / f"from-{page}.md") if block.language == "console"):
        for folder in (theirs, ours):
            check(block, folder)
    actual = pairs(page)
    assert actual
    absent = set()
    for other, mine, difference in actual:
        status, printed = ran(mine, ours)
        assert status == 0, f"{mine}\n{printed}"
        if not other or difference == "-":
            continue
        if not shutil.which(program := other.split()[0]):
            absent.add(program)
            continue
        done = shell(other, theirs)
        assert done.returncode == 0, f"{other}\n{done.stdout}"
        measured = apart(picture(theirs), picture(ours))
        assert measured <= float(difference) + 0.005, f"{other}\n{mine}\n{measured:.3f} apart, {difference} on the page"
    if absent:
        pytest.skip(f"our commands ran; not installed, so not compared: {', '.join(sorted(absent))}")


@pytest.mark.parametrize(("page", "module"), [("opencv", "cv2"), ("pytorch", "torch")])
def test_calls_make_the_same(page: str, module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row is two expressions, of what the page's first block defines."""
    monkeypatch.chdir(samples(tmp_path))
    actual = pairs(page)
    assert actual
    try:
        importlib.import_module(module)
    except ImportError:
        pytest.skip(f"{module} is not installed")
    names: dict[str, Any] = {}
    exec(next(block.text for block in blocks(DOCS / f"from-{page}.md") if block.language == "python"), names)
    for other, mine, difference in actual:
        values = [np.asarray(eval(text, names), np.float64) for text in (other, mine)]
        assert values[0].shape == values[1].shape, mine
        measured = np.abs(values[0] - values[1]).max()
        assert measured <= float(difference), f"{other}\n{mine}\n{measured} apart, {difference} on the page"
