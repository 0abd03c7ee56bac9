"""`convcli show`."""

from __future__ import annotations

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
@click.argument("kernel")
@kernel_overrides
@click.option("--channels", type=click.IntRange(min=1), help="Channels of the input that MACs are counted for.")
@click.option("--plan", "planned", is_flag=True, help="Tell how it would be computed, and what of that was chosen.")
@click.option("--size", metavar="HxW[xC]", help="With --plan: the size of the input, 1000x1000 by default.")
@click.option("--dtype", type=click.Choice(DTYPES), help="With --plan: the dtype of the input, uint8 by default.")
@algorithm
@click.option("--format", "format_", type=click.Choice(["text", "json"]), help="How it is written; text by default.")
@click.option("--draw", "drawn", is_flag=True, help="Numbers on coloured cells, and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, with up to 2^18 weights.")
def command(kernel: str, planned: bool, format_: str | None, drawn: bool, as_json: bool, **options: Any) -> None:
    """Show what a kernel is, does and costs.

    Weights with their sum, symmetry and rank (1: separable), extent, effect on the size, parameters and MACs.

    \b
    convcli show sharpen
    convcli show gaussian:sigma=3
    convcli show '[[1, 2, 1], [2, 4, 2], [1, 2, 1]]'
    convcli show --plan gaussian:sigma=3 --size 3000x4000x3
    convcli show --draw sobel-x
    """
    from convcli.cli.kernel_options import check_kernels, read_kernels
    from convcli.costs.facts import facts
    from convcli.reports import write_json

    for name in ("size", "dtype", "algorithm"):
        if options[name] and not planned:
            raise UsageError(f"--{name} belongs to --plan", hint=f"convcli show --plan {kernel} --{name} ...")
    kernels = read_kernels([kernel], options)
    check_kernels(kernels)
    if drawn:
        if planned or as_json or format_:
            raise UsageError("--draw shows cells alone", hint=f"convcli show --draw {kernel}")
        _draw(kernels[0], sys.stdout)
        return
    if planned:
        plan = _plan(kernels[0], options)
        if format_ == "json" or as_json:
            write_json(plan.as_dict(), sys.stdout)
        else:
            _write_plan(kernels[0], plan, sys.stdout)
        return
    own = kernels[0].channels[0] if kernels[0].channels else kernels[0].bias.size if kernels[0].bias else 1
    described = facts(kernels[0], options["channels"] or own)
    if format_ == "json" or as_json:
        write_json(described, sys.stdout)
    else:
        _write(described, sys.stdout)


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
    weights = kernel.dense_weights()
    for number, rows in enumerate(
        weights.reshape(-1, *weights.shape[-2:]) if weights.ndim > 1 else weights[None, None]
    ):
        if weights.ndim == 3:
            out.write(f"z = {number}\n")
        if out.isatty():
            from convcli.drawing.terminal import show_weights

            if show_weights(rows, out):
                continue
        write_grid(rows.tolist(), out)


def _write_plan(kernel: Kernel, plan: KernelPlan, out: TextIO) -> None:
    from convcli.reports.terminal import heading, pairs

    heading(kernel.name, kernel.about, out)
    pairs(plan.rows(), out)


def _write(facts: dict[str, Any], out: TextIO) -> None:
    from convcli.reports.grid import write_grid
    from convcli.reports.terminal import heading, pairs

    heading(facts["name"], facts["about"], out)
    pairs(list(_about(facts)), out)
    for name, part in facts["parts"].items():
        shape = "x".join(map(str, part["shape"]))
        out.write("\n")
        heading(f"{name} {shape}", "", out)
        if part["weights"] is not None and len(part["shape"]) <= 2:
            write_grid(part["weights"] if len(part["shape"]) == 2 else [part["weights"]], out)
        pairs(list(_part(part)), out)


def _about(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    times = "x".join
    yield "type", f"{facts['type']}: {facts['summary']}"
    yield "formula", facts["formula"]
    yield "", facts["orientation"]
    yield "source", facts["source"]
    taps, extent = times(map(str, facts["taps"])), times(map(str, facts["extent"]))
    yield "taps", f"{taps} along {facts['axes']}" + (f", spanning {extent} samples" if taps != extent else "")
    if any(step > 1 for step in facts["stride"]):
        yield "stride", times(map(str, facts["stride"]))
    if any(step > 1 for step in facts["dilation"]):
        yield "dilation", times(map(str, facts["dilation"]))
    paddings = [p if isinstance(p, str) else f"{p[0]}+{p[1]}" for p in facts["padding"]]
    yield "padding", (paddings[0] if len(set(paddings)) == 1 else ", ".join(paddings)) + f", border {facts['border']}"
    yield "size", facts["size"]
    if isinstance(facts["channels"], list):
        yield "channels", f"{facts['channels'][0]} in, {facts['channels'][1]} out"
    else:
        yield "channels", facts["channels"]
    yield (
        "parameters",
        f"{_counted(facts['params_weights'], 'weight')}, {_counted(facts['params_biases'], 'bias', 'es')}",
    )
    for source in ("offsets", "mask"):
        if facts.get(source):
            yield source, facts[source]
    if facts["activation"]:
        yield "activation", facts["activation"]
    macs = facts["macs_per_output"]
    parts = " (" + ", ".join(f"{name} {value:g}" for name, value in macs.items()) + ")" if len(macs) > 1 else ""
    channels = facts["input_channels"]
    where = "per output pixel" + (f" of {channels} input channels" if channels > 1 else " and channel")
    total = sum(macs.values())
    yield "cost", f"{total:g} MACs = {2 * total:g} FLOPs {where}{parts}"
    if "taps_per_output" in facts:
        counts = facts["taps_per_output"]
        yield "taps per output", f"{', '.join(map(str, counts))}: {_evenness(counts, facts['phase_sums'])}"
    yield "computed by", facts["algorithm"]


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
