"""What ran where: the machine, everybody's version, and what else the machine was doing meanwhile."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import programs
from benchmarks.launch import ROOT
from benchmarks.peers import threads

LIBRARIES = ("opencv-python", "numpy", "scipy", "onnxruntime", "torch")
#: The share of the machine that other programs may take before a run is called disturbed.
BUSY = 0.1


def machine() -> str:
    """Processor, cores, memory and system, in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{_processor()}, {threads()} cores, {memory:.0f} GiB, {platform.system()} {platform.machine()}"


def _processor() -> str:
    """The model, and its widest instructions, where the system tells."""
    information = Path("/proc/cpuinfo")
    if not information.is_file():
        return platform.processor() or platform.machine()
    lines = [line.partition(":") for line in information.read_text(encoding="ascii", errors="replace").splitlines()]
    fields = {key.strip(): value.strip() for key, _, value in reversed(lines)}
    flags = fields.get("flags", "").split()
    widest = next((name for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags), "")
    return " with ".join(filter(None, [fields.get("model name", platform.machine()), widest]))


def versions() -> str:
    """Ours with its commit, Python's and everybody else's; who isn't installed is named as well."""
    from convcli import __version__

    found = {f"convcli {__version__}": _commit(), "Python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    found |= programs.versions()
    return ", ".join(f"{name} {version}".strip() for name, version in found.items())


def _commit() -> str:
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return f"({done.stdout.strip()})" if done.returncode == 0 else ""


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


def load(before: Moment, after: Moment) -> str:
    """Minutes, load at both ends and what others took, with a warning where that was much."""
    share = disturbance(before, after)
    minutes = (after.clock - before.clock) / 60
    text = f"{minutes:.1f} min, load {before.load:.1f} before and {after.load:.1f} after"
    if share is None:
        return text
    warning = " (**busy: not to be relied on**)" if share > BUSY else ""
    return f"{text}, other programs took {share:.0%} of the cores{warning}"
