"""Whole commands: ours and other programs on the same pictures, from starting the program to the file on disk."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import pictures
from benchmarks.launch import ours
from benchmarks.model import US, Contender, Contest, Goal, Scenario, Workshop
from benchmarks.programs import ENLARGE, GAUSSIAN, PROGRAMS, REDUCE, SHARPEN, SWIRL, Task, dense, words

#: Both ways of calling vips: as anybody would, and in whole numbers where it can.
VIPS = ("vips", "vips integer")
#: Our time over the other's, for sharpening a PNG of 12 megapixels.
SHARPEN_GOALS = {"ImageMagick": 0.3, "GraphicsMagick": 0.36, "ffmpeg": 0.42, "gmic": 0.3, "oiiotool": 0.25}
KINDS = {"png": "PNG", "jpg": "JPEG", "tif": "TIFF", "ppm": "PPM", "webp": "WebP"}


@dataclass(frozen=True, kw_only=True)
class Command:
    """One task on one picture: megapixels, kind of file, and what it is held to beside vips (or `rival`).

    `alone` leaves all but vips out: others take minutes. `to` is the kind of file that is written, if another.
    """

    size: float
    kind: str
    task: str
    most: float | None = None
    rival: tuple[str, ...] = VIPS
    alone: bool = False
    to: str = ""
    limit: float | None = None
    quick: bool = False


#: A task by its name; those with many weights write a kernel file into a folder.
TASKS: dict[str, Callable[[Path], Task]] = {
    **{task.name: partial(lambda task, folder: task, task) for task in (SHARPEN, GAUSSIAN, ENLARGE, REDUCE, SWIRL)},
    **{f"dense {taps}x{taps}": partial(dense, taps) for taps in (15, 31)},
}
SMALL = 1.3
COMMANDS = (
    Command(size=12, kind="png", task="sharpen", most=0.6),
    Command(size=12, kind="png", task=GAUSSIAN.name, most=0.75, rival=VIPS[:1]),
    Command(size=12, kind="png", task=ENLARGE.name, most=0.4, rival=VIPS[:1], alone=True),
    Command(size=12, kind="png", task="dense 15x15", most=0.35, alone=True),
    Command(size=12, kind="png", task="dense 31x31", most=0.11, alone=True),
    Command(size=12, kind="jpg", task="sharpen", most=1.0),
    Command(size=12, kind="jpg", task=GAUSSIAN.name, most=1.0, rival=VIPS[:1]),
    Command(size=12, kind="jpg", task="dense 15x15", most=0.25, alone=True),
    Command(size=12, kind="jpg", task=REDUCE.name),
    Command(size=12, kind="jpg", task=SWIRL.name, most=1.0, rival=("GraphicsMagick",)),
    Command(size=12, kind="tif", task="sharpen", most=1.2),
    Command(size=12, kind="ppm", task="sharpen", most=1.2),
    Command(size=12, kind="webp", task="sharpen", alone=True),
    *(Command(size=2, kind=kind, task="sharpen", most=SMALL, quick=kind in ("png", "jpg", "tif")) for kind in KINDS),
    Command(size=2, kind="jpg", task=GAUSSIAN.name, most=SMALL, rival=VIPS[:1]),
    Command(size=2, kind="webp", to="jpg", task="sharpen", most=SMALL),
    *(
        Command(size=size, kind="png", task=task, most=SMALL, rival=VIPS[:1], alone=size == 2)
        for task in (ENLARGE.name, "dense 31x31")
        for size in (2, 0.5)
    ),
    *(Command(size=0.5, kind=kind, task="sharpen", most=SMALL, alone=True) for kind in KINDS),
    Command(size=0.5, kind="jpg", task=GAUSSIAN.name, most=SMALL, rival=VIPS[:1], alone=True),
    Command(size=48, kind="png", task="sharpen", most=0.6, alone=True),
)  # fmt: skip
HUGE = Command(size=400, kind="tif", task="sharpen", most=1.2, alone=True, limit=150)


def scenarios(*, huge: bool) -> Iterator[Scenario]:
    """All comparisons of single commands."""
    yield from (_scenario(one) for one in (*COMMANDS, *[HUGE] * huge))


def _scenario(one: Command) -> Scenario:
    def make(shop: Workshop) -> Contest:
        source, task = shop.picture(one.size, one.kind), TASKS[one.task](shop.folder)
        ending = one.to or one.kind
        contenders: dict[str, Contender | str] = {US: convcli(shop, task.kernel, source, f"{US}.{ending}")}
        for program in PROGRAMS:
            target = shop.folder / f"{program.name.replace(' ', '-')}.{ending}"
            actual = words(program, task, source, target)
            if one.alone and program.name not in VIPS and actual != "not installed":
                actual = f"left out at {one.size:g} MP"
            if actual == "as vips":
                continue
            contender = actual if isinstance(actual, str) else of_command(shop, actual, target)
            if task.unlike and isinstance(contender, Contender):
                contender = Contender(turn=contender.turn, output=contender.output)
            contenders[program.name] = contender
        bare = {"import cv2": Contender(turn=shop.command(_importing("cv2")))}
        return Contest(contenders=contenders, limit=(lambda: one.limit or 0) if one.limit else None, bare=bare)

    kinds = KINDS[one.kind] + (f" to {KINDS[one.to]}" if one.to else "")
    lossy = (one.to or one.kind) in ("jpg", "webp")
    return Scenario(
        section="commands", name=one.task, conditions=f"{one.size:g} MP {kinds}", make=make,
        goals=tuple(_goals(one, kinds)), rounds=3 if one.limit else 9 if one.size < 12 else 5,
        patience=40 if one.limit else 1.5 if one.size < 12 else 4, tolerance=2.5 if lossy else 1, relative=False,
        quick=one.quick,
    )  # fmt: skip


def _goals(one: Command, kinds: str) -> Iterator[Goal]:
    where = f"{one.size:g} MP {kinds}, {one.task}"
    if one.most is not None and one.size < 12:
        yield Goal(what=f"{one.size:g} MP, any format", against=one.rival, most=one.most)
    elif one.most is not None:
        yield Goal(what=where, against=one.rival, most=one.most, no_larger=one.kind == "png" and one.size < 48)
    if (one.size, one.kind, one.task) == (12, "png", "sharpen"):
        for name, most in SHARPEN_GOALS.items():
            yield Goal(what=f"{where}, {name}", against=(name,), most=most)
    if one.limit:
        yield Goal(what=f"{where}: memory over {one.limit:g} MB", against=("limit",), most=1.0)


def convcli(shop: Workshop, kernel: str, source: Path, target: str) -> Contender:
    """Our command on one file."""
    path = shop.folder / target
    call = [*ours(), "apply", str(source), "-k", kernel, "-o", str(path), "--overwrite", "--quiet"]
    return of_command(shop, call, path)


def of_command(shop: Workshop, call: list[str], target: Path) -> Contender:
    """A command that writes the picture `target`, which is taken away before each turn."""
    return Contender(turn=shop.command(call, remove=[target]), result=lambda: pictures.read(target), output=target)


def starts(*, quick: bool) -> Iterator[Scenario]:
    """Starting, with nothing to do, beside Python that does nothing or imports what we need."""
    rounds = 11 if quick else 21

    def asked(word: str, shop: Workshop) -> Contest:
        calls = {US: [*ours(), word], "python": [sys.executable, "-c", "pass"], "import click": _importing("click")}
        return Contest(contenders={name: Contender(turn=shop.command(call)) for name, call in calls.items()})

    for word, most in (("--help", 1.3), ("--version", 1.3), ("list", 3.0)):
        yield Scenario(
            section="start-up", name=word, conditions="no picture", make=partial(asked, word), rounds=rounds,
            quick=word != "--version", goals=(Goal(what=f"start-up, {word}", against=("python",), most=most),),
        )  # fmt: skip
    yield Scenario(
        section="start-up", name="apply", conditions="a PNG of 64x48", make=_tiny, rounds=rounds, quick=True,
        goals=(Goal(what="start-up, apply on a tiny PNG", against=("import cv2",), most=0.85),),
        relative=False, tolerance=1,
    )  # fmt: skip


def _tiny(shop: Workshop) -> Contest:
    source = shop.folder / "tiny.png"
    pictures.save(source, pictures.photograph(0.003))
    contenders: dict[str, Contender | str] = {US: convcli(shop, "sharpen", source, "tiny-out.png")}
    for name in ("cv2", "numpy"):
        contenders[f"import {name}"] = Contender(turn=shop.command(_importing(name)))
    for program in PROGRAMS[:1] + PROGRAMS[2:]:
        target = shop.folder / f"tiny-{program.name}.png"
        actual = words(program, SHARPEN, source, target)
        contenders[program.name] = actual if isinstance(actual, str) else of_command(shop, actual, target)
    return Contest(contenders=contenders)


def _importing(module: str) -> list[str]:
    return [sys.executable, "-c", f"import {module}"]
