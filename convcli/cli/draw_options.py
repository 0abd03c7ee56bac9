"""Options of `convcli draw`, and how what it draws is written: one file, a file for each frame, or stdout."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.options import Positive, together
from convcli.errors import UsageError
from convcli.records import load_numpy

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

output_options = together(
    click.option(
        "-o", "--output", metavar="FILE",
        help="A file (.svg .gif .png .webp .avif .jpg), - for stdout, or 'f/{frame}.png': a file for each step.",
    ),
    click.option("--format", "format_", type=click.Choice(FORMATS), help="Format of what goes to stdout."),
    click.option("--overwrite", is_flag=True, help="Replace files that exist."),
    click.option(
        "--theme", type=click.Choice(THEMES), default="auto", show_default=True,
        help="Light or dark paper; auto: both in one SVG, as the viewer likes, and light pixels.",
    ),
    click.option("--scale", type=Positive(), metavar="F", help="Pixels per unit; 2 by default, 1.5 of what moves."),
    click.option("--width", type=click.IntRange(min=16), metavar="PX", help="Pixels across, instead of --scale."),
    click.option("--title", metavar="TEXT", help="What is written above; '' writes nothing."),
    click.option(
        "--terminal", type=click.Choice(PROTOCOLS), default="auto", show_default=True,
        help="Without -o: how a picture is shown on the terminal.",
    ),
)  # fmt: skip
moving_options = together(
    click.option("--seconds", type=Positive(), metavar="S", help="How long a step takes; 0.6 or 0.9 by default."),
    click.option("--frame", type=click.IntRange(min=1), metavar="N", help="One step alone, as a still picture."),
)


def look(options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a `Drawing` by the options' values."""
    return {"theme": options["theme"], "scale": options["scale"]}


def check_output(options: Mapping[str, Any]) -> None:
    """Raises `ConvcliError`, before any work, where a drawing can't go where it shall."""
    from convcli.batch import files
    from convcli.drawing.drawing import format_of

    output = options["output"]
    if output == STANDARD:
        if sys.stdout.isatty():
            raise UsageError("a file won't be written to a terminal", hint="without -o it is shown there")
        if not options["format_"]:
            raise UsageError("stdout has no ending that says the format", hint="-o - --format svg")
    elif output is None:
        if not sys.stdout.isatty():
            raise UsageError("where to?", hint="-o FILE")
    else:
        if options["format_"]:
            raise UsageError("--format is for stdout; a file's ending says its format", hint="-o - --format svg")
        format_of(output)
        if not _is_numbered(output):
            files.check_target(output, overwrite=options["overwrite"])
    load_numpy()


def write(drawing: Drawing, options: Mapping[str, Any]) -> None:
    """Writes the drawing as the options say. Raises `ConvcliError`; then there is no file of it."""
    import dataclasses

    from convcli.batch import files
    from convcli.drawing.drawing import format_of

    output, overwrite = options["output"], options["overwrite"]
    if options["width"]:
        drawing = dataclasses.replace(drawing, scale=options["width"] / drawing.scene.width)
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
    """Shows the drawing on the terminal; of an animation the last step, which is complete."""
    from convcli.drawing.terminal import show

    show(drawing.frame(drawing.frames).pixels()[0], sys.stdout, terminal)
    if drawing.frames > 1:
        click.echo(f"The last of {drawing.frames} steps; -o FILE.svg has them all.", err=True)


def show_cells(kernel: Kernel, options: Mapping[str, Any]) -> bool:
    """Whether the weights of a kernel were shown as numbers, since the terminal shows no finer picture."""
    from convcli.drawing import terminal

    asked = options["terminal"]
    weights = kernel.dense_weights()
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


def pixels(name: str) -> Array:
    """The picture in a file, without its alpha. Raises ImageError."""
    from convcli.pictures import reading

    picture = reading.from_file(name)
    return picture.pixels[..., :-1] if picture.channels.alpha else picture.pixels


def values(text: str, corner: tuple[int, ...] | None, *, bank: bool) -> Array:
    """The numbers of `--values`: rows as text, an .npy array, or the upper left corner of a picture.

    A picture is taken as grey unless the kernel is a filter bank. Raises UsageError and ImageError.
    """
    import numpy as np

    if text.lstrip().startswith("["):
        import json

        try:
            array = np.asarray(json.loads(text), np.float64)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            fact = " ".join(str(error).split())[:100]
            raise UsageError(f"--values: no rows of numbers ({fact})", hint="'[[2, 3], [1, 2]]'") from None
    else:
        if text.endswith(".npy"):
            array = _array(text)
        else:
            array = pixels(text)
            array = array if bank else np.rint(array[..., :3].mean(axis=2))
            corner = corner or (5, 5)
    if corner is not None:
        if array.ndim < len(corner) or any(n < m for n, m in zip(array.shape, corner, strict=False)):
            fact = f"--values has shape {array.shape}; --size {'x'.join(map(str, corner))} is more than that"
            raise UsageError(fact)
        array = array[tuple(slice(n) for n in corner)]
    return array


def _array(name: str) -> Array:
    from convcli import npy, streams
    from convcli.errors import ImageError, reason

    try:
        with streams.opened(name, pipes=True) as file:
            return npy.read_npy(streams.read(file, 1 << 28), place=name)
    except OSError as error:
        raise ImageError(reason(error), place=name) from error
