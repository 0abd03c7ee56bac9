"""What the process of the command line does before it loads anything else."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

#: Modules that numpy and Python's own load on the way and this program never uses: numpy's docstrings, and for
#: pathlib addresses of the internet.
IDLE = frozenset({"numpy._core._add_newdocs", "numpy._core._add_newdocs_scalars", "ipaddress"})


def lighten() -> None:
    """Puts off what costs time at the start, a tenth of it, and is not wanted.

    Loading makes 40,000 objects that all stay, and by default Python looks through them for garbage every 700. Modules
    in `IDLE` run when something of them is asked for, which is never, or a little later than usual.
    """
    gc.set_threshold(100_000)
    sys.meta_path.insert(0, _Later)


class _Later:
    """Finds idle modules as Python does, and puts off running them; passes over all others."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in IDLE else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec
