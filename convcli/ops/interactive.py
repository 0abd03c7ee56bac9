"""What a kernel is to who types: a line in a session, a drawing in a notebook, a numpy array, the names that help."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from convcli.errors import ConvcliError, KernelError
from convcli.ops import tensors
from convcli.records import late

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from convcli.drawing.drawing import Drawing
    from convcli.engine.dtypes import ArrayLike, DTypeLike
    from convcli.ops.base import Kernel
else:
    np = late("numpy")

#: The names that `dir` lists of kernels of all types, besides the fields of their files.
PUBLIC = (
    "about", "apply", "axes", "channels", "count", "draw", "extent", "formula", "name", "output_channels",
    "output_shape", "reads", "replace", "source", "summary", "taps", "to_numpy", "type", "weight_count",
)  # fmt: skip


def line(kernel: Kernel) -> str:
    """Name, type and geometry, on a line.

    >>> from convcli.spec import load
    >>> load("gaussian:sigma=2,stride=2")
    <Kernel gaussian: separable, 17x17 taps along y,x, stride 2x2, padding same, border reflect>
    """
    parts = [f"{'x'.join(map(str, kernel.taps))} taps along {','.join(kernel.axes)}"]
    if kernel.channels:
        parts.append(f"{kernel.channels[0]} -> {kernel.channels[1]} channels")
    for name in ("stride", "dilation"):
        if max(steps := getattr(kernel, name)) > 1:
            parts.append(f"{name} {'x'.join(map(str, steps))}")
    ends = [end if isinstance(end, str) else f"{end[0]}+{end[1]}" for end in kernel.padding]
    parts.append(f"padding {ends[0] if len(set(ends)) == 1 else ', '.join(ends)}")
    parts.append(f"border {kernel.border}")
    if kernel.bias:
        parts.append("1 bias" if kernel.bias.size == 1 else f"{kernel.bias.size} biases")
    if kernel.activation:
        parts.append(str(kernel.activation))
    return f"<Kernel {kernel.name}: {kernel.type}, {', '.join(parts)}>"


def names(kernel: Kernel) -> list[str]:
    """What is of use to who types; the rest is for convcli itself."""
    return sorted({*PUBLIC, *(name for name in kernel.FIELDS if hasattr(kernel, name))})


def html(kernel: Kernel) -> str | None:
    """For notebooks: the drawing of its weights; None, which leaves the line, where these can't be drawn."""
    try:
        return f"<div>{kernel.draw().svg()}</div>"
    except ConvcliError:
        return None


def draw(kernel: Kernel, **settings: Any) -> Drawing:
    """A drawing of its weights, as `convcli.draw.kernel` makes it, with the settings of that."""
    from convcli.drawing import draw

    return draw.kernel(kernel, **settings)


def draw_field(kernel: Kernel, picture: ArrayLike, **settings: Any) -> Drawing:
    """What one of its outputs sees of a picture, as `convcli.draw.field` draws it, with the settings of that."""
    from convcli.drawing import draw

    return draw.field([kernel], picture, **settings)


def to_numpy(kernel: Kernel, dtype: DTypeLike = "float64") -> npt.NDArray[Any]:
    """The weights as they are applied, divided and turned as the kernel says, as a new array.

    `(*taps)`, or `(out, in/groups, *taps)` of a filter bank; those of a kernel in several parts multiplied out.
    They are cross-correlated, as by `torch.nn.functional.conv2d` and `scipy.ndimage.correlate`; those of a
    transposed kernel are the stamp. Raises `KernelError` for a kernel without weights, and where multiplying out
    makes more than 2^24.
    """
    return np.array(whole(kernel).dense_weights(), dtype)


def whole(kernel: Kernel) -> Kernel:
    """The kernel with its effect in its weights. Raises `KernelError` where no weights do what the kernel does."""
    folded = kernel
    if kernel.has_effect:
        folded = _dense(kernel).folded if kernel.type == "separable" else kernel.folded
    if folded.has_effect:
        effect = f"amount {kernel.amount:g}, threshold {kernel.threshold:g}"
        fact = f"kernel '{kernel.name}' is mixed with the picture ({effect}): it has no weights of its own"
        raise KernelError(fact, hint=f"without that it has: {kernel.name}:amount=1,threshold=0")
    return folded


def _dense(kernel: Kernel) -> Kernel:
    """A separable kernel as a dense one."""
    from convcli.ops.base import Kernel
    from convcli.ops.dense import Dense

    common = {field.name: getattr(kernel, field.name) for field in dataclasses.fields(Kernel)}
    weights = tensors.of_array(kernel.dense_weights())
    return Dense(**{**common, "divisor": 1, "flip": False}, weights=weights, groups=getattr(kernel, "groups", 1))
