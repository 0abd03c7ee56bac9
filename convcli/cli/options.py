"""The options that commands share, as decorators, and how `--help` lays options out.

    option              used by
    algorithm           apply, compare, show
    kernel_overrides    apply, show
    report_format       list

Options that belong together and to one command are one decorator, `together`: `input_options`, `kernel_options`,
`picture_options` and `batch_options` of apply, each in the module of that name, beside the function that reads them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import click

from convcli.cli.layout import Command
from convcli.engine.plan import ALGORITHMS

F = TypeVar("F", bound=Callable[..., object])

#: The formats of every report: rich on a terminal, aligned text elsewhere, or data.
FORMATS = ("table", "plain", "markdown", "csv", "json")


class Positive(click.FloatRange):
    """A finite number above 0; NaN would pass any range."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number above 0", param, ctx)
        return number


class Output(click.ParamType[str]):
    """A file's name, before which no format stands as ImageMagick has it: `png:out.png` would be the file's name."""

    name = "file"
    _FORMATS = "png|jpe?g|tiff?|webp|avif|gif|bmp|p[bgpn]m|pfm|jp2|svg|npy|csv|json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if ":" in value and (prefixed := re.match(f"({self._FORMATS})\\d*:", value, re.IGNORECASE)):
            self.fail(f"the ending of a file's name says its format, not '{prefixed[0]}' before it", param, ctx)
        return str(value)

    @classmethod
    def without_prefix(cls, value: str) -> list[str]:
        """The words of a command line for an output with a format before it.

        >>> Output.without_prefix("png:out.png"), Output.without_prefix("JPEG:out"), Output.without_prefix("png:-")
        (['out.png'], ['out.jpeg'], ['-', '--format', 'png'])
        """
        prefix, _, rest = value.partition(":")
        format = prefix.lower().rstrip("0123456789")
        if rest == "-":
            return ["-", "--format", format]
        return [rest if "." in rest else f"{rest}.{format}"]


class Grouped(click.Option):
    """An option that `--help` shows under the heading `group`."""

    def __init__(self, *arguments: Any, group: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.group = group


class GroupedCommand(Command):
    """A command whose `--help` has a heading for each group of options; those without one come last."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        rest = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record and isinstance(parameter, Grouped):
                sections.setdefault(parameter.group, []).append(record)
            elif record:
                rest.append(record)
        for heading, records in (*sections.items(), ("Other options", rest)):
            with formatter.section(heading):
                formatter.write_dl(records)


def headed(group: str) -> Callable[..., Callable[[F], F]]:
    """`click.option` for options under one heading."""
    return partial(click.option, cls=Grouped, group=group)


def together(*options: Callable[[Any], Any]) -> Callable[[F], F]:
    """Several options as one decorator, in the order of `--help`."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


_of_kernels = headed("Kernels")

#: Which of the engine's algorithms to use where there is a choice.
algorithm = _of_kernels(
    "--algorithm", type=click.Choice(ALGORITHMS), help="Use this algorithm wherever it can compute a kernel."
)

#: Overrides for every kernel of the command line.
OVERRIDES = ("border", "padding", "stride", "dilation", "offsets", "mask")
kernel_overrides = together(
    _of_kernels("--border", metavar="RULE", help="Outside: reflect, symmetric, replicate, wrap, zero, or a number."),
    _of_kernels("--padding", metavar="N", help="same, valid, a number, one per axis, or [[before, after], ...]."),
    _of_kernels("--stride", metavar="N", help="Keep every N-th output (or enlarge N times: transposed)."),
    _of_kernels("--dilation", metavar="N", help="Distance between neighbouring taps."),
    _of_kernels(
        "--offsets", metavar="FILE", help="Offsets of a deformable kernel: .npy (2 * taps, out height, out width)."
    ),
    _of_kernels("--mask", metavar="FILE", help="Mask of a deformable kernel: .npy (taps, out height, out width)."),
)

#: The format of a command whose product is a report.
report_format = together(
    click.option(
        "--format", "format_", type=click.Choice(FORMATS), default="table", show_default=True,
        help="How the report is written; a table without colours where stdout is no terminal.",
    ),
    click.option("--json", "format_", flag_value="json", help="The same as --format json."),
)  # fmt: skip
