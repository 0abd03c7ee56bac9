"""What a kernel or layer costs, counted and timed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field

from convcli.records import record

#: Bytes of a number in a network: float32.
ITEM_BYTES = 4


#: Parts of a deformable kernel's MACs that fetch samples rather than weigh them.
SAMPLING = ("bilinear sampling", "mask")


@record
class Cost:
    """One row: what a kernel, a layer or a whole network costs. Sizes are in the order of `axes`, bytes are float32.

    Parameters and MACs are totals; `branch_*` is the share of a deformable layer's offset and mask branches in them.
    """

    name: str
    type: str
    network: str = ""
    kernel_size: tuple[int, ...] = ()
    stride: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    size_in: tuple[int, ...]
    channels_in: int
    size_out: tuple[int, ...]
    channels_out: int
    params_weights: int = 0
    params_biases: int = 0
    branch_weights: int = 0
    branch_biases: int = 0
    #: MACs by part, as the kernel types name them, branches under their own names.
    macs_by_part: Mapping[str, int] = field(default_factory=dict)
    output_bytes: int = 0
    #: Input, parameters and output, each moved once.
    moved_bytes: int = 0
    extent: tuple[int, ...] = ()
    receptive_field: tuple[int, ...] = ()
    #: Share of the receptive field's samples that are read at all; None where it was not worked out.
    coverage: float | None = None
    #: How many taps reach an output sample of a transposed kernel, over all phases.
    taps_per_output: tuple[int, ...] = ()
    #: Over the baseline's parameters and MACs; None without a baseline.
    params_ratio: float | None = None
    macs_ratio: float | None = None
    #: Over the whole network's MACs.
    macs_share: float | None = None
    timing: Timing | None = None

    @property
    def megapixels_per_s(self) -> float | None:
        return math.prod(self.size_in) / self.timing.median_s / 1e6 if self.timing else None

    @property
    def gmacs_per_s(self) -> float | None:
        return self.macs / self.timing.median_s / 1e9 if self.timing else None

    @property
    def params(self) -> int:
        return self.params_weights + self.params_biases

    @property
    def macs(self) -> int:
        return sum(self.macs_by_part.values())

    @property
    def macs_branch(self) -> int:
        return sum(macs for part, macs in self.macs_by_part.items() if part.endswith("branch"))

    @property
    def macs_sampling(self) -> int:
        return sum(self.macs_by_part.get(part, 0) for part in SAMPLING)

    @property
    def macs_kernel(self) -> int:
        return self.macs - self.macs_branch - self.macs_sampling

    @property
    def flops(self) -> int:
        return 2 * self.macs

    @property
    def intensity(self) -> float:
        """FLOPs per byte moved."""
        return self.flops / self.moved_bytes if self.moved_bytes else 0.0


@record
class Timing:
    """Wall-clock seconds of repeated runs: their median, and the distance between their quartiles.

    The distance is None where there were less than three runs.
    """

    median_s: float
    spread_s: float | None
    repeats: int


@record
class Machine:
    """What the times were measured on."""

    processor: str
    threads: int
    system: str
    python: str
    #: Version by package: those that do the work.
    packages: Mapping[str, str]
