"""What ran where: the machine, everybody's version, and what else the machine was doing meanwhile."""

from __future__ import annotations

import datetime
import importlib
import importlib.metadata
import os
import platform
import resource
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2

from benchmarks import programs
from benchmarks.launch import ROOT
from benchmarks.model import Piece
from benchmarks.peers import installed, threads
from convcli.engine import blas

LIBRARIES = ("opencv-python", "numpy", "scipy", "onnxruntime", "onnx", "torch")
#: The share of the machine that other programs may take before a run is called disturbed.
BUSY = 0.1


def machine() -> str:
    """Processor, cores, memory and system, in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{_processor()}, {threads()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}"


def _processor() -> str:
    """The model, and the widest instructions that numpy sees, those that were switched off for this run left out."""
    information, model = Path("/proc/cpuinfo"), platform.processor() or platform.machine()
    if information.is_file():
        text = information.read_text(encoding="ascii", errors="replace")
        model = next(
            (line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")), model
        )
    return " with ".join(filter(None, [model, instructions()])) + SWITCHED_OFF * as_avx2()


@cache
def instructions() -> str:
    """The widest instructions that numpy uses here; empty where it knows none."""
    features = importlib.import_module("numpy._core._multiarray_umath").__cpu_features__
    # A group of numpy's is what can be switched off; single names stay as the processor has them.
    widest = "X86_V4" if "X86_V4" in features else "AVX512_SKX"
    groups = {widest: "AVX-512", "AVX2": "AVX2", "ASIMD": "NEON"}
    return next((name for feature, name in groups.items() if features.get(feature)), "")


def wide() -> bool:
    """Whether this is a processor with AVX-512, which has goals of its own."""
    return instructions() == "AVX-512"


#: What makes libraries take a processor with AVX-512 for one without: OpenBLAS, OpenCV, numpy, and torch with oneDNN
#: and MKL in it. onnxruntime asks the processor itself.
AS_AVX2 = {
    "OPENBLAS_CORETYPE": "Haswell",
    "OPENCV_CPU_DISABLE": "AVX512-SKX",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}
#: What the line of a machine says of such a run, and who has no switch.
SWITCHED_OFF = " (AVX-512 switched off)"
UNHELD = ("onnxruntime",)
#: OpenCV's number for the instructions of Skylake-X, which its Python module has no name for.
_CV_CPU_AVX512_SKX = 256


def as_avx2() -> bool:
    """Whether AVX-512 is switched off for this run."""
    return AS_AVX2.items() <= os.environ.items()


def held() -> str:
    """Whose instructions each library takes, as it says itself."""
    cores = {"numpy": instructions() or "others", "OpenBLAS": blas.core() or "not there"}
    cores["OpenCV"] = "AVX-512" if cv2.checkHardwareSupport(_CV_CPU_AVX512_SKX) else "no AVX-512"
    if installed("torch"):
        cores["torch"] = str(importlib.import_module("torch").backends.cpu.get_cpu_capability())
    text = ", ".join(f"{name} {core}" for name, core in cores.items())
    return f"{text}; onnxruntime has no switch and does not say: its figure among the floors does"


def versions() -> str:
    """Ours, Python's and everybody else's; who isn't installed is named as well."""
    from convcli import __version__

    numbers = {"convcli": __version__, "Python": platform.python_version()}
    for name in LIBRARIES:
        try:
            numbers[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            numbers[name] = "not installed"
    numbers |= programs.versions()
    return ", ".join(f"{name} {version}".strip() for name, version in numbers.items())


def commit() -> str:
    """Of the checkout, "-dirty" where files differ from it; empty where it is none."""
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What the machine had done by some moment: seconds by the clock, CPU seconds of all and of us, and its load."""

    clock: float
    everybody: float | None
    us: float
    load: float

    @classmethod
    def now(cls) -> Moment:
        own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return cls(
            clock=time.monotonic(),
            everybody=_everybody(),
            us=own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
            load=os.getloadavg()[0],
        )


def _everybody() -> float | None:
    """CPU seconds of all processes since the machine started; None where the system doesn't tell."""
    statistics = Path("/proc/stat")
    if not statistics.is_file():
        return None
    user, nice, system, _, _, interrupts, soft, *_ = map(int, statistics.read_text(encoding="ascii").split()[1:11])
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")


def disturbance(before: Moment, after: Moment) -> float | None:
    """The share of all cores that others used between two moments; None where the system doesn't tell."""
    if before.everybody is None or after.everybody is None:
        return None
    others = (after.everybody - before.everybody) - (after.us - before.us)
    return max(0.0, others) / max(after.clock - before.clock, 1e-9) / (os.cpu_count() or 1)


def piece(before: Moment, after: Moment) -> Piece:
    return Piece(
        date=datetime.date.today().isoformat(),
        commit=commit(),
        minutes=(after.clock - before.clock) / 60,
        load_before=before.load,
        load_after=after.load,
        others=disturbance(before, after),
    )


def circumstances(pieces: Sequence[Piece]) -> str:
    """When, how long, by which commits, and what others took meanwhile, with a warning where that was much."""
    dates = sorted({one.date for one in pieces})
    commits = ", ".join(dict.fromkeys(one.commit for one in pieces if one.commit))
    parts = [" to ".join(dict.fromkeys([dates[0], dates[-1]])), f"{sum(one.minutes for one in pieces):.0f} min"]
    if len(pieces) > 1:
        parts[-1] += f" in {len(pieces)} pieces"
    before, after = max(one.load_before for one in pieces), max(one.load_after for one in pieces)
    parts += [f"commit {commits}"] * bool(commits) + [f"load {before:.1f} at the start and {after:.1f} at the end"]
    shares = [one.others for one in pieces if one.others is not None]
    if shares:
        warning = " (**busy: not to be relied on**)" if max(shares) > BUSY else ""
        parts.append(f"other programs took {max(shares):.0%} of the cores{' at most' * (len(pieces) > 1)}{warning}")
    return ", ".join(parts)
