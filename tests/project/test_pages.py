"""README and docs/: their commands print what stands below them, their files load, their links lead somewhere."""

from __future__ import annotations

import doctest
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from networks import shared
from networks.test_fsrcnn import onnx_model

import convcli
from convcli.networks import assemble
from convcli.networks.file import from_text
from tests.project.pages import PAGES, Block, blocks, check, samples
from tests.support import KERNELS, ROOT

#: Markdown files outside of docs/ whose links are held to lead somewhere, too.
OTHERS = [ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "RELIABILITY.md", "samples/README.md")]


def deformable(folder: Path) -> None:
    """The trained arrays that the page's kernel file names stand beside it."""
    shutil.copy(KERNELS / "denoise-deformable.npz", folder / "kernels")


def networks(folder: Path) -> None:
    """The page's network beside its weights, and the same network as a graph."""
    shutil.copy(shared.weights("fsrcnn_x2.safetensors"), folder)
    texts = [block.text for block in blocks(ROOT / "docs" / "networks.md") if block.language == "yaml"]
    (folder / "fsrcnn.yaml").write_text(texts[0], encoding="utf-8")
    (folder / "model.onnx").write_bytes(onnx_model("fsrcnn_x2").SerializeToString())


#: What pages need besides the samples.
PREPARE: dict[str, Callable[[Path], None]] = {"deformable": deformable, "networks": networks}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_blocks_do_what_they_say(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = samples(tmp_path)
    monkeypatch.chdir(folder)
    PREPARE.get(page.stem, lambda _: None)(folder)
    names: dict[str, Any] = {}
    for number, block in enumerate(blocks(page)):
        if block.language == "console":
            check(block, folder)
        elif block.language == "python":
            exec(compile(block.text, f"{page.name}, line {block.line}", "exec"), {"__name__": "page"})
        elif block.language == "pycon":
            typed(block, page, names)
        elif block.language == "yaml":
            loads(block.text, folder / "kernels" / f"page-{number}.yaml")
        else:
            assert block.language in ("sh", "text"), block


def typed(block: Block, page: Path, names: dict[str, Any]) -> None:
    """A session of Python's, which goes on with the `names` of the page's sessions before, prints what it shows."""
    test = doctest.DocTestParser().get_doctest(block.text, {}, page.name, str(page), block.line)
    test.globs = names
    said: list[str] = []
    assert test.examples and not doctest.DocTestRunner().run(test, out=said.append, clear_globs=False).failed, said


def loads(text: str, path: Path) -> None:
    """A kernel file applies to a picture; a network file assembles, its weights aside."""
    if "\nlayers:" in text:
        assemble(from_text(re.sub(r"^weights: .*\n", "", text, flags=re.MULTILINE), "page"))
        return
    path.write_text(text, encoding="utf-8")
    kernel = convcli.load(path)
    assert kernel.about
    assert np.isfinite(kernel.apply(np.ones((40, 50, 3), np.float32))).all()


def test_the_readme_is_a_first_screen() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text) <= 8000
    printed = "".join(block.text for block in blocks(ROOT / "README.md"))
    assert all(f"$ convcli {name}" in printed for name in ("apply", "compare", "draw", "show"))
    listed = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert all(f"({page.name})" in listed for page in PAGES[1:] if page.name != "README.md")


def anchors(page: Path) -> set[str]:
    """What `page.md#...` may name: its headings, as GitHub writes them."""
    titles = re.findall(
        r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S), re.M
    )
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", [*PAGES, *OTHERS], ids=lambda page: f"{page.parent.name}-{page.stem}")
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in map("".join, re.findall(r'\]\(([^)\s]+)\)|src="([^"]+)', text)):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert ROOT in target.parents, link
        assert not anchor or anchor in anchors(target), link
