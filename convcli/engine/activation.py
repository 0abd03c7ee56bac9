"""A function of each sample of a result, applied to a band while it is in the cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from convcli.engine.dtypes import per_channel, planar, rectify
from convcli.engine.memory import scratch
from convcli.records import late, record

if TYPE_CHECKING:
    from scipy import special

    from convcli.engine.dtypes import Floats
else:
    special = late("scipy.special")


#: Those that are a function of numpy's.
_PLAIN: Final[Mapping[str, np.ufunc]] = {"tanh": np.tanh, "abs": np.abs, "exp": np.exp, "sqrt": np.sqrt}


@record(kw_only=False, eq=False)
class Curve:
    """`name` says which; `numbers` are the ends of `clip`, slopes below 0, one or one per channel, or that of `elu`.

    | name      | result                                |
    |-----------|---------------------------------------|
    | `relu`    | `max(x, 0)`                           |
    | `slope`   | `x` above 0, `numbers * x` below      |
    | `sigmoid` | `1 / (1 + exp(-x))`                   |
    | `tanh`    | `tanh(x)`                             |
    | `abs`     | `abs(x)`                              |
    | `elu`     | `x` above 0, `numbers * (exp(x) - 1)` |
    | `gelu`    | `x * (1 + erf(x / sqrt(2))) / 2`      |
    | `softplus`| `log(1 + exp(x))`                     |
    | `exp`     | `exp(x)`                              |
    | `sqrt`    | the square root; NaN below 0          |
    | `erf`     | the error function                    |
    | `clip`    | `x` between the two numbers           |
    """

    name: str
    numbers: Floats

    def channel(self, channel: int) -> Curve:
        """For one channel alone."""
        own = self.name == "slope" and self.numbers.size > 1
        return Curve(self.name, self.numbers[channel : channel + 1]) if own else self

    def bend(self, band: Floats, *, planes: bool = False) -> None:
        """Does it in place to `(*spatial, channels)`; `planes`: the channels are the first of three axes."""
        if not planes and band.ndim == 3 and planar(band):
            band, planes = np.moveaxis(band, -1, 0), True
        if self.name == "relu":
            rectify(band)
        elif self.name == "slope":
            self._slope(band, planes=planes)
        elif self.name == "sigmoid":  # by tanh, which can't overflow
            half = band.dtype.type(0.5)
            band *= half
            np.tanh(band, out=band)
            band *= half
            band += half
        elif self.name in _PLAIN:
            with np.errstate(over="ignore", invalid="ignore"):
                _PLAIN[self.name](band, out=band)
        elif self.name == "softplus":
            np.logaddexp(band, band.dtype.type(0), out=band)
        elif self.name == "elu":
            below = np.minimum(band, 0)
            rectify(band)
            band += self.numbers[0] * np.expm1(below)
        elif self.name == "gelu":
            curve = special.erf(band * band.dtype.type(0.5**0.5))
            curve += 1
            band *= curve
            band *= band.dtype.type(0.5)
        elif self.name == "erf":
            special.erf(band, out=band)
        else:
            np.clip(band, self.numbers[0], self.numbers[1], out=band)

    def _slope(self, band: Floats, *, planes: bool) -> None:
        band, slopes = per_channel(band, self.numbers, planes=planes)
        below = scratch("below", band.shape, band.dtype)
        if self.numbers.min() >= 0 and self.numbers.max() <= 1:
            np.multiply(band, slopes, out=below)
            np.maximum(band, below, out=band)
            return
        band.clip(-np.inf, 0, out=below)
        below *= slopes
        rectify(band)
        band += below
