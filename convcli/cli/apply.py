"""`convcli apply`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from convcli.batch.names import FIELDS, Job, plan_jobs
from convcli.batch.names.jobs import STANDARD
from convcli.channels import DEPTHS
from convcli.cli.batch_options import batch_options, course
from convcli.cli.effect_options import effect, effect_options
from convcli.cli.input_options import input_options, selection
from convcli.cli.kernel_options import check_kernels, kernel_options, read_kernels
from convcli.cli.options import GroupedCommand, Output, headed, together
from convcli.cli.picture_options import picture_options, picture_settings
from convcli.errors import UsageError

if TYPE_CHECKING:
    from convcli.batch import Course, Settings
    from convcli.batch.names import Selection
    from convcli.batch.names.finding import Input


def _wanted(ctx: click.Context, option: click.Parameter, value: str | None) -> str | None:
    """The output, which must be said unless inputs are replaced. Raises click's MissingParameter."""
    if value is None and ctx.params.get("in_place") is None:
        raise click.MissingParameter(ctx=ctx, param=option)
    return value


_option = headed("Output")
output_options = together(
    _option(
        "-o", "--output", type=Output(), metavar="OUTPUT", callback=_wanted,
        help=f"A file, a folder/, - for stdout, or a template of {', '.join(f'{{{f}}}' for f in FIELDS)}.",
    ),
    _option(
        "--in-place", is_flag=False, flag_value="", is_eager=True, metavar="[SUFFIX]",
        help="Replace the inputs; with a suffix such as .bak the originals stay under their names and it.",
    ),
    _option(
        "--depth", type=click.Choice(tuple(DEPTHS)),
        help="Bits of a sample, white stays white: a 16-bit TIFF as an 8-bit JPEG; float: 0 to 1.",
    ),
    _option("--format", "format_", metavar="EXT", help="Format of the output: png, jpg, npy, ..."),
    _option("-f", "--force", "--overwrite", "overwrite", is_flag=True, help="Replace files that exist."),
    _option("--skip-existing", is_flag=True, help="Leave out inputs whose outputs exist, whatever is in them."),
    _option("--offsets-out", metavar="FILE.npy", help="Write the offsets that a kernel finds from one picture, too."),
)  # fmt: skip
reporter_options = together(
    click.option("--report", is_flag=True, help="Report on stderr even where it is no terminal."),
    click.option("--json", "as_json", is_flag=True, help="Report on stderr as JSON, one line per input."),
    click.option("-q", "--quiet", is_flag=True, help="No report and no warnings; errors are still shown."),
)

#: Inputs that are looked at one by one before a run.
_FEW = 8
#: What -h shows.
OFTEN = (
    "kernel", "output", "overwrite", "format", "quality", "channels", "range", "border", "recursive", "dry-run", "jobs",
)  # fmt: skip


@click.command("apply", cls=GroupedCommand, often=OFTEN)
@input_options
@kernel_options
@effect_options
@output_options
@picture_options
@batch_options
@reporter_options
def command(output: str | None, format_: str | None, dry_run: bool, **options: Any) -> int:
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
    from convcli.batch.names import collect

    suffix = _suffix(output, format_, options)
    selected, settings = selection(options), _settings(options)
    exist = list(map(os.path.lexists, selected.names)) if len(selected.names) <= _FEW else [True]
    if not all(exist):
        from convcli.cli.problems import stray

        # Beside pictures that are there, one that isn't fails alone.
        stray(selected.names, click.get_current_context(), slips=not any(exist))
    inputs = collect(selected, output=output or "")
    names = "+".join(kernel.name for kernel in settings.kernels)
    if output == STANDARD and not dry_run and sys.stdout.isatty() and _is_picture(inputs, format_):
        return _preview(inputs, names, settings, options)
    if suffix is None:
        assert output is not None
        jobs = plan_jobs(inputs, output, names, format_, all_frames=settings.pictures.all_frames)
    else:
        from convcli.batch.names import in_place

        jobs = in_place.plan(inputs, suffix, resume=options["resume"])
    if dry_run:
        check_kernels(settings.kernels)
        return _rehearse(jobs, selected, overwrite=settings.overwrite, as_json=options["as_json"])
    if len(jobs) > 1:
        from convcli.batch.names import collisions

        collisions.refuse(jobs)
    total = len(jobs)
    jobs = selected.shard.pick(jobs) if selected.shard else jobs
    if not jobs:
        if not options["quiet"]:
            click.echo(f"Nothing to do: {total} inputs leave none for this share", err=True)
        return 0
    return _recorded(jobs, settings, options)


