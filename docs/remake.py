"""Makes the pictures of docs/drawings.md anew, by the commands that stand in it: `python docs/remake.py`."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "drawings.md"


def commands() -> Iterator[list[str]]:
    """The arguments of each command of the page, in order; the last is the picture's file."""
    for line in re.findall(r"^    \$ convcli (.+)$", PAGE.read_text(), re.M):
        yield shlex.split(line)


if __name__ == "__main__":
    from convcli.cli import run

    os.chdir(ROOT)
    sys.exit(max(run([*arguments, "--overwrite"]) for arguments in commands()))
