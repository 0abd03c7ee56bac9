"""Colour multiplied by opacity and back, and how opacity is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convcli.ops import Kernel
from convcli.ranges import Sink

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[Any]
    Floats = npt.NDArray[np.floating[Any]]

#: Below this share of full opacity a result counts as wholly transparent.
HIDDEN = 1e-4


def opacity(alpha: Array, work: np.dtype[Any], top: float) -> Floats:
    """Alpha from 0 to 1."""
    share: Floats = alpha.astype(work) / top
    return share


def multiplied(colour: Array, share: Floats) -> Floats:
    """Colour premultiplied by opacity."""
    import numpy as np

    return _per_channel(np.multiply, colour, share)


def biased(premultiplied: Floats, share: Floats, kernel: Kernel) -> Floats:
    """Premultiplied colour with a kernel's bias, which belongs to colour that is not."""
    assert kernel.bias is not None
    premultiplied += share * kernel.bias.array.reshape(-1).astype(share.dtype)
    return premultiplied


def unmultiplied(premultiplied: Floats, share: Floats) -> Floats:
    """Colour from premultiplied colour; as it is where it counts as hidden."""
    import numpy as np

    hidden = share <= HIDDEN
    return _per_channel(np.divide, premultiplied, np.where(hidden, share.dtype.type(1), share))


def _per_channel(combine: np.ufunc, colour: Array, share: Floats) -> Floats:
    """`combine(colour, share)` one channel at a time: numpy is slow where the innermost axis is three long."""
    import numpy as np

    result: Floats = np.empty(colour.shape, share.dtype)
    for channel in range(colour.shape[-1]):
        combine(colour[..., channel], share[..., 0], out=result[..., channel])
    return result


def store_opacity(share: Floats, dtype: npt.DTypeLike, top: float) -> Array:
    """Opacity from 0 to 1 as it is kept, `top` being opaque."""
    import numpy as np

    sink = Sink(share.shape, dtype)
    sink.store(np.clip(share, 0, 1) * share.dtype.type(top), 0)
    return sink.out
