"""`convcli apply`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from convcli.cli.options import kernel_overrides
from convcli.cli.picture_options import picture_options
from convcli.cli.run_options import run_options
from convcli.jobs import FIELDS, plan_jobs
from convcli.layouts import check_letters
from convcli.ranges import MODES

if TYPE_CHECKING:
    from convcli.cli.run_options import Running
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
@run_options
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option("--report", "report", is_flag=True, help="Report on stderr even where it is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="Report on stderr as JSON, one line per input.")
@click.option("-q", "--quiet", is_flag=True, help="No report and no warnings; errors are still shown.")
def command(
    inputs: tuple[str, ...], kernels: tuple[str, ...], output: str, range_: str, format_: str | None,
    layout: str | None, overwrite: bool, report: bool, as_json: bool, quiet: bool, pictures: PictureSettings,
    running: Running, **overrides: str | None,
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
    from convcli.cli.listener import Listener
    from convcli.processing import Settings

    if layout is not None:
        check_letters(layout)
    chain = read_kernels(kernels, overrides)
    jobs = plan_jobs(inputs, output, "+".join(kernel.name for kernel in chain), format_)
    running.check(jobs)
    batch.prepare(jobs)
    check_kernels(chain)
    settings = Settings(
        kernels=chain, range=range_, layout=layout, overwrite=overwrite, pictures=pictures,
        recording=running.recording(chain, range_, layout, pictures),
    )  # fmt: skip
    with running.record(overwrite=overwrite) as record:
        listener = Listener(len(jobs), as_json=as_json, report=report, quiet=quiet)
        try:
            good = batch.run(jobs, settings, listener, running.how(record))
        finally:
            listener.close()
    return 0 if good else 1
