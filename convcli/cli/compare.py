"""`convcli compare`."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from convcli.cli.layout import Command
from convcli.cli.options import FORMATS, Output, Positive, algorithm
from convcli.networks.swaps import TARGETS

if TYPE_CHECKING:
    from convcli.costs.comparison import Comparison, Lineup
    from convcli.costs.cost import Timing

NUMBER = click.IntRange(min=1)
#: Formats by the ending of --output.
ENDINGS = {".json": "json", ".csv": "csv", ".md": "markdown", ".markdown": "markdown", ".txt": "table", "": "table"}

#: What -h shows.
OFTEN = ("size", "in-channels", "out-channels", "time", "image", "as", "sort", "columns", "json", "output", "draw")


@click.command("compare", cls=Command, often=OFTEN)
@click.argument("sources", nargs=-1, metavar="[KERNEL|NETWORK]...")
@click.option("--in-channels", type=NUMBER, metavar="N", help="Expand kernels into layers on N channels.")
@click.option("--out-channels", type=NUMBER, metavar="N", help="Filters of these layers.")
@click.option("--groups", type=NUMBER, metavar="N", help="Groups of channels of these layers.")
@click.option("--kernel-size", type=NUMBER, metavar="N", help="Taps per axis of these layers.")
@click.option("--bias", is_flag=True, help="Give these layers a bias per filter.")
@click.option("--size", metavar="HxW", help="Size of the input (224x224), also of networks; N for NxN, DxHxW.")
@click.option("--image", metavar="FILE", help="Take size and channels, and what is timed, from an image.")
@click.option("--width", type=float, metavar="F", help="Networks: multiply the channels of convolutions.")
@click.option("--resolution", type=float, metavar="F", help="Networks: multiply the sides of the input.")
@click.option("--as", "swap", type=click.Choice(TARGETS), help="Networks: also with every eligible layer swapped.")
@click.option("--baseline", metavar="NAME", help="The row that ratios are against; the first by default.")
@click.option("--sort", metavar="COLUMN", help="Sort the rows by a column; -COLUMN from the greatest down.")
@click.option("--columns", metavar="A,B,...", help="Columns to show, in this order.")
@click.option("--time", "timed", is_flag=True, help="Measure how long each row takes.")
@algorithm
@click.option(
    "--budget", type=Positive(), default=2.0, show_default=True, metavar="SECONDS",
    help="Time for each row; less is used where the times hardly differ.",
)  # fmt: skip
@click.option(
    "--format", "format_", type=click.Choice(FORMATS),
    help="How the report is written; by default a table, or what the ending of --output says.",
)  # fmt: skip
@click.option("--json", "format_", flag_value="json", help="The same as --format json.")
@click.option(
    "-o", "--output", type=Output(), metavar="FILE", help="Write the report to a file: .json, .csv, .md or .txt."
)
@click.option(
    "--draw",
    "drawing",
    type=Output(),
    metavar="FILE",
    help="Draw the rows: bars, with --time dots; .svg .png .webp ...",
)
@click.option("--overwrite", is_flag=True, help="Replace the files of --output and --draw.")
def command(
    timed: bool, budget: float, format_: str | None, output: str | None, drawing: str | None, **options: Any
) -> int:
    """Compare what kernels, layers and networks cost.

    Parameters, MACs and FLOPs, output size, receptive field, memory, and with --time how long each really takes.
    Without arguments: every type of kernel as a layer, 3x3, 3 -> 128 channels.

    \b
    convcli compare
    convcli compare sharpen gaussian:sigma=2 laplacian --size 1080x1920 --time
    convcli compare sharpen gaussian --in-channels 64 --out-channels 64
    convcli compare mobilenet.yaml
    convcli compare mobilenet.yaml mobilenet.yaml:width=0.5
    convcli compare vgg16.yaml --as depthwise_separable
    convcli compare --draw costs.svg
    """
    from convcli.batch import files
    from convcli.costs.comparison import measure_key
    from convcli.costs.subjects import Request, subjects
    from convcli.errors import UsageError

    algorithm, baseline, sort = options.pop("algorithm"), options.pop("baseline") or "", options.pop("sort")
    columns, overwrite = options.pop("columns"), options.pop("overwrite")
    if algorithm and not timed:
        raise UsageError("--algorithm changes nothing but times", hint="add --time")
    keys = [measure_key(name.strip(), "--columns") for name in columns.split(",")] if columns else []
    order = {"sort": measure_key(sort.removeprefix("-"), "--sort"), "descending": sort[0] == "-"} if sort else {}
    if drawing:
        from convcli.drawing.drawing import format_of

        format_of(drawing)
    format_ = format_ or _format_of(output or "")
    for target in filter(None, (output, drawing)):
        files.check_target(target, overwrite=overwrite)
    run = _Run(subjects(Request(**{**options, "swap": options["swap"] or ""})))
    comparison = run.comparison(baseline=baseline, **order)
    if timed:
        run.measure(budget, algorithm)
        comparison = run.comparison(baseline=baseline, **order)
    if drawing:
        _draw(comparison, drawing, overwrite=overwrite)
    _write(comparison, keys, format_, output, overwrite=overwrite)
    if run.stopped:
        click.echo("Stopped.", err=True)
    return 130 if run.stopped else 0


def _format_of(output: str) -> str:
    """The format that a report's file is named after. Raises UsageError."""
    from convcli.errors import UsageError

    ending = Path(output).suffix.lower()
    if ending not in ENDINGS:
        hint = f"endings that can be written: {' '.join(filter(None, ENDINGS))}; --format says it for any name"
        raise UsageError(f"no report has the ending '{ending}': {output}", hint=hint)
    return ENDINGS[ending]


