"""`convcli help`."""

from __future__ import annotations

import click

from convcli.cli.layout import Command, Group


@click.command("help", cls=Command)
@click.argument("names", nargs=-1, metavar="[COMMAND]...")
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...]) -> None:
    """Print the help of a command, all of it.

    \b
    convcli help apply
    convcli help draw kernel
    """
    of = ctx.find_root()
    for name in names:
        group = of.command
        member = group.get_command(of, name) if isinstance(group, Group) else None
        if member is None:
            raise click.exceptions.NoSuchCommand(name, ctx=of)
        of = click.Context(member, info_name=name, parent=of)
    click.echo(of.get_help())
