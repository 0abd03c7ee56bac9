"""How a run of `convcli apply` goes, told on stderr: a block for one input, a line each for several, warnings, errors.

As JSON it is one object a line instead.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, TextIO

from convcli.batch import Report
from convcli.errors import one_line, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from convcli.cli.alike import Alike, Message
    from convcli.reports.progress import Bar, Plain, Share

#: A clipped share below this is not worth a warning.
CLIPPED_WARNING = 0.01


class Reporter:
    """Tells on stderr how each input went, in their order: errors and warnings always, reports where they are wanted.

    Of a batch it tells how far it is, on a terminal by a bar that moves.
    """

    def __init__(self, total: int, *, as_json: bool, report: bool, quiet: bool) -> None:
        watched = sys.stderr.isatty()
        self._single = total == 1
        self._as_json = as_json
        self._quiet = quiet
        self._reports = (report or (self._single and watched)) and not quiet and not as_json
        self._foretold: frozenset[str] = frozenset()
        self._done = self._clipped = 0
        self._worst: Report | None = None
        self._display: Bar | Plain | None = None
        self._share: Share | None = None
        self._alike: Alike | None = None
        if self._single and watched and not (quiet or as_json):
            from convcli.reports.progress import Share

            self._share = Share(sys.stderr)
        elif not (self._single or as_json):
            from convcli.cli.alike import Alike

            self._alike = Alike(self._say)
        if not (self._single or quiet or as_json):
            from convcli.reports.progress import Bar, Plain, Tally

            self._tally = Tally(total)
            self._display = Bar(self._tally, sys.stderr) if watched else Plain(self._tally, sys.stderr)

    def advance(self, report: Report) -> None:
        """Takes an input that is through, in any order."""
        if self._display:
            self._tally.add(report.status, report.megapixels)
            self._display.update()

    def tick(self) -> None:
        """Keeps what moves moving."""
        if self._alike:
            self._alike.pause()
        if self._display:
            self._display.update()

    def watch(self, share: float) -> None:
        """Takes how much of the only input is done, from 0 to 1."""
        if self._share:
            self._share.update(share)

    def foretell(self, name: str, notes: Sequence[str]) -> None:
        """Takes what is to be said of the only input before it is filtered."""
        if self._quiet or self._as_json:
            return
        for text in notes:
            sys.stderr.write(f"Warning: {_name(name, 'stdin')}: {printable(text)}\n")
        self._foretold = frozenset(notes)

    def tell(self, report: Report) -> None:
        """Takes the report of the next input."""
        if self._share:
            self._share.close()
        if self._alike:
            for message in self._messages(report):
                self._alike.add(message)
        if self._display is None and self._alike is None:  # straight, so that a terminal is seen as one
            self._write(report, sys.stderr)
            return
        text = io.StringIO()
        self._write(report, text)
        if text.getvalue():
            if self._alike:
                self._alike.tell()
            self._say(text.getvalue())

    def _messages(self, report: Report) -> list[Message]:
        """The error of an input, or its warnings where they are wanted."""
        from convcli.cli.alike import Message

        if report.status == "failed":
            name = report.place or report.input
            return [Message("Error", name, report.error.removeprefix(f"{name}: "))]
        texts = () if self._quiet or report.status != "done" else _warnings(report)
        return [Message("Warning", _name(report.input, "stdin"), text) for text in texts]

    def _say(self, text: str) -> None:
        """Writes whole lines."""
        if self._display:
            self._display.say(text)
        else:
            sys.stderr.write(text)

    def _write(self, report: Report, stream: TextIO) -> None:
        if self._as_json:
            from convcli.reports import write_json

            write_json(report.as_dict(), stream, indent=None)
        elif report.status == "failed":
            if not self._alike:
                stream.write(f"Error: {printable(report.error)}\n")
        elif report.status == "done":
            if not self._quiet:
                for text in () if self._alike else _warnings(report, self._foretold):
                    stream.write(f"Warning: {_name(report.input, 'stdin')}: {printable(text)}\n")
                self._count_clipped(report)
                if self._single and self._worst:
                    _write_clipping(self._worst, 1, 1, stream)
            if self._reports:
                (_write_block if self._single else _write_line)(report, stream)
        elif self._reports:
            stream.write(f"{_name(report.input, 'stdin')}: {report.status}: {report.reason}\n")

    def _count_clipped(self, report: Report) -> None:
        """Of a batch, one warning for all results that were clipped says more than one for each."""
        self._done += 1
        if _clipped(report) > CLIPPED_WARNING:
            self._clipped += 1
            self._worst = max(self._worst or report, report, key=_clipped)

    def close(self) -> None:
        """Clears the bar away, and sums a batch up where that says more than silence."""
        if self._share:
            self._share.close()
        if self._alike:
            self._alike.tell(last=True)
        if self._display is None:
            return
        self._display.close()
        if self._worst:
            text = io.StringIO()
            _write_clipping(self._worst, self._clipped, self._done, text)
            self._display.say(text.getvalue())
        counts = self._tally.counts
        if counts and (self._reports or self._display.spoke or set(counts) - {"done"}):
            self._display.say(f"{self._tally.summary()}\n")


def _write_block(report: Report, stream: TextIO) -> None:
    """All of one report."""
    from convcli.reports import Column, Table, write
    from convcli.reports.tables import engineering

    columns = (
        Column(key="kernel", title="Kernel"),
        Column(key="type", title="Type", priority=3),
        Column(key="algorithm", title="Computed", priority=5, wraps=True),
        Column(key="size_in", title="In", right=True),
        Column(key="size_out", title="Out", right=True),
        Column(key="parameters", title="Parameters", right=True, priority=1),
        Column(key="macs", title="MACs", right=True, show=engineering, priority=2),
        Column(key="border", title="Border", priority=4),
    )
    rows = [
        {
            "kernel": stage.kernel,
            "type": ", ".join(filter(None, (stage.type, stage.activation))),
            "algorithm": stage.algorithm,
            "size_in": size(stage.size_in, stage.channels_in),
            "size_out": size(stage.size_out, stage.channels_out),
            "parameters": stage.weights + stage.biases,
            "macs": stage.macs,
            "border": stage.border,
        }
        for stage in report.stages
    ]
    bands = f", in {report.bands} bands" if report.bands > 1 else ""
    speed = f", {report.megapixels_per_s:.3g} MP/s" if len(report.stages[0].size_in) == 2 else ""
    ranged = f"; range {report.range}: {report.range_reason}" if report.range_reason else ""
    notes = [
        f"{report.format_in} {report.dtype_in} -> {report.format_out} {report.dtype_out}{bands}{ranged}"
        + "".join(f"; {note}" for note in report.notes),
        _times(report) + speed,
    ]
    if any(stage.flipped for stage in report.stages):
        notes.append("weights flipped (convolution) where the kernel says so; otherwise cross-correlation")
    write(Table(columns=columns, rows=rows, title=_names(report), notes=notes), "table", stream)


def _write_line(report: Report, stream: TextIO) -> None:
    """One report in one line."""
    first, last = report.stages[0], report.stages[-1]
    sizes = size(first.size_in, first.channels_in)
    if (first.size_in, first.channels_in) != (last.size_out, last.channels_out):
        sizes += f" -> {size(last.size_out, last.channels_out)}"
    stream.write(f"{_names(report)}  {sizes}  {_times(report)}\n")


def _warnings(report: Report, foretold: frozenset[str] = frozenset()) -> list[str]:
    """What a user should know of a result beside clipping, unless it was `foretold`: samples that were no numbers,
    frames left out."""
    fact = "are NaN or infinite"
    if not report.dtype_out.startswith("float"):
        fact = "were NaN or infinite, which integers can't keep"
    counted = [f"{report.nonfinite} samples of the result {fact}"] if report.nonfinite else []
    return [*counted, *(note for note in report.notes if note not in foretold)]


def _write_clipping(worst: Report, count: int, total: int, stream: TextIO) -> None:
    """A warning that `count` of `total` results were clipped, the `worst` of them by its name; and what helps."""
    low, high = f"{100 * worst.clipped_low:.1f} % too low", f"{100 * worst.clipped_high:.1f} % too high"
    many = f"{count} of {total} results were clipped, most of all " if total > 1 else ""
    share = f"{100 * _clipped(worst):.1f} % of the samples were clipped ({low}, {high})"
    stream.write(f"Warning: {many}{_name(worst.input, 'stdin')}: {share}\n")
    stream.write(f"  hint: {_keeping(worst)}\n")


def _keeping(report: Report) -> str:
    """What keeps samples that were cut off, of what isn't in use and is sure to work.

    Where most are too dark, differences are looked at; where both ends are met, a kernel exaggerates, and rescaling all
    for the few would make the picture flat; where it is nearly all, samples were no shares of white.
    """
    low, high = report.clipped_low, report.clipped_high
    darkened = report.range == "clip" and low > 4 * high
    keeps_size = report.range == "clip" and all(stage.size_in == stage.size_out for stage in report.stages)
    keeps_size &= high < 0.5 and report.stages[-1].type != "combined"  # which is of edges, mostly
    lessened = keeps_size and {stage.channels_in for stage in report.stages} == {report.stages[-1].channels_out}
    first = (
        "--range abs, offset or rescale keeps them" if darkened
        else "--amount 50% cuts fewer off" if lessened
        else "--range rescale keeps them"
    )  # fmt: skip
    return f"{first}; --range float in a .tif or .npy file keeps all"


def _clipped(report: Report) -> float:
    """The share of the samples that were cut off."""
    return report.clipped_low + report.clipped_high


def seconds(value: float) -> str:
    """A duration in the unit that suits it.

    >>> seconds(0.0213), seconds(1.5), seconds(0.0002)
    ('21.3 ms', '1.5 s', '0.2 ms')
    """
    return f"{value:.3g} s" if value >= 1 else f"{value * 1000:.3g} ms"


def size(samples: tuple[int, ...], channels: int) -> str:
    """Sizes as people write them: width x height for pictures, z, y, x for volumes; then channels if several."""
    sides = "x".join(map(str, reversed(samples) if len(samples) == 2 else samples))
    return f"{sides}x{channels}" if channels > 1 else sides


def _times(report: Report) -> str:
    return f"decode {seconds(report.decode_s)}, filter {seconds(report.filter_s)}, encode {seconds(report.encode_s)}"


def _names(report: Report) -> str:
    return f"{_name(report.input, 'stdin')} -> {_name(report.output, 'stdout')}"


def _name(name: str, standard: str) -> str:
    return standard if name == "-" else one_line(name)
