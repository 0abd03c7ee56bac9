"""`convcli draw`: each figure is a sub-command."""

from __future__ import annotations

from typing import Any

import click

from convcli.cli.draw_options import (
    RANGES,
    check_output,
    look,
    moving_options,
    output_options,
    pixels,
    point,
    show_cells,
    size,
    values,
    write,
)
from convcli.errors import UsageError

_kernel = click.argument("kernel")
_numbers = click.option(
    "--numbers/--no-numbers", default=None, help="Write weights into cells; by default up to 15 taps a side."
)
_count = click.IntRange(min=1)
_columns = click.option("--columns", type=click.IntRange(min=1), metavar="N", help="Columns of a grid.")
_drawing = output_options
_picture = click.argument("picture")
_kernels = click.option(
    "-k", "--kernel", "kernels", multiple=True, required=True, metavar="KERNEL", help="Several run one after the other."
)


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
    from convcli.spec import load

    loaded = load(kernel)
    if options["output"] is None and not loaded.channels and show_cells(loaded, options):
        return
    drawn = draw.kernel(loaded, title=options["title"], numbers=numbers, columns=columns, **look(options))
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
    convcli draw steps upsample-bilinear-2x:border=zero --size 3x3 --stamps -o stamps.svg
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


@command.command("taps")
@_kernel
@_picture
@click.option("--at", "places", multiple=True, metavar="Y,X", help="An output; several may be given.")
@_drawing
def taps(kernel: str, picture: str, places: tuple[str, ...], **options: Any) -> None:
    """Draw where outputs of a kernel read a picture.

    Taps lie where the kernel reads, on the picture or outside it, as large as their weights are; those of a deformable
    kernel where its offsets take them.

    \b
    convcli draw taps dilated-laplacian photo.jpg --at 150,180 --at 330,470 -o taps.svg
    convcli draw taps swirl photo.jpg -o swirl.png
    """
    check_output(options)
    from convcli.drawing import draw
    from convcli.spec import load

    points, moving = [point(text) for text in places], load(kernel)
    write(draw.taps(moving, pixels(picture), points, title=options["title"], **look(options)), options)


@command.command("offsets")
@_kernel
@_picture
@click.option("--tap", type=click.IntRange(min=0), metavar="N", help="One of the taps, from 0; by default the middle.")
@_drawing
def offsets(kernel: str, picture: str, tap: int | None, **options: Any) -> None:
    """Draw how far from their places the outputs of a deformable kernel read.

    \b
    convcli draw offsets swirl photo.jpg -o swirl.svg
    """
    check_output(options)
    from convcli.drawing import draw
    from convcli.spec import load

    moving = load(kernel)
    write(draw.offsets(moving, pixels(picture), tap=tap, title=options["title"], **look(options)), options)


@command.command("field")
@_picture
@_kernels
@click.option("--at", metavar="Y,X", help="The output that is looked from; the middle one by default.")
@_drawing
def field(picture: str, kernels: tuple[str, ...], at: str | None, **options: Any) -> None:
    """Draw what one output of several kernels, one after the other, sees of a picture.

    \b
    convcli draw field photo.jpg -k box -k box:dilation=2 --at 240,320 -o field.svg
    """
    check_output(options)
    from convcli.drawing import draw
    from convcli.spec import load

    chain = [load(kernel) for kernel in kernels]
    place = point(at) if at else None
    write(draw.field(chain, pixels(picture), place, title=options["title"], **look(options)), options)


@command.command("sheet")
@_picture
@_kernels
@click.option("--difference", is_flag=True, help="One kernel: before, after, and the difference.")
@click.option("--range", "range_", type=click.Choice(RANGES), default="auto", show_default=True,
              help="What becomes of negative and over-bright results; auto: as each kernel needs it.")  # fmt: skip
@_columns
@_drawing
def sheet(
    picture: str, kernels: tuple[str, ...], difference: bool, range_: str, columns: int | None, **options: Any
) -> None:
    """Draw what several kernels make of a picture, side by side.

    Each channel that a filter bank makes is a panel, and so is each map that leaves a layer of a network.

    \b
    convcli draw sheet photo.jpg -k sharpen -k emboss -k sobel-x -o sheet.svg
    convcli draw sheet photo.jpg -k sharpen --difference -o sharpen.png
    convcli draw sheet photo.jpg -k net.yaml:until=conv3 -o maps.png
    """
    check_output(options)
    if difference and (len(kernels) > 1 or range_ != "auto" or columns):
        raise UsageError("--difference takes one kernel, and neither --range nor --columns")
    from convcli.drawing import draw

    title = options["title"]
    if difference:
        drawn = draw.difference(kernels[0], pixels(picture), title=title, **look(options))
    else:
        drawn = draw.sheet(kernels, pixels(picture), title=title, columns=columns, range=range_, **look(options))
    write(drawn, options)


@command.command("layers")
@click.option("--in-channels", type=_count, default=3, show_default=True, metavar="N", help="Channels of the input.")
@click.option("--out-channels", type=_count, default=128, show_default=True, metavar="N", help="Filters.")
@click.option("--kernel-size", type=_count, default=3, show_default=True, metavar="N", help="Taps per axis.")
@click.option("--size", "size_", default="7x7", show_default=True, metavar="HxW", help="Size of the input.")
@_drawing
def layers(in_channels: int, out_channels: int, kernel_size: int, size_: str, **options: Any) -> None:
    """Draw a standard convolution beside a depthwise separable one, with what they cost.

    \b
    convcli draw layers -o layers.svg
    convcli draw layers --in-channels 2 --out-channels 16 -o layers.png
    """
    check_output(options)
    from convcli.drawing import draw

    sides = size(size_, "yx") or ()
    drawn = draw.layers(sides, in_channels, out_channels, kernel_size, title=options["title"], **look(options))
    write(drawn, options)
