"""A kernel whose only tap is 1: samples are moved and nothing is computed, so that no bit of them changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convcli.engine.borders import read_window
from convcli.engine.memory import scratch
from convcli.engine.tiles import Region, Tiling

if TYPE_CHECKING:
    from convcli.engine.dtypes import Array, DTypeLike
    from convcli.engine.geometry import Gather
    from convcli.engine.sink import Sink
    from convcli.engine.threads import Cuts


def copied(x: Array, windows: Sequence[Gather], border: str, dtype: DTypeLike, sink: Sink) -> Cuts:
    """`y[o] = x[stride*o - before]` per axis, for windows of one tap on `x` `(*spatial, channels)`.

    Where the sink keeps what comes as it is, samples stay what they are, of any dtype; else they become floats of
    `dtype` first, as all results are.
    """
    tiling = Tiling(x=x, windows=windows, border=border, dtype=x.dtype, sink=sink)
    steps = tuple(slice(None, None, window.stride) for window in windows)
    keeps = sink.keeps(x.dtype)

    def moved(region: Region) -> Array:
        ranges = [window.reads(*part) for window, part in zip(windows, region, strict=True)]
        if all(start >= 0 and stop <= n for (start, stop), n in zip(ranges, x.shape, strict=False)):
            window = x[tuple(slice(*part) for part in ranges)]
        else:
            shape = [*(stop - start for start, stop in ranges), x.shape[-1]]
            window = read_window(x, ranges, border, x.dtype, out=scratch("window", shape, x.dtype))
        samples = window[steps]
        return samples if keeps else samples.astype(dtype)

    return tiling.by_regions(moved)
