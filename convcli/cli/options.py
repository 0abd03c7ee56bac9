"""Options that commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

F = TypeVar("F", bound=Callable[..., object])

#: The formats of every report: rich on a terminal, aligned text elsewhere, or data.
FORMATS = ("table", "plain", "markdown", "csv", "json")


def report_format(function: F) -> F:
    """`--format` of a command whose product is a report."""
    return click.option(
        "--format", "format_", type=click.Choice(FORMATS), default="table", show_default=True,
        help="How the report is written; a table without colours where stdout is no terminal.",
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
        function = click.option(name, metavar=metavar, help=text)(function)
    return function
