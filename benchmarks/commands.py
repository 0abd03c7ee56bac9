"""Whole commands: ours and other programs on the same pictures, from starting to the file on disk."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks import pictures
from benchmarks.launch import ours
from benchmarks.model import US, Contender, Goal, Made, Scenario, Workshop
from benchmarks.programs import ENLARGE, GAUSSIAN, PROGRAMS, SHARPEN, Task, dense, words

#: Both ways of calling vips: as anybody would, and in whole numbers where it can.
VIPS = ("vips", "vips integer")
#: Our time over the other's, for sharpening a PNG of 12 megapixels.
SHARPEN_GOALS = {"ImageMagick": 0.3, "GraphicsMagick": 0.36, "ffmpeg": 0.42, "gmic": 0.3, "oiiotool": 0.25}


def scenarios(*, quick: bool, huge: bool) -> Iterator[Scenario]:
    """All comparisons of single commands. Quick ones use pictures of 1 megapixel, which the goals do not speak of."""
    yield from _starts(quick)
    size = 1 if quick else 12
    goals = [Goal(what="12 MP PNG, sharpen", against=VIPS, most=0.6, no_larger=True)]
    goals += [
        Goal(what=f"12 MP PNG, sharpen, {name}", against=(name,), most=most) for name, most in SHARPEN_GOALS.items()
    ]
    yield _picture(size, "png", partial(_same, SHARPEN), "sharpen", tuple(goals), quick=quick)
    for task, name, most in ((GAUSSIAN, GAUSSIAN.name, 0.75), (ENLARGE, ENLARGE.name, 0.4)):
        goal = Goal(what=f"12 MP PNG, {name}", against=VIPS[:1], most=most, no_larger=True)
        yield _picture(size, "png", partial(_same, task), name, (goal,), quick=quick)
    for taps, most in ((15, 0.35), (31, 0.11)):
        goal = Goal(what=f"12 MP PNG, dense {taps}x{taps}", against=VIPS, most=most, no_larger=True)
        yield _picture(size, "png", partial(dense, taps), f"dense {taps}x{taps}", (goal,), quick=quick)
    goal = Goal(what="12 MP JPEG, sharpen", against=VIPS, most=1.0)
    yield _picture(size, "jpg", partial(_same, SHARPEN), "sharpen", (goal,), quick=quick)
    goal = Goal(what="12 MP JPEG, dense 15x15", against=VIPS, most=0.25)
    yield _picture(size, "jpg", partial(dense, 15), "dense 15x15", (goal,), quick=quick)
    if not quick:
        goal = Goal(what="48 MP PNG, sharpen", against=VIPS, most=0.6)
        yield _picture(48, "png", partial(_same, SHARPEN), "sharpen", (goal,))
    if huge:
        time = Goal(what="400 MP TIFF, sharpen: time", against=VIPS, most=1.2)
        peak = Goal(what="400 MP TIFF, sharpen: memory over 150 MB", against=("limit",), most=1.0)
        yield _picture(400, "tif", partial(_same, SHARPEN), "sharpen", (time, peak), limit=150)


def _picture(
    size: int,
    kind: str,
    task: Callable[[Path], Task],
    name: str,
    goals: tuple[Goal, ...],
    *,
    quick: bool = False,
    limit: float | None = None,
) -> Scenario:
    """One task on one picture of `size` megapixels, by every program."""

    def make(shop: Workshop) -> Made:
        source, wanted = shop.picture(size, kind), task(shop.folder)
        contenders: dict[str, Contender | str] = {US: convcli(shop, wanted.kernel, source, f"{US}.{kind}")}
        for program in PROGRAMS:
            target = shop.folder / f"{program.name.replace(' ', '-')}.{kind}"
            found = words(program, wanted, source, target)
            if size > 12 and program.name not in VIPS:
                found = "measured at 12 MP"
            if found != "as vips":
                contenders[program.name] = found if isinstance(found, str) else of_command(shop, found, target)
        return Made(contenders=contenders, limit=(lambda: limit) if limit else None)

    return Scenario(
        section="commands", name=name, conditions=f"{size} MP {_KINDS[kind]}", make=make,
        goals=() if quick else goals, rounds=3 if quick or limit else 5, patience=2 if quick else 40 if limit else 6,
        tolerance=2.5 if kind == "jpg" else 1, relative=False, quick=quick and kind == "png",
    )  # fmt: skip


def _same(task: Task, folder: Path) -> Task:
    """A task that needs no files."""
    return task


_KINDS = {"png": "PNG", "jpg": "JPEG", "tif": "TIFF"}


def convcli(shop: Workshop, kernel: str, source: Path, target: str) -> Contender:
    """Our command on one file."""
    path = shop.folder / target
    call = [*ours(), "apply", str(source), "-k", kernel, "-o", str(path), "--overwrite", "--quiet"]
    return of_command(shop, call, path)


def of_command(shop: Workshop, call: list[str], target: Path) -> Contender:
    """A command that writes the picture `target`, which is taken away before each turn."""
    return Contender(turn=shop.command(call, remove=[target]), result=lambda: pictures.read(target), output=target)


def _starts(quick: bool) -> Iterator[Scenario]:
    """Starting, with nothing to do, beside Python that imports what we need."""

    def help_made(shop: Workshop) -> Made:
        calls = {US: [*ours(), "--help"], "import click": _importing("click"), "python": [sys.executable, "-c", "pass"]}
        return Made(contenders={name: Contender(turn=shop.command(call)) for name, call in calls.items()})

    def tiny_made(shop: Workshop) -> Made:
        source = shop.folder / "tiny.png"
        pictures.save(source, pictures.photograph(0.003))
        tiny = convcli(shop, "sharpen", source, "tiny-out.png")
        imports = {f"import {name}": Contender(turn=shop.command(_importing(name))) for name in ("cv2", "numpy")}
        others: dict[str, Contender | str] = {}
        for program in PROGRAMS[:1] + PROGRAMS[2:]:
            target = shop.folder / f"tiny-{program.name}.png"
            found = words(program, SHARPEN, source, target)
            others[program.name] = found if isinstance(found, str) else of_command(shop, found, target)
        return Made(contenders={US: tiny, **imports, **others})

    rounds = 11 if quick else 21
    yield Scenario(
        section="start-up", name="--help", conditions="no picture", make=help_made, rounds=rounds, quick=True,
        goals=(Goal(what="start-up, --help", against=("import click",), most=1.15),),
    )  # fmt: skip
    yield Scenario(
        section="start-up", name="apply", conditions="a PNG of 64x48", make=tiny_made, rounds=rounds, quick=True,
        goals=(Goal(what="start-up, apply on a tiny PNG", against=("import cv2",), most=1.0),),
        relative=False, tolerance=1,
    )  # fmt: skip


def _importing(module: str) -> list[str]:
    return [sys.executable, "-c", f"import {module}"]
