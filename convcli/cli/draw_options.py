"""Options of `convcli draw`, and how what it draws is written: one file, a file for each frame, or stdout."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.layout import Group
from convcli.cli.options import Output, Positive, headed, together
from convcli.cli.problems import check_destination
from convcli.errors import UsageError
from convcli.loading import load_numpy

if TYPE_CHECKING:
    from convcli.drawing import Drawing
    from convcli.engine.dtypes import Array
    from convcli.ops import Kernel

#: What `--theme` can be, and `--format`, by the names of formats.
THEMES = ("auto", "light", "dark")
FORMATS = ("svg", "gif", "png", "webp", "avif", "jpeg")
#: What `--range` and `--terminal` can be.
RANGES = ("auto", "clip", "abs", "offset", "rescale")
PROTOCOLS = ("auto", "kitty", "iterm", "sixel", "blocks")
STANDARD = "-"

figure_option, _drawing_option = headed("Figure"), headed("Drawing")
one_kernel, one_picture = click.argument("kernel"), click.argument("picture")
several_kernels = headed("Kernels")(
    "-k", "--kernel", "kernels", multiple=True, required=True, metavar="KERNEL", help="As of apply; several may follow."
)
pixels_option = figure_option(
    "--max-pixels", type=click.IntRange(min=1), metavar="N", help="Refuse larger pictures; 2^30 by default."
)
moving_options = together(
    figure_option("--seconds", type=Positive(), metavar="S", help="How long a step takes; 0.6 or 0.9 by default."),
    figure_option("--frame", type=click.IntRange(min=1), metavar="N", help="One step alone, as a still picture."),
)
output_options = together(
    _drawing_option(
        "-o", "--output", type=Output(), metavar="FILE",
        help="A file (.svg .gif .png .webp .avif .jpg), - for stdout, or 'f/{frame}.png': a file for each step.",
    ),
    _drawing_option("--format", "format_", type=click.Choice(FORMATS), help="Format of what goes to stdout."),
    _drawing_option("--overwrite", is_flag=True, help="Replace files that exist."),
    _drawing_option(
        "--theme", type=click.Choice(THEMES), default="auto", show_default=True,
        help="Light or dark paper; auto: both in one SVG, as the viewer likes, and light pixels.",
    ),
    _drawing_option(
        "--scale", type=Positive(), metavar="F", help="Pixels per unit; 2 by default, 1.5 of what moves, 1 of SVG."
    ),
    _drawing_option("--width", type=click.IntRange(min=16), metavar="PX", help="Pixels across, instead of --scale."),
    _drawing_option("--title", metavar="TEXT", help="What is written above; '' writes nothing."),
    _drawing_option(
        "--terminal", type=click.Choice(PROTOCOLS), default="auto", show_default=True,
        help="Without -o: how a picture is shown on the terminal.",
    ),
)  # fmt: skip


class Figures(Group):
    """The sub-commands in their order; a kernel in place of one is drawn by its weights."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and not args[0].startswith("-"):
            _check_kernel(args[0])
            args = ["kernel", *args]
        return super().resolve_command(ctx, args)


def _check_kernel(word: str) -> None:
    """Raises what is wrong with a word that names neither a figure nor a kernel."""
    from convcli.spec import read

    read(word)


