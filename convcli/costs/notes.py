"""What is said below a comparison: conventions that its rows need, remarks, and warnings of what is uneven."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convcli.reports.tables import Footnote

if TYPE_CHECKING:
    from convcli.costs.comparison import Lineup, Subject
    from convcli.costs.cost import Cost

FLOPS = Footnote(
    "MACs: taps applied x samples; FLOPs: 2 x MACs. Pooling, joins and border copies are not counted.",
    "macs", "macs_share", "macs_ratio", "flops", "flops_per_byte", "speed_gmac_per_s",
)  # fmt: skip
TRANSPOSED = Footnote("Transposed layers are counted at their input: each sample stamps every tap once.", *FLOPS.keys)
DEFORMABLE = Footnote(
    "Deformable layers: with the branches that predict offsets and mask, and the bilinear sampling.",
    "params_weights", "params_biases", "params_ratio", *FLOPS.keys,
)  # fmt: skip
UNBENT = Footnote("The field of a deformable kernel is the one without offsets.", "receptive_field")


def notes_of(lineup: Lineup, costs: Sequence[Cost], remarks: Sequence[str]) -> tuple[str, ...]:
    """What a network alone is about, the conventions that the rows need, the remarks, and last what is uneven."""
    subjects = lineup.subjects
    abouts = [subject.network.network.about for subject in subjects if subject.network and len(subjects) == 1]
    # The weights of kernels as they are need no warning: 'convcli show' tells whether they even it out.
    layers = {subject.name for subject in subjects if not subject.picture}
    uneven = _checkerboards([cost for cost in costs if cost.network or cost.name in layers])
    slopes = sum(_slopes(subject) for subject in subjects)
    uncounted = [f"Slopes of prelu, {slopes:,} in all, are no weights or biases and not counted."] if slopes else []
    if any(placed.norm for subject in subjects for placed in subject.layers):
        uncounted.append("Of norms the numbers that scale channels are counted, not means and deviations.")
    return (*filter(None, abouts), *_explained(costs), *uncounted, *remarks, *uneven)


def _slopes(subject: Subject) -> int:
    """The slopes of a subject's activations."""
    kernels = (kernel for placed in subject.layers for kernel in placed.kernels.values())
    bent = (kernel.activation for kernel in kernels if kernel.activation and kernel.activation.name == "prelu")
    return sum(activation.numbers.size for activation in bent if activation.numbers)


def _explained(costs: Sequence[Cost]) -> list[str]:
    """The conventions that these rows need."""
    notes: list[str] = [FLOPS]
    if any(cost.type == "transposed" for cost in costs):
        notes.append(TRANSPOSED)
    if any(cost.macs_branch for cost in costs):
        notes.append(DEFORMABLE)
    if any(cost.type == "deformable" for cost in costs):
        notes.append(UNBENT)
    return notes


def holes(rows: Sequence[Cost]) -> list[str]:
    """Networks whose outputs pass samples over: stacked dilations with a common factor (Wang et al. 2018)."""
    return [
        f"{each.name} sees {100 * each.coverage:.0f} % of its field: no layer fills the holes between its taps."
        for each in rows
        if each.type == "network" and each.coverage is not None and each.coverage < 0.9995
    ]


def _checkerboards(costs: Sequence[Cost]) -> list[str]:
    """A warning for each transposed kernel whose taps fall unevenly (Odena et al. 2016)."""
    warnings: dict[str, list[str]] = {}
    for each in costs:
        if len(each.taps_per_output) > 1:
            taps = "x".join(map(str, each.kernel_size))
            steps = "x".join(map(str, dict.fromkeys(each.stride)))
            counts = ", ".join(map(str, each.taps_per_output[:-1])) + f" or {each.taps_per_output[-1]}"
            even = "x".join(str(-(-k // s) * s) for k, s in zip(each.kernel_size, each.stride, strict=True))
            text = f"{counts} of the {taps} taps reach an output at stride {steps}: a checkerboard, unless the weights"
            warnings.setdefault(f"{text} even it out. {even} taps fall evenly.", []).append(each.name)
    return [f"Warning: {', '.join(names)}: {text}" for text, names in warnings.items()]
