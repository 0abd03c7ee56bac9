"""A chain of kernels on a picture or array: float in between, alpha, light, channels, one rounding at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcli.records import lazily

if TYPE_CHECKING:
    from convcli.filtering.chain import Chain, Stage
    from convcli.filtering.picture import Picture
    from convcli.filtering.steps import Filtered, Steps, filter_pixels, filtered
    from convcli.filtering.treatment import MODES, PLAIN, Treatment, parse_channels

__all__ = [
    "MODES", "PLAIN", "Chain", "Filtered", "Picture", "Stage", "Steps", "Treatment", "filter_pixels", "filtered",
    "parse_channels",
]  # fmt: skip

__getattr__ = lazily(
    __name__,
    {
        "filtering.chain": "Chain Stage",
        "filtering.picture": "Picture",
        "filtering.steps": "Filtered Steps filter_pixels filtered",
        "filtering.treatment": "MODES PLAIN Treatment parse_channels",
    },
)
