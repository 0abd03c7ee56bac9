"""From the fields of a kernel file to weights per axis: ranks, axes, divisors, banks, biases."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from convcli.engine.geometry import AxisPadding
from convcli.errors import FieldError, KernelError
from convcli.ops.rules import RuleCall
from convcli.ops.tensors import Tensor
from convcli.records import late

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from convcli.ops.activation import Activation

    Array = npt.NDArray[np.floating[Any]]
else:
    np = late("numpy")

#: The axes of kernels by their number.
AXES = {1: "x", 2: "yx", 3: "zyx"}
#: Weights that the parts of a kernel are multiplied out to.
MOST_MULTIPLIED = 1 << 24


def per_axis(value: Any, axes: str, path: str) -> tuple[Any, ...]:
    """`value` as one entry per axis; raises `FieldError` for another number of entries."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return (value,) * len(axes)
    if len(value) != len(axes):
        entries = "1 number" if len(value) == 1 else f"{len(value)} numbers"
        moves = f"{len(axes)} axes ({axes})" if len(axes) > 1 else f"1 axis ({axes})"
        hint = f"[[{value[0]}, {value[1]}]] pads before and after" if path == "padding" and len(value) == 2 else ""
        raise FieldError(path, f"'{path}' has {entries}; the kernel moves along {moves}", hint=hint)
    return tuple(value)


def paddings(value: Any, axes: str) -> tuple[AxisPadding, ...]:
    """A field `padding` as "same" or (before, after) per axis; raises `FieldError` for another number of entries.

    >>> paddings(["valid", 1], "yx")
    ((0, 0), (1, 1))
    """
    per = per_axis(value, axes, "padding")
    return tuple((p, p) if isinstance(p, int) else (0, 0) if p == "valid" else p for p in per)


def common(fields: Mapping[str, Any], axes: str) -> dict[str, Any]:
    """The fields that all types share, one entry per axis where it is per axis."""
    return {
        "name": fields.get("name", "kernel"),
        "about": fields["about"],
        "axes": axes,
        "bias": fields["bias"],
        "activation": fields.get("activation"),
        "stride": per_axis(fields["stride"], axes, "stride"),
        "dilation": per_axis(fields["dilation"], axes, "dilation"),
        "padding": paddings(fields["padding"], axes),
        "border": fields["border"],
        "divisor": fields["divisor"],
        "flip": fields["flip"],
        **{name: fields.get(name, default) for name, default in (("amount", 1), ("threshold", 0), ("unsharp", False))},
    }


def choose_axes(asked: str | None, rank: int, path: str) -> str:
    """The axes of weights of `rank`: those asked for, else x, yx or zyx by rank; filter banks have two ranks more.

    Raises `FieldError` where rank and axes do not fit.
    """
    if asked:
        if rank not in (len(asked), len(asked) + 2):
            raise FieldError(
                path,
                f"'{path}' has rank {rank}; axes {asked} take rank {len(asked)}, or {len(asked) + 2} for a filter bank",
            )
        return asked
    if rank in AXES:
        return AXES[rank]
    if rank - 2 in AXES:
        return AXES[rank - 2]
    raise FieldError(path, f"'{path}' has rank {rank}; 1 to 3 make a kernel, 3 to 5 a filter bank")


def resolve_weights(value: Tensor | RuleCall, fields: Mapping[str, Any], path: str) -> tuple[Tensor, str]:
    """Weights of a known shape, and the axes they move along."""
    asked = fields["axes"]
    if isinstance(value, RuleCall):
        stride = fields["stride"]
        default = len(asked) if asked else len(stride) if isinstance(stride, Sequence) else 2
        axes = asked or AXES.get(value.rank(default), "yx")
        value = value.resolve(len(axes), per_axis(stride, axes, "stride"), path)
    axes = choose_axes(asked, value.rank, path)
    if 0 in value.shape:
        raise FieldError(path, f"'{path}' of shape {value.shape} holds no weights")
    if degrees := fields.get("rotate"):
        from convcli.ops.rotation import rotated

        value = rotated(value, degrees, axes)
    return value, axes


