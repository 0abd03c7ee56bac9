"""Inputs -> outputs: which file goes where, decided from names alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from convcli.batch.names.finding import Input, Places
from convcli.batch.names.inputs import STANDARD, names_folder
from convcli.errors import ImageError, UsageError
from convcli.pictures import table
from convcli.records import record

if TYPE_CHECKING:
    from convcli.batch.names.templates import FrameNames

__all__ = ["FIELDS", "STANDARD", "Job", "output_format", "plan_jobs"]

FIELDS: Final = ("stem", "ext", "kernel", "parent", "frame")
FRAME: Final = "{frame}"
#: Bytes of one part of a path, and of all of it with the NUL at its end: NAME_MAX and PATH_MAX of Linux. What a file
#: system takes less, it says itself.
LONGEST_PART: Final = 255
LONGEST_PATH: Final = 4095


@record
class Job:
    """One input and where its result goes; "-" is stdin or stdout. `format` is empty where the input's own serves.

    With `frames` every frame is a file of its own, and `output` is for people. A job `in_place` replaces its input,
    which stays as `backup` if that is a name. A job with a `fault` has no output: all it can do is fail.
    """

    input: str
    output: str
    format: str
    frames: FrameNames | None = None
    fault: ImageError | None = None
    in_place: bool = False
    backup: str = ""


def output_format(job: Job, format_in: str) -> str:
    """The format of a job's output, with an input of `format_in`; raises `ImageError` where there is none."""
    if job.format:
        return job.format
    if job.output == STANDARD:
        return format_in if format_in in table.WRITABLE else "png"
    try:
        return table.format_of(job.output)
    except UsageError as error:
        raise ImageError(error.fact, hint="--format png, or another that can be written") from error


def plan_jobs(
    inputs: Sequence[Input], output: str, kernel: str, format_: str | None, *, all_frames: bool = False
) -> list[Job]:
    """The jobs of a command line, without touching an image.

    `output` is a file, "-", a folder (it exists or ends with a slash; a template of one does, too) or a template with
    {stem}, {ext}, {kernel}, {parent} and, with `all_frames`, {frame}. Pictures that were found, and are written by
    another job, are results of a run before this one: they are left out. Raises `UsageError` for formats that can't be
    written, several inputs into one file, templates that are wrong; collisions are found by `collisions.find`.
    """
    named = table.format_of(f".{format_.lstrip('.')}") if format_ else ""
    if not output:
        raise UsageError("-o names no output")
    if sum(item.name == STANDARD for item in inputs) > 1:
        raise UsageError("stdin (-) can be read only once")
    sound = [item for item in inputs if not item.fault]
    if output == STANDARD:
        if len(sound) > 1:
            raise UsageError(f"{len(sound)} inputs can't go to one stdout", hint="-o FOLDER/ takes them all")
        return [_job(item, STANDARD, named) for item in inputs]
    naming = _naming(output, kernel, format_, inputs, all_frames=all_frames)
    if not naming.folder and "{" not in output and len(sound) > 1:
        raise UsageError(
            f"{len(sound)} inputs would all be written to {output}",
            hint="-o FOLDER/ or a template such as -o '{stem}-{kernel}{ext}'",
        )
    jobs = [naming.job(item, named) for item in inputs]
    if naming.numbered and len(sound) > 1:
        _check_numbers(jobs)
    return _without_results(inputs, jobs)


def _job(item: Input, output: str, format: str, frames: FrameNames | None = None) -> Job:
    if item.fault:
        return Job(input=item.name, output="", format="", fault=item.fault)
    return Job(input=item.name, output=output, format=format, frames=frames)


