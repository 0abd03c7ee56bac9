"""What all jobs of a run share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING, Any

from convcli.filtering.chain import Chain
from convcli.filtering.treatment import PLAIN, Treatment
from convcli.ops import Kernel
from convcli.pictures.table import MAX_PIXELS
from convcli.records import record

if TYPE_CHECKING:
    from convcli.batch.resume import Recording


@record
class PictureSettings:
    """How picture files are read, treated and written; `options` are those of `table.chosen_settings`.

    Unless `counted`, nobody asks how many samples were cut off.
    """

    max_pixels: int = MAX_PIXELS
    allow_truncated: bool = False
    strict: bool = False
    all_frames: bool = False
    treatment: Treatment = PLAIN
    options: Mapping[str, Any] = field(default_factory=dict)
    counted: bool = True


@record
class Settings:
    """What all jobs of a run share; `pictures` is how picture files are treated, None for the defaults."""

    kernels: Sequence[Kernel]
    range: str = "clip"
    layout: str | None = None
    overwrite: bool = False
    pictures: PictureSettings | None = None
    recording: Recording | None = None
    algorithm: str | None = None

    @property
    def chain(self) -> Chain:
        """What runs on every picture and array."""
        return Chain(self.kernels, self.range, self.algorithm)
