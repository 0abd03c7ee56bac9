"""OpenBLAS, which makes numpy's matrix products: whose instructions it takes, its threads and its memory."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def core() -> str:
    """Whose kernels OpenBLAS takes; empty where numpy has another BLAS."""
    import ctypes

    ask = _function("get_corename")
    if ask is None:
        return ""
    ask.restype = ctypes.c_char_p
    return str((ask() or b"").decode())


@cache
def memory() -> tuple[Callable[[int], object], Callable[[Any], object]]:
    """How numpy's OpenBLAS takes and leaves the memory of a product; does nothing where numpy has another BLAS."""
    import ctypes

    take, leave = getattr(_library(), "blas_memory_alloc", None), getattr(_library(), "blas_memory_free", None)
    if take is None or leave is None:
        return lambda _: None, lambda _: None
    take.restype, take.argtypes = ctypes.c_void_p, [ctypes.c_int]
    leave.restype, leave.argtypes = None, [ctypes.c_void_p]
    return take, leave


@cache
def threads() -> tuple[Callable[[], int], Callable[[int], object]]:
    """How numpy's OpenBLAS tells and is told its number of threads; does nothing where numpy has another BLAS.

    Two of our threads that each start OpenBLAS's threads wait for one another: measured up to 100 times slower.
    """
    get, put = _function("get_num_threads"), _function("set_num_threads")
    return (lambda: 1, lambda _: None) if get is None or put is None else (get, put)


def _function(name: str) -> Any:
    """A function of OpenBLAS, under the name that its builder gave it; None where there is none."""
    for prefix, suffix in (("scipy_", "64_"), ("scipy_", ""), ("", "64_"), ("", "")):
        function = getattr(_library(), f"{prefix}openblas_{name}{suffix}", None)
        if function is not None:
            return function
    return None


@cache
def _library() -> Any:
    """The library of numpy's that is linked to its BLAS; None where that can't be told."""
    import ctypes

    try:
        return ctypes.CDLL(importlib.import_module("numpy._core._multiarray_umath").__file__)
    except (ImportError, OSError, AttributeError, TypeError):
        return None
