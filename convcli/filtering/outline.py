"""What is known of a picture or array before any of its samples is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convcli.channels import Channels
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import DTypeLike


@record
class Outline:
    """The shape and dtype of a picture (height, width, channels), a volume of such, or an array (*spatial, channels).

    `axes` are the spatial ones of an array, of whose last axis nothing is known. Of pictures and volumes they follow
    from the shape, and `channels` say what the last axis holds; None: what so many mostly are.
    """

    shape: Sequence[int]
    dtype: DTypeLike
    channels: Channels | None = None
    axes: str = ""

    @property
    def spatial(self) -> str:
        """The letters of all axes but the last."""
        return self.axes or ("zyx" if len(self.shape) == 4 else "yx")

    @property
    def meaning(self) -> Channels:
        """What the last axis holds; of arrays bands."""
        if self.axes:
            return Channels.bands(self.shape[-1])
        return self.channels or Channels.of(self.shape[-1])
