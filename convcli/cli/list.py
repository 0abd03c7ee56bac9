"""`convcli list`."""

from __future__ import annotations

import re
import sys

import click

from convcli.cli.layout import Command
from convcli.cli.options import report_format


@click.command("list", cls=Command)
@report_format
def command(format_: str) -> None:
    """List the shipped kernels: type, taps, parameters, and what each is for.

    \b
    convcli list
    convcli list --format json | jq -r '.rows[].name'
    """
    from convcli.reports import Column, Table, write
    from convcli.spec import names, read

    brief = format_ == "table" and sys.stdout.isatty()
    kernels = [read(name) for name in names()]
    columns = (
        Column(key="name", title="Kernel"),
        Column(key="type", title="Type", priority=2),
        Column(key="taps", title="Taps", right=True, priority=1),
        Column(key="parameters", title="Parameters", right=True, priority=3),
        Column(key="about", title="About", wraps=True),
    )
    rows = [
        {
            "name": kernel.name,
            "type": kernel.type,
            "taps": kernel.taps,
            "parameters": kernel.weight_count + (kernel.bias.size if kernel.bias else 0),
            "about": headline(kernel.about) if brief else kernel.about,
        }
        for kernel in kernels
    ]
    write(Table(columns=columns, rows=rows), format_, sys.stdout)


def headline(about: str) -> str:
    """The first words of a description, for a narrow screen: up to the first comma or semicolon."""
    return re.split("[,;.]", about, maxsplit=1)[0]
