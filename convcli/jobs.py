"""Inputs -> outputs: which file goes where, decided from names alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from convcli import files
from convcli.errors import UsageError, suggestion
from convcli.records import record

STANDARD = "-"
FIELDS = ("stem", "ext", "kernel", "parent")


@record
class Job:
    """One input and where its result goes; "-" is stdin or stdout. `format` is empty where the input's own serves."""

    input: str
    output: str
    format: str


def plan_jobs(inputs: Sequence[str], output: str, kernel: str, format_: str | None) -> list[Job]:
    """The jobs of a command line, without touching an image.

    `output` is a file, "-", a folder (it exists or ends with a slash) or a template with {stem}, {ext}, {kernel} and
    {parent}. Raises `UsageError` for outputs that collide, formats that can't be written, several inputs into one file.
    """
    named = files.format_of(f".{format_.lstrip('.')}") if format_ else ""
    if not output:
        raise UsageError("-o names no output")
    if inputs.count(STANDARD) > 1:
        raise UsageError("stdin (-) can be read only once")
    if output == STANDARD:
        if len(inputs) > 1:
            raise UsageError(f"{len(inputs)} inputs can't go to one stdout", hint="-o FOLDER/ takes them all")
        return [Job(input=inputs[0], output=STANDARD, format=named)]
    folder = output.endswith(("/", os.sep)) or Path(output).is_dir()
    if not folder and "{" not in output and len(inputs) > 1:
        raise UsageError(
            f"{len(inputs)} inputs would all be written to {output}",
            hint="-o FOLDER/ or a template such as -o '{stem}-{kernel}{ext}'",
        )
    jobs: list[Job] = []
    taken: dict[str, str] = {}
    for name in inputs:
        path = Path(_as_file(name))
        extension = f".{format_.lstrip('.')}" if format_ else path.suffix or ".png"
        if "{" in output:
            target = _expand(output, path, extension, kernel)
        else:
            target = str(Path(output) / f"{path.stem}{extension}") if folder else output
        derived = folder or "{ext}" in output
        format_out = named if named and not Path(target).suffix else _format_of(target, derived)
        if named and format_out != named:
            raise UsageError(f"--format says {named}, the name {target} {format_out}", hint="leave --format out")
        other = taken.setdefault(os.path.realpath(target), name)
        if other != name:
            raise UsageError(f"{other} and {name} would both be written to {target}")
        jobs.append(Job(input=name, output=target, format=format_out))
    if len({job.output for job in jobs}) < len(jobs):
        raise UsageError("an input is named twice, and both results would go to one file")
    return jobs


def _format_of(target: str, derived: bool) -> str:
    """The format that an output's name asks for; empty where the extension is the input's and can't be written.

    Whether that input can be read at all is not known yet. Raises `UsageError`.
    """
    try:
        return files.format_of(target)
    except UsageError as error:
        if derived:
            return ""
        if not Path(target).suffix:
            error.hint = f"a folder's name ends with a slash: {target}/; {error.hint}"
        raise


def _as_file(name: str) -> str:
    """A file name that stands for an input: itself, or one made up for stdin and for a member of an archive."""
    if name == STANDARD:
        return "stdin.png"
    archive, named, member = name.partition(".npz::")
    return f"{archive}-{member}.npy" if named else f"{name[:-4]}.npy" if name.endswith(".npz") else name


def _expand(template: str, path: Path, extension: str, kernel: str) -> str:
    """A template with its fields filled in; raises `UsageError` for one that isn't known."""
    import string

    try:
        fields = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        raise UsageError(f"the template {template} is damaged: {error}") from error
    for name in fields:
        if name not in FIELDS:
            known = ", ".join(f"{{{field}}}" for field in FIELDS)
            raise UsageError(
                f"unknown field {{{name}}} in {template}", hint=suggestion(name, FIELDS) or f"known: {known}"
            )
    return template.format(stem=path.stem, ext=extension, kernel=kernel, parent=path.parent)
