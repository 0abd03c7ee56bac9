"""What a filter makes of samples, mixed with the samples: how much of it, from which difference on, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from convcli.engine.dtypes import limits

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike, Floats

#: Shares of a mask below this are errors of rounding.
NOTHING = 1e-6


def least_change(threshold: float, dtype: DTypeLike) -> float:
    """A threshold in samples of `dtype`: below 1 it is a part of white."""
    white = 1.0 if np.dtype(dtype).kind == "f" else limits(dtype)[1]
    return threshold * white if threshold < 1 else threshold


def mixed(out: Floats, x: Array, y: Floats, gain: float, threshold: float = 0.0, share: Floats | None = None) -> None:
    """`out = x + gain * share * (y - x)` where `|y - x| >= threshold`, else `x`; `out` may be `y`.

    `x` and `y` are `(*spatial, channels)`, `share` is `(*spatial, 1)`. Where that is 0, `x` stays whatever `y` is.
    """
    np.subtract(y, x, out=out)
    if threshold:
        np.multiply(out, np.abs(out) >= threshold, out=out)
    if gain != 1:
        np.multiply(out, out.dtype.type(gain), out=out)
    if share is not None:
        # numpy is slow where an innermost axis of three is stretched.
        shares = np.repeat(share, out.shape[-1], axis=-1)
        np.multiply(out, shares, out=out)
        if not np.isfinite(out.sum()):
            np.copyto(out, 0, where=shares < NOTHING)
    np.add(out, x, out=out)
