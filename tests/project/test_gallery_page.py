"""docs/gallery.md has every kernel, in pictures that its commands make; docs/reference.md all fields and rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from convcli.spec.library import names
from tests.project.test_drawings_page import remake
from tests.support import ROOT, read, run

COMMANDS = list(remake.commands(remake.GALLERY))


def test_the_reference_is_what_the_script_writes() -> None:
    assert remake.REFERENCE.read_text(encoding="utf-8") == remake.reference(), "python docs/remake.py"


def test_the_page_is_what_the_script_writes() -> None:
    assert remake.GALLERY.read_text(encoding="utf-8") == remake.gallery(), "python docs/remake.py"
    assert sorted(Path(command[-1]).stem for command in COMMANDS) == names()
    assert {f"docs/gallery/{path.name}" for path in (ROOT / "docs/gallery").iterdir()} == {one[-1] for one in COMMANDS}


def test_pictures_are_what_the_commands_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for command in COMMANDS:
        output = tmp_path / Path(command[-1]).name
        assert run(*command[:-1], output).code == 0
        difference = np.abs(read(output).astype(int) - read(ROOT / command[-1]).astype(int))
        assert difference.mean() < 0.5, f"{command[-1]}: python docs/remake.py"


def test_pictures_stay_small() -> None:
    pictures = [path for path in (ROOT / "docs").rglob("*") if path.suffix in {".jpg", ".webp", ".svg", ".png", ".gif"}]
    assert sum(path.stat().st_size for path in pictures) < 3_000_000