def only_tap(weights: Array) -> tuple[int, ...] | None:
    """The place of the 1 among weights that are 0 otherwise; None where they are others.

    >>> import numpy as np
    >>> only_tap(np.array([[0.0, 0.0, 1.0]])), only_tap(np.array([1.0, 1.0]))
    ((0, 2), None)
    """
    if np.count_nonzero(weights) != 1 or weights.max() != 1:
        return None
    return tuple(int(place) for place in np.unravel_index(int(weights.argmax()), weights.shape))


def divided(weights: Array, divisor: float | str, what: str) -> Array:
    """`weights` over `divisor`; raises `FieldError` where it is "sum" and the sum is 0."""
    if divisor == "sum":
        total = float(weights.sum())
        if abs(total) <= 1e-12 * float(abs(weights).sum()):
            raise FieldError("divisor", f"the {what} sum to 0: nothing to divide by", hint="leave the divisor out")
        return weights / total
    return weights / float(divisor)


def check_bank(shape: tuple[int, ...], groups: int, path: str) -> None:
    """Raises `FieldError` where the output channels of a bank `(out, in/groups, *taps)` don't split in `groups`."""
    if shape[0] % groups:
        raise FieldError(path, f"{shape[0]} output channels don't split into {groups} groups")


def check_outputs(bias: Tensor | None, activation: Activation | None, outputs: int | None) -> None:
    """Raises `FieldError` where a filter bank has other numbers of biases or slopes than of output channels."""
    if activation is not None:
        activation.check(outputs)
    if bias is not None and (bias.rank > 1 or (outputs is not None and bias.size not in (1, outputs))):
        expected = f"{outputs} output channels" if outputs is not None else "one number per channel"
        raise FieldError("bias", f"'bias' has shape {bias.shape} for {expected}")


def sums(weights: npt.NDArray[np.float64], axes: Sequence[int]) -> npt.NDArray[np.float64]:
    """Sums along `axes`, exactly 0 where they are so but for errors of rounding.

    >>> import numpy as np
    >>> float(sums(np.array([0.1, 0.2, -0.3]), (0,)))
    0.0
    """
    total = np.asarray(weights.sum(tuple(axes)))
    total[abs(total) <= 1e-9 * abs(weights).sum(tuple(axes))] = 0
    return total


def normalised(weights: Array) -> Array:
    """Weights that sum to 1 for an alpha channel: their own where the sum says something, else absolute ones."""
    total, absolute = weights.sum(), abs(weights).sum()
    if abs(total) > 1e-3 * absolute:
        unit: Array = weights / total
        return unit
    return abs(weights) / absolute if absolute else weights * 0 + 1 / weights.size


def footprint(weights: Array, spatial: int) -> Array:
    """The one-channel kernel that alpha gets where `weights` may be a filter bank: the mean of its absolute values."""
    if weights.ndim == spatial:
        return normalised(weights)
    return normalised(abs(weights).mean(axis=(0, 1)))


def check_multiplied(shape: Sequence[int], name: str) -> None:
    """Raises `KernelError` where weights of several parts make too many when they are multiplied out."""
    if math.prod(shape) > MOST_MULTIPLIED:
        size = "x".join(map(str, shape))
        raise KernelError(f"kernel '{name}' has {size} weights in one; at most {MOST_MULTIPLIED:,} are made")


def onto(per_kernel_axis: Sequence[Any], axes: str, own: str, default: Any) -> tuple[Any, ...]:
    """Values per kernel axis as values per array axis, `default` along the axes that are carried through."""
    return tuple(per_kernel_axis[own.index(axis)] if axis in own else default for axis in axes)


def spread_over(weights: Array, axes: str, own: str) -> Array:
    """Weights with an axis of one tap for every array axis that the kernel doesn't move along."""
    lead = weights.ndim - len(own)
    taps = onto(weights.shape[lead:], axes, own, 1)
    return weights.reshape(*weights.shape[:lead], *taps)
