"""Type checkers know what convcli takes and returns, in a project of a user's; CI runs mypy on the same."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support import PATIENCE, ROOT

TYPED = ROOT / "tests" / "project" / "typed"
#: What is wrong, and the rule of pyright's that says so.
WRONG = {
    'convcli.lod("box")': "reportAttributeAccessIssue",
    "convcli.load(3.5)": "reportArgumentType",
    'convcli.load("box").draw().sav("a.svg")': "reportAttributeAccessIssue",
    'convcli.compare("box", kernel_sise=3)': "reportCallIssue",
    'convcli.draw.steps("box", (5, 5), theme=3)': "reportArgumentType",
}


def test_pyright_takes_what_is_right_and_tells_what_is_wrong(tmp_path: Path) -> None:
    pyright = pytest.importorskip("basedpyright", reason="pip install basedpyright (it is of the extra 'dev')")
    shutil.copytree(TYPED, tmp_path / "typed")
    (tmp_path / "typed" / "wrong.py").write_text("import convcli\n" + "".join(f"{line}\n" for line in WRONG))
    words = [sys.executable, "-m", pyright.__name__, "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(words, cwd=tmp_path / "typed", capture_output=True, timeout=PATIENCE, check=False)
    seen = json.loads(done.stdout)["generalDiagnostics"]
    errors = [(Path(one["file"]).name, one["range"]["start"]["line"], one["rule"]) for one in seen
              if one["severity"] == "error" and not one["rule"].startswith("reportUnknown")]  # fmt: skip
    assert errors == [("wrong.py", number, rule) for number, rule in enumerate(WRONG.values(), 1)]


def test_mypy_checks_it_with_the_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]
    assert settings["strict"] and "tests/project/typed" in settings["files"]
