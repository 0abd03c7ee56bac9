"""`convcli show`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

import click

from convcli.cli.options import algorithm as algorithm_option, kernel_overrides

if TYPE_CHECKING:
    from convcli.ops import Kernel

#: Dtypes that pictures and arrays of samples have.
DTYPES = ("uint8", "uint16", "float32", "float64")


@click.command("show")
@click.argument("kernel")
@kernel_overrides
@click.option("--channels", type=click.IntRange(min=1), help="Channels of the input that MACs are counted for.")
@click.option("--plan", "planned", is_flag=True, help="Tell how it would be computed, and what of that was chosen.")
@click.option("--size", metavar="HxW[xC]", help="With --plan: the size of the input, 1000x1000 by default.")
@click.option("--dtype", type=click.Choice(DTYPES), help="With --plan: the dtype of the input, uint8 by default.")
@algorithm_option
@click.option("--format", "format_", type=click.Choice(["text", "json"]), help="How it is written; text by default.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, with up to 2^18 weights.")
def command(
    kernel: str, channels: int | None, planned: bool, size: str | None, dtype: str | None, algorithm: str | None,
    format_: str | None, as_json: bool, **overrides: str | None,
) -> None:  # fmt: skip
    """Show what a kernel is, does and costs.

    Weights with their sum, symmetry and rank (1: separable), extent, effect on the size, parameters and MACs.

    \b
    convcli show sharpen
    convcli show gaussian:sigma=3
    convcli show '[[1, 2, 1], [2, 4, 2], [1, 2, 1]]'
    convcli show --plan gaussian:sigma=3 --size 3000x4000x3
    """
    from convcli.cli.kernel_options import load_kernels
    from convcli.costs import facts
    from convcli.errors import UsageError
    from convcli.reports import text

    as_json |= format_ == "json"
    alone = {"--size": size, "--dtype": dtype, "--algorithm": algorithm}
    if not planned and (given := [option for option, value in alone.items() if value]):
        raise UsageError(f"{given[0]} belongs to --plan", hint=f"convcli show --plan {kernel} {given[0]} ...")
    (loaded,) = load_kernels([kernel], overrides)
    if planned:
        _show_plan(loaded, size, dtype or "uint8", algorithm, channels, as_json=as_json)
        return
    own = loaded.channels[0] if loaded.channels else loaded.bias.size if loaded.bias else 1
    told = facts.facts(loaded, channels or own)
    if as_json:
        text.write_json(told, sys.stdout)
        return
    _write(told, sys.stdout)


def _show_plan(
    kernel: Kernel, size: str | None, dtype: str, algorithm: str | None, channels: int | None, *, as_json: bool
) -> None:
    from convcli.costs import plan as plans
    from convcli.errors import UsageError
    from convcli.reports import terminal, text

    if size is None:
        shape = [1000] * max(2, len(kernel.axes))
    elif not re.fullmatch(r"[1-9]\d{0,8}(x[1-9]\d{0,8}){0,3}", size):
        raise UsageError(f"'{size}' is no size for --size", hint="height x width x channels, such as 3000x4000x3")
    else:
        shape = list(map(int, size.split("x")))
    channels = channels or (kernel.channels[0] if kernel.channels else None)
    if channels and len(shape) == max(2, len(kernel.axes)):
        shape.append(channels)
    plan = plans.plan(kernel, shape, dtype, algorithm=algorithm)
    if as_json:
        text.write_json(plan.as_dict(), sys.stdout)
        return
    terminal.heading(kernel.name, kernel.about, sys.stdout)
    terminal.pairs(plan.rows(), sys.stdout)


def _write(told: dict[str, Any], out: TextIO) -> None:
    from convcli.reports import terminal

    terminal.heading(told["name"], told["about"], out)
    terminal.pairs(list(_about(told)), out)
    for name, part in told["parts"].items():
        shape = "x".join(map(str, part["shape"]))
        out.write("\n")
        terminal.heading(f"{name} {shape}", "", out)
        if part["weights"] is not None and len(part["shape"]) <= 2:
            terminal.grid(part["weights"] if len(part["shape"]) == 2 else [part["weights"]], out)
        terminal.pairs(list(_part(part)), out)


def _about(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    times = "x".join
    yield "type", f"{told['type']}: {told['summary']}"
    yield "formula", told["formula"]
    yield "", told["orientation"]
    yield "source", told["source"]
    taps, extent = times(map(str, told["taps"])), times(map(str, told["extent"]))
    yield "taps", f"{taps} along {told['axes']}" + (f", spanning {extent} samples" if taps != extent else "")
    if any(step > 1 for step in told["stride"]):
        yield "stride", times(map(str, told["stride"]))
    if any(step > 1 for step in told["dilation"]):
        yield "dilation", times(map(str, told["dilation"]))
    paddings = ["same" if p == "same" else f"{p[0]}+{p[1]}" for p in told["padding"]]
    yield "padding", (paddings[0] if len(set(paddings)) == 1 else ", ".join(paddings)) + f", border {told['border']}"
    yield "size", told["size"]
    if isinstance(told["channels"], list):
        yield "channels", f"{told['channels'][0]} in, {told['channels'][1]} out"
    else:
        yield "channels", told["channels"]
    yield "parameters", f"{_counted(told['params_weights'], 'weight')}, {_counted(told['params_biases'], 'bias', 'es')}"
    macs = told["macs_per_output"]
    parts = " (" + ", ".join(f"{name} {value:g}" for name, value in macs.items()) + ")" if len(macs) > 1 else ""
    channels = told["input_channels"]
    where = "per output pixel" + (f" of {channels} input channels" if channels > 1 else " and channel")
    total = sum(macs.values())
    yield "cost", f"{total:g} MACs = {2 * total:g} FLOPs {where}{parts}"
    if "taps_per_output" in told:
        counts = told["taps_per_output"]
        yield "taps per output", f"{', '.join(map(str, counts))}: {_evenness(counts, told['phase_sums'])}"
    yield "computed by", told["algorithm"]


def _part(part: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "sum", f"{part['sum']:g} (absolute values: {part['sum_of_absolutes']:g})"
    yield "range", f"{part['least']:.4g} to {part['greatest']:.4g}"
    if "symmetry" in part:
        yield "symmetry", ", ".join(part["symmetry"]) or "none"
    if "separability" in part:
        yield "rank", part["separability"]


def _evenness(counts: list[int], sums: list[float]) -> str:
    if len(sums) > 1:
        return f"a checkerboard; ones become {sums[0]:g} to {sums[-1]:g}"
    return f"ones become {sums[0]:g} everywhere" + (", the weights make up for it" if len(counts) > 1 else "")


def _counted(number: int, noun: str, ending: str = "s") -> str:
    return f"{number:,} {noun}{'' if number == 1 else ending}"
