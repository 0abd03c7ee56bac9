"""`convcli apply`."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.options import kernel_overrides
from convcli.cli.picture_options import picture_options
from convcli.jobs import FIELDS, plan_jobs
from convcli.ranges import MODES

if TYPE_CHECKING:
    from convcli.picture_files import PictureSettings


@click.command("apply")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUTS...")
@click.option(
    "-k",
    "--kernel",
    "kernels",
    multiple=True,
    required=True,
    metavar="KERNEL",
    help="A name, name:field=value, YAML file or YAML text; several run one after the other.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="OUTPUT",
    help=f"A file, a folder/, - for stdout, or a template of {', '.join(f'{{{f}}}' for f in FIELDS)}.",
)
@kernel_overrides
@click.option(
    "--range",
    "range_",
    type=click.Choice(MODES),
    default="clip",
    show_default=True,
    help="What becomes of negative and over-bright results.",
)
@picture_options
@click.option("--format", "format_", metavar="EXT", help="Format of the output: png, jpg, tif, npy, ...")
@click.option("--layout", metavar="AXES", help="Axes of .npy arrays, such as zyx or xc; by rank x, yx, yxc, zyxc.")
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option("--report", "report", is_flag=True, help="Report on stderr even where it is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="Report on stderr as JSON, one line per input.")
@click.option("-q", "--quiet", is_flag=True, help="No report and no warnings; errors are still shown.")
def command(
    inputs: tuple[str, ...], kernels: tuple[str, ...], output: str, range_: str, format_: str | None,
    layout: str | None, overwrite: bool, report: bool, as_json: bool, quiet: bool, pictures: PictureSettings,
    **overrides: str | None,
) -> int:  # fmt: skip
    """Filter images or arrays with one kernel or a chain of them.

    INPUTS are image files, .npy arrays, or - for stdin. The output keeps depth and channels; chained kernels stay
    float in between.

    \b
    convcli apply photo.jpg -k sharpen -o sharp.jpg
    convcli apply photos/*.jpg -k gaussian:sigma=2 -k sharpen -o out/
    convcli apply *.png -k sobel-x --range abs -o '{stem}-{kernel}{ext}'
    convcli apply - -k upsample-bilinear-2x -o - --format png < small.png > large.png
    convcli apply signal.npy -k '{axes: x, weights: [1, 2, 1], divisor: sum}' -o smooth.npy
    """
    from convcli import batch
    from convcli.cli.kernels import check_kernels, read_kernels
    from convcli.processing import Settings

    if layout is not None:
        from convcli.layouts import check_letters

        check_letters(layout)
    chain = read_kernels(kernels, overrides)
    jobs = plan_jobs(inputs, output, "+".join(kernel.name for kernel in chain), format_)
    batch.prepare(jobs)
    check_kernels(chain)
    settings = Settings(kernels=chain, range=range_, layout=layout, overwrite=overwrite, pictures=pictures)
    listener = Listener(len(jobs), as_json=as_json, shown=report or sys.stderr.isatty(), quiet=quiet)
    good = batch.run(jobs, settings, listener.hear)
    listener.close()
    return 0 if good else 1


class Listener:
    """Tells on stderr how each input went: errors and warnings always, reports where they are wanted."""

    def __init__(self, total: int, *, as_json: bool, shown: bool, quiet: bool) -> None:
        self._total = total
        self._as_json = as_json
        self._shown = shown and not quiet and not as_json
        self._quiet = quiet
        self._failed = 0
        self._advised = False
        self._started = time.perf_counter()

    def hear(self, report: Any) -> None:
        """Takes the report of one finished input."""
        from convcli import reporting

        self._failed += report.status == "failed"
        if self._as_json:
            reporting.as_json(report, sys.stderr)
            return
        if report.status == "failed":
            reporting.error(report, sys.stderr)
            return
        if not self._quiet:
            self._advised |= reporting.warnings(report, sys.stderr, hint=not self._advised)
        if self._shown:
            show = reporting.block if self._total == 1 else reporting.line
            show(report, sys.stderr)

    def close(self) -> None:
        """Says how many inputs there were, where there were several."""
        if self._shown and self._total > 1:
            seconds = time.perf_counter() - self._started
            failed = f", {self._failed} failed" if self._failed else ""
            click.echo(f"{self._total - self._failed} done{failed} in {seconds:.1f} s", err=True)
