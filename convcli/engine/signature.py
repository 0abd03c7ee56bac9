"""What is known of an input before it is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from convcli.records import record

if TYPE_CHECKING:
    import numpy as np

    from convcli.engine.dtypes import Array, DTypeLike

#: `call(x, out)`: all of a result, see `Signature`.
Call: TypeAlias = "Callable[[Array, Array | None], Array]"


@record
class Signature:
    """An input `(*spatial, channels)` of `shape` and `dtype`, spatial in the order of `axes`, whose channels lie as
    `planes` or pixel by pixel; `work` is the dtype of the arithmetic, `algorithm` the one that is asked for.

    A `Call` for it makes all of the result `(*lengths, channels out)` in `work` at once, by plain calls of a library,
    without threads of ours or bands: in `out`, laid out as the input is, or else in an array of scratch.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    axes: str
    planes: bool
    work: DTypeLike
    algorithm: str | None = None
