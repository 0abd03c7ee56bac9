"""Fixtures of tests of runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convcli.batch import durability, one_file
from tests.support import noise, save


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls that make files durable and put them in place, in their order, on a file system that has them all."""
    seen: list[str] = []
    fsync, link = os.fsync, os.link

    def noted(name: str, call: Any) -> Any:
        return lambda *values, **options: (seen.append(name), call(*values, **options))[1]

    monkeypatch.setattr(os, "fsync", noted("fsync", fsync))
    monkeypatch.setattr(os, "link", noted("link", link))
    monkeypatch.setattr(durability, "_calls", lambda: (noted("syncfs", lambda handle: 0), lambda handle: 0xEF53))
    monkeypatch.setattr(durability, "_together", {})
    return seen


@pytest.fixture(params=["whole", "in bands"])
def runs_folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with pictures a.png, b.png and c.png, and a kernel with weights in a file.

    What goes for pictures that are filtered whole goes for large ones, whose bytes are never there together.
    """
    monkeypatch.chdir(tmp_path)
    if request.param == "in bands":
        monkeypatch.setattr(one_file, "_LEAST", 0)
        monkeypatch.setattr(one_file, "_LEAST_ALONE", 0)
    for seed, name in enumerate("abc"):
        save(Path(f"{name}.png"), noise(12, 10, 3, seed=seed))
    Path("kernel.yaml").write_text("weights: weights.npy\n")
    np.save("weights.npy", np.full((3, 3), 1 / 9))
    return tmp_path
