"""`convcli diff`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from convcli.cli.layout import Command
from convcli.cli.options import Output, report_format
from convcli.errors import ConvcliError, UsageError

if TYPE_CHECKING:
    from convcli.batch.difference import Samples


@click.command("diff", cls=Command)
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("-t", "--tolerance", default="0", metavar="N", help="Samples may differ by N, or by N% of white.")
@click.option("--per-channel", is_flag=True, help="A row for each channel of pictures, too.")
@click.option(
    "-o", "--output", type=Output(), metavar="FILE", help="Draw the differences, the largest white: diff.png."
)
@click.option("--overwrite", is_flag=True, help="Replace the file of --output.")
@click.option("--max-pixels", type=click.IntRange(min=1), metavar="N", help="Refuse larger pictures; 2^30 by default.")
@click.option("-q", "--quiet", is_flag=True, help="Only the exit code: 0 alike, 1 different, 2 not to be compared.")
@report_format
def command(first: str, second: str, output: str | None, quiet: bool, format_: str, **options: Any) -> int:
    """Tell how much two pictures or arrays differ.

    The largest difference and where it is, their mean, root mean square and PSNR, and the share of samples that differ
    by more than --tolerance. Of two folders, files of one name are compared. The exit code is 0 where no sample
    differs by more, 1 where one does, and 2 where they can't be compared: sizes, channels or depths are others.

    \b
    convcli diff before.png after.png
    convcli diff a.jpg b.jpg --tolerance 2 -o diff.png
    convcli diff expected/ results/ --tolerance 1% --json
    """
    try:
        return _compared(first, second, output, quiet, format_, options)
    except ConvcliError as error:
        error.exit_code = 2  # as of cmp and diff: 1 says that they differ
        raise


def _compared(
    first: str, second: str, output: str | None, quiet: bool, format_: str, options: dict[str, Any]
) -> int:  # fmt: skip
    from convcli.batch import difference

    difference.tolerance_of(options["tolerance"], 1)
    folders = [os.path.isdir(name) for name in (first, second)]
    if folders[0] != folders[1]:
        kinds = [
            f"{name} is a {'folder' if is_folder else 'file'}"
            for name, is_folder in zip((first, second), folders, strict=True)
        ]
        raise UsageError(", ".join(kinds), hint="two files, or two folders")
    if first == second == "-":
        raise UsageError("stdin is one picture, not two", hint="convcli diff - FILE")
    if output is not None:
        _check_output(output, folders[0], overwrite=options["overwrite"])
    rows: list[dict[str, Any]] = []
    code = 0
    names = difference.pairs(first, second) if folders[0] else [("", first, second)]
    for name, left, right in names:
        try:
            if folders[0] and not (left and right):
                rows.append({"name": name, "note": f"only in {first if left else second}"})
                code = max(code, 1)
                continue
            pair = [difference.read(each, max_pixels=_max_pixels(options)) for each in (left, right)]
            difference.check(*pair)
        except ConvcliError as error:
            if not folders[0]:
                raise
            click.echo(f"Error: {error}", err=True)
            code = 2
            continue
        measured = _rows(name, pair, options)
        rows += measured
        code = max(code, int(measured[0]["beyond"] > 0))
        if output is not None:
            _draw(pair, measured[0]["largest"], output, overwrite=options["overwrite"])
    if not quiet and rows:
        _write(rows, f"{first}, {second}: {pair[0].kind}" if not folders[0] else f"{first}, {second}", format_, options)
    return code


def _max_pixels(options: dict[str, Any]) -> int:
    from convcli.pictures.table import MAX_PIXELS
    from convcli.start import allow_pixels

    allow_pixels(options["max_pixels"] or MAX_PIXELS)
    return options["max_pixels"] or MAX_PIXELS


def _check_output(output: str, folder: bool, *, overwrite: bool) -> None:
    """Raise UsageError or ImageError where a drawing can't be written, before anything is read."""
    from convcli.batch import files
    from convcli.pictures.table import format_of

    if folder:
        raise UsageError("-o draws one pair, not two folders", hint="convcli diff FILE FILE -o diff.png")
    format_of(output)
    files.check_target(output, overwrite=overwrite)


def _rows(name: str, pair: Sequence[Samples], options: dict[str, Any]) -> list[dict[str, Any]]:
    """What is told of a pair: all of it, and with --per-channel each channel."""
    from convcli.batch import difference

    left = pair[0]
    peak = difference.peak_of(left.array.dtype)
    tolerance = difference.tolerance_of(options["tolerance"], peak)
    if options["per_channel"] and not left.channels:
        raise UsageError("--per-channel is for pictures", hint=f"leave it out: {left.name} is {left.kind}")
    shaped = [one.array if left.channels else one.array[..., None] for one in pair]
    whole, *each = difference.difference(*shaped, tolerance=tolerance, peak=peak)
    channels = zip(left.channels, each, strict=True) if options["per_channel"] else ()
    return [
        {
            "name": name, "channel": channel, "largest": one.largest, "mean": one.mean,
            "at": _place(one.at, left) if one.largest else "",
            "rmse": one.rmse, "psnr_db": one.psnr_db, "beyond": one.beyond, "samples": one.samples,
            "share": one.beyond / one.samples if one.samples else 0.0, "nan_in_one": one.nan_in_one,
            "note": f"{one.nan_in_one:,} are NaN in one alone" if one.nan_in_one else "",
        }
        for channel, one in [("all", whole), *channels]
    ]  # fmt: skip


def _place(at: Sequence[int], samples: Samples) -> str:
    """Where a sample is: x, y and the channel of a picture, indices of an array."""
    if not samples.channels:
        return ", ".join(map(str, at[:-1]))
    y, x, channel = at
    return f"{x}, {y}" + (f" {samples.channels[channel]}" if len(samples.channels) > 1 else "")


def _draw(pair: Sequence[Samples], largest: float, output: str, *, overwrite: bool) -> None:
    from convcli.batch import difference, files
    from convcli.pictures import encode
    from convcli.pictures.table import format_of

    data = encode(difference.drawn(pair[0], pair[1], largest), format=format_of(output), place=output)
    files.write_atomically(output, data, overwrite=overwrite)


def _write(rows: Sequence[dict[str, Any]], title: str, format_: str, options: dict[str, Any]) -> None:
    from convcli.reports import Column, Table, write

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:,.0f}" if value == int(min(value, 1e15)) else f"{value:.4g}"

    def share(value: float | None) -> str:
        return "" if value is None else f"{100 * value:.3g} %" if value else "none"

    tolerance = options["tolerance"]
    columns = [
        Column(key="name", title="File"),
        Column(key="channel", title="Channel", show=str),
        Column(key="largest", title="Largest", right=True, show=number),
        Column(key="at", title="At x, y", priority=3),
        Column(key="mean", title="Mean", right=True, show=number, priority=1),
        Column(key="rmse", title="RMSE", right=True, show=number, priority=2),
        Column(key="psnr_db", title="PSNR dB", right=True, show=lambda value: "" if value is None else f"{value:.2f}"),
        Column(key="share", title=f"Beyond {tolerance}" if tolerance != "0" else "Different", right=True, show=share),
        Column(key="note", title="Note", wraps=True),
    ]
    data = format_ in ("json", "csv")
    if data:
        columns += [Column(key=key, title=key) for key in ("beyond", "samples", "nan_in_one")]
    used = [column for column in columns if data or any(row.get(column.key) not in (None, "", "all") for row in rows)]
    write(Table(columns=used, rows=rows, title=title), format_, sys.stdout)