class _Naming:
    """Names of outputs from names of inputs. `extension` is the one that was asked for."""

    def __init__(self, output: str, kernel: str, extension: str, *, folder: bool, numbered: bool) -> None:
        self.folder = folder
        self.numbered = numbered
        self._output = output
        self._kernel = kernel
        self._extension = extension
        self._derived = folder or "{ext}" in output
        self._formats: dict[str, str] = {}

    def job(self, item: Input, named: str) -> Job:
        """Where an input goes; `named` is the format that was asked for. Raises `UsageError`."""
        if item.fault:
            return _job(item, "", "")
        parent, base = os.path.split(_as_file(item.name))
        stem, own = os.path.splitext(base)
        extension = self._extension or (own if len(own) > 1 else ".png")
        values = {"stem": stem, "ext": extension, "kernel": self._kernel, "parent": parent or "."}
        frames = None
        if self.numbered:
            from convcli.batch.names.templates import FrameNames

            frames = FrameNames(template=self._output, values=values)
        target = frames.summary() if frames else self._output
        if "{" in self._output and not frames:
            target = self._output.format(**values)
        if self.folder:
            target = os.path.join(target, item.under, stem + extension)
        if fault := impossible(target):
            return Job(input=item.name, output="", format="", fault=fault)
        suffix = os.path.splitext(target)[1]
        if not suffix and named:
            return _job(item, target, named, frames)
        format_out = self._formats.get(suffix)
        if format_out is None:
            format_out = _format_of(target, self._derived)
            if suffix:
                self._formats[suffix] = format_out
        if named and format_out != named:
            raise UsageError(f"--format says {named}, the name {target} {format_out}", hint="leave --format out")
        return _job(item, target, format_out, frames)


def _naming(output: str, kernel: str, format_: str | None, inputs: Sequence[Input], *, all_frames: bool) -> _Naming:
    """How outputs are named; raises `UsageError` for a template that is wrong."""
    extension = f".{format_.lstrip('.')}" if format_ else ""
    # A folder's pictures go to a folder, also if that is new and doesn't say so by a slash.
    into = any(item.discovered for item in inputs) and "{" not in output and not os.path.splitext(output)[1]
    folder = names_folder(output) or into
    numbered = "{" in output and _is_numbered(output)
    if numbered and not all_frames:
        raise UsageError(f"{FRAME} in {output} numbers the frames of --all-frames, which is not given")
    if numbered and (folder or _is_numbered(os.path.dirname(output))):
        raise UsageError(f"{FRAME} in {output} must be in the file's name, not in a folder's")
    return _Naming(output, kernel, extension, folder=folder, numbered=numbered)


def _is_numbered(template: str) -> bool:
    """Whether a template gives frames names of their own; raises `UsageError` for one that is wrong."""
    from convcli.batch.names import templates

    return "frame" in templates.fields(template)


def impossible(output: str) -> ImageError | None:
    """Why no file can have an output's path, if that is so: its length or a NUL byte.

    The system would only refuse it later, and the whole of it would be on the screen.
    """
    if "\0" in output:
        return ImageError("the path of its output has a NUL byte in it, which no path can have")
    path = os.fsencode(output)
    longest = max(map(len, path.split(os.sep.encode())))
    if longest > LONGEST_PART:
        return ImageError(f"the name of its output has {longest} bytes; a file's name has at most {LONGEST_PART}")
    if len(path) > LONGEST_PATH:
        return ImageError(f"the path of its output has {len(path)} bytes; a path has at most {LONGEST_PATH}")
    return None


def _format_of(target: str, derived: bool) -> str:
    """The format that an output's name asks for; empty where the extension is the input's and can't be written.

    Whether that input can be read at all is not known yet. Raises `UsageError`.
    """
    try:
        return table.format_of(target)
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


def _check_numbers(jobs: Sequence[Job]) -> None:
    """Raise `UsageError` where frames' numbers could be taken for more digits of another input's name."""
    for job in jobs:
        before, _, after = job.output.partition(FRAME)
        if before[-1:].isdecimal() or after[:1].isdecimal():
            fact = f"the numbers of frames would run into those of the names: {job.output}"
            raise UsageError(fact, hint="put something between them, as in {stem}-{frame}{ext}")


def _without_results(inputs: Sequence[Input], jobs: Sequence[Job]) -> list[Job]:
    """The jobs but those whose input was found, is written by another job, and isn't filtered in its place."""
    places = Places()
    read = {os.path.dirname(item.name) for item in inputs if item.discovered and not item.fault}
    if {places.folder(name) for name in read}.isdisjoint(
        {places.folder(name) for name in {os.path.dirname(job.output) for job in jobs}}
    ):
        return list(jobs)
    written = {places.of(job.output): job for job in jobs if job.output}
    others = []
    for item, job in zip(inputs, jobs, strict=True):
        writer = written.get(places.of(item.name)) if item.discovered and not item.fault else None
        if writer is None or writer is job or places.of(job.output) == places.of(item.name):
            others.append(job)
    return others
