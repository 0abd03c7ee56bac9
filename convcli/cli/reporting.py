"""The reports of `convcli apply` in words: a block for one input, a line each for several, warnings, errors, JSON."""

from __future__ import annotations

from typing import TextIO

from convcli.batch.report import Report
from convcli.errors import printable
from convcli.reports.tables import Column, Table, engineering

#: A clipped share below this is not worth a warning.
CLIPPED_WARNING = 0.01

_STAGES = (
    Column(key="kernel", title="Kernel"),
    Column(key="type", title="Type", priority=3),
    Column(key="algorithm", title="Computed", priority=5, wraps=True),
    Column(key="size_in", title="In", right=True),
    Column(key="size_out", title="Out", right=True),
    Column(key="parameters", title="Parameters", right=True, priority=1),
    Column(key="macs", title="MACs", right=True, show=engineering, priority=2),
    Column(key="border", title="Border", priority=4),
)


def seconds(value: float) -> str:
    """A duration in the unit that suits it.

    >>> seconds(0.0213), seconds(1.5), seconds(0.0002)
    ('21.3 ms', '1.5 s', '0.2 ms')
    """
    return f"{value:.3g} s" if value >= 1 else f"{value * 1000:.3g} ms"


def size(samples: tuple[int, ...], channels: int) -> str:
    """Sizes as people write them: width x height for pictures, z, y, x for volumes; then channels if several."""
    shown = "x".join(map(str, reversed(samples) if len(samples) == 2 else samples))
    return f"{shown}x{channels}" if channels > 1 else shown


def block(report: Report, stream: TextIO) -> None:
    """All of one report."""
    from convcli.reports import terminal

    rows = [
        {
            "kernel": stage.kernel,
            "type": stage.type,
            "algorithm": stage.algorithm,
            "size_in": size(stage.size_in, stage.channels_in),
            "size_out": size(stage.size_out, stage.channels_out),
            "parameters": stage.weights + stage.biases,
            "macs": stage.macs,
            "border": stage.border,
        }
        for stage in report.stages
    ]
    title = f"{_name(report.input, 'stdin')} -> {_name(report.output, 'stdout')}"
    kinds = f"{report.format_in} {report.dtype_in} -> {report.format_out} {report.dtype_out}"
    speed = f"{report.megapixels_per_s:.3g} MP/s" if len(report.stages[0].size_in) == 2 else ""
    notes = [
        kinds + (f", in {report.bands} bands" if report.bands > 1 else "") + "".join(f"; {n}" for n in report.notes),
        ", ".join(filter(None, (_times(report), speed))),
    ]
    if any(stage.flipped for stage in report.stages):
        notes.append("weights flipped (convolution) where the kernel says so; otherwise cross-correlation")
    terminal.write(Table(columns=_STAGES, rows=rows, title=title, notes=notes), "table", stream)


def line(report: Report, stream: TextIO) -> None:
    """One report in one line."""
    first, last = report.stages[0], report.stages[-1]
    sizes = size(first.size_in, first.channels_in)
    if (first.size_in, first.channels_in) != (last.size_out, last.channels_out):
        sizes += f" -> {size(last.size_out, last.channels_out)}"
    names = f"{_name(report.input, 'stdin')} -> {_name(report.output, 'stdout')}"
    stream.write(f"{names}  {sizes}  {_times(report)}\n")


def _times(report: Report) -> str:
    return f"decode {seconds(report.decode_s)}, filter {seconds(report.filter_s)}, encode {seconds(report.encode_s)}"


def warnings(report: Report, stream: TextIO) -> None:
    """What a user should know of a result beside clipping: samples that were no numbers, frames left out."""
    name = _name(report.input, "stdin")
    if report.nonfinite:
        what = "are NaN or infinite"
        if not report.dtype_out.startswith("float"):
            what = "were NaN or infinite, which integers can't keep"
        stream.write(f"Warning: {name}: {report.nonfinite} samples of the result {what}\n")
    for note in report.notes:
        stream.write(f"Warning: {name}: {printable(note)}\n")


def is_clipped(report: Report) -> bool:
    """Whether so many samples were cut off that it is worth a warning."""
    return report.clipped_low + report.clipped_high > CLIPPED_WARNING


def clipping(worst: Report, count: int, total: int, stream: TextIO) -> None:
    """A warning that `count` of `total` results were clipped, the `worst` of them by its name; and what helps."""
    low, high = (f"{100 * share:.1f} % too {side}" for share, side in (
        (worst.clipped_low, "low"), (worst.clipped_high, "high")
    ))  # fmt: skip
    name = _name(worst.input, "stdin")
    share = f"{100 * (worst.clipped_low + worst.clipped_high):.1f} % of the samples were clipped ({low}, {high})"
    many = f"{count} of {total} results were clipped, most of all " if total > 1 else ""
    stream.write(f"Warning: {many}{name}: {share}\n")
    stream.write("  hint: --range abs, offset, rescale or float keeps them\n")


def error(report: Report, stream: TextIO) -> None:
    """Why an input failed."""
    stream.write(f"Error: {printable(report.error)}\n")


def undone(report: Report, stream: TextIO) -> None:
    """An input that was not worked on, and why."""
    stream.write(f"{_name(report.input, 'stdin')}: {report.status}: {report.reason}\n")


def as_json(report: Report, stream: TextIO) -> None:
    """One line of JSON."""
    from convcli.reports import text

    text.write_json(report.as_dict(), stream, indent=None)


def _name(name: str, standard: str) -> str:
    return standard if name == "-" else printable(name).replace("\n", "\\n")