def _draw(comparison: Comparison, file: str, *, overwrite: bool) -> None:
    from convcli.batch import files
    from convcli.drawing import draw
    from convcli.drawing.drawing import format_of

    drawn = draw.costs(comparison.as_dict())
    files.write_atomically(file, drawn.encode(format_of(file), file), overwrite=overwrite)


class _Run:
    """What is compared, and the times measured so far."""

    def __init__(self, lineup: Lineup) -> None:
        self._lineup = lineup
        self.times: list[Timing | None] = []
        self.rows = 0
        self.stopped = False
        self.refusals: list[str] = []

    def measure(self, budget: float, algorithm: str | None) -> None:
        """Times all rows, until the last or Ctrl-C."""
        from convcli.costs import timing
        from convcli.reports.progress import progress
        from convcli.spec import check

        rows = [(subject, placed) for subject in self._lineup.subjects for placed in subject.timed]
        self.rows = len(rows)
        for subject, placed in rows:
            if subject.picture and placed.kernel:
                check(placed.kernel)
        try:
            with progress(len(rows), "timing") as step:
                for subject, placed in rows:
                    step(placed.name)
                    pixels = self._lineup.pixels if subject.picture else None
                    self.refusals += timing.refusals(placed, algorithm)
                    picture = subject.picture
                    self.times.append(
                        timing.time_placed(placed, budget, pixels, as_picture=picture, algorithm=algorithm)
                    )
        except KeyboardInterrupt:
            self.stopped = True

    def comparison(self, **settings: Any) -> Comparison:
        """The costs, with what was timed."""
        from convcli.costs import comparison

        notes = [*self._lineup.notes, *dict.fromkeys(self.refusals)]
        if self.stopped:
            notes.append(f"Stopped: {len(self.times)} of {self.rows} rows were timed.")
        elif untimed := self.times.count(None):
            notes.append(f"{untimed} of {self.rows} rows were not timed: their weights don't fit in memory.")
        machine = None
        if any(self.times):
            from convcli.costs import timing

            machine = timing.machine()
        lineup = replace(self._lineup, notes=tuple(notes))
        return comparison.compare(lineup, self.times, machine=machine, **settings)


def _write(
    comparison: Comparison, columns: Sequence[str], format_: str, output: str | None, *, overwrite: bool
) -> None:  # fmt: skip
    """The report on stdout or, whole or not at all, in a file."""
    if output is None:
        _report(comparison, columns, format_, sys.stdout)
        return
    from convcli.batch import files

    text = io.StringIO()
    _report(comparison, columns, format_, text)
    files.write_atomically(output, text.getvalue().encode(), overwrite=overwrite)


def _report(comparison: Comparison, columns: Sequence[str], format_: str, stream: TextIO) -> None:
    from convcli.costs import report
    from convcli.reports import write, write_json

    if format_ == "json":
        write_json(comparison.as_dict(), stream)
        return
    tables = [report.csv_table(comparison, columns)] if format_ == "csv" else report.tables(comparison, columns)
    for number, table in enumerate(tables):
        if number:
            stream.write("\n")
        write(table, format_, stream)
