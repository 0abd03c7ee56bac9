"""The fields of a kernel file, each defined once: what it holds, what it means, what it is without a word said.

Readers of kernel files, the JSON Schema and the help are made from these.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from convcli.records import record

#: What a field holds:
#: text; weights (numbers, a rule or a file); taps (weights of one axis, or one set per axis); array (numbers or a
#: file); offsets (an array or a displacement rule); sizes (whole numbers, one or one per axis); padding; border;
#: divisor; flag; axes; whole (one whole number); activation; mask (an array or a branch); range (what white is); length
#: (a number above 0); share (a number, or per cent); turn (degrees, a multiple of 45); kernels (a list of them) and
#: combination (how they become one). Offsets may be a branch, too. Of layers of networks also biases (true, false, an
#: array) and named_activation (an activation, or prelu with slopes that a file has).
Kind: TypeAlias = Literal[
    "text", "weights", "taps", "array", "offsets", "sizes", "padding", "border", "divisor", "flag", "axes", "whole",
    "activation", "named_activation", "biases", "mask", "range", "length", "share", "turn", "kernels", "combination",
]  # fmt: skip
#: How the results of several kernels become one.
WAYS = ("magnitude", "sum", "mean", "difference", "max", "min")


@record(kw_only=False)
class Field:
    """A field: its kind, its meaning, its default, and the least value of whole numbers and shares in it."""

    kind: Kind
    doc: str
    default: Any = None
    required: bool = False
    least: int = 1


ABOUT = Field("text", "What the kernel is for, in a sentence or two.", "")
GROUP = Field("text", "The kind of kernels among which it is listed: blur, sharpen, edges ...", "")
#: Fields of all kernels beside their type.
GENERAL: dict[str, Field] = {"about": ABOUT, "group": GROUP}
WEIGHTS = Field(
    "weights",
    "The kernel's weights: one row per line; or (out, in/groups, *taps) for a bank of filters that mixes channels.",
    required=True,
)
BIAS = Field("array", "A number per output channel, added to the result.")
ACTIVATION = Field(
    "activation",
    "A function of each sample of the result, after the bias: relu, sigmoid, tanh, abs, gelu, softplus, exp, sqrt, erf,"
    " {leaky_relu: slope}, {prelu: slopes}, one per channel, {elu: 1}, or {clip: [least, greatest]}.",
)
AXES = Field("axes", "The axes the kernel moves along: x, yx or zyx. Follows from the rank of the weights.")
STRIDE = Field("sizes", "Every stride-th output is kept; one number or one per axis.", 1)
DILATION = Field("sizes", "Distance between neighbouring taps; one number or one per axis.", 1)
GROUPS = Field("whole", "Channels are split in this many groups that don't mix.", 1)
PADDING = Field(
    "padding",
    "Cells added at the edges: same (the picture keeps its place), valid (none), a number, one per axis, or"
    " [before, after] per axis; same_upper and same_lower are those of ONNX and TensorFlow.",
    "same",
)
BORDER = Field(
    "border",
    "What lies outside the image: reflect, symmetric, replicate, wrap, zero, or a number in units of the samples.",
    "reflect",
)
DIVISOR = Field("divisor", "All weights are divided by this number, or by their sum.", 1)
AMOUNT = Field(
    "share", "How much of the effect: x + amount * (K(x) - x). 0.5 or 50% is half, 2 exaggerates.", 1, least=-1000
)
THRESHOLD = Field(
    "share",
    "Samples that the kernel would change by less stay: a part of white below 1, samples from 1 on; or 5%.",
    0,
    least=0,
)
UNSHARP = Field("flag", "Add what the kernel takes away: it makes 2x - K(x), an unsharp mask of a blur.", False)
FLIP = Field("flag", "Flip the weights: the mathematician's convolution instead of cross-correlation.", False)
ROTATE = Field("turn", "Turns the weights clockwise by degrees: multiples of 90, and of 45 where there are 3x3.", 0)

#: Fields of every type, in the order in which they are shown.
COMMON: dict[str, Field] = {
    "bias": BIAS,
    "activation": ACTIVATION,
    "axes": AXES,
    "stride": STRIDE,
    "dilation": DILATION,
    "padding": PADDING,
    "border": BORDER,
    "divisor": DIVISOR,
    "flip": FLIP,
    "rotate": ROTATE,
    "amount": AMOUNT,
    "threshold": THRESHOLD,
    "unsharp": UNSHARP,
}
