"""`convcli list`."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from convcli import answers
from convcli.cli.layout import Command
from convcli.cli.options import report_format
from convcli.errors import ConvcliError, UsageError, suggestion

#: The kinds of kernels, in the order in which they are listed; those of another kind come last.
GROUPS = ("blur", "sharpen", "edges", "resize", "warp", "paint", "colour", "learned", "plain")


@click.command("list", cls=Command)
@click.argument("words", nargs=-1)
@click.option("--formats", is_flag=True, help="List the formats of files instead, and what each can hold.")
@report_format
def command(words: Sequence[str], formats: bool, format_: str) -> None:
    """List the kernels: what each takes, its taps, weights, and what it is for.

    With WORDS those whose name, group or description has them all. Your own kernels, which files in the folders of
    CONVCLI_PATH and in ~/.config/convcli/kernels are, come last, with their files.

    \b
    convcli list
    convcli list blur
    convcli list --formats
    convcli list --format json | jq -r '.rows[].name'
    """
    from convcli.cli.words import group
    from convcli.reports import Column, Table, write
    from convcli.reports.screen import styled

    words = [word for word in map(group, words) if word]
    if formats or words == ["--formats"]:
        from convcli.cli.formats import table

        write(table(), format_, sys.stdout)
        return
    rows = [*kernels(), *_own_kernels()]
    matching = [row for row in rows if all(_is_about(row, word) for word in words)]
    if not matching:
        raise _no_kernel(words)
    brief = format_ == "table" and styled(sys.stdout)
    readable = format_ not in ("csv", "json")
    columns = (
        Column(key="group", title="Group"),
        Column(key="name", title="Kernel"),
        Column(key="type", title="Type", priority=5),
        Column(key="takes", title="Takes", priority=1, wraps=True),
        Column(key="taps", title="Taps", right=True, priority=3),
        Column(key="parameters", title="Weights", right=True, priority=4),
        Column(key="about", title="About", wraps=True),
        *([Column(key="file", title="File", wraps=True)] if any(row.get("file") for row in matching) else []),
    )
    if brief:
        matching = [row | {"about": headline(row["about"])} for row in matching]
    if readable:
        pairs = _with_group_before(matching)
        matching = [row | ({"group": ""} if row["group"] == before else {}) for row, before in pairs]
    write(Table(columns=columns, rows=matching), format_, sys.stdout)


def kernels() -> list[dict[str, Any]]:
    """The shipped kernels by group and name."""
    from convcli.spec.library import folder, names

    rows = [_row(str(folder() / f"{name}.yaml")) for name in names()]
    order = {group: place for place, group in enumerate(GROUPS)}
    return sorted(rows, key=lambda row: (order.get(row["group"], len(order)), row["group"]))


def _own_kernels() -> list[dict[str, Any]]:
    """The user's own kernels by name; of those that are no kernels, or have a shipped one's name, a line on stderr."""
    from convcli.spec import names
    from convcli.spec.library import own

    rows, shipped = [], names()
    for name, path in own().items():
        try:
            rows.append((_network_row(str(path)) or _row(str(path))) | {"group": "own", "file": str(path)})
        except ConvcliError as error:
            click.echo(f"Warning: {str(error).splitlines()[0]}", err=True)
        if name in shipped:
            click.echo(f"Warning: {path} has the name of a shipped kernel: -k {path} is yours", err=True)
    return rows


def _row(source: str) -> dict[str, Any]:
    from convcli.spec import read
    from convcli.spec.takes import summary

    kernel = read(source)
    return {
        "group": kernel.group, "name": kernel.name, "type": kernel.type, "takes": summary(source),
        "taps": kernel.taps, "parameters": kernel.weight_count + (kernel.bias.size if kernel.bias else 0),
        "about": kernel.about,
    }  # fmt: skip


def _network_row(source: str) -> dict[str, Any] | None:
    """The row of a network of one's own; None where the file is a kernel's."""
    from convcli.networks import file

    network = file.load(source)
    if network is None:
        return None
    from convcli.networks.runnable import NetworkKernel

    count = NetworkKernel(name=network.name, network=network).weight_count
    takes = ", ".join((*file.MULTIPLIERS, file.UNTIL))
    return {"name": network.name, "type": "network", "takes": takes, "taps": "", "parameters": count,
            "about": network.about}  # fmt: skip


def _with_group_before(rows: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], str | None]]:
    return list(zip(rows, [None, *(row["group"] for row in rows)], strict=False))


def _text(row: Mapping[str, Any]) -> str:
    return " ".join(row[key] for key in ("name", "group", "type", "takes", "about")).lower()


def _is_about(row: Mapping[str, Any], word: str) -> bool:
    """Whether a word is in a row; a group's name alone is that group."""
    return row["group"] == word if word in (*GROUPS, "own") else word in _text(row)


def _no_kernel(words: Sequence[str]) -> UsageError:
    from convcli.spec import names
    from convcli.spec.words import KERNELS, lookup

    if list(words) == ["own"]:
        hint = f"they are .yaml files in {answers.own_folders()[-1]}, or in $CONVCLI_PATH"
        return UsageError("there are no kernels of your own", hint=hint)
    word = lookup(words[0], KERNELS)
    known = word.answer if word else suggestion(words[0], (*names(), *GROUPS))
    known = re.sub(r"did you mean '(.*)'\?", r"\1", known)
    fact = f"no kernel has {' and '.join(map(repr, words))} in its name, group or description"
    return UsageError(fact, hint=f"convcli list {known}".rstrip())


def headline(about: str) -> str:
    """The first words of a description, for a narrow screen: up to the first comma or semicolon."""
    words = re.split("[,;.]", about, maxsplit=1)[0]
    return words if words.count("(") == words.count(")") else words.rpartition(" (")[0]
