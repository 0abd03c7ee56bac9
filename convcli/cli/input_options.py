"""Options of `convcli apply` that say which files are filtered, and what may be tried without doing it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from convcli.cli.options import Grouped

F = TypeVar("F", bound=Callable[..., object])
GROUP = "Inputs"

_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("-r", "--recursive"), {"is_flag": True, "help": "Take the pictures in all folders below a folder, too."}),
    (("--files-from",), {
        "metavar": "FILE", "help": "Take names from a file, one a line, or from stdin (-).",
    }),
    (("-0", "--null"), {"is_flag": True, "help": "Names in that list end with NUL bytes: find -print0."}),
    (("--shard",), {
        "metavar": "I/N", "help": "Take every N-th input from the I-th on: a share of the work for each of N machines.",
    }),
    (("--dry-run",), {
        "is_flag": True, "help": "Print what would be written and what refused, and do nothing; with --json as JSON.",
    }),
)  # fmt: skip


def input_options(function: F) -> F:
    """INPUTS and the options about them; the command gets them as one argument, `selection`, and `dry_run`."""

    @functools.wraps(function)
    def command(
        *,
        inputs: tuple[str, ...],
        recursive: bool,
        files_from: str | None,
        null: bool,
        shard: str | None,
        **values: Any,
    ) -> object:
        from convcli.batch.names.inputs import Selection, Shard

        if not inputs and files_from is None:
            raise click.UsageError("missing argument 'INPUTS...'", click.get_current_context())
        selection = Selection(
            names=inputs, recursive=recursive, files_from=files_from, null=null,
            shard=Shard.parse(shard) if shard is not None else None,
        )  # fmt: skip
        return function(**values, selection=selection)

    wrapped: Any = command
    for names, settings in reversed(_OPTIONS):
        wrapped = click.option(*names, cls=Grouped, group=GROUP, **settings)(wrapped)
    result: F = click.argument("inputs", nargs=-1, metavar="INPUTS...")(wrapped)
    return result
