"""What kernels, layers and networks cost: parameters, MACs, sizes, what they see, and the time they take.

Every count comes from the kernel types in `convcli.ops`; nothing here has a formula of its own. Counting needs no
numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcli.records import lazily

if TYPE_CHECKING:
    from convcli.costs.comparison import Comparison, Lineup, Subject, compare
    from convcli.costs.cost import Cost, Timing
    from convcli.costs.plan import KernelPlan
    from convcli.costs.subjects import Request

__all__ = ["Comparison", "Cost", "KernelPlan", "Lineup", "Request", "Subject", "Timing", "compare"]
__getattr__ = lazily(
    __name__,
    {
        "costs.comparison": "Comparison Lineup Subject compare",
        "costs.cost": "Cost Timing",
        "costs.plan": "KernelPlan",
        "costs.subjects": "Request",
    },
)
