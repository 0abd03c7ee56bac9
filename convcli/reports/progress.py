"""How far something is: a bar on a terminal; elsewhere, of a batch, a plain line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TextIO

from convcli.errors import printable
from convcli.reports.screen import TITLE, console, interactive

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_BETWEEN_DRAWINGS_S: Final = 0.1
_BETWEEN_LINES_S: Final = 10.0
#: Seconds after which one wants to know how far a single thing is.
_UNSAID_S: Final = 2.0


@dataclass
class Tally:
    """What has come of a batch so far: inputs by what became of them, and the pixels that were filtered."""

    total: int
    counts: dict[str, int] = field(default_factory=dict)
    megapixels: float = 0.0
    clock: Callable[[], float] = time.monotonic
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()

    def add(self, status: str, megapixels: float) -> None:
        self.counts[status] = self.counts.get(status, 0) + 1
        self.megapixels += megapixels

    @property
    def seconds(self) -> float:
        return max(self.clock() - self.started, 1e-9)

    @property
    def through(self) -> int:
        return sum(self.counts.values())

    @property
    def rate(self) -> str:
        """Pictures that were worked on, and pixels, per second."""
        worked = self.counts.get("done", 0) + self.counts.get("failed", 0)
        return f"{_short(worked / self.seconds)}/s, {_short(self.megapixels / self.seconds)} MP/s"

    @property
    def left(self) -> str:
        """The time that the rest will take, if it goes on like this."""
        seconds = round(self.seconds / self.through * (self.total - self.through)) if self.through else 0
        minutes, seconds = divmod(seconds, 60)
        return f"{minutes // 60}:{minutes % 60:02d}:{seconds:02d}"

    def summary(self) -> str:
        """The last word on a batch.

        >>> Tally(total=3, counts={"done": 2, "failed": 1}).summary().partition(" in ")[0]
        '2 done, 1 failed'
        """
        counts = {"done": 0, **self.counts}
        parts = ", ".join(f"{counts[status]} {status}" for status in STATUSES if status in counts)
        return f"{parts} in {self.seconds:.1f} s ({self.rate})"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


STATUSES: Final = ("done", "skipped", "failed", "not started")


class Plain:
    """Lines without decoration: what is said, and every ten seconds how far it is."""

    def __init__(self, tally: Tally, stream: TextIO) -> None:
        self._tally, self._stream = tally, stream
        self._next = tally.started + _BETWEEN_LINES_S
        self.spoke = False

    def update(self) -> None:
        """Something may have changed, or time has gone by."""
        tally = self._tally
        if tally.clock() < self._next or tally.through == tally.total:
            return
        self._next = tally.clock() + _BETWEEN_LINES_S
        self.spoke = True
        failed = f", {tally.counts['failed']} failed" if tally.counts.get("failed") else ""
        self.say(f"{tally.through} of {tally.total}{failed}, {tally.rate}, {tally.left} left\n")

    def say(self, text: str) -> None:
        """Writes whole lines, so that what is displayed stays whole."""
        self._stream.write(text)

    def close(self) -> None:
        """Takes away what was displayed for the time being."""
        self._stream.flush()


class Bar:
    """A bar of rich's on a terminal. It is drawn by this thread alone: there may be processes to fork."""

    spoke = True

    def __init__(self, tally: Tally, stream: TextIO) -> None:
        self._tally, self._stream = tally, stream
        self._progress: Progress | None = None
        self._task: TaskID
        self._drawn = 0.0

    def update(self) -> None:
        now = self._tally.clock()
        if self._progress is None:
            self._start()
        elif now - self._drawn < _BETWEEN_DRAWINGS_S:
            return
        assert self._progress is not None
        self._drawn = now
        tally = self._tally
        failed = tally.counts.get("failed", 0)
        self._progress.update(
            self._task, completed=tally.through, rate=tally.rate, left=f"{tally.left} left",
            failed=f"{failed} failed" if failed else "",
        )  # fmt: skip
        self._progress.refresh()

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        texts = [TextColumn(f"{{task.fields[{name}]}}", markup=False) for name in ("rate", "left")]
        failed = TextColumn("{task.fields[failed]}", markup=False, style=TITLE)
        console = Console(file=self._stream, markup=False, highlight=False, emoji=False)
        self._progress = Progress(
            BarColumn(bar_width=None), MofNCompleteColumn(), *texts, failed, console=console, transient=True,
            auto_refresh=False, expand=True, redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._task = self._progress.add_task("", total=self._tally.total, rate="", left="", failed="")
        self._progress.start()

    def say(self, text: str) -> None:
        if self._progress is None:
            self._stream.write(text)
            return
        from rich.text import Text

        self._progress.console.print(Text(text.removesuffix("\n")), soft_wrap=True)

    def close(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


class Share:
    """How much of one thing is done, as a bar on a terminal, where it takes long."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._clock = stream, clock
        self._started = clock()
        self._drawn = self._started + _UNSAID_S
        self._progress: Progress | None = None

    def update(self, share: float) -> None:
        """So much is done, from 0 to 1."""
        now = self._clock()
        if now < self._drawn:
            return
        self._drawn = now + _BETWEEN_DRAWINGS_S
        if self._progress is None:
            self._start()
        assert self._progress is not None
        left = round((now - self._started) * (1 - share) / max(share, 1e-3))
        self._progress.update(self._progress.task_ids[0], completed=share, left=f"{left // 60}:{left % 60:02d} left")
        self._progress.refresh()

    def _start(self) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

        columns = (BarColumn(bar_width=None), TaskProgressColumn(), TextColumn("{task.fields[left]}", markup=False))
        self._progress = Progress(
            *columns, console=console(self._stream), transient=True, auto_refresh=False, expand=True,
            redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
        self._progress.add_task("", total=1, left="")
        self._progress.start()

    def close(self) -> None:
        """Takes the bar away, for good."""
        self._drawn = float("inf")
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


@contextmanager
def progress(total: int, what: str, stream: TextIO | None = None) -> Iterator[Callable[[str], None]]:
    """A progress display on stderr while something of `total` steps runs; nothing where nobody watches.

    Yields a function to be called with the name of each step as it starts.
    """
    stream = stream or sys.stderr
    if not interactive(stream):
        yield lambda name: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(stream), transient=True) as display:
        task = display.add_task(what, total=total)
        started = 0

        def step(name: str) -> None:
            nonlocal started
            display.update(task, description=f"{what} {printable(name)}", completed=started)
            started += 1

        yield step
