"""Options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from convcli.engine.plan import ALGORITHMS

F = TypeVar("F", bound=Callable[..., object])

#: The formats of every report: rich on a terminal, aligned text elsewhere, or data.
FORMATS = ("table", "plain", "markdown", "csv", "json")


class Grouped(click.Option):
    """An option that `--help` shows under the heading `group`."""

    def __init__(self, *arguments: Any, group: str, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.group = group


class GroupedCommand(click.Command):
    """A command whose `--help` has a heading for each group of options; those without one come last."""

    def make_parser(self, ctx: click.Context) -> Any:
        """click's, which looks for `-k` among the long options first and, failing that, thinks out for 5 ms what else
        may have been meant."""
        parser = super().make_parser(ctx)
        parser._long_opt.update(parser._short_opt)
        return parser

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


def report_format(function: F) -> F:
    """`--format` of a command whose product is a report."""
    return click.option(
        "--format", "format_", type=click.Choice(FORMATS), default="table", show_default=True,
        help="How the report is written; a table without colours where stdout is no terminal.",
    )(function)  # fmt: skip


def algorithm(function: F) -> F:
    """`--algorithm`: which of the engine's algorithms to use where there is a choice."""
    return click.option(
        "--algorithm", type=click.Choice(ALGORITHMS), cls=Grouped, group="Kernels",
        help="Use this algorithm wherever it can compute a kernel.",
    )(function)  # fmt: skip


def kernel_overrides(function: F) -> F:
    """`--border`, `--padding`, ...: overrides for every kernel of the command line."""
    options = (
        ("--border", "RULE", "What lies outside: reflect, symmetric, replicate, wrap or zero."),
        ("--padding", "N", "same, valid, a number, one per axis, or [[before, after], ...]."),
        ("--stride", "N", "Keep every N-th output (or enlarge N times: transposed)."),
        ("--dilation", "N", "Distance between neighbouring taps."),
        ("--offsets", "FILE", "Offsets of a deformable kernel: .npy (2 * taps, out height, out width)."),
        ("--mask", "FILE", "Mask of a deformable kernel: .npy (taps, out height, out width)."),
    )
    for name, metavar, text in reversed(options):
        function = click.option(name, metavar=metavar, help=text, cls=Grouped, group="Kernels")(function)
    return function
