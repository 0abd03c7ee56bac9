"""Pictures, and what is mixed of them and of what a filter makes: the formula in float64."""

from __future__ import annotations

from typing import Any

import numpy as np

import convcli

RNG = np.random.default_rng(170)


def picture(dtype: str = "uint8", channels: int = 3, shape: tuple[int, ...] = (60, 70)) -> Any:
    if np.dtype(dtype).kind == "f":
        return RNG.random((*shape, channels)).astype(dtype)
    return RNG.integers(0, np.iinfo(dtype).max, (*shape, channels), dtype, endpoint=True)


def formula(x: Any, y: Any, amount: float, least: float, mask: Any = 1.0) -> Any:
    change = np.float64(y) - np.float64(x)
    return x + amount * mask * np.where(abs(change) >= least, change, 0)


def plain(x: Any, kernels: list[str]) -> Any:
    for kernel in kernels:
        x = convcli.load(kernel).apply(np.float64(x), "yxc")
    return x
