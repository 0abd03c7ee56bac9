"""What a filter makes of samples, mixed with the samples: how much of it, from which difference on, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from convcli.engine.dtypes import limits
from convcli.engine.memory import scratch
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike, Floats

#: Shares of a mask below this are errors of rounding.
NOTHING = 1e-6


def in_samples(threshold: float, white: float) -> float:
    """A threshold in samples: below 1 it is a part of white."""
    return threshold * white if threshold < 1 else threshold


def least_change(threshold: float, dtype: DTypeLike) -> float:
    """A threshold in samples of `dtype`."""
    return in_samples(threshold, 1.0 if np.dtype(dtype).kind == "f" else limits(dtype)[1])


@record(kw_only=False)
class Blend:
    """Samples `x` `(*spatial, channels)` that results are mixed with, band by band on their way into a sink.

    `gain`, `threshold` (in samples) and `share`, `(*spatial, 1)`, are those of `mixed`.
    """

    x: Array
    gain: float
    threshold: float = 0.0
    share: Array | None = None

    def part(self, index: Any) -> Blend:
        """The same for a part of the results, in the way numpy indexes all of their axes."""
        share = None if self.share is None else self.share[index]
        return Blend(self.x[index], self.gain, self.threshold, share)

    def channel(self, channel: int) -> Blend:
        """The same for one channel, the last axis of its results."""
        return Blend(self.x[..., channel : channel + 1], self.gain, self.threshold, self.share)

    def of(self, band: Floats) -> Floats:
        """`band`, results for all of `x`, mixed with it: in scratch memory."""
        out = scratch("blended", band.shape, band.dtype)
        mixed(out, self.x, band, self.gain, self.threshold, self.share)
        return out


def mixed(out: Floats, x: Array, y: Floats, gain: float, threshold: float = 0.0, share: Array | None = None) -> None:
    """`out = x + gain * share * (y - x)` where `|y - x| >= threshold`, else `x`; `out` may be `y`.

    `x` and `y` are `(*spatial, channels)`, `share` is `(*spatial, 1)`, of integers in parts of their white. Where that
    or `gain` is 0, `x` stays whatever `y` is.
    """
    if not gain:
        np.copyto(out, x)
        return
    if x.dtype != out.dtype:
        x, samples = scratch("blended samples", x.shape, out.dtype), x
        np.copyto(x, samples)
    np.subtract(y, x, out=out)
    if threshold:
        # As 0 and 1, by one call: numpy takes five times as long for comparisons and what is chosen by them.
        large = np.abs(out, out=scratch("large changes", out.shape, out.dtype))
        flat = large.reshape(len(large), -1)
        below = np.nextafter(out.dtype.type(threshold), out.dtype.type(0))
        cv2.threshold(flat, float(below), 1, cv2.THRESH_BINARY, dst=flat)
        np.multiply(out, large, out=out)
    if gain != 1:
        np.multiply(out, out.dtype.type(gain), out=out)
    if share is not None:
        # numpy is slow where an innermost axis of three is stretched.
        top = 1.0 if share.dtype.kind == "f" else limits(share.dtype)[1]
        plane = np.divide(share, top, dtype=out.dtype).reshape(-1, share.shape[-2])
        shares = cv2.merge([plane] * out.shape[-1]).reshape(out.shape)
        np.multiply(out, shares, out=out)
        changes = out.reshape(-1)
        if not np.isfinite(np.dot(changes, changes)):  # in a third of the time that their sum takes
            np.copyto(out, 0, where=shares < NOTHING)
    np.add(out, x, out=out)
