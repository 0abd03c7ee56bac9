"""How float results become the samples of a picture: the ranges they are kept in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.floating[Any]]


MODES = ("clip", "abs", "offset", "rescale", "float")
