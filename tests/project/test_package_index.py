"""The README as a package index shows it: no link that leads nowhere there."""

from __future__ import annotations

import importlib.util
import re
import sys
from types import ModuleType

import pytest

from tests.support import ROOT


@pytest.fixture
def pypi(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """docs/pypi.py, with an empty class in the place of hatchling's, which only a build has."""
    plugin = ModuleType("hatchling.metadata.plugin.interface")
    plugin.MetadataHookInterface = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, plugin.__name__, plugin)
    spec = importlib.util.spec_from_file_location("pypi", ROOT / "docs" / "pypi.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_are_absolute_or_words(pypi: ModuleType) -> None:
    text = '<table><img src="docs/pond.jpg" alt="A pond"></table>\n\n[here](docs/apply.md#alpha), [there](https://example.org/a)'
    assert pypi.readme(text, None) == "here, [there](https://example.org/a)"
    assert pypi.readme(text, "https://example.org/convcli") == (
        '<table><img src="https://example.org/convcli/raw/HEAD/docs/pond.jpg" alt="A pond"></table>\n\n'
        "[here](https://example.org/convcli/blob/HEAD/docs/apply.md#alpha), [there](https://example.org/a)"
    )


def test_the_readme_has_no_relative_link_left(pypi: ModuleType) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for source in (None, "https://example.org/convcli"):
        prose = re.sub(r"^```.*?^```$", "", pypi.readme(text, source), flags=re.MULTILINE | re.DOTALL)
        assert all("".join(link).startswith("https://") for link in re.findall(r'\]\(([^)]+)\)|src="([^"]+)', prose))
