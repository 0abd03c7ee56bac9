"""`convcli apply`."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from convcli.batch.names.jobs import FIELDS, Job, plan_jobs
from convcli.cli.batch_options import run_options
from convcli.cli.input_options import input_options
from convcli.cli.options import Grouped, GroupedCommand, algorithm as algorithm_option, kernel_overrides
from convcli.cli.picture_options import picture_options
from convcli.filtering.treatment import MODES

if TYPE_CHECKING:
    from convcli.batch.names.inputs import Selection
    from convcli.batch.settings import PictureSettings, Settings
    from convcli.cli.batch_options import Running


@click.command("apply", cls=GroupedCommand)
@input_options
@click.option(
    "-k",
    "--kernel",
    "kernels",
    cls=Grouped,
    group="Kernels",
    multiple=True,
    required=True,
    metavar="KERNEL",
    help="A name, name:field=value, YAML file or YAML text; several run one after the other.",
)
@click.option(
    "-o",
    "--output",
    cls=Grouped,
    group="Output",
    required=True,
    metavar="OUTPUT",
    help=f"A file, a folder/, - for stdout, or a template of {', '.join(f'{{{f}}}' for f in FIELDS)}.",
)
@kernel_overrides
@click.option(
    "--range",
    "range_",
    cls=Grouped,
    group="Kernels",
    type=click.Choice(MODES),
    default="clip",
    show_default=True,
    help="What becomes of negative and over-bright results.",
)
@picture_options
@click.option(
    "--format", "format_", cls=Grouped, group="Output", metavar="EXT", help="Format of the output: png, jpg, npy, ..."
)
@click.option(
    "--layout", cls=Grouped, group="Inputs", metavar="AXES",
    help="Axes of .npy arrays, such as zyx or xc; by rank x, yx, yxc, zyxc.",
)  # fmt: skip
@algorithm_option
@run_options
@click.option("--overwrite", cls=Grouped, group="Output", is_flag=True, help="Replace files that exist.")
@click.option("--report", "report", is_flag=True, help="Report on stderr even where it is no terminal.")
@click.option("--json", "as_json", is_flag=True, help="Report on stderr as JSON, one line per input.")
@click.option("-q", "--quiet", is_flag=True, help="No report and no warnings; errors are still shown.")
def command(
    selection: Selection, kernels: tuple[str, ...], output: str, range_: str, format_: str | None,
    layout: str | None, overwrite: bool, report: bool, as_json: bool, quiet: bool, pictures: PictureSettings,
    running: Running, dry_run: bool, algorithm: str | None, **overrides: str | None,
) -> int:  # fmt: skip
    """Filter images or arrays with one kernel or a chain of them.

    INPUTS are image files, .npy arrays, folders of pictures, quoted patterns ('**/*.jpg'), or - for stdin. The output
    keeps depth and channels; chained kernels stay float in between.

    \b
    convcli apply photo.jpg -k sharpen -o sharp.jpg
    convcli apply photos/*.jpg -k gaussian:sigma=2 -k sharpen -o out/
    convcli apply photos -r -k sharpen -o out/ --dry-run
    convcli apply *.png -k sobel-x --range abs -o '{stem}-{kernel}{ext}'
    convcli apply - -k upsample-bilinear-2x -o - --format png < small.png > large.png
    convcli apply signal.npy -k '{axes: x, weights: [1, 2, 1], divisor: sum}' -o smooth.npy
    """
    from convcli.batch import run
    from convcli.batch.names.inputs import collect
    from convcli.batch.settings import Settings
    from convcli.cli.kernel_options import check_kernels, read_kernels

    if layout is not None:
        from convcli.ops.layouts import check_letters

        check_letters(layout)
    chain = read_kernels(kernels, overrides)
    named = "+".join(kernel.name for kernel in chain)
    inputs = collect(selection, output=output)
    jobs = plan_jobs(inputs, output, named, format_, all_frames=pictures.all_frames)
    if dry_run:
        check_kernels(chain)
        return _rehearsed(jobs, selection, overwrite=overwrite, as_json=as_json)
    if len(jobs) > 1:
        from convcli.batch.names import collisions

        collisions.refuse(jobs)
    total = len(jobs)
    jobs = selection.shard.pick(jobs) if selection.shard else jobs
    if not jobs:
        if not quiet:
            click.echo(f"Nothing to do: {total} inputs leave none for this share", err=True)
        return 0
    running.check(jobs, algorithm)
    run.prepare(jobs)
    check_kernels(chain)
    if quiet and not as_json and running.report_file is None:
        pictures = replace(pictures, counted=False)
    settings = Settings(
        kernels=chain, range=range_, layout=layout, overwrite=overwrite, pictures=pictures,
        recording=running.recording(chain, range_, layout, pictures, algorithm), algorithm=algorithm,
    )  # fmt: skip
    return _run(jobs, settings, running, as_json=as_json, report=report, quiet=quiet)


def _run(jobs: list[Job], settings: Settings, running: Running, **told: bool) -> int:
    """Runs the jobs, and tells of them; the exit code."""
    from convcli.batch import run
    from convcli.cli.reporter import Listener

    with running.record(overwrite=settings.overwrite) as record:
        listener = Listener(len(jobs), **told)
        try:
            good = run.run(jobs, settings, listener, running.how(record))
        finally:
            listener.close()
    return 0 if good else 1


def _rehearsed(jobs: list[Job], selection: Selection, *, overwrite: bool, as_json: bool) -> int:
    """What the run would do, on stdout; its exit code."""
    from convcli.batch.names import dry_run

    steps = dry_run.rehearse(jobs, overwrite=overwrite, shard=selection.shard)
    return dry_run.write(steps, sys.stdout, as_json=as_json)
