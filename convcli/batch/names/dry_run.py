"""What a run would do, told without doing it: which file goes where, and what would be refused at its start."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TextIO

from convcli.batch import files
from convcli.batch.names import collisions
from convcli.batch.names.inputs import Shard, check_input
from convcli.batch.names.jobs import STANDARD, Job
from convcli.errors import ConvcliError, ImageError, one_line
from convcli.pictures import table
from convcli.records import record


@record
class Step:
    """A job, and why it would be refused: nothing, where it would start."""

    job: Job
    refusal: str = ""
    hint: str = ""
    #: Another job is in its way: then none would start.
    collides: bool = False


def rehearse(jobs: Sequence[Job], *, overwrite: bool, shard: Shard | None = None) -> Iterator[Step]:
    """What would become of each job, as far as names, folders and permissions tell; no file is opened.

    Of the jobs that don't belong to `shard` only those are told that collide, since then no share would start.
    """
    mine = set(shard.pick(range(len(jobs)))) if shard else range(len(jobs))
    colliding = {collision.job: collision for collision in collisions.find(jobs)}
    folders: dict[str, ConvcliError | None] = {}
    for number, job in enumerate(jobs):
        if number in colliding:
            yield Step(job=job, refusal=colliding[number].fact, hint=colliding[number].hint, collides=True)
            continue
        if number not in mine:
            continue
        try:
            _check(job, folders, overwrite=overwrite)
        except ConvcliError as error:
            elsewhere = error.place not in (job.input, job.output, "''", "stdin", "")
            yield Step(job=job, refusal=f"{error.place}: {error.fact}" if elsewhere else error.fact, hint=error.hint)
        else:
            yield Step(job=job)


def _check(job: Job, folders: dict[str, ConvcliError | None], *, overwrite: bool) -> None:
    """Raise `ConvcliError` where a job would be refused; `folders` keeps what was found out about them."""
    if job.fault:
        raise job.fault
    check_input(job.input)
    if job.output == STANDARD:
        return
    if not job.format:
        table.format_of(job.output)
    folder = os.path.dirname(job.output)
    if folder not in folders:
        folders[folder] = None
        try:
            _check_folder(folder)
        except ConvcliError as error:
            folders[folder] = error
    refusal = folders[folder]
    if refusal:
        raise refusal
    if not job.frames:
        files.check_new(job.output, overwrite=overwrite or job.in_place)
    if job.backup:
        files.check_backup(job.output, job.backup)


def write(steps: Iterator[Step], stream: TextIO, *, as_json: bool) -> int:
    """The steps, a line each, then how many there are and what to do; the exit code.

    That is 0 where all would start, 1 where some wouldn't, 2 where none would, since some collide. As JSON there is one
    object a line and nothing else; bytes of names that are not UTF-8 are escaped as Python does.
    """
    total = refused = collide = 0
    hints: dict[str, None] = {}
    while some := list(islice(steps, 1000)):
        total += len(some)
        refused += sum(bool(step.refusal) for step in some)
        collide += sum(step.collides for step in some)
        hints |= dict.fromkeys(step.hint for step in some if step.hint)
        stream.write("".join(map(_as_json if as_json else _line, some)))
    if not as_json:
        will = 0 if collide else total - refused
        tail = f", {refused} refused" if refused else ""
        if collide:
            tail = f", since {collide} collide{'s' if collide == 1 else ''}"
        stream.write(f"{will} of {total} would be filtered{tail}\n")
        stream.writelines(f"  hint: {one_line(hint)}\n" for hint in hints)
    return 2 if collide else 1 if refused else 0


def _line(step: Step) -> str:
    names = [_displayed(step.job.input, "stdin")]
    if step.job.output:
        names.append(_displayed(step.job.output, "stdout"))
    if not step.refusal:
        return " -> ".join(names) + "\n"
    return f"{' -> '.join(names)}  refused: {one_line(step.refusal)}\n"


def _as_json(step: Step) -> str:
    status = "refused" if step.refusal else "planned"
    job = step.job
    fields = {"input": job.input, "output": job.output, "status": status, "error": step.refusal, "hint": step.hint}
    return json.dumps(fields) + "\n"


def _displayed(name: str, standard: str) -> str:
    return standard if name == STANDARD else one_line(name) or "''"


def _check_folder(folder: str) -> None:
    """Raise ImageError where a folder takes no files, or can't be made; nothing is made."""
    above = folder
    while not os.path.exists(above) and above != (outer := os.path.dirname(above) or os.curdir):
        above = outer
    if not os.path.isdir(above):
        raise ImageError("the folder can't be made: not a directory", place=folder)
    if not os.access(above, os.W_OK | os.X_OK):
        raise ImageError(f"the folder '{above}' is not writable", place=folder)
