"""Fixtures that several test files use."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convcli.batch import durability, one_file
from convcli.engine import plan, threads
from convcli.engine.bank import call, cells, spread
from convcli.ops import deformed
from convcli.pictures.formats.png import deflate
from tests.support import noise, save


def pytest_configure() -> None:
    """Processes that are started here obey signals, also under nohup or in the background of a script, where some are
    ignored: a handler of this process's own is none of theirs."""
    for name in ("SIGINT", "SIGHUP", "SIGQUIT", "SIGTERM"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module", params=["zlib", "ISA-L"])
def each_deflate(request: pytest.FixtureRequest) -> Iterator[str]:
    """All that a module tests, with each library that may deflate PNG files."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "zlib":
            patch.setitem(sys.modules, "isal.isal_zlib", None)
        else:
            pytest.importorskip("isal", reason="the extra 'fast' is not installed")
        importlib.reload(deflate)
        yield request.param
    importlib.reload(deflate)


@pytest.fixture
def in_bands(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No picture is so small that it is filtered by one call."""
    monkeypatch.setattr(plan, "CALL_LIMIT", 0)
    for module in (call, cells, spread):
        monkeypatch.setattr(module, "CALL_BYTES", 0)
    monkeypatch.setattr(deformed, "CALL_LIMIT", 0)
    monkeypatch.setattr(threads, "library_threads", lambda: 1)
    plan.plan_plane.cache_clear()
    yield
    plan.plan_plane.cache_clear()


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
