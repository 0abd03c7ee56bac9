"""What the process of the command line does before it loads anything else."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, PathFinder
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


#: The libraries that take longest to load, by the package that they are of.
_LIBRARIES = {"cv2": "cv2", "numpy": "_core/_multiarray_umath"}


def load_libraries() -> None:
    """Has a thread load the libraries of OpenCV and numpy while Python is busy with modules.

    Importing them then finds them there, and takes a sixth less. It is the linker's work, which needs no Python, but
    `import` would keep Python waiting for it. Where they can't be loaded, importing them says why.
    """
    if not sys.platform.startswith("linux") or len(os.sched_getaffinity(0)) < 2:
        return
    with suppress(ImportError, OSError, AttributeError):  # a Python without one of them
        # The linker loads one library at a time: small ones that are wanted meanwhile come first.
        import _heapq  # noqa: F401
        import _struct  # noqa: F401
        import _thread
        import ctypes
        import zlib  # noqa: F401

        link = ctypes.CDLL(None).dlopen
        link.argtypes, link.restype = (ctypes.c_char_p, ctypes.c_int), ctypes.c_void_p
        _thread.start_new_thread(_load, (link, [os.fsencode(path) for path in _libraries()]))


def _load(link: Callable[[bytes, int], object], paths: Sequence[bytes]) -> None:
    for path in paths:
        link(path, sys.getdlopenflags())


def _libraries() -> Iterator[str]:
    """Where the libraries are."""
    for package, name in _LIBRARIES.items():
        spec = PathFinder.find_spec(package)
        folder = spec.submodule_search_locations[0] if spec and spec.submodule_search_locations else ""
        for suffix in EXTENSION_SUFFIXES:
            path = os.path.join(folder, name + suffix)
            if os.path.exists(path):
                yield path


class _Later:
    """Finds idle modules as Python does, and puts off running them; passes over all others."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in IDLE else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec
