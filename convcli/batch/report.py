"""Results as plain data: what happened to each input. Units are in the names or said beside them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from convcli.filtering import Stage
from convcli.records import record


@record
class Written:
    """A file that a run has put in place: its path as given, its size in bytes, the SHA-256 of its content."""

    path: str
    bytes: int
    sha256: str


@record
class Report:
    """One input of `convcli apply`. Times are wall-clock seconds."""

    input: str
    output: str
    #: "done", "failed", "skipped" (done by a former run) or "not started" (the run stopped at a failure before it).
    status: str
    error: str = ""
    #: What that is the fault of, as it begins: an input or output, or a line of a file.
    place: str = ""
    #: Why it was skipped, not started, or done without writing.
    reason: str = ""
    format_in: str = ""
    format_out: str = ""
    dtype_in: str = ""
    dtype_out: str = ""
    #: Frames or pages filtered; `stages` are those of the first.
    frames: int = 1
    #: Bands of rows that the picture was read, filtered and written in, one after the other; 1: whole.
    bands: int = 1
    stages: tuple[Stage, ...] = ()
    #: Of a picture in bands, which is read, filtered and written at the same time, filtering is the time that its
    #: threads computed, and the two others are how long it waited for what is read and for what is written.
    decode_s: float = 0.0
    filter_s: float = 0.0
    encode_s: float = 0.0
    #: Shares of the output's samples that were cut off at the lower and the upper limit.
    clipped_low: float = 0.0
    clipped_high: float = 0.0
    #: NaN and infinite samples of the result; integers keep NaN as 0 and infinities as their limits.
    nonfinite: int = 0
    #: The range results were kept in (`filtering.ranges`), and why where nobody asked for it.
    range: str = ""
    range_reason: str = ""
    notes: tuple[str, ...] = ()
    #: For a report file: the input's size and SHA-256, the files written, what the settings hash to, the version.
    bytes_in: int = 0
    sha256_in: str = ""
    written: tuple[Written, ...] = ()
    settings: str = ""
    version: str = ""

    @property
    def megapixels(self) -> float:
        """Samples per channel of the first stage's input, in millions."""
        return math.prod(self.stages[0].size_in) / 1e6 if self.stages else 0.0

    @property
    def megapixels_per_s(self) -> float:
        """`megapixels` per second of filtering."""
        return self.megapixels / self.filter_s if self.filter_s > 0 else 0.0

    def as_dict(self) -> dict[str, Any]:
        """For JSON: every field, and what follows from them."""
        fields = dataclasses.asdict(self)
        for stage, entry in zip(self.stages, fields["stages"], strict=True):
            entry["flops"] = 2 * stage.macs
        fields["megapixels_per_s"] = round(self.megapixels_per_s, 3)
        return fields
