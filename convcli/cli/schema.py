"""`convcli schema`."""

from __future__ import annotations

import json

import click

from convcli.cli.layout import Command


@click.command("schema", cls=Command)
@click.argument("what", type=click.Choice(("kernel", "network", "compare")), default="kernel")
def command(what: str) -> None:
    """Print a JSON Schema: of kernel files, network files, or what compare --format json writes.

    \b
    convcli schema > kernel.schema.json
    convcli schema network > network.schema.json
    and as the first line of such a file, for editors with a YAML language server:
    # yaml-language-server: $schema=kernel.schema.json
    """
    if what == "kernel":
        from convcli.spec.schema import schema
    elif what == "network":
        from convcli.costs.schema import network as schema
    else:
        from convcli.costs.schema import comparison as schema

    click.echo(json.dumps(schema(), indent=2))
