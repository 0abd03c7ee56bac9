"""Command lines that always print the same: their answers are kept as text, and printed before anything is loaded.

`python -m tests.cli.answers` writes the texts, which are in the folder `cli/answers`, by running the commands
themselves; `tests/cli/test_answers.py` holds the one to the other. They are part of the sources and not made with the
wheel: so they are there in a checkout, too, and building needs none of what the commands need. Where an answer would be
another one, as on a narrow screen or where somebody changed the shipped kernels, the command says it itself.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: The formats of reports that are kept of `list`. A table for a terminal depends on how wide that is.
FORMATS = ("plain", "markdown", "csv", "json")
FOLDER = os.path.join(os.path.dirname(__file__), "cli", "answers")
#: The narrowest terminal for which `--help` is laid out as for all wider ones.
_WIDE = 80
#: Variables by which click would print something else.
_VARIABLES = ("COLUMNS", "FORCE_COLOR")


def answer(arguments: Sequence[str]) -> str | None:
    """What the command line prints on stdout and ends with exit code 0, or None where that has to be computed."""
    if sys.stdout is None or any(name in os.environ for name in _VARIABLES):
        return None
    match arguments:
        case ["--version" | "-V"]:
            return read("version")
        case ["--help" | "help"]:
            return read("help") if _width() >= _WIDE else None
        case ["-h"]:
            return read("brief") if _width() >= _WIDE else None
        case ["list"]:
            return _listed("table")
        case ["list", "--json"]:
            return _listed("json")
        case ["list", "--format", name]:
            return _listed(name)
        case ["list", option] if option.startswith("--format="):
            return _listed(option.removeprefix("--format="))
    return None


def _listed(name: str) -> str | None:
    if any(map(os.path.isdir, own_folders())):
        return None
    if name == "table" and not sys.stdout.isatty():
        name = "plain"
    return read(f"list.{name}") if name in FORMATS and read("kernels") == fingerprint() else None


def read(name: str) -> str | None:
    """A text of the folder, None where it is missing."""
    try:
        with open(os.path.join(FOLDER, f"{name}.txt"), encoding="utf-8") as file:
            return file.read()
    except OSError:
        return None


def fingerprint() -> str | None:
    """Names and contents of the shipped kernels as a number, None where they can't be read."""
    try:
        import zlib

        sum_, folder = 0, kernels()
        for name in sorted(os.listdir(folder)):
            if name.endswith(".yaml"):
                with open(os.path.join(folder, name), "rb", 0) as file:
                    sum_ = zlib.crc32(file.read(), zlib.crc32(name.encode(), sum_))
    except (OSError, ImportError):
        return None
    return f"{sum_:08x}\n"


def kernels() -> str:
    """The folder of shipped kernels: inside the installed package, or beside it in a checkout."""
    package = os.path.dirname(__file__)
    inside = os.path.join(package, "kernels")
    return inside if os.path.isdir(inside) else os.path.join(os.path.dirname(package), "kernels")


def own_folders() -> list[str]:
    """The folders of users' own kernels, the first before the others: those of CONVCLI_PATH, and one for settings."""
    places = [place for place in os.environ.get("CONVCLI_PATH", "").split(os.pathsep) if place]
    home = os.path.expanduser("~")
    if sys.platform == "win32":
        settings = os.environ.get("APPDATA") or os.path.join(home, "AppData", "Roaming")
    else:
        settings = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    return [*places, os.path.join(settings, "convcli", "kernels")]


def _width() -> int:
    """Columns of the terminal, as `shutil.get_terminal_size` says without COLUMNS."""
    try:
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or _WIDE  # type: ignore[union-attr]
    except (AttributeError, ValueError, OSError):
        return _WIDE
