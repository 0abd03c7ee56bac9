"""The README as a package index shows it, where relative links lead nowhere: a hook of the build.

With `Source` in `[project.urls]` links become absolute, to the newest state of that repository; without it they and the
pictures are left out.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: `[words](target)`, of which the target is in the repository.
_LINK = re.compile(r"\[([^\]]+)\]\((?!https?:)([^)\s]+)\)")
#: The source of a picture that is.
_PICTURE = re.compile(r'(<img src=")(?!https?:)([^"]+)')


def readme(text: str, source: str | None) -> str:
    """The text with its relative links absolute below `source`; where that is None without them and the pictures."""
    if source is None:
        return _LINK.sub(r"\1", re.sub(r"<table>.*?</table>\n+", "", text, flags=re.DOTALL))
    return _PICTURE.sub(rf"\1{source}/raw/HEAD/\2", _LINK.sub(rf"[\1]({source}/blob/HEAD/\2)", text))


class Readme(MetadataHookInterface):
    """Puts the README into the package's metadata."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        source = metadata.get("urls", {}).get("Source")
        metadata["readme"] = {"content-type": "text/markdown", "text": readme(text, source)}
