"""OpenBLAS, which makes numpy's matrix products: whose instructions it takes, its threads and its memory."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

#: What OpenBLAS calls its kernels for AVX-512, and the processor's features, as Linux names them, that they need.
AVX512, _NEEDED = "SkylakeX", frozenset({"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"})
#: Bytes of what Linux says of the processors, in which the first of them stands whole.
_FIRST = 1 << 12


def prefer_avx512() -> None:
    """Has OpenBLAS take AVX-512 where there is such, before numpy loads it.

    It goes by the models that it knows: in a newer one (Zen 5) it takes the kernels for AVX2, of half the speed. Who
    has set `OPENBLAS_CORETYPE` is obeyed, and what is loaded stays as it is.
    """
    if "numpy" not in sys.modules and "OPENBLAS_CORETYPE" not in os.environ and _has_avx512():
        os.environ["OPENBLAS_CORETYPE"] = AVX512


def _has_avx512() -> bool:
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return is_listed(file.read(_FIRST))
    except OSError:  # another system than Linux: OpenBLAS chooses
        return False


def is_listed(processors: str) -> bool:
    """Whether the first of the `processors`, as Linux describes them, can run OpenBLAS's kernels for AVX-512."""
    flags = next((line for line in processors.splitlines() if line.startswith("flags")), "")
    return set(flags.split()) >= _NEEDED


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
