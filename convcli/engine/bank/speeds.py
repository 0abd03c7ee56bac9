"""What the arithmetic of banks costs on each kind of processor: measured once, never at run time."""

from __future__ import annotations

from convcli.engine.processor import NARROW, WIDE
from convcli.records import record


@record
class Speeds:
    """Nanoseconds of one core.

    A multiply-add of a large product costs `product`, and more by `few_rows` over its rows and `shallow` over its
    depth; a weight is `packed` for it, but where OpenBLAS takes a product of `unpacked` multiply-adds as it lies;
    `column` and `shifted` are for a sample that is laid out, or added; `multiply_add` is for one on pixels, `added` for
    one in rows that stay in the cache, and `single`, `blocked` and `deep` for one of a network whose groups have one
    channel, more, or so many that a 3x3 bank saves some; samples are `copied` to and from it, `strided` ones are
    slower. `turned` is for a sample that goes from planes to pixels or back. `gathered` is for one value of Winograd's
    tiles, `streamed` for one of its weights, which are more than a core's caches hold. `call` is for OpenCV's work on
    one plane, `transforms` for the calls of Winograd's.
    """

    product: float
    few_rows: float
    shallow: float
    packed: float
    unpacked: int
    column: float
    shifted: float
    multiply_add: float
    added: float
    single: float
    blocked: float
    deep: float
    strided: float
    copied: float
    turned: float
    gathered: float
    streamed: float
    call: float
    transforms: float


#: Multiply-adds of a product up to which OpenBLAS, with AVX-512, does not rearrange its operands, and the fewest
#: columns of a row that are worth a product of their own for it, which it makes by vectors.
UNPACKED, LEAST_COLUMNS, VECTOR = 1_000_000, 48, 16
#: Measured on Zen 5, on which OpenBLAS took its kernels for AVX2, or for AVX-512.
SPEEDS = {
    NARROW.name: Speeds(
        product=0.017, few_rows=0.1, shallow=0.15, packed=0.15, unpacked=0, column=0.2, shifted=0.4,
        multiply_add=0.135, added=0.1, single=0.06, blocked=0.03, deep=0.0165, strided=1.3, copied=0.2, turned=0.15,
        gathered=0.12, streamed=0.15, call=6_000, transforms=40_000,
    ),
    WIDE.name: Speeds(
        product=0.0085, few_rows=0.05, shallow=0.2, packed=0.3, unpacked=UNPACKED, column=0.15, shifted=0.3,
        multiply_add=0.135, added=0.1, single=0.06, blocked=0.03, deep=0.0165, strided=1.3, copied=0.2, turned=0.15,
        gathered=0.12, streamed=0.1, call=6_000, transforms=20_000,
    ),
}  # fmt: skip
