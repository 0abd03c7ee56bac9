"""What offsets and masks of a deformable kernel must be: whole groups of planes, of one size, finite."""

from __future__ import annotations

from pathlib import Path

from convcli.errors import FieldError, ShapeError
from convcli.ops import tensors
from convcli.ops.branches import Branch
from convcli.ops.rules import RuleCall
from convcli.ops.tensors import Tensor

#: Numbers that are looked at together.
CHECKED = 1 << 17


def check_stack(tensor: Tensor | RuleCall | Branch | None, planes: int, field: str, what: str) -> None:
    """Raises `FieldError` where an array has not a whole number of groups of `planes` planes."""
    if isinstance(tensor, Tensor) and (tensor.rank != 3 or tensor.shape[0] % planes or 0 in tensor.shape):
        expected = f"({planes}, out height, out width), or a multiple of {planes} for offset groups: {what}"
        fact = f"'{field}' has shape {tensor.shape}; it must be {expected}"
        raise FieldError(field, fact, hint=planes_first(tensor, planes))


def check_together(offsets: Tensor | RuleCall | Branch, mask: Tensor | Branch | None) -> None:
    """Raises `FieldError` where a mask has not one plane for each pair of planes of the offsets, of their size."""
    if not isinstance(offsets, Tensor) or not isinstance(mask, Tensor):
        return
    needed = (offsets.shape[0] // 2, *offsets.shape[1:])
    if mask.shape != needed:
        raise FieldError("mask", f"'mask' has shape {mask.shape}; with offsets of {offsets.shape} it must be {needed}")


def check_shape(tensor: Tensor, field: str, needed: tuple[int, ...], picture: str, neutral: str) -> None:
    """Raises `ShapeError` where an array was made for another output size or number of channels than is `needed`."""
    if tensor.shape != needed:
        raise ShapeError(
            f"{field} {tensor.origin} has shape {tensor.shape}; {picture} needs {needed}",
            hint=f"make it with numpy: np.save('{field}.npy', np.{neutral}({needed}))",
        )


def is_packed(offsets: Tensor | RuleCall | Branch, mask: Tensor | Branch | None, taps: int) -> bool:
    """Whether a branch makes planes of offsets and of the mask together."""
    if not isinstance(offsets, Branch):
        return False
    if offsets.packed is not None:
        return offsets.packed
    return mask is None and offsets.planes % (2 * taps) != 0


def check_branches(offsets: Tensor | RuleCall | Branch, mask: Tensor | Branch | None, taps: int, groups: int) -> None:
    """Raises `FieldError` where a branch makes another number of planes than `taps` and offset `groups` take."""
    if isinstance(offsets, Branch):
        count, packed = offsets.planes, is_packed(offsets, mask, taps)
        if mask is None and offsets.packed is None and count % (6 * taps) == 0:
            fact = f"{count} planes are offsets of {count // taps // 2} groups, or of {count // taps // 3} with masks"
            raise FieldError(("offsets", "branch"), fact, hint="say packed: true where the mask is among them")
        if count % ((3 if packed else 2) * taps) or (packed and mask is not None):
            wanted = f"{2 * taps}, or a multiple for offset groups"
            wanted += "" if mask is not None else f"; or {3 * taps} with a mask"
            raise FieldError(("offsets", "branch"), f"the branch makes {count} planes; {taps} taps take {wanted}")
    if isinstance(mask, Branch):
        if mask.limit is not None or mask.packed is not None:
            raise FieldError(("mask", "branch"), "'limit' and 'packed' belong to the branch of the offsets")
        if mask.planes != groups * taps:
            fact = f"the branch makes {mask.planes} planes; the mask of {taps} taps takes {groups * taps}"
            raise FieldError(("mask", "branch"), fact)


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
        fact = f"{what} are NaN, infinite or beyond {tensors.GREATEST:g}"
        raise FieldError(field, fact, hint=_resaved(tensor, ".clip(-1e4, 1e4)", "np.nan_to_num(np.load({}))"))


def planes_first(tensor: Tensor, planes: int) -> str:
    """What says how numbers of a .npy file become planes that are pairs of each pixel; nothing where they are none."""
    return _resaved(tensor, ".transpose(2, 0, 1)") if tensor.rank == 3 and tensor.shape[2] == planes else ""


def _resaved(tensor: Tensor, change: str, array: str = "np.load({})") -> str:
    """What changes the numbers of a .npy file with numpy; nothing where they are no such file's, seen from here."""
    name = tensor.origin
    if not name.endswith(".npy") or not Path(name).is_file():
        return ""
    return f"with numpy: np.save({name!r}, {array.format(repr(name))}{change})"
