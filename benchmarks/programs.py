"""Other programs that filter pictures on the command line, and how each is asked for the same result as ours.

Every program is called in the fastest way found that gives that result, with its own defaults for PNG files and, where
they are lossy, quality 95, JPEG with colour at half resolution, which are ours.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.model import Array


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is done to a picture: a convolution by whole `weights` over their sum (or 1, where that is 0 or 1), a
    Gaussian blur of `sigma`, a swirl by `degrees`, or another size. `kernel` is how ours is called. `unlike` tasks are
    alike in what they take only: results aren't compared."""

    name: str
    kernel: str
    weights: Array | None = None
    sigma: float = 0
    factor: float = 1
    degrees: float = 0
    unlike: bool = False

    @property
    def divisor(self) -> int:
        return 1 if self.weights is None else max(1, int(self.weights.sum()))

    def rows(self, between: str, after: str, *, divided: bool = True) -> str:
        """The weights as text, `between` two of a row and `after` a row."""
        assert self.weights is not None
        divisor = self.divisor if divided else 1
        lines = (between.join(f"{value / divisor:.9g}" for value in row) for row in self.weights)
        return after.join(lines)


def dense(taps: int, folder: Path) -> Task:
    """A convolution by random whole numbers, without symmetry; the kernel file is written into `folder`."""
    weights = np.random.default_rng(taps).integers(0, 10, (taps, taps))
    path = folder / f"dense-{taps}.yaml"
    rows = ",\n  ".join(f"[{', '.join(map(str, row))}]" for row in weights)
    path.write_text(f"divisor: sum\nweights: [\n  {rows}]\n", encoding="utf-8")
    return Task(name=f"dense {taps}x{taps}", kernel=str(path), weights=weights)


SHARPEN = Task(name="sharpen", kernel="sharpen", weights=np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]]))
GAUSSIAN = Task(name="gaussian, sigma 2", kernel="gaussian:sigma=2", sigma=2)
ENLARGE = Task(name="up 2x bilinear", kernel="upsample-bilinear-2x", factor=2)
#: Others average fewer pixels, or lie half a pixel elsewhere.
REDUCE = Task(name="down 2x", kernel="downsample-2x", factor=0.5, unlike=True)
#: Others turn by another law of the distance, about as far.
SWIRL = Task(name="swirl", kernel="swirl", degrees=120, unlike=True)

#: What colours text on a terminal.
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
#: The words of a command, or why there are none.
Words = list[str] | str


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program by its shown name, the executables it may have, and the words of a task from one file to another."""

    name: str
    executables: tuple[str, ...]
    version: str
    words: Callable[[str, Task, Path, Path], Words]


@cache
def executable(names: tuple[str, ...]) -> str | None:
    """The first of `names` on the path that is no script: the time of a stand-in would count as the program's."""
    for name in names:
        path = shutil.which(name)
        if path and not _script(path):
            return path
        for folder in ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"):
            path = shutil.which(name, path=folder)
            if path and not _script(path):
                return path
    return None


def _script(path: str) -> bool:
    with Path(path).open("rb") as file:
        return file.read(2) == b"#!"


def _vips(at: str, task: Task, source: Path, target: Path) -> Words:
    to = str(target) + {".jpg": "[Q=95,subsample_mode=on]", ".webp": "[Q=95]"}.get(target.suffix, "")
    if task.degrees:
        return "has no swirl"
    if task.factor < 1:
        return [at, "resize", str(source), to, f"{task.factor}", "--kernel", "linear"]
    if task.weights is not None:
        mask = target.with_suffix(".mat")
        mask.write_text(_mask(task), encoding="ascii")
        return [at, "conv", str(source), to, str(mask)]
    if task.sigma:
        return [at, "gaussblur", str(source), to, str(task.sigma)]
    # `vips resize` lays the pixels elsewhere.
    centred = ["--odx", "0.5", "--ody", "0.5", "--extend", "copy"]
    return [at, "affine", str(source), to, f"{task.factor} 0 0 {task.factor}", "--interpolate", "bilinear", *centred]


def _mask(task: Task) -> str:
    assert task.weights is not None
    height, width = task.weights.shape
    return f"{width} {height} {task.divisor} 0\n" + task.rows(" ", "\n", divided=False) + "\n"


def _vips_integer(at: str, task: Task, source: Path, target: Path) -> Words:
    words = _vips(at, task, source, target)
    return [*words, "--precision", "integer"] if task.weights is not None and words else "as vips"


def _magick(at: str, task: Task, source: Path, target: Path) -> Words:
    words = [at, str(source)]
    if task.weights is not None:
        height, width = task.weights.shape
        words += ["-morphology", "Correlate", f"{width}x{height}:{task.rows(',', ',')}"]
    elif task.sigma:
        words += ["-blur", f"0x{task.sigma:g}"]
    elif task.degrees:
        words += ["-swirl", f"{task.degrees:g}"]
    else:
        words += ["-filter", "triangle", "-resize", f"{100 * task.factor:g}%"]
    return [*words, *_quality(target, "4:2:0"), str(target)]


