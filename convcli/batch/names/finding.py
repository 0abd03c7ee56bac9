"""Files found: the pictures in folders, and what patterns match, in an order that is the same on every machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from convcli.errors import ImageError, reason
from convcli.pictures.table import ONLY_READ, WRITABLE
from convcli.records import record

#: Extensions of the pictures that are looked for in folders. Arrays are not: an .npy may be weights or offsets.
EXTENSIONS: Final = frozenset(
    extension for format, extensions in WRITABLE.items() if format != "npy" for extension in extensions
) | {*ONLY_READ, ".apng"}

#: What tells a folder or file from all others, by whatever name: device and number.
Identity = tuple[int, int]


@record
class Input:
    """One input of a run.

    `name` is the file to be opened, "-" or `archive.npz::member`; `under` are the folders between the folder that was
    named and the file, kept in an output folder; `discovered`: it came out of a folder or a pattern. An input with a
    `fault`, such as a pattern that nothing matches, fails with it.
    """

    name: str
    under: str = ""
    discovered: bool = False
    fault: ImageError | None = None


def pictures_in(root: str, *, recursive: bool, results: Identity | None = None) -> Iterator[Input]:
    """The pictures of a folder, by their extensions; with `recursive`, those of its folders follow.

    Hidden files and folders, links to folders, and the folder `results` are left out. A folder that can't be read gives
    an input with a fault, and so does `root` where nothing was count.
    """
    count, folders = 0, 0
    others: set[str] = set()
    left = [("", os.path.join(root, ""))]
    while left:
        under, prefix = left.pop()
        try:
            names, below = _listing(prefix)
        except OSError as error:
            count += 1
            yield _closed(prefix, error)
            continue
        pictures = [name for name in names if os.path.splitext(name)[1].lower() in EXTENSIONS]
        yield from [Input(name=prefix + name, under=under, discovered=True) for name in pictures]
        count, folders = count + len(pictures), folders + len(below)
        if not count:
            others |= {os.path.splitext(name)[1].lower() or "no extension" for name in names}
        if recursive:
            for name in reversed(below):
                if results is None or identity(prefix + name) != results:
                    left.append((os.path.join(under, name), os.path.join(prefix, name, "")))
    if not count:
        yield Input(name=root, discovered=True, fault=_nothing(root, others, deeper=folders and not recursive))


def _nothing(root: str, others: set[str], *, deeper: object) -> ImageError:
    """What a folder without pictures is told, by what else it holds."""
    kinds = ", ".join(sorted(others)[:5]) + (", ..." if len(others) > 5 else "")
    fact = "no picture is in this folder" + (f", only other files ({kinds})" if others else "")
    hint = "--recursive looks into its folders, too" if deeper else ""
    if others & {".npy", ".npz"}:
        hint = f"arrays are named, or matched by a pattern: '{os.path.join(root, '*.npy')}'"
    return ImageError(fact, place=root, hint=hint)


def matches(pattern: str, *, results: Identity | None = None) -> Iterator[Input]:
    """The files that match a pattern: `*`, `?` and `[...]` inside a name, `**` for any folders, also none.

    Hidden names want a pattern with a dot. `**` follows no links, and neither it nor `*` leads into the folder
    `results`; the folders it went through are the input's `under`.
    """
    start, parts = _parts(pattern)
    seen: set[tuple[str, int]] = set()
    left = [(start, 0, "")]
    while left:
        prefix, at, under = left.pop()
        if (prefix, at) in seen:  # `**` comes to some places in several ways
            continue
        seen.add((prefix, at))
        part, rest = parts[at], at + 1 < len(parts)
        try:
            names, folders = _listing(prefix, part) if is_pattern(part) else _named(prefix, part)
        except OSError as error:
            yield _closed(prefix, error)
            continue
        if is_pattern(part) and results:
            folders = [name for name in folders if identity(prefix + name) != results]
        if part == "**":
            left += [(f"{prefix}{name}/", at, f"{under}{name}/") for name in reversed(folders)]
            left.append((prefix, at + 1, under))
        elif rest:
            below = "**" in parts[:at]
            left += [(f"{prefix}{name}/", at + 1, f"{under}{name}/" if below else "") for name in reversed(folders)]
        else:
            yield from [Input(name=prefix + name, under=under, discovered=True) for name in names]


def is_pattern(name: str) -> bool:
    """Whether a name has signs of a pattern."""
    return any(sign in name for sign in "*?[")


def _parts(pattern: str) -> tuple[str, list[str]]:
    """Where a pattern starts ("" or a root) and its parts; the last is one for files."""
    drive, rest = os.path.splitdrive(pattern)
    rest = rest.replace(os.sep, "/")
    parts: list[str] = []
    for part in rest.split("/"):
        if part and (part != "**" or parts[-1:] != ["**"]):
            parts.append(part)
    if parts[-1] == "**":
        parts.append("*")
    return drive + rest[: len(rest) - len(rest.lstrip("/"))], parts


def _named(prefix: str, name: str) -> tuple[list[str], list[str]]:
    """A part of a pattern that is no pattern itself, as a file or a folder, if it is there."""
    if os.path.isdir(prefix + name):
        return [], [name]
    return ([name] if os.path.lexists(prefix + name) else []), []


def _listing(folder: str, pattern: str = "**") -> tuple[list[str], list[str]]:
    """The names of files and of folders in a folder that match a pattern, in natural order.

    `**` matches all but links to folders; hidden names want a pattern that starts with a dot.
    """
    import fnmatch

    files: list[str] = []
    folders: list[str] = []
    with os.scandir(folder or ".") as entries:
        for entry in entries:
            name = entry.name
            if name.startswith(".") and not pattern.startswith("."):
                continue
            if pattern != "**" and not fnmatch.fnmatch(name, pattern):
                continue
            if not _is_folder(entry):
                files.append(name)
            elif pattern != "**" or not (entry.is_symlink() or getattr(entry, "is_junction", bool)()):
                folders.append(name)
    return sorted(files, key=natural), sorted(folders, key=natural)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads round in circles, or where nobody may look: opening it will say so
        return False


def natural(name: str) -> tuple[list[str | int], str]:
    """A key that sorts names as people count, and without regard to capitals.

    >>> sorted(["b", "a10", "A2", "a1"], key=natural)
    ['a1', 'A2', 'a10', 'b']
    """
    import re

    parts: list[str | int] = [*re.split("([0-9]+)", name.casefold())]
    parts[1::2] = map(int, parts[1::2])
    return parts, name


def identity(name: str) -> Identity | None:
    """The identity of a folder or file; None where there is none of that name."""
    try:
        status = os.stat(name)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


class Places:
    """Where names lead through links, each folder looked up once."""

    def __init__(self) -> None:
        self._folders: dict[str, tuple[str, bool]] = {}

    def of(self, name: str) -> str:
        """The one name of a file that exists or would be made."""
        folder, base = os.path.split(name)
        real, there = self._folders.get(folder) or self._look_up(folder)
        return os.path.realpath(name) if there and os.path.islink(name) else real + base

    def folder(self, name: str) -> str:
        """The one name of a folder, with a slash at its end."""
        return (self._folders.get(name) or self._look_up(name))[0]

    def _look_up(self, folder: str) -> tuple[str, bool]:
        real = os.path.realpath(folder)
        self._folders[folder] = os.path.join(real, ""), os.path.isdir(real)
        return self._folders[folder]


def _closed(folder: str, error: OSError) -> Input:
    """A folder that can't be read."""
    return Input(name=folder, discovered=True, fault=ImageError(f"can't be read: {reason(error)}", place=folder))
