"""Where finished bands go, what is done with them first, and the count of what had to be cut off."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from convcli.engine.dtypes import per_channel
from convcli.engine.integers import is_within, rows_of, store_rounded
from convcli.records import record

if TYPE_CHECKING:
    from convcli.engine.activation import Curve
    from convcli.engine.dtypes import Array, DTypeLike, Floats
    from convcli.engine.effect import Blend


@record
class Storage:
    """How finished floats become what is kept of them.

    `absolute`, then `shift`, then `scale` are applied first. What is not `counted` is stored faster; with `alike` only
    where that makes no difference to what is stored. `reach` are the least and greatest number that may come, where
    that is known, and that all are finite: what can't be beyond the limits need not be looked at.
    """

    shift: float = 0.0
    scale: float = 1.0
    absolute: bool = False
    counted: bool = True
    alike: bool = False
    reach: tuple[float, float] | None = None

    def ranged(self, band: Array) -> Array:
        """`band` with what is applied first."""
        if self.absolute:
            band = abs(band)
        if self.shift:
            band = band + band.dtype.type(self.shift)
        return band if self.scale == 1 else band * band.dtype.type(self.scale)

    @property
    def unchanged(self) -> bool:
        """Whether nothing is applied first."""
        return not self.absolute and not self.shift and self.scale == 1


#: Floats as they are, integers rounded and cut off.
PLAIN = Storage()
#: Bytes of results that are mixed with samples at a time: as bands mostly are, whose calls are long then.
_BLENDED_BYTES = 1 << 21


class Tally:
    """Samples that rounding alone would not have brought inside the limits, and those that are NaN or infinite."""

    def __init__(self) -> None:
        self.below = self.above = self.nonfinite = 0
        #: The greatest sample that was stored, where that is looked at.
        self.greatest = 0.0
        #: Offsets that were cut off at a limit, and all of them, by where a band begins: some are made twice.
        self.offsets: dict[tuple[int, int], tuple[int, int]] = {}
        self._lock = threading.Lock()

    def add(self, below: int, above: int, nonfinite: int) -> None:
        if below or above or nonfinite:
            with self._lock:
                self.below += below
                self.above += above
                self.nonfinite += nonfinite


class Sink:
    """An output array that takes finished float bands, and counts in `tally` what had to be cut off.

    `bias`, one number or one per channel, is added to what comes, before all else; then `curve` is applied; then it is
    mixed with the samples of `blend`.
    """

    def __init__(
        self, out: Array, storage: Storage = PLAIN, *, tally: Tally | None = None, bias: Floats | None = None,
        curve: Curve | None = None, blend: Blend | None = None,
    ) -> None:  # fmt: skip
        self.out = out
        self.tally = tally or Tally()
        self._storage, self._bias, self._curve, self._blend = storage, bias, curve, blend
        self._unchanged = storage.unchanged
        self._final = bias is None and curve is None
        self._reach = storage.reach if self._unchanged and self._final else None
        self._counted = storage.counted and not is_within(self._reach, out.dtype)

    def finishing(self, bias: Floats | None, curve: Curve | None) -> Sink:
        """The same output for results to which a bias is to be added and a curve applied."""
        return Sink(self.out, self._storage, tally=self.tally, bias=bias, curve=curve, blend=self._blend)

    def mixing(self, blend: Blend) -> Sink:
        """The same output for results that are to be mixed with samples."""
        return Sink(self.out, self._storage, tally=self.tally, bias=self._bias, curve=self._curve, blend=blend)

    @property
    def mixes(self) -> bool:
        """Whether results are mixed with samples: only `store` knows with which."""
        return self._blend is not None

    def channel(self, channel: int) -> Sink:
        """One channel, the last axis of the output; what is cut off counts for the whole."""
        bias = self._bias if self._bias is None or self._bias.size == 1 else self._bias[channel : channel + 1]
        curve = self._curve and self._curve.channel(channel)
        out, blend = self.out[..., channel : channel + 1], self._blend and self._blend.channel(channel)
        return Sink(out, self._storage, tally=self.tally, bias=bias, curve=curve, blend=blend)

    def slice(self, index: int) -> Sink:
        """One slice along the first axis; what is cut off counts for the whole."""
        blend = self._blend and self._blend.part(index)
        return Sink(self.out[index], self._storage, tally=self.tally, bias=self._bias, curve=self._curve, blend=blend)

    def target(self, dtype: DTypeLike) -> Floats | None:
        """The output itself, where floats of `dtype` are kept in it unchanged.

        Bands may be made there; to store a view of it in its place then copies nothing, but is not to be left out.
        """
        plain = self.out.dtype == dtype and self.out.dtype.kind == "f" and self._unchanged and not self._blend
        return self.out if plain else None

    def native(self, dtype: DTypeLike, *, exact: bool) -> Array | None:
        """The output, where integers of `dtype`, rounded and cut off already, may be put there by somebody else.

        Unless they are `exact`, they may be rounded otherwise than the floats that would be counted.
        """
        plain = self.keeps(dtype) and not self._counted
        return self.out if plain and (exact or not self.exact) else None

    @property
    def exact(self) -> bool:
        """Whether integers have to be what rounding floats makes, to the last bit, whether they are counted or not."""
        return self._storage.alike and not is_within(self._reach, self.out.dtype)

    def keeps(self, dtype: DTypeLike, *, cut: bool = False) -> bool:
        """Whether samples of `dtype` are kept as they are, to the last bit: nothing is done with them first.

        With `cut` some integers were cut off, which is not to be where they are counted.
        """
        uncounted = not (cut and self._counted and self.out.dtype.kind in "ui")
        return self.out.dtype == dtype and self._unchanged and self._final and not self._blend and uncounted

    def store(self, band: Array, start: int, left: int | None = None) -> None:
        """Keeps `band` as the rows from `start` on; where `left` is given as the columns from there on. From several
        threads, in any order."""
        rows = band.shape[0] if self._blend is None else max(1, _BLENDED_BYTES // max(1, band[:1].nbytes))
        columns = () if left is None else (slice(left, left + band.shape[1]),)
        for first in range(0, band.shape[0], rows):
            some = band[first : first + rows]
            place = slice(start + first, start + first + some.shape[0]), *columns
            self.keep(some, self.out[place], blend=self._blend and self._blend.part(place))

    def keep(self, band: Array, target: Array, *, planes: bool = False, blend: Blend | None = None) -> None:
        """Keeps `band` in `target`: a part of the output, or, unless it `mixes`, what somebody else will put there.

        `planes`: the channels are the first of three axes; `blend` is the part of that of the output. The band is used
        up.
        """
        if self._bias is not None:
            view, bias = per_channel(band, self._bias, planes=planes)
            view += bias
        if self._curve is not None:
            self._curve.bend(band, planes=planes)
        stays = None
        if blend is not None:
            band, stays = blend.of(band)
            if stays is not None and not (
                self._unchanged and target.dtype == blend.x.dtype and rows_of(target).ndim == 2
            ):
                blend.restore(band, stays)
                stays = None
            band = band.reshape(target.shape)
        band = self._storage.ranged(band)
        if band.__array_interface__["data"] == target.__array_interface__["data"]:
            return  # it was made there
        if target.dtype.kind == "f" or band.dtype == target.dtype:
            target[...] = band
        else:
            counts = store_rounded(band, target, counted=self._counted, reach=self._reach, ignored=stays)
            self.tally.add(*counts)
        if blend is not None and stays is not None:
            blend.restore(rows_of(target), stays)
