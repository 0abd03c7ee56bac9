"""System calls that are counted, and pictures and pending files for groups of outputs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from convcli.batch import files
from tests.support import noise, save

linux = pytest.mark.skipif(sys.platform != "linux", reason="syncfs is Linux's")
COUNT = 24


def pictures(count: int = COUNT) -> list[str]:
    return [save(Path(f"{number:02}.png"), noise(12, 10, 3, seed=number)).name for number in range(count)]


def pending(*names: str, overwrite: bool = False) -> list[files.Pending]:
    several = []
    for name in names:
        several.append(files.Pending())
        several[-1].write([(name, name.encode() * 100, overwrite)], later=True)
    return several