def look(options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a `Drawing` by the options' values."""
    return {name: options[name] for name in ("theme", "scale", "width")}


def check_output(options: Mapping[str, Any], *, still: bool = False) -> None:
    """Raises `ConvcliError`, before any work, where a drawing can't go where it shall, or an option has no effect."""
    from convcli.batch import files
    from convcli.drawing.drawing import format_of

    output = options["output"]
    _check_effects(options)
    if output == STANDARD:
        if sys.stdout.isatty():
            raise UsageError("a file won't be written to a terminal", hint="without -o it is shown there")
        if not options["format_"]:
            raise UsageError("stdout has no ending that says the format", hint="-o - --format svg")
    elif output is None:
        check_destination(output)
    else:
        format_of(output)
        if not _is_numbered(output):
            files.check_target(output, overwrite=options["overwrite"])
        elif still:
            raise UsageError("{frame} makes a file of each step; --frame draws one alone", hint="leave one of them out")
    load_numpy()


def _check_effects(options: Mapping[str, Any]) -> None:
    """Raises UsageError for an option that changes nothing of what is written there."""
    output, size = options["output"], "--scale" if options["scale"] else "--width"
    for condition, fact, hint in (
        (options["scale"] and options["width"], "--scale and --width both say a size", "leave one out"),
        (output and options["terminal"] != "auto", "--terminal is for what a terminal shows", "leave out -o"),
        (output is None and options["overwrite"], "--overwrite is for files", "-o FILE"),
        (output is None and options["format_"], "--format is for stdout", "-o - --format svg"),
        (output is None and (options["scale"] or options["width"]), f"{size} is for files", "-o FILE"),
        (output == STANDARD and options["overwrite"], "--overwrite is for files", "leave it out"),
        (output not in (None, STANDARD) and options["format_"],
         "--format is for stdout; a file's ending says its format", "-o - --format svg"),
    ):  # fmt: skip
        if condition:
            raise UsageError(fact, hint=hint)


def write(drawing: Drawing, options: Mapping[str, Any]) -> None:
    """Writes the drawing as the options say. Raises `ConvcliError`; then there is no file of it."""
    from convcli.batch import files
    from convcli.drawing.drawing import format_of

    output, overwrite = options["output"], options["overwrite"]
    if output is None:
        _preview(drawing, options["terminal"])
        return
    if output == STANDARD:
        files.write_standard(drawing.encode(options["format_"], "stdout"))
        return
    if not _is_numbered(output):
        files.write_atomically(output, drawing.encode(format_of(output), output), overwrite=overwrite)
        return
    from convcli.batch.names.templates import FrameNames

    names = FrameNames(template=output, values={}).all(drawing.frames)
    for name in names:
        files.check_target(name, overwrite=overwrite)
    stills = (drawing.frame(number + 1) for number in range(drawing.frames))
    files.write_together(
        (name, still.encode(format_of(name), name), overwrite) for name, still in zip(names, stills, strict=True)
    )


def _preview(drawing: Drawing, terminal: str) -> None:
    """Shows the drawing on the terminal; of an animation that doesn't move there the last step, which is complete."""
    from convcli.drawing.terminal import show_drawing

    if not show_drawing(drawing, sys.stdout, terminal):
        click.echo(f"The last of {drawing.frames} steps; -o FILE.svg has them all.", err=True)


def show_cells(kernel: Kernel, options: Mapping[str, Any]) -> bool:
    """Whether the weights of a kernel were shown as numbers, since the terminal shows no finer picture."""
    from convcli.drawing import terminal
    from convcli.ops.interactive import whole

    asked = options["terminal"]
    if kernel.type == "combined":
        return False
    weights = whole(kernel).dense_weights()
    if weights.ndim > 2 or (terminal.protocol() if asked == "auto" else asked) != "blocks":
        return False
    return terminal.show_weights(weights.reshape(-1, weights.shape[-1]), sys.stdout)


def _is_numbered(output: str) -> bool:
    """Whether a name is a template of the frames' names. Raises UsageError for one with other fields."""
    if not re.search(r"\{\w*(:[^{}]*)?\}", output):
        return False
    from convcli.batch.names import templates

    if others := set(templates.fields(output)) - {"frame"}:
        raise UsageError(f"{{{min(others)}}} in {output} has no meaning here", hint="{frame} numbers the steps")
    return True


def size(text: str | None, axes: str) -> tuple[int, ...] | None:
    """Sizes per axis of `--size`: 5x5, or 5 for all axes. Raises UsageError."""
    if text is None:
        return None
    if not re.fullmatch(r"[1-9]\d{0,4}(x[1-9]\d{0,4}){0,2}", text):
        raise UsageError(f"'{text}' is no size for --size", hint="height x width, such as 5x7")
    sides = tuple(map(int, text.split("x")))
    return sides * len(axes) if len(sides) == 1 else sides


def point(text: str) -> tuple[int, int]:
    """An output of `--at`: its row and column. Raises UsageError."""
    if not re.fullmatch(r"\s*\d{1,9}\s*,\s*\d{1,9}\s*", text):
        raise UsageError(f"--at {text} is no place", hint="--at Y,X: row and column of an output, such as 150,180")
    y, x = map(int, text.split(","))
    return y, x


def pixels(name: str, max_pixels: int | None = None) -> Array:
    """The picture in a file, on white where it has alpha. Raises ImageError, for one of more than `max_pixels`, too."""
    from convcli.drawing.images import on_white
    from convcli.pictures import reading
    from convcli.pictures.table import MAX_PIXELS
    from convcli.start import allow_pixels

    allow_pixels(max_pixels or MAX_PIXELS)
    picture = reading.from_file(name, max_pixels=max_pixels or MAX_PIXELS)
    return on_white(picture.pixels) if picture.channels.alpha else picture.pixels


def values(text: str, corner: tuple[int, ...] | None, *, bank: bool, max_pixels: int | None = None) -> Array:
    """The numbers of `--values`: rows as text, an .npy array, or the upper left corner of a picture.

    Rows are written as those of kernels are: '1 2; 3 4', too. A picture is taken as grey unless the kernel is a filter
    bank. Raises UsageError and ImageError.
    """
    import numpy as np

    from convcli.spec import matrices

    matrix = matrices.fields(text) or {}
    if text.lstrip().startswith("[") or matrix.keys() == {"weights"}:
        import json

        try:
            rows = matrix.get("weights") or json.loads(text)
            _check_rows(rows)
            array = np.asarray(rows, np.float64)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            fact = " ".join(str(error).split())[:100]
            raise UsageError(f"--values: no rows of numbers ({fact})", hint="'[[2, 3], [1, 2]]'") from None
    else:
        if text.endswith(".npy"):
            array = _array(text)
        else:
            array = pixels(text, max_pixels)
            array = array if bank else np.rint(array[..., :3].mean(axis=2))
            corner = corner or (5, 5)
    if corner is not None:
        if array.ndim < len(corner) or any(n < m for n, m in zip(array.shape, corner, strict=False)):
            fact = f"--values has shape {array.shape}; --size {'x'.join(map(str, corner))} is more than that"
            raise UsageError(fact)
        array = array[tuple(slice(n) for n in corner)]
    return array


def _check_rows(rows: object) -> None:
    """Raises UsageError where rows, or rows of these, are not equally long."""
    if not isinstance(rows, list):
        return
    lengths = [len(row) if isinstance(row, list) else None for row in rows]
    for number, length in enumerate(lengths, 1):
        if length != lengths[0]:
            own, first = (
                "is a number" if n is None else f"has {n} number{'s' * (n != 1)}" for n in (length, lengths[0])
            )
            raise UsageError(f"--values: row {number} {own}, row 1 {first}", hint="'[[2, 3], [1, 2]]'")
    for row in rows:
        _check_rows(row)


def _array(name: str) -> Array:
    from convcli.errors import ImageError, reason
    from convcli.files import npy, streams

    try:
        with streams.opened(name, pipes=True) as file:
            return npy.read_npy(streams.read(file, 1 << 28), place=name)
    except OSError as error:
        raise ImageError(reason(error), place=name) from error
