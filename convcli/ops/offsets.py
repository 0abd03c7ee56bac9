"""What offsets and masks of a deformable kernel must be: whole groups of planes, of one size, finite."""

from __future__ import annotations

from convcli.errors import FieldError
from convcli.ops import tensors
from convcli.ops.rules import RuleCall
from convcli.ops.tensors import Tensor

#: Numbers that are looked at together.
CHECKED = 1 << 17


def check_stack(tensor: Tensor | RuleCall | None, planes: int, field: str, what: str) -> None:
    """Raises `FieldError` where an array has not a whole number of groups of `planes` planes."""
    if isinstance(tensor, Tensor) and (tensor.rank != 3 or tensor.shape[0] % planes or 0 in tensor.shape):
        expected = f"({planes}, out height, out width), or a multiple of {planes} for offset groups: {what}"
        raise FieldError(field, f"'{field}' has shape {tensor.shape}; it must be {expected}")


def check_together(offsets: Tensor | RuleCall, mask: Tensor | None) -> None:
    """Raises `FieldError` where a mask has not one plane for each pair of planes of the offsets, of their size."""
    if not isinstance(offsets, Tensor) or mask is None:
        return
    needed = (offsets.shape[0] // 2, *offsets.shape[1:])
    if mask.shape != needed:
        raise FieldError("mask", f"'mask' has shape {mask.shape}; with offsets of {offsets.shape} it must be {needed}")


def check_finite(tensor: Tensor, field: str) -> None:
    import numpy as np

    if tensor.native.dtype.kind not in "buif":
        raise FieldError(field, f"'{field}' has dtype {tensor.native.dtype}, not real numbers")
    # Some rows of a plane at a time: what is made of them is to stay small, whatever the size of the file.
    step = max(1, CHECKED // tensor.native.shape[-1])
    parts = (plane[top : top + step] for plane in tensor.native for top in range(0, len(plane), step))
    bad = sum(int(np.count_nonzero(~(abs(np.float64(part)) <= tensors.GREATEST))) for part in parts)
    if bad:
        what = f"{bad} of the {tensor.size} numbers in '{field}' ({tensor.origin})"
        raise FieldError(field, f"{what} are NaN, infinite or beyond {tensors.GREATEST:g}")
