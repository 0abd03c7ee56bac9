"""Outputs that would be written twice, or be read by another job: found from names and links, before any work."""

from __future__ import annotations

import os
from collections.abc import Sequence

from convcli.batch.names.finding import Places
from convcli.batch.names.jobs import STANDARD, Job
from convcli.errors import UsageError
from convcli.records import record


@record
class Collision:
    """Job number `job` (from 0), which can't be done beside the others, and why."""

    job: int
    fact: str
    hint: str = ""


def find(jobs: Sequence[Job]) -> list[Collision]:
    """All jobs that would write what another one writes or reads, in the order of the jobs.

    Names that differ in capitals alone are one file where the file system of their folder takes them for one.
    """
    places = Places()
    read: dict[str, int] = {}
    for number, job in enumerate(jobs):
        if not job.fault and job.input != STANDARD:
            read.setdefault(places.of(job.input), number)
    taken: dict[str, int] = {}
    folded: dict[str, tuple[str, int]] = {}
    collisions = []
    for number, job in enumerate(jobs):
        if job.fault or job.output == STANDARD:
            continue
        place = places.of(job.output)
        first = taken.setdefault(place, number)
        alike, other = folded.setdefault(place.casefold(), (place, number))
        if first != number:
            collisions.append(_twice(number, jobs[first], job))
        elif alike != place and _folds_case(os.path.dirname(alike)) and _folds_case(os.path.dirname(place)):
            fact = f"{jobs[other].input} and {job.input} would both be written to {job.output}"
            collisions.append(Collision(job=number, fact=f"{fact}: capitals don't count on this file system"))
        elif read.get(place, number) != number:
            fact = f"{job.input} would be written to {job.output}, which is an input, too"
            collisions.append(Collision(job=number, fact=fact, hint="-o FOLDER/ keeps results apart from inputs"))
    return collisions


def _twice(number: int, first: Job, job: Job) -> Collision:
    if first.input == job.input:
        fact = f"an input is named twice, and both results would go to one file: {job.input}"
        return Collision(job=number, fact=fact)
    fact = f"{first.input} and {job.input} would both be written to {job.output}"
    hint = ""
    if os.path.dirname(first.input) != os.path.dirname(job.input):
        hint = "-o 'FOLDER/{parent}/{stem}{ext}' keeps their folders, and so does a folder as an input (--recursive)"
    return Collision(job=number, fact=fact, hint=hint)


def refuse(jobs: Sequence[Job]) -> None:
    """Raise `UsageError` for the first collision, with the number of others."""
    collisions = find(jobs)
    if collisions:
        more = f" (and {len(collisions) - 1} more like it)" if len(collisions) > 1 else ""
        raise UsageError(collisions[0].fact + more, hint=collisions[0].hint)


def _folds_case(folder: str) -> bool:
    """Whether a file system takes capitals and small letters for the same, told by the nearest folder that exists."""
    while not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    while folder != os.path.dirname(folder):
        parent, name = os.path.split(folder)
        if name.swapcase() != name:
            try:
                return os.path.samefile(folder, os.path.join(parent, name.swapcase()))
            except OSError:
                return False
        folder = parent
    return os.name == "nt"
