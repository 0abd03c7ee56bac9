"""What libjpeg and libpng say of damaged data is heard, also where there are no files in memory."""

from __future__ import annotations

import os

import pytest
from support import SAMPLES

from convcli import images


def damaged() -> bytes:
    data = bytearray((SAMPLES / "scene.jpg").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 40] = b"\xff\x33" * 20
    return bytes(data)


def refused(name: str) -> int:
    raise PermissionError(name)


@pytest.mark.parametrize("memory", [True, False])
def test_complaints_are_heard(memory: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    if not memory:
        monkeypatch.setattr(os, "memfd_create", refused, raising=False)
    picture = images.decode(damaged(), place="a.jpg")
    assert any(note.startswith("damaged JPEG: Corrupt JPEG data") for note in picture.notes)
    assert capfd.readouterr().err == ""
