"""CONTRIBUTING.md: the rooms that it lists are those there are, and what it names exists."""

from __future__ import annotations

import re
from collections import Counter

from convcli.engine import plan
from convcli.ops import dense
from tests.support import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_map_lists_every_room() -> None:
    listed = re.findall(r"^      (\w+)/ ", TEXT, re.MULTILINE)
    assert sorted(listed) == sorted(path.parent.name for path in (ROOT / "convcli").glob("*/__init__.py"))
    alone = {path.stem for path in (ROOT / "convcli").glob("*.py")} - {"__init__", "__main__"}
    assert alone == {"answers", "errors", "records", "loading", "start", "channels"}


def test_the_files_that_it_names_are_there() -> None:
    paths = set(re.findall(r"`((?:convcli|tests|benchmarks|engine|ops)/[\w/]+\.py)", TEXT))
    assert len(paths) > 15
    for path in paths - {"convcli/ops/NAME.py", "convcli/cli/NAME.py"}:
        assert (ROOT / path).exists() or (ROOT / "convcli" / path).exists(), path
    for file, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT):
        assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


def test_the_parts_that_it_names_are_there() -> None:
    assert all(hasattr(dense.Dense, name) for name in ("FIELDS", "summary", "formula", "source", "build", "_cuts"))
    assert all(hasattr(plan, name) for name in ("options", "ALGORITHMS"))
    for line in TEXT.splitlines():
        assert len(line) <= 130, line


def test_test_files_have_names_of_their_own() -> None:
    """pytest imports them by their names alone."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("*.py"))
    assert [name for name, count in names.items() if count > 1 and name.startswith(("test_", "conftest"))] == []
