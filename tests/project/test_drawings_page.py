"""docs/drawings.md: its commands make the pictures that it shows, to the last byte but those of photographs."""

from __future__ import annotations

import base64
import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from tests.support import ROOT, read, run

_spec = importlib.util.spec_from_file_location("remake", ROOT / "docs" / "remake.py")
assert _spec and _spec.loader
remake = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(remake)
COMMANDS = list(remake.commands())
_DATA = r"data:image/\w+;base64,([^\"]+)"


@pytest.mark.parametrize("arguments", COMMANDS, ids=lambda arguments: Path(arguments[-1]).stem)
def test_a_picture_is_what_its_command_makes(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    output = tmp_path / "made.svg"
    assert run(*arguments[:-1], output).code == 0
    before, after = (path.read_text() for path in (ROOT / arguments[-1], output))
    outline = [re.sub(r"c[0-9a-f]{8}", "", re.sub(_DATA, "", text)) for text in (before, after)]
    assert outline[0] == outline[1], "python docs/remake.py"
    for old, new in zip(*(re.findall(_DATA, text) for text in (before, after)), strict=True):
        # Encoders differ by a little between versions of OpenCV.
        pixels = [read(base64.b64decode(data)).astype(int) for data in (old, new)]
        assert np.abs(pixels[0] - pixels[1]).mean() < 0.5, "python docs/remake.py"


def test_every_picture_is_shown_and_made() -> None:
    output = [argument[-1] for argument in COMMANDS]
    displayed = [f"docs/{name}" for name in re.findall(r"^!\[[^\]]+\]\((.+)\)$", remake.PAGE.read_text(), re.M)]
    assert output == displayed
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "docs" / "drawings").iterdir()} == set(output)
