"""Every type of convolution kernel, on real images and arrays.

    import convcli
    blurred = convcli.load("gaussian:sigma=2").apply(picture)     # (height, width, channels) in and out
    edges = convcli.apply(picture, "sobel-x")

Importing this package costs nothing: numpy and OpenCV are loaded with the first kernel that runs.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as type checkers know it: `typing` takes longer to load than `--help` to print
if TYPE_CHECKING:
    from convcli.costs.plan import plan
    from convcli.costs.rows import compare
    from convcli.drawing import draw
    from convcli.errors import ConvcliError
    from convcli.filtering.arrays import apply
    from convcli.networks.runnable import NetworkKernel
    from convcli.networks.sources import load
    from convcli.ops import Kernel
    from convcli.spec.library import names

__version__ = "0.1.0"
__all__ = [
    "ConvcliError", "Kernel", "NetworkKernel", "__version__", "apply", "compare", "draw", "load", "names", "plan",
]  # fmt: skip

_HOMES = {
    "ConvcliError": "convcli.errors",
    "Kernel": "convcli.ops",
    "NetworkKernel": "convcli.networks.runnable",
    "apply": "convcli.filtering.arrays",
    "compare": "convcli.costs.rows",
    "draw": "convcli.drawing",
    "load": "convcli.networks.sources",
    "names": "convcli.spec.library",
    "plan": "convcli.costs.plan",
}


if not TYPE_CHECKING:  # to type checkers a name that isn't there is an error

    def __getattr__(name):
        """Loads a public name from its module on first use (PEP 562).

        Not by `records.lazily`, as in the packages below: nothing is loaded before the command line obeys signals.
        """
        if name not in _HOMES:
            raise AttributeError(f"module 'convcli' has no attribute '{name}'")
        import importlib

        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