def _quality(target: Path, sampling: str) -> list[str]:
    """Options of ImageMagick and GraphicsMagick for lossy files."""
    halved = ["-sampling-factor", sampling] if target.suffix == ".jpg" else []
    return ["-quality", "95", *halved] if target.suffix in (".jpg", ".webp") else []


def _graphics(at: str, task: Task, source: Path, target: Path) -> Words:
    words = [at, "convert", str(source)]
    if task.weights is not None:
        # It divides by the sum itself. An option may have 2,053 characters.
        weights = task.rows(",", ",", divided=False)
        if len(weights) > 2000 or task.weights.shape[0] > 25:
            return "takes no kernel of that many taps"
        words += ["-convolve", weights]
    elif task.sigma:
        words += ["-blur", f"0x{task.sigma:g}"]
    elif task.degrees:
        words += ["-swirl", f"{task.degrees:g}"]
    else:
        words += ["-filter", "triangle", "-resize", f"{100 * task.factor:g}%"]
    return [*words, *_quality(target, "2x2"), str(target)]


def _ffmpeg(at: str, task: Task, source: Path, target: Path) -> Words:
    if task.degrees:
        return "has no swirl"
    if task.weights is not None:
        if task.weights.shape[0] > 7:
            return "its filter takes 7x7 taps at most"
        taps = task.rows(" ", " ", divided=False)
        change = "convolution=" + ":".join([taps] * 4 + [f"{1 / task.divisor:g}"] * 4)
    elif task.sigma:
        change = f"gblur=sigma={task.sigma:g}:steps=3"
    else:
        change = f"scale=iw*{task.factor}:ih*{task.factor}:flags=bilinear"
    quality = {".jpg": ["-qmin", "1", "-q:v", "1"], ".webp": ["-quality", "95"]}.get(target.suffix, [])
    return [at, "-y", "-loglevel", "error", "-i", str(source), "-vf", change, *quality, str(target)]


def _gmic(at: str, task: Task, source: Path, target: Path) -> Words:
    if task.degrees:
        return "its swirl is a script of many steps"
    # Without a cut it writes 16 bits.
    end = [
        "-cut[0]",
        "0,255",
        "-round[0]",
        "-o[0]",
        f"{target},95" if target.suffix in (".jpg", ".webp") else str(target),
    ]
    if task.weights is not None:
        return [at, "-v", "-1", str(source), f"({task.rows(',', ';')})", "-correlate[0]", "[1]", *end]
    if task.sigma:
        return [at, "-v", "-1", str(source), "-blur", f"{task.sigma:g}", *end]
    size = f"{100 * task.factor:g}%"
    return [at, "-v", "-1", str(source), "-resize", f"{size},{size},1,3,3", *end]


def _oiio(at: str, task: Task, source: Path, target: Path) -> Words:
    if task.degrees:
        return "has no swirl"
    lossy = {".jpg": ["--compression", "jpeg:95"], ".webp": ["--compression", "webp:95"]}.get(target.suffix, [])
    end = ["-d", "uint8", *lossy, "-o", str(target)]
    if task.weights is not None:
        from benchmarks.pictures import save

        kernel = save(target.with_suffix(".tif"), (task.weights[::-1, ::-1] / task.divisor).astype(np.float32))
        # The place that is called 0,0 is where a kernel's middle has to be.
        middle = "".join(f"{-(side // 2):+d}" for side in task.weights.shape[::-1])
        return [at, str(source), str(kernel), "--origin", middle, "--convolve", *end]
    if task.sigma:
        # Its Gaussian is cut off at twice sigma, on both sides, and so a little narrower than it says.
        width = 4 * round(task.sigma) + 1
        return [at, str(source), "--blur", f"{width}x{width}", *end]
    return [at, str(source), "--resize:filter=triangle", f"{100 * task.factor:g}%", *end]


PROGRAMS = (
    Program(name="vips", executables=("vips",), version="--version", words=_vips),
    Program(name="vips integer", executables=("vips",), version="--version", words=_vips_integer),
    Program(name="ImageMagick", executables=("magick", "convert"), version="-version", words=_magick),
    Program(name="GraphicsMagick", executables=("gm",), version="version", words=_graphics),
    Program(name="ffmpeg", executables=("ffmpeg",), version="-version", words=_ffmpeg),
    Program(name="gmic", executables=("gmic",), version="version", words=_gmic),
    Program(name="oiiotool", executables=("oiiotool",), version="--version", words=_oiio),
)


def words(program: Program, task: Task, source: Path, target: Path) -> Words:
    """The command of `program` for `task`, or why there is none."""
    at = executable(program.executables)
    return program.words(at, task, source, target) if at else "not installed"


def versions() -> dict[str, str]:
    """The version that each program says of itself; "not installed" where it isn't."""
    said = {}
    for program in PROGRAMS:
        at = executable(program.executables)
        if program.name == "vips integer":
            continue
        if at is None:
            said[program.name] = "not installed"
            continue
        done = subprocess.run([at, program.version], capture_output=True, text=True, errors="replace", check=False)
        numbers = re.search(r"\d+\.\d[\w.+-]*", _ESCAPES.sub("", done.stdout + done.stderr))
        said[program.name] = numbers.group() if numbers else "of unknown version"
    return said
