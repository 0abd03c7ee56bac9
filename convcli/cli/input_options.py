"""Options of `convcli apply` that say which files are filtered, and what may be tried without doing it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from convcli.batch.names import Selection, Shard
from convcli.cli.options import headed, together

_option = headed("Inputs")
input_options = together(
    click.argument("inputs", nargs=-1, metavar="INPUTS..."),
    _option("-r", "--recursive", is_flag=True, help="Take the pictures in all folders below a folder, too."),
    _option("--files-from", metavar="FILE", help="Take names from a file, one a line, or from stdin (-)."),
    _option("-0", "--null", is_flag=True, help="Names in that list end with NUL bytes: find -print0."),
    _option(
        "--shard", metavar="I/N",
        help="Take every N-th input from the I-th on: a share of the work for each of N machines.",
    ),
    _option(
        "-n", "--dry-run", is_flag=True,
        help="Print what would be written and what refused, and do nothing; with --json as JSON.",
    ),
    _option(
        "--layout", metavar="AXES", help="Axes of .npy arrays, such as zyx, xc or nchw; by rank x, yx, yxc, zyxc."
    ),
)  # fmt: skip


def selection(options: Mapping[str, Any]) -> Selection:
    """What the options' values say of inputs. Raises UsageError, click's where there are none."""
    if not options["inputs"] and options["files_from"] is None:
        raise click.UsageError("missing argument 'INPUTS...'", click.get_current_context())
    return Selection(
        names=options["inputs"], recursive=options["recursive"], files_from=options["files_from"],
        null=options["null"], shard=None if options["shard"] is None else Shard.parse(options["shard"]),
    )  # fmt: skip
