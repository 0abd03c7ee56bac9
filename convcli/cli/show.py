"""`convcli show`."""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TextIO

import click

from convcli.cli.layout import Command
from convcli.cli.options import algorithm, kernel_overrides
from convcli.errors import UsageError

if TYPE_CHECKING:
    from convcli.costs.plan import KernelPlan
    from convcli.ops import Kernel

#: Dtypes that pictures and arrays of samples have.
DTYPES = ("uint8", "uint16", "float32", "float64")


@click.command("show", cls=Command)
@click.argument("kernel", required=False)
@kernel_overrides
@click.option("--channels", type=click.IntRange(min=1), help="Channels of the input that MACs are counted for.")
@click.option("--filter", "number", type=click.IntRange(min=0), help="Of a filter bank: the weights of this filter.")
@click.option("--plan", "planned", is_flag=True, help="Tell how it would be computed, and what of that was chosen.")
@click.option("--size", metavar="HxW[xC]", help="With --plan: the size of the input, 1000x1000 by default.")
@click.option("--dtype", type=click.Choice(DTYPES), help="With --plan: the dtype of the input, uint8 by default.")
@algorithm
@click.option("--format", "format_", type=click.Choice(["text", "json"]), help="How it is written; text by default.")
@click.option("--draw", "drawn", is_flag=True, help="Numbers on coloured cells, and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, with up to 2^18 weights.")
def command(kernel: str | None, planned: bool, drawn: bool, number: int | None, **options: Any) -> None:
    """Show what a kernel is, takes, does and costs; without one list those that there are.

    Weights with their sum, symmetry and rank (1: separable, with the factors), parameters with their values and what
    they mean, extent, effect on the size, MACs, formula and source.

    \b
    convcli show sharpen
    convcli show gaussian:sigma=3
    convcli show '[[1, 2, 1], [2, 4, 2], [1, 2, 1]]'
    convcli show --plan gaussian:sigma=3 --size 3000x4000x3
    convcli show --draw sobel-x
    """
    from convcli.cli.kernel_options import check_kernels, read_kernels

    format_, as_json = options["format_"], options["as_json"] or options["format_"] == "json"
    if kernel is None:
        from convcli.cli.list import command as listing

        click.get_current_context().invoke(listing, words=(), formats=False, format_="json" if as_json else "table")
        return
    for name in ("size", "dtype", "algorithm"):
        if options[name] and not planned:
            raise UsageError(f"--{name} belongs to --plan", hint=f"convcli show --plan {kernel} --{name} ...")
    kernels = read_kernels([kernel], options)
    check_kernels(kernels)
    if drawn:
        if planned or as_json or format_:
            raise UsageError("--draw shows cells alone", hint=f"convcli show --draw {kernel}")
        _draw(kernels[0], sys.stdout)
    elif planned:
        _write_plan(kernels[0], _plan(kernels[0], options), sys.stdout, as_json=as_json)
    elif number is not None:
        if as_json or format_:
            raise UsageError("--filter shows numbers alone", hint=f"convcli show --filter {number} {kernel}")
        _write_filter(kernels[0], number, sys.stdout)
    else:
        _write_facts(kernel, kernels[0], options, as_json=as_json)


def _write_facts(source: str, kernel: Kernel, options: Mapping[str, Any], *, as_json: bool) -> None:
    """What the kernel that was read from `source` is, takes and costs."""
    from convcli.cli.kernel_options import overrides
    from convcli.costs import datasheet
    from convcli.costs.facts import facts
    from convcli.reports import write_json
    from convcli.spec.library import own_file
    from convcli.spec.takes import taken

    own = kernel.channels[0] if kernel.channels else kernel.bias.size if kernel.bias else 1
    described = facts(kernel, options["channels"] or own)
    described |= {"file": str(path)} if (path := own_file(source)) else {}
    takes = [] if kernel.type == "network" else taken(source, kernel, overrides(options))
    if as_json:
        write_json(described | {"takes": [dataclasses.asdict(one) for one in takes]}, sys.stdout)
    else:
        datasheet.write(described, [(one.name, *one.described) for one in takes], sys.stdout)


def _plan(kernel: Kernel, options: Mapping[str, Any]) -> KernelPlan:
    """How the kernel would run on an input as the options say. Raises UsageError for a size that is none."""
    from convcli.costs.plan import plan

    axes, size = max(2, len(kernel.axes)), options["size"]
    if size is None:
        shape = [1000] * axes
    elif not re.fullmatch(r"[1-9]\d{0,8}(x[1-9]\d{0,8}){0,3}", size):
        raise UsageError(f"'{size}' is no size for --size", hint="height x width x channels, such as 3000x4000x3")
    else:
        shape = list(map(int, size.split("x")))
    channels = options["channels"] or (kernel.channels[0] if kernel.channels else None)
    if channels and len(shape) == axes:
        shape.append(channels)
    return plan(kernel, shape, options["dtype"] or "uint8", algorithm=options["algorithm"])


def _draw(kernel: Kernel, out: TextIO) -> None:
    """The kernel's weights as coloured cells, or as numbers alone where the screen is too small or none."""
    from convcli.reports.grid import write_grid
    from convcli.reports.terminal import heading

    if kernel.channels:
        raise UsageError(f"kernel '{kernel.name}' is a filter bank", hint=f"convcli draw kernel {kernel.name} -o FILE")
    heading(kernel.name, kernel.about, out)
    for label, rows in _matrices(kernel):
        if label:
            out.write(f"{label}\n")
        if out.isatty():
            from convcli.drawing.terminal import show_weights

            if show_weights(rows, out):
                continue
        write_grid(rows.tolist(), out)


def _matrices(kernel: Kernel) -> Iterator[tuple[str, Any]]:
    """The weights as rows and columns: of a volume slice by slice, of a combined kernel part by part."""
    if kernel.type == "combined":
        for name, part in kernel.parts().items():
            yield name, part.reshape(-1, part.shape[-1])
        return
    from convcli.ops.interactive import whole

    weights = whole(kernel).dense_weights()
    for number, rows in enumerate(weights.reshape(-1, *([1] * (2 - weights.ndim)), *weights.shape[-2:])):
        yield f"z = {number}" if weights.ndim == 3 else "", rows


def _write_plan(kernel: Kernel, plan: KernelPlan, out: TextIO, *, as_json: bool) -> None:
    from convcli.reports import write_json
    from convcli.reports.terminal import heading, pairs

    if as_json:
        write_json(plan.as_dict(), out)
        return
    heading(kernel.name, kernel.about, out)
    pairs(plan.rows(), out)


def _write_filter(kernel: Kernel, number: int, out: TextIO) -> None:
    """One filter of a bank: its weights on each input channel. Raises UsageError where there is none."""
    from convcli.reports.grid import write_grid
    from convcli.reports.terminal import heading

    if not kernel.channels:
        raise UsageError(f"kernel '{kernel.name}' is no filter bank", hint="leave --filter out")
    weights = kernel.dense_weights()
    if kernel.type == "transposed":
        weights = weights.swapaxes(0, 1)
    if number >= len(weights):
        raise UsageError(f"there are {len(weights)} filters, no number {number}", hint=f"--filter {len(weights) - 1}")
    heading(f"{kernel.name}, filter {number} of {len(weights)}", kernel.about, out)
    for channel, rows in enumerate(weights[number]):
        out.write("\n")
        heading(f"input channel {channel}", "", out)
        for grid in rows.reshape(-1, *rows.shape[-2:]) if rows.ndim > 1 else rows[None, None]:
            write_grid(grid.tolist(), out)