def _recorded(jobs: Sequence[Job], settings: Settings, options: Mapping[str, Any]) -> int:
    """The run, with the offsets of its kernels in a file where they are asked for; the exit code."""
    words = {name: options[name] for name in ("as_json", "report", "quiet")}
    if options["offsets_out"] is None:
        return _run(jobs, settings, course(options), **words)
    from convcli.cli.offsets_option import run_recorded

    return run_recorded(
        options["offsets_out"], jobs, settings, lambda those: _run(jobs, those, course(options), **words)
    )


def _suffix(output: str | None, format_: str | None, options: dict[str, Any]) -> str | None:
    """The suffix of originals where inputs are replaced, perhaps empty; None where there is an output.

    What stands behind --in-place and is no suffix is an input. Raises UsageError.
    """
    suffix: str | None = options["in_place"]
    if suffix is None:
        return None
    from convcli.errors import UsageError

    for name, value in (("-o", output), ("--format", format_), ("--skip-existing", options["skip_existing"])):
        if value:
            raise UsageError(f"--in-place replaces the inputs, which {name} does not go with", hint=f"leave {name} out")
    from convcli.batch.names.in_place import is_suffix

    if suffix and not is_suffix(suffix):
        options["inputs"], suffix = (suffix, *options["inputs"]), ""
    return suffix


def _is_picture(inputs: Sequence[Input], format_: str | None) -> bool:
    """Whether what goes to stdout is one picture, and no array."""
    return len(inputs) == 1 and format_ is None and not inputs[0].name.endswith((".npy", ".npz"))


def _preview(inputs: Sequence[Input], names: str, settings: Settings, options: Mapping[str, Any]) -> int:
    """Shows the filtered picture on the terminal; the exit code. It is a file meanwhile, of any depth."""
    import tempfile

    from convcli.drawing import images, terminal
    from convcli.pictures import reading

    with tempfile.TemporaryDirectory(prefix="convcli-") as folder:
        file = f"{folder}/preview.tif"
        words = {name: options[name] for name in ("as_json", "report", "quiet")}
        if not (words["as_json"] or words["report"]):
            words["quiet"] = True
        code = _run(plan_jobs(inputs, file, names, None, all_frames=False), settings, course(options), **words)
        if code == 0:
            terminal.show(images.eight_bits(reading.from_file(file).pixels), sys.stdout)
    return code


def _settings(options: Mapping[str, Any]) -> Settings:
    """What all inputs share, by the options' values; the numbers of kernels are not made yet. Raises `ConvcliError`."""
    from convcli.batch import Settings

    pictures, layout = picture_settings(options), options["layout"]
    if layout is not None:
        from convcli.ops.layouts import letters

        layout = letters(layout)
    if options["depth"] and options["range"] == "float":
        hint = "leave one of them out"
        raise UsageError(f"--range float keeps numbers as they are, --depth {options['depth']} scales them", hint=hint)
    if options["depth"] and options["nodata"] is not None:
        raise UsageError("--depth scales samples, and --nodata with them", hint="leave one of them out")
    if options["quiet"] and not options["as_json"] and options["report_file"] is None:
        pictures = replace(pictures, counted=False)
    alike = ("range", "depth", "nodata", "overwrite", "skip_existing", "algorithm")
    kernels = read_kernels(options["kernels"], options)
    return Settings(
        kernels=kernels, effect=effect(options), pictures=pictures, layout=layout,
        **{name: options[name] for name in alike},
    )  # fmt: skip


def _run(jobs: Sequence[Job], settings: Settings, course: Course, **words: bool) -> int:
    """Runs the jobs, and tells of them; the exit code."""
    from convcli import __version__
    from convcli.batch import prepare, run_jobs
    from convcli.cli.reporter import Reporter
    from convcli.pictures.opencv import load_alone

    course.check(jobs, settings)
    prepare(jobs)
    check_kernels(settings.kernels)
    load_alone()
    if course.report_file is not None:
        settings = settings.recorded(resumes=course.resume, version=__version__)
    reporter = Reporter(len(jobs), **words)
    try:
        good = run_jobs(jobs, settings, reporter, course)
    except BaseException as error:
        resumable = course.resume or not any(job.in_place and not job.backup for job in jobs)
        if course.report_file is not None and resumable and not isinstance(error, Exception):  # Ctrl-C, or a signal
            error.add_note("" if course.resume else "--resume")
        raise
    finally:
        reporter.close()
    return 0 if good else 1


def _rehearse(jobs: Sequence[Job], selected: Selection, *, overwrite: bool, as_json: bool) -> int:
    """Tells on stdout what the run would do; its exit code."""
    from convcli.batch.names import dry_run

    steps = dry_run.rehearse(jobs, overwrite=overwrite, shard=selected.shard)
    return dry_run.write(steps, sys.stdout, as_json=as_json)
