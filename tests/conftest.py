"""Fixtures that several test files use."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from convcli.engine import plan
from convcli.engine.bank import call
from convcli.ops import deformed
from convcli.pictures.formats.png import deflate


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
    monkeypatch.setattr(call, "CALL_BYTES", 0)
    monkeypatch.setattr(deformed, "CALL_LIMIT", 0)
    plan.plan_plane.cache_clear()
    yield
    plan.plan_plane.cache_clear()
