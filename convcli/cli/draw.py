"""`convcli draw`: each figure is a sub-command."""

from __future__ import annotations

from typing import Any

import click

from convcli.cli.draw_options import check_output, look, moving_options, output_options, size, values, write
from convcli.errors import UsageError

_kernel = click.argument("kernel")
_numbers = click.option(
    "--numbers/--no-numbers", default=None, help="Write weights into cells; by default up to 15 taps a side."
)
_columns = click.option("--columns", type=click.IntRange(min=1), metavar="N", help="Columns of a grid.")
_drawing = output_options


@click.group("draw")
def command() -> None:
    """Draw what kernels are, where they read, and what they do.

    Every number that is drawn is what the engine computes. SVG files move without scripts, are light or dark as the
    viewer is, and say in words what they show.

    \b
    convcli draw kernel sobel-x -o sobel.svg
    convcli draw steps sharpen --size 5x5 -o steps.svg
    convcli draw steps '{weights: {fill: 1, size: [3, 3]}, stride: 2, padding: 1, border: zero}' --size 5x5 -o s.gif
    """


@command.command("kernel")
@_kernel
@_numbers
@_columns
@_drawing
def kernel(kernel: str, numbers: bool | None, columns: int | None, **options: Any) -> None:
    """Draw the weights of a kernel, its factors, and its gain by frequency.

    A filter bank is a grid of its filters; of a 3-D kernel there are slices, of a 1-D one stems.

    \b
    convcli draw kernel sharpen -o sharpen.svg
    convcli draw kernel gaussian:sigma=1 --no-numbers -o gaussian.png
    """
    check_output(options)
    from convcli.drawing import draw

    drawn = draw.kernel(kernel, title=options["title"], numbers=numbers, columns=columns, **look(options))
    write(drawn, options)


@command.command("steps")
@_kernel
@click.option("--size", "size_", metavar="HxW", help="Size of the input, or of the corner of --values; 5x5 by default.")
@click.option("--values", "values_", metavar="ROWS|FILE", help="Numbers: '[[2,3],[1,2]]', an .npy array, a picture.")
@click.option(
    "--filter", "filter_", type=click.IntRange(min=0), default=0, metavar="N", help="Filter of a bank; from 0."
)
@click.option("--stamps", is_flag=True, help="A transposed kernel as its input sees it.")
@moving_options
@_drawing
def steps(
    kernel: str, size_: str | None, values_: str | None, filter_: int, stamps: bool, seconds: float | None,
    frame: int | None, **options: Any,
) -> None:  # fmt: skip
    """Draw how a kernel moves over its input, step by step.

    Stride, dilation, padding, border and groups are those of the kernel. With --values the numbers are written down,
    and each step's sum.

    \b
    convcli draw steps sharpen --values '[[2, 3, 1], [0, 1, 2], [4, 1, 3]]' -o sharpen.svg
    convcli draw steps '{type: transposed, weights: {fill: 1, size: [3, 3]}, stride: 2}' --size 3x3 --stamps -o t.svg
    convcli draw steps sharpen --size 4x4 --frame 6 -o still.png
    """
    check_output(options)
    from convcli.drawing import draw
    from convcli.spec import load

    moving = load(kernel)
    if stamps and filter_:
        raise UsageError("--filter has no use with --stamps", hint="leave it out")
    sides = size(size_, moving.axes)
    array = None if values_ is None else values(values_, sides, bank=moving.channels is not None)
    if array is None and sides is None:
        sides = (5,) * len(moving.axes)
    drawn = draw.steps(
        moving, sides, array, title=options["title"], filter=filter_, stamps=stamps, frame=frame, seconds=seconds,
        **look(options),
    )  # fmt: skip
    write(drawn, options)
