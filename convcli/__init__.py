"""Every type of convolution kernel, on real images and arrays.

    import convcli
    blurred = convcli.load("gaussian:sigma=2").apply(picture)     # (height, width, channels) in and out
    edges = convcli.apply(picture, "sobel-x")

Importing this package costs nothing: numpy and OpenCV are loaded with the first kernel that runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from convcli.records import lazily

if TYPE_CHECKING:
    from convcli.costs.plan import plan
    from convcli.errors import ConvcliError
    from convcli.ops import Kernel
    from convcli.spec.library import apply, load, names

__version__ = "0.1.0"
__all__ = ["ConvcliError", "Kernel", "__version__", "apply", "load", "names", "plan"]


__getattr__ = lazily(
    __name__,
    {
        "costs.plan": "plan", "errors": "ConvcliError", "ops": "Kernel", "spec.library": "apply load names",
    },
)  # fmt: skip


def __dir__() -> list[str]:
    return sorted(__all__)
