"""Pictures that are read in bands, before they are needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from convcli.engine.threads import Cuts
from convcli.filtering.graph import Node
from convcli.filtering.paging import Held

if TYPE_CHECKING:
    from concurrent.futures import Executor

    import numpy as np

    from convcli.engine.dtypes import Array
    from convcli.engine.threads import Cut
    from convcli.filtering.paging import Paged


class Rows(Protocol):
    """A picture that is read in bands, as a format opens it (`pictures.registry`)."""

    sequential: bool
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    cuts: Sequence[Cut]

    def read(self, cut: Cut, array: Array) -> None:
        """One of its bands, to its place in the whole picture's array; further rows may come to theirs, too."""


class Read(Node):
    """What is read in bands, by a pool of threads; where it is `held`, only once."""

    def __init__(self, rows: Rows, pool: Executor, *, held: bool) -> None:
        super().__init__(rows.shape, rows.dtype)
        self.ahead, self._rows, self._held = pool, rows, held
        self._asked = 0

    def begin(self, memory: type[Held | Paged], *, fine: bool) -> None:
        super().begin(Held if self._held else memory, fine=fine)

    def start(self, bands: set[int]) -> None:
        super().start(bands)
        self._asked = max([self._asked, *(self.cuts[band][1] for band in bands)])

    def _needed(self) -> list[Cut]:
        return [*super()._needed(), (self._asked, len(self.array))]

    def _cuts(self, *, fine: bool) -> Cuts:
        array, rows = self.array, self._rows
        return Cuts(lambda cut: rows.read(cut, array), rows.cuts)
