"""Makes the pictures of docs/ anew by the commands above them, gallery and reference: `python docs/remake.py`."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "drawings.md"
GALLERY = ROOT / "docs" / "gallery.md"
REFERENCE = ROOT / "docs" / "reference.md"

#: What the gallery shows a kernel on, where that is not the pond, once.
_INPUTS = {
    "brush": "samples/scene.jpg -k brush -k brush",
    "swirl": "samples/scene.jpg",
    "denoise-deformable": "samples/noisy.png",
    "smooth-edges": "samples/noisy.png",
}
_HEAD = """# Gallery

Every kernel that is shipped, with the command that made its picture, in the folder of the project. `python
docs/remake.py` makes this page and its pictures anew. What goes in is mostly this pond, 256x192 pixels:

![A pond with koi and water lilies](../samples/pond.png)
"""
_REFERENCE = """What a kernel file may hold, written by `python docs/remake.py` from the tables by which files are read.
[Kernels](kernels.md) explains; `convcli schema` prints the same for editors. A number in brackets is a parameter's
default; one without must be given, or follows from the others."""


def commands(page: Path = PAGE) -> Iterator[list[str]]:
    """The arguments of each command of a page, in order; the last is the picture's file."""
    for line in re.findall(r"^    \$ convcli (.+)$", page.read_text(encoding="utf-8"), re.M):
        yield shlex.split(line)


def gallery() -> str:
    """The gallery's text: groups of kernels, and of each what it is and takes, its command and its picture."""
    from convcli.cli.list import kernels
    from convcli.spec.library import names

    groups: dict[str, list[dict[str, Any]]] = {}
    for row in (row for row in kernels() if row["name"] in names()):
        groups.setdefault(row["group"], []).append(row)
    links = {group: ", ".join("[{0}](#{0})".format(row["name"]) for row in rows) for group, rows in groups.items()}
    index = [f"- {group}: {names}" for group, names in links.items()]
    parts = ["\n".join([_HEAD, *index, ""])]
    for group, rows in groups.items():
        parts += [f"## Group {group}\n", *map(_entry, rows)]
    return "\n".join(parts)


def _entry(row: dict[str, Any]) -> str:
    from convcli.spec.library import read
    from convcli.spec.takes import taken

    name = row["name"]
    picture = f"gallery/{name}.jpg"
    chain = f"{_INPUTS.get(name, 'samples/pond.png')} -k {name}"
    command = f"convcli apply {chain} --quality 80 --quiet -o docs/{picture}"
    takes = "".join(f"- `{one.name}` {one.value}: {one.meaning}\n" for one in taken(name, read(name)))
    return f"### {name}\n\n{row['about']}\n\n    $ {command}\n\n![{name}]({picture})\n{takes and chr(10)}{takes}"


def reference() -> str:
    """All types, fields and rules of kernel files, from the tables by which these are read."""
    from convcli.ops import TYPES
    from convcli.ops.displacements import DISPLACEMENTS
    from convcli.ops.fields import COMMON
    from convcli.ops.orientations import ORIENTATIONS
    from convcli.ops.weight_rules import RULES

    parts = ["# Types, fields and rules", _REFERENCE]
    for name in TYPES:
        one = TYPES[name]
        own = {key: field for key, field in one.FIELDS.items() if field != COMMON.get(key)}
        parts += [
            f"## {name}",
            f"{one.summary[0].upper()}{one.summary[1:]}. {one.source}.",
            f"    {one.formula}",
            _fields(own),
        ]
        if lacking := [f"`{key}`" for key in COMMON if key not in one.FIELDS]:
            parts += [f"It has none of {', '.join(lacking)}."]
    parts += ["## Fields of all types", _fields(COMMON)]
    parts += ["## Rules of weights", _rules(RULES)]
    parts += ["## Rules of offsets", "Of the place:", _rules(DISPLACEMENTS)]
    parts += ["Of what the picture shows there:", _rules(ORIENTATIONS)]
    return "\n\n".join(parts) + "\n"


def _fields(fields: dict[str, Any]) -> str:
    rows = [f"| `{name}` | {field.doc} | {_default(field)} |" for name, field in fields.items()]
    return "\n".join(["| field | what it holds | default |", "|---|---|---|", *rows])


def _default(field: Any) -> str:
    if field.required:
        return "must be given"
    return "" if field.default in (None, "") else f"`{str(field.default).lower()}`"


def _rules(rules: dict[str, Any]) -> str:
    lines = ["| rule | what it makes | parameters |", "|---|---|---|"]
    for name, rule in rules.items():
        own = "<br>".join(
            f"`{key}`: {one.doc}{'' if one.default is None else f' ({one.default:g})'}"
            for key, one in rule.parameters.items()
        )
        lines.append(f"| `{name}` | {rule.about} | {own} |")
    return "\n".join(lines)


if __name__ == "__main__":
    from convcli.cli import run

    os.chdir(ROOT)
    GALLERY.write_text(gallery(), encoding="utf-8")
    REFERENCE.write_text(reference(), encoding="utf-8")
    (ROOT / "docs" / "gallery").mkdir(exist_ok=True)
    sys.exit(max(run([*arguments, "--overwrite"]) for page in (PAGE, GALLERY) for arguments in commands(page)))
