"""Applying kernels of fields in float64, and comparing results to the last digits."""

from __future__ import annotations

from typing import Any

import numpy as np

import convcli

EXACT = 1e-12


def apply(fields: dict[str, Any], x: Any, layout: str | None = None) -> Any:
    """The kernel of `fields` on `x`."""
    return convcli.load(fields).apply(x, layout=layout)


def close(y: Any, expected: Any, tolerance: float = EXACT) -> None:
    """Equal shapes; errors relative to the largest expected value."""
    assert y.shape == expected.shape
    assert np.abs(y - expected).max() <= tolerance * max(1e-30, np.abs(expected).max())
