"""Many pictures in one go, by ours and by others at their best: 200 JPEGs of half a megapixel, 2,000 small ones."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import pictures
from benchmarks.launch import ours
from benchmarks.model import US, Array, Contender, Contest, Goal, Scenario, Workshop
from benchmarks.programs import SHARPEN, executable

#: Command-line peers, in the order of the report.
PEERS = ("GraphicsMagick", "ImageMagick", "vips x2", "ffmpeg x2", "gmic x2")
CODECS, SCRIPT = "codecs alone", "cv2 script x2"


def scenarios(*, quick: bool) -> Iterator[Scenario]:
    yield _middling(quick)
    yield _small(quick)


def _middling(quick: bool) -> Scenario:
    count = 20 if quick else 200

    def make(shop: Workshop) -> Contest:
        source = _sources(shop.folder, count, 0.5)
        contenders: dict[str, Contender | str] = {}
        for name, words in _commands(source, count).items():
            target = shop.folder / f"batch-{name.replace(' ', '-')}"
            target.mkdir(exist_ok=True)
            contenders[name] = words if isinstance(words, str) else _contender(shop, words(target), target, name)
        return Contest(contenders=contenders)

    return Scenario(
        section="batch", name=f"{count} JPEGs, sharpen", conditions="0.5 MP each", make=make,
        goals=() if quick else (
            Goal(what="200 JPEGs of 0.5 MP, best command-line peer", against=PEERS, most=0.5),
            Goal(what="200 JPEGs of 0.5 MP, the codecs alone on two threads", against=(CODECS,), most=1 / 0.9),
        ),
        rounds=3 if quick else 5, patience=4 if quick else 8, tolerance=2.5, relative=False, quick=True,
    )  # fmt: skip


def _small(quick: bool) -> Scenario:
    """Files so small that what is done for each counts, beside a script in two processes that syncs nothing."""
    count = 100 if quick else 2000
    script = Path(__file__).with_name("plain_script.py")

    def make(shop: Workshop) -> Contest:
        source = _sources(shop.folder, count, 0.05)
        targets = {name: shop.folder / f"small-{name.replace(' ', '-')}" for name in (US, SCRIPT)}
        for target in targets.values():
            target.mkdir(exist_ok=True)
        calls = [
            shlex.join([sys.executable, str(script), str(source), str(targets[SCRIPT]), part, "2"]) for part in "01"
        ]
        files = [str(path) for path in sorted(source.iterdir())]
        words = {
            US: [
                *ours(),
                "apply",
                *files,
                "-k",
                "sharpen",
                "-o",
                f"{targets[US]}/",
                "--overwrite",
                "--quiet",
                *_jobs(),
            ],
            SCRIPT: ["sh", "-c", f"{calls[0]} & {calls[1]} && wait"],
        }
        return Contest(contenders={name: _contender(shop, call, targets[name], name) for name, call in words.items()})

    return Scenario(
        section="batch", name=f"{count:,} JPEGs, sharpen", conditions="0.05 MP each", make=make,
        goals=() if quick else (Goal(what="2,000 JPEGs of 0.05 MP, a script", against=(SCRIPT,), most=1.2),),
        rounds=5, patience=10, tolerance=2.5, relative=False, quick=True,
    )  # fmt: skip


def _sources(folder: Path, count: int, megapixels: float) -> Path:
    """A folder of `count` different pictures: pieces of a large one."""
    source = folder / f"jpegs-{count}"
    if source.is_dir():
        return source
    source.mkdir()
    whole = pictures.photograph(12)
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(height * 4 / 3)
    for number in range(count):
        top, left = (number * 37) % (whole.shape[0] - height), (number * 173) % (whole.shape[1] - width)
        pictures.save(source / f"{number:04d}.jpg", whole[top : top + height, left : left + width])
    return source


def _contender(shop: Workshop, call: list[str], target: Path, name: str) -> Contender:
    # gmic's, which writes numbers of its own, and the codecs' pictures are not to be compared with ours.
    compare = name != CODECS
    return Contender(turn=shop.command(call, remove=[target]), result=(lambda: _some(target)) if compare else None)


def _some(folder: Path) -> Array:
    """The first and the last picture of a folder, side by side."""
    import numpy as np

    names = sorted(folder.glob("*.jpg"))
    return np.hstack([pictures.read(names[0]), pictures.read(names[-1])])


Commands = dict[str, Callable[[Path], list[str]] | str]


def _commands(source: Path, count: int) -> Commands:
    files = [str(path) for path in sorted(source.iterdir())]
    taps = SHARPEN.rows(",", ",")
    here = Path(__file__).with_name("codecs_alone.py")
    commands: Commands = {
        US: lambda to: [*ours(), "apply", *files, "-k", "sharpen", "-o", f"{to}/", "--overwrite", "--quiet", *_jobs()],
        CODECS: lambda to: [sys.executable, str(here), str(to), *files],
    }
    quality = ["-quality", "95", "-sampling-factor"]
    makers: dict[str, tuple[tuple[str, ...], Callable[[str], Callable[[Path], list[str]]]]] = {
        "GraphicsMagick": (("gm",), lambda at: lambda to: _graphics(at, source, to)),
        "ImageMagick": (("magick", "mogrify"), lambda at: lambda to: [
            at, *(["mogrify"] if at.endswith("magick") else []), "-path", str(to),
            "-morphology", "Correlate", f"3x3:{taps}", *quality, "4:2:0", *files
        ]),
        "vips x2": (("vips",), lambda at: lambda to: _vips(at, source, to)),
        "ffmpeg x2": (("ffmpeg",), lambda at: lambda to: _ffmpeg(at, source, to, count)),
        "gmic x2": (("gmic",), lambda at: lambda to: _gmic(at, files, to)),
    }  # fmt: skip
    for name in PEERS:
        executables, maker = makers[name]
        at = executable(executables)
        commands[name] = maker(at) if at else "not installed"
    return commands


def _jobs() -> list[str]:
    """As many processes as the others get."""
    return ["--jobs", "2"]


def _graphics(at: str, source: Path, target: Path) -> list[str]:
    """One process; it puts the output folder before names as they are given, so they must have no folder."""
    quality = "-quality 95 -sampling-factor 2x2"
    taps = SHARPEN.rows(",", ",")
    call = f"{shlex.quote(at)} mogrify -output-directory '{target}' -convolve {taps} {quality} *.jpg"
    return ["sh", "-c", f"cd '{source}' && exec {call}"]


def _vips(at: str, source: Path, target: Path) -> list[str]:
    """One process per picture, two at a time: the command has no batch."""
    mask = target.parent / "sharpen.mat"
    mask.write_text("3 3 1 0\n" + SHARPEN.rows(" ", "\n") + "\n", encoding="ascii")
    inner = (
        f'for f; do {shlex.quote(at)} conv "$f" "{target}/${{f##*/}}[Q=95,subsample_mode=on]" "{mask}" '
        "--precision integer || exit 1; done"
    )
    return ["sh", "-c", f"ls '{source}'/*.jpg | xargs -P 2 -n 25 sh -c {shlex.quote(inner)} sh"]


def _ffmpeg(at: str, source: Path, target: Path, count: int) -> list[str]:
    """Two processes, each with half of the numbered pictures."""
    taps = ":".join([SHARPEN.rows(" ", " ")] * 3)
    half = count // 2
    calls = [
        f"{shlex.quote(at)} -y -loglevel error -start_number {start} -i '{source}/%04d.jpg' -frames:v {number} "
        f"-vf 'convolution={taps}' -qmin 1 -q:v 1 -start_number {start} '{target}/%04d.jpg'"
        for start, number in ((0, half), (half, count - half))
    ]
    return ["sh", "-c", f"{calls[0]} & {calls[1]} && wait"]


def _gmic(at: str, files: list[str], target: Path) -> list[str]:
    """Two processes, each with half of the pictures in memory at once."""
    kernel = f"({SHARPEN.rows(',', ';')})"
    half = len(files) // 2
    calls = []
    for part, names in (("a", files[:half]), ("b", files[half:])):
        end = f"-correlate[^-1] [-1] -remove[-1] -cut 0,255 -round -o '{target}/{part}.jpg',95"
        calls.append(f"OMP_NUM_THREADS=1 {shlex.quote(at)} -v -1 {shlex.join(names)} '{kernel}' {end}")
    return ["sh", "-c", f"{calls[0]} & {calls[1]} && wait"]
