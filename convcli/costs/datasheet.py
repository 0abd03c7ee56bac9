"""What `convcli show` tells of a kernel, for reading: numbers, what it takes, what it does and costs, the source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

#: Parts whose sums and symmetries are told; of more the numbers alone.
MOST_DESCRIBED = 4
#: Taps of a factor that are listed.
MOST_LISTED = 15


def write(facts: Mapping[str, Any], takes: Sequence[tuple[str, ...]], out: TextIO) -> None:
    from convcli.reports.grid import write_grid
    from convcli.reports.terminal import heading, pairs

    heading(facts["name"], facts["about"], out)
    for name, part in facts["parts"].items():
        shape = "x".join(map(str, part["shape"]))
        out.write("\n")
        heading(f"{name} {shape}", "", out)
        if part["weights"] is not None and len(part["shape"]) <= 2:
            write_grid(part["weights"] if len(part["shape"]) == 2 else [part["weights"]], out)
        if len(facts["parts"]) <= MOST_DESCRIBED:
            pairs(list(_part(part)), out)
    out.write("\n")
    if takes:
        heading("parameters", "", out)
        pairs(_aligned(takes), out)
        out.write("\n")
    heading(facts["type"], facts["summary"], out)
    pairs(list(_about(facts)), out)


def _aligned(takes: Sequence[tuple[str, ...]]) -> list[tuple[str, str]]:
    """Names, and values above each other before what they mean."""
    width = max(len(value) for _, value, _ in takes)
    return [(name, f"{value.ljust(width)}  {meaning}") for name, value, meaning in takes]


def _about(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    times = "x".join
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
        "weights",
        f"{_counted(facts['params_weights'], 'weight')}, {_counted(facts['params_biases'], 'bias', 'es')}",
    )
    for source in ("offsets", "mask"):
        if facts.get(source):
            yield source, facts[source]
    if facts["activation"]:
        yield "activation", facts["activation"]
    if "effect" in facts:
        yield "effect", facts["effect"]
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
    yield from (("note", note) for note in facts["notes"])
    yield "formula", facts["formula"]
    yield "", facts["orientation"]
    yield "source", facts["source"]
    if "file" in facts:
        yield "file", facts["file"]


def _part(part: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "sum", f"{part['sum']:g} (absolute values: {part['sum_of_absolutes']:g})"
    yield "range", f"{part['least']:.4g} to {part['greatest']:.4g}"
    if "symmetry" in part:
        yield "symmetry", ", ".join(part["symmetry"]) or "none"
    if "separability" in part:
        yield "rank", part["separability"]
    if part.get("factors") and max(part["shape"]) <= MOST_LISTED:
        rows = (f"{axis} [{' '.join(f'{tap:.4g}' for tap in taps)}]" for axis, taps in part["factors"].items())
        yield "factors", " times ".join(rows)


def _evenness(counts: list[int], sums: list[float]) -> str:
    if len(sums) > 1:
        return f"a checkerboard; ones become {sums[0]:g} to {sums[-1]:g}"
    return f"ones become {sums[0]:g} everywhere" + (", the weights make up for it" if len(counts) > 1 else "")


def _counted(number: int, noun: str, ending: str = "s") -> str:
    return f"{number:,} {noun}{'' if number == 1 else ending}"
