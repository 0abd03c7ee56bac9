"""What the processor can do, as far as it decides which algorithm is fastest: costs that were measured on each kind."""

from __future__ import annotations

import importlib
from functools import cache

from convcli.engine import blas
from convcli.records import record

#: Outputs of a product along rows: a whole vector register. Wider matrices hold more zeros.
ACROSS = 16
#: Nanoseconds per sample to continue rows for a product beyond their ends, and to look whether all of it is finite.
LAID = 0.15
#: A cost in nanoseconds per sample on one core, without and for each tap.
Line = tuple[float, float]


@record
class Processor:
    """Costs on one kind of processor: of OpenCV's `filter2D` (`direct`, and with one `row` or one `column` of taps); of
    `sepFilter2D` with as many mirrored taps a side, which are `folded`, on floats and from bytes to bytes; of running
    sums of floats and of integers (`sums`), whatever the taps; and of matrix products along columns and rows.

    `between` two passes lies a band, which takes time for each sample, too. `transforms` of tiles take so many times
    what they take on Zen 3. `strided` products take time to lay out a sample, for a multiply-add, and to add up a
    result; square ones for each `multiply_add`.
    `blocks` are the outputs of a product along columns, by the most taps for which they are best.
    """

    name: str
    direct: Line
    row: Line
    column: Line
    folded: tuple[Line, Line]
    sums: tuple[float, float]
    column_product: Line
    row_product: Line
    between: float
    transforms: float
    strided: tuple[float, float, float]
    multiply_add: float
    blocks: tuple[tuple[int, int], ...]

    def column_block(self, taps: int) -> int:
        """Outputs of a product along columns: more of them waste fewer loads, fewer of them hold fewer zeros."""
        return next((block for most, block in self.blocks if taps <= most), self.blocks[-1][1])

    def columns_by_product(self, taps: int) -> bool:
        """Whether a pass of so many taps along columns of finite samples is a matrix product."""
        return line(self.column_product, taps) < line(self.column, taps)

    def rows_by_product(self, taps: int, channels: int) -> bool:
        """The same along rows, of one channel: where it pays to take several apart, Fourier tiles are faster."""
        return channels == 1 and LAID + line(self.row_product, taps) < line(self.row, taps)


def line(cost: Line, taps: float) -> float:
    """The cost of so many taps."""
    return cost[0] + cost[1] * taps


#: OpenBLAS takes small operands as they lie: products are cheap from few taps on. Measured on Zen 5.
WIDE = Processor(
    name="AVX-512", direct=(0.1, 0.0285), row=(0.06, 0.0285), column=(0.05, 0.037), folded=((0.0, 0.08), (0.0, 0.06)),
    sums=(0.9, 0.5), column_product=(0.09, 0.0105), row_product=(0.25, 0.011), between=0.45, transforms=0.43,
    strided=(0.4, 0.018, 0.3),
    multiply_add=0.0145,
    blocks=((11, 4), (1 << 30, 8)),
)  # fmt: skip
#: OpenBLAS rearranges all operands first: OpenCV is faster up to more taps. Measured on Zen 3, where products and
#: transforms take 1.3 times this, and on Zen 5 without AVX-512, where they take .75.
NARROW = Processor(
    name="AVX2", direct=(0.12, 0.033), row=(0.1, 0.032), column=(0.15, 0.039), folded=((0.0, 0.09), (0.0, 0.065)),
    sums=(1.3, 0.5), column_product=(0.4, 0.027), row_product=(0.85, 0.021), between=0.5, transforms=0.56,
    strided=(0.8, 0.036, 0.6),
    multiply_add=0.035,
    blocks=((9, 4), (24, 8), (48, 16), (1 << 30, 24)),
)  # fmt: skip
#: Kernels that OpenBLAS has for processors without AVX-512.
NARROW_CORES = frozenset({"Haswell", "Zen", "Excavator", "Sandybridge", "Nehalem", "Prescott", "Core2"})


@cache
def processor() -> Processor:
    """The kind of this processor: `NARROW` for all without AVX-512, as numpy sees it (`NPY_DISABLE_CPU_FEATURES`), and
    where OpenBLAS does not use it."""
    features = importlib.import_module("numpy._core._multiarray_umath").__cpu_features__
    wide = features.get("X86_V4", features.get("AVX512_SKX"))
    return WIDE if wide and blas.core() not in NARROW_CORES else NARROW
