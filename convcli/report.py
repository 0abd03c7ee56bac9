"""Results as plain data: what happened to each input. Units are in the names or said beside them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from convcli.records import record


@record
class Stage:
    """One kernel of a chain on one input."""

    kernel: str
    type: str
    algorithm: str
    border: str
    #: True where the weights were flipped (convolution); False: cross-correlation.
    flipped: bool
    #: Samples per spatial axis, in the order y, x (or z, y, x).
    size_in: tuple[int, ...]
    size_out: tuple[int, ...]
    channels_in: int
    channels_out: int
    #: Parameters, weights and biases apart.
    weights: int
    biases: int
    #: Multiply-accumulates on this input; FLOPs are twice that.
    macs: int


@record
class Report:
    """One input of `convcli apply`. Times are wall-clock seconds."""

    input: str
    output: str
    #: "done" or "failed".
    status: str
    error: str = ""
    format_in: str = ""
    format_out: str = ""
    dtype_in: str = ""
    dtype_out: str = ""
    #: Frames or pages filtered; `stages` are those of the first.
    frames: int = 1
    stages: tuple[Stage, ...] = ()
    decode_s: float = 0.0
    filter_s: float = 0.0
    encode_s: float = 0.0
    #: Shares of the output's samples that were cut off at the lower and the upper limit.
    clipped_low: float = 0.0
    clipped_high: float = 0.0
    #: NaN and infinite samples of the result; integers keep NaN as 0 and infinities as their limits.
    nonfinite: int = 0
    notes: tuple[str, ...] = ()

    @property
    def megapixels_per_s(self) -> float:
        """Samples per channel of the first stage's input, in millions, per second of filtering."""
        if not self.stages or self.filter_s <= 0:
            return 0.0
        return math.prod(self.stages[0].size_in) / self.filter_s / 1e6

    def as_dict(self) -> dict[str, Any]:
        """For JSON: every field, and what follows from them."""
        fields = dataclasses.asdict(self)
        for stage, shown in zip(self.stages, fields["stages"], strict=True):
            shown["flops"] = 2 * stage.macs
        fields["megapixels_per_s"] = round(self.megapixels_per_s, 3)
        return fields
