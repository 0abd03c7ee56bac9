"""`convcli schema`."""

from __future__ import annotations

import json

import click


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of kernel files, for editors.

    \b
    convcli schema > kernel.schema.json
    and as the first line of a kernel file, for editors with a YAML language server:
    # yaml-language-server: $schema=kernel.schema.json
    """
    from convcli.spec.schema import schema

    click.echo(json.dumps(schema(), indent=2))
