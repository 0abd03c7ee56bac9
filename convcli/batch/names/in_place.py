"""Pictures that are filtered in their place: which they are, and what their originals are called afterwards."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Final

from convcli.batch.names.finding import EXTENSIONS, Input
from convcli.batch.names.jobs import STANDARD, Job
from convcli.errors import ImageError, UsageError
from convcli.pictures import table

#: What is put behind a name, as `.bak` or `~`.
_SUFFIX: Final = re.compile(r"[.~][\w.~+-]*")


def is_suffix(text: str) -> bool:
    """Whether the value of an option is the suffix of copies, and no input that stands behind the option.

    >>> is_suffix(".bak"), is_suffix("~"), is_suffix("photo.jpg"), is_suffix("..")
    (True, True, False, False)
    """
    return bool(_SUFFIX.fullmatch(text)) and bool(text.strip(".")) and not os.path.lexists(text)


def plan(inputs: Sequence[Input], suffix: str, *, resume: bool) -> list[Job]:
    """The jobs that put results in the place of their inputs; with a `suffix`, originals stay under their names and it.

    With `resume` an original that a former run has put aside is the input. Raises `UsageError`.
    """
    if suffix and os.path.splitext(f"a{suffix}")[1].lower() in EXTENSIONS:
        fact = f"--in-place {suffix}: copies would be taken for pictures by the next run"
        raise UsageError(fact, hint=f"--in-place {suffix}.bak")
    if resume and not suffix:
        fact = "--in-place --resume: what was filtered could not be told from what is still to be"
        raise UsageError(fact, hint="--in-place .bak --resume tells it by the originals that stay")
    return [_job(item, suffix, resume=resume) for item in inputs]


def _job(item: Input, suffix: str, *, resume: bool) -> Job:
    if item.fault:
        return Job(input=item.name, output="", format="", fault=item.fault)
    if item.name == STANDARD:
        raise UsageError("--in-place replaces files, and stdin (-) is none", hint="-o - writes to stdout")
    if ".npz::" in item.name or item.name.endswith(".npz"):
        fault = ImageError("an archive of arrays is not replaced", place=item.name, hint="-o FOLDER/")
        return Job(input=item.name, output="", format="", fault=fault)
    try:
        format = table.format_of(item.name)
    except UsageError:
        format = ""  # whether it can be read at all is told first
    backup = f"{os.path.realpath(item.name)}{suffix}" if suffix else ""
    if resume and os.path.lexists(backup):
        return Job(input=backup, output=item.name, format=format, in_place=True)
    return Job(input=item.name, output=item.name, format=format, in_place=True, backup=backup)


def note(job: Job) -> tuple[str, ...]:
    """What is to be said of a file that has other names, before it is replaced."""
    if not job.in_place:
        return ()
    if os.path.islink(job.output):
        return (f"it is a link: the picture that it leads to was replaced, {os.path.realpath(job.output)}",)
    try:
        others = os.stat(job.output).st_nlink - 1
    except OSError:
        return ()
    names = "1 other name of this file still leads" if others == 1 else f"{others} other names of this file still lead"
    return (f"{names} to the original",) if others else ()
