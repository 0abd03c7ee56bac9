"""docs/networks.md: its files are networks, and its commands do what they show."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from networks import shared
from networks.test_fsrcnn import onnx_model
from project.test_readme import pattern, shell, steps

from convcli.networks import assemble
from convcli.networks.file import from_text
from convcli.networks.kinds import KINDS
from convcli.networks.onnx.operators import OPERATORS
from convcli.networks.weights import NAMES
from tests.support import ROOT

PAGE = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(console|yaml)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the scene, the page's network and its weights."""
    folder = tmp_path_factory.mktemp("networks")
    shutil.copy(ROOT / "samples" / "scene.jpg", folder)
    shutil.copy(shared.weights("fsrcnn_x2.safetensors"), folder)
    (folder / "fsrcnn.yaml").write_text(next(text for language, text in BLOCKS if language == "yaml"))
    (folder / "model.onnx").write_bytes(onnx_model("fsrcnn_x2").SerializeToString())
    return folder


@pytest.mark.parametrize("block", [text for language, text in BLOCKS if language == "console"])
def test_commands_do_what_they_show(block: str, folder: Path) -> None:
    for command, shown in steps(block):
        result = shell(command, folder)
        assert result.returncode == 0, (command, result.stdout)
        assert pattern(shown).fullmatch(result.stdout.rstrip()), (command, result.stdout)


def test_files_are_networks() -> None:
    for text in (text for language, text in BLOCKS if language == "yaml"):
        assemble(from_text(re.sub(r"^weights: .*\n", "", text, flags=re.MULTILINE), "page"))


def test_nothing_is_left_out() -> None:
    for name in [*KINDS, *NAMES, *OPERATORS]:
        if name not in ("block", "layers", "deformable", "Constant", "GlobalAveragePool", "GlobalMaxPool"):
            assert re.search(rf"\b{name}\b", PAGE), name
