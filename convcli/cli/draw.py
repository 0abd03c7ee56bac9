"""`convcli draw`: each figure is a sub-command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.draw_options import (
    RANGES,
    Figures,
    check_output,
    figure_option,
    look,
    moving_options,
    one_kernel,
    one_picture,
    output_options,
    pixels,
    pixels_option,
    point,
    several_kernels,
    show_cells,
    size,
    values,
    write,
)
from convcli.cli.kernel_options import check_kernels, read_kernels
from convcli.cli.options import GroupedCommand, kernel_overrides
from convcli.errors import UsageError

if TYPE_CHECKING:
    from convcli.drawing.draw import Range
    from convcli.ops import Kernel

_count = click.IntRange(min=1)
_columns = figure_option("--columns", type=_count, metavar="N", help="Columns of a grid.")


@click.group("draw", cls=Figures)
def command() -> None:
    """Draw what kernels are, where they read, and what they do.

    Every number that is drawn is what the engine computes. SVG files move without scripts, are light or dark as the
    viewer is, and say in words what they show. Without -o a terminal shows the drawing.

    \b
    convcli draw sobel-x -o sobel.svg
    convcli draw steps sharpen --size 5x5 -o steps.svg
    convcli draw steps '{weights: {fill: 1, size: [3, 3]}}' --stride 2 --padding 1 --border zero -o strided.gif
    convcli draw taps swirl photo.jpg -o swirl.png
    """


def _figure(name: str) -> Callable[[Callable[..., None]], click.Command]:
    """A sub-command; its help has headings for the figure, kernels, and what becomes of the drawing."""
    return command.command(name, cls=GroupedCommand)


@_figure("kernel")
@one_kernel
@figure_option(
    "--numbers/--no-numbers", default=None, help="Write weights into cells; by default up to 15 taps a side."
)
@_columns
@kernel_overrides
@output_options
def kernel(kernel: str, numbers: bool | None, columns: int | None, **options: Any) -> None:
    """Draw the weights of a kernel, its factors, its gain by frequency.

    A filter bank is a grid of its filters, a small one with its numbers; of a 3-D kernel there are slices, of a
    1-D one stems.

    \b
    convcli draw kernel sharpen -o sharpen.svg
    convcli draw kernel gaussian:sigma=1 --no-numbers -o gaussian.png
    """
    check_output(options)
    from convcli.drawing import draw

    (loaded,) = _loaded([kernel], options)
    if options["output"] is None and numbers is not False and show_cells(loaded, options):
        return
    write(draw.kernel(loaded, title=options["title"], numbers=numbers, columns=columns, **look(options)), options)


@_figure("steps")
@one_kernel
@figure_option(
    "--size", "size_", metavar="HxW", help="Size of the input, or of the corner of --values; 5x5 by default."
)
@figure_option("--values", "values_", metavar="ROWS|FILE", help="Numbers: '[[2,3],[1,2]]', an .npy array, a picture.")
@figure_option(
    "--filter", "filter_", type=click.IntRange(min=0), default=0, metavar="N", help="Filter of a bank; from 0."
)
@figure_option("--stamps", is_flag=True, help="A transposed kernel as its input sees it.")
@moving_options
@pixels_option
@kernel_overrides
@output_options
def steps(kernel: str, size_: str | None, values_: str | None, filter_: int, stamps: bool, **options: Any) -> None:
    """Draw how a kernel moves over its input, step by step.

    With --values the numbers are written down, and each step's sum.

    \b
    convcli draw steps sharpen --values '[[2, 3, 1], [0, 1, 2], [4, 1, 3]]' -o sharpen.svg
    convcli draw steps upsample-bilinear-2x --border zero --size 3x3 --stamps -o stamps.svg
    convcli draw steps sharpen --size 4x4 --frame 6 -o still.png
    """
    seconds, frame = options["seconds"], options["frame"]
    check_output(options, still=frame is not None)
    if frame is not None and seconds is not None:
        raise UsageError("--seconds is how long a step takes; --frame draws one alone", hint="leave one of them out")
    if stamps and filter_:
        raise UsageError("--filter has no use with --stamps", hint="leave it out")
    from convcli.drawing import draw

    (moving,) = _loaded([kernel], options)
    sides = size(size_, moving.axes)
    bank = moving.channels is not None
    array = None if values_ is None else values(values_, sides, bank=bank, max_pixels=options["max_pixels"])
    if array is None and sides is None:
        sides = (5,) * len(moving.axes)
    drawn = draw.steps(
        moving, sides, array, title=options["title"], filter=filter_, stamps=stamps, frame=frame, seconds=seconds,
        **look(options),
    )  # fmt: skip
    write(drawn, options)


@_figure("taps")
@one_kernel
@one_picture
@figure_option("--at", "places", multiple=True, metavar="Y,X", help="An output; several may be given.")
@pixels_option
@kernel_overrides
@output_options
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

    points, (moving,) = [point(text) for text in places], _loaded([kernel], options)
    array = pixels(picture, options["max_pixels"])
    write(draw.taps(moving, array, points, title=options["title"], **look(options)), options)


@_figure("offsets")
@one_kernel
@one_picture
@figure_option("--tap", type=click.IntRange(min=0), metavar="N", help="One of the taps, from 0; by default the middle.")
@pixels_option
@kernel_overrides
@output_options
def offsets(kernel: str, picture: str, tap: int | None, **options: Any) -> None:
    """Draw how far from their places deformable taps read.

    \b
    convcli draw offsets swirl photo.jpg -o swirl.svg
    """
    check_output(options)
    from convcli.drawing import draw

    (moving,) = _loaded([kernel], options)
    array = pixels(picture, options["max_pixels"])
    write(draw.offsets(moving, array, tap=tap, title=options["title"], **look(options)), options)


@_figure("field")
@one_picture
@several_kernels
@figure_option("--at", metavar="Y,X", help="The output that is looked from; the middle one by default.")
@pixels_option
@kernel_overrides
@output_options
def field(picture: str, kernels: tuple[str, ...], at: str | None, **options: Any) -> None:
    """Draw what one output of kernels or networks sees.

    \b
    convcli draw field photo.jpg -k box -k box:dilation=2 --at 240,320 -o field.svg
    convcli draw field photo.jpg -k net.yaml:until=conv3 -o sees.png
    """
    check_output(options)
    from convcli.drawing import draw

    chain, place = _loaded(kernels, options), point(at) if at else None
    array = pixels(picture, options["max_pixels"])
    write(draw.field(chain, array, place, title=options["title"], **look(options)), options)


@_figure("sheet")
@one_picture
@several_kernels
@figure_option("--difference", is_flag=True, help="One kernel: before, after, and the difference.")
@figure_option("--range", "range_", type=click.Choice(RANGES), default="auto", show_default=True,
               help="What becomes of negative and over-bright results; auto: as each kernel needs it.")  # fmt: skip
@_columns
@pixels_option
@kernel_overrides
@output_options
def sheet(
    picture: str, kernels: tuple[str, ...], difference: bool, range_: Range, columns: int | None, **options: Any
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

    title, chain = options["title"], _loaded(kernels, options)
    array = pixels(picture, options["max_pixels"])
    if difference:
        drawn = draw.difference(chain[0], array, title=title, **look(options))
    else:
        drawn = draw.sheet(chain, array, title=title, columns=columns, range=range_, **look(options))
    write(drawn, options)


@_figure("layers")
@figure_option("--in-channels", type=_count, default=3, show_default=True, metavar="N", help="Channels of the input.")
@figure_option("--out-channels", type=_count, default=128, show_default=True, metavar="N", help="Filters.")
@figure_option("--kernel-size", type=_count, default=3, show_default=True, metavar="N", help="Taps per axis.")
@figure_option("--size", "size_", default="7x7", show_default=True, metavar="HxW", help="Size of the input.")
@output_options
def layers(in_channels: int, out_channels: int, kernel_size: int, size_: str, **options: Any) -> None:
    """Draw a standard beside a depthwise separable convolution, and their costs.

    \b
    convcli draw layers -o layers.svg
    convcli draw layers --in-channels 2 --out-channels 16 -o layers.png
    """
    check_output(options)
    from convcli.drawing import draw

    sides = size(size_, "yx") or ()
    drawn = draw.layers(sides, in_channels, out_channels, kernel_size, title=options["title"], **look(options))
    write(drawn, options)


def _loaded(sources: Sequence[str], options: Mapping[str, Any]) -> list[Kernel]:
    """The kernels and networks of the command line, with the fields that options override."""
    from convcli.drawing.draw import labelled

    kernels = read_kernels(sources, options)
    check_kernels(kernels)
    return [labelled(source, kernel) for source, kernel in zip(sources, kernels, strict=True)]
