"""Options of `convcli apply` for batches: how many processes, what is recorded, what is skipped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.options import headed, together

if TYPE_CHECKING:
    from convcli.batch import Course

_option = headed("Batches")
batch_options = together(
    _option(
        "-j", "--jobs", "processes", type=click.IntRange(min=1), metavar="N",
        help="Inputs filtered at once, by default one per core.",
    ),
    _option("--fail-fast", is_flag=True, help="Stop at the first input that fails."),
    _option(
        "--report-file", metavar="FILE",
        help="Record each input in FILE, a line of JSON each, with hashes of what was written.",
    ),
    _option("--resume", is_flag=True, help="Go on with a --report-file: skip what it proves to be done."),
    _option("--scheduler", metavar="ADDRESS", help="Run on a dask cluster: tcp://HOST:8786, or a scheduler file."),
)  # fmt: skip


def course(options: Mapping[str, Any]) -> Course:
    """How the run goes, by the options' values."""
    from convcli.batch import Course

    fields = {name: options[name] for name in ("scheduler", "fail_fast", "report_file", "resume")}
    return Course(processes=options["processes"] or 0, **fields)
