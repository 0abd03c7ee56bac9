"""Who hears how a run of `convcli apply` goes, and tells it on stderr."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from convcli.batch.report import Report
    from convcli.reports.progress import Bar, Plain


class Listener:
    """Tells on stderr how each input went, in their order: errors and warnings always, reports where they are wanted.

    Of a batch it tells how far it is, on a terminal by a bar that moves.
    """

    def __init__(self, total: int, *, as_json: bool, report: bool, quiet: bool) -> None:
        watched = sys.stderr.isatty()
        self._single = total == 1
        self._as_json = as_json
        self._quiet = quiet
        self._shown = (report or (self._single and watched)) and not quiet and not as_json
        self._done = self._clipped = 0
        self._worst: Report | None = None
        told = not (self._single or quiet or as_json)
        self._display: Bar | Plain | None = None
        if told:
            from convcli.reports.progress import Bar, Plain, Tally

            self._tally = Tally(total)
            self._display = Bar(self._tally, sys.stderr) if watched else Plain(self._tally, sys.stderr)

    def came(self, report: Report) -> None:
        """Takes an input that is through, in any order."""
        if self._display:
            self._tally.add(report.status, report.megapixels)
            self._display.update()

    def tick(self) -> None:
        """Keeps what moves moving."""
        if self._display:
            self._display.update()

    def hear(self, report: Report) -> None:
        """Takes the report of the next input."""
        if self._display is None:
            self._tell(report, sys.stderr)
            return
        text = io.StringIO()
        self._tell(report, text)
        if text.getvalue():
            self._display.say(text.getvalue())

    def _tell(self, report: Report, stream: TextIO) -> None:
        from convcli.cli import reporting

        if self._as_json:
            reporting.as_json(report, stream)
        elif report.status == "failed":
            reporting.error(report, stream)
        elif report.status == "done":
            if not self._quiet:
                reporting.warnings(report, stream)
                self._count_clipped(report)
                if self._single and self._worst:
                    reporting.clipping(self._worst, 1, 1, stream)
            if self._shown:
                show = reporting.block if self._single else reporting.line
                show(report, stream)
        elif self._shown:
            reporting.undone(report, stream)

    def _count_clipped(self, report: Report) -> None:
        """Of a batch, one warning for all results that were clipped says more than one for each."""
        from convcli.cli.reporting import is_clipped

        self._done += 1
        if is_clipped(report):
            self._clipped += 1
            self._worst = max(self._worst or report, report, key=lambda one: one.clipped_low + one.clipped_high)

    def close(self) -> None:
        """Clears the bar away, and sums a batch up where that says more than silence."""
        if self._display is None:
            return
        self._display.close()
        if self._worst:
            from convcli.cli import reporting

            text = io.StringIO()
            reporting.clipping(self._worst, self._clipped, self._done, text)
            self._display.say(text.getvalue())
        counts = self._tally.counts
        if counts and (self._shown or self._display.spoke or set(counts) - {"done"}):
            self._display.say(f"{self._tally.summary()}\n")
