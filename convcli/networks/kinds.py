"""The kinds of items of a network file, and the fields that each may have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from convcli.ops import fields as f
from convcli.ops.fields import Field
from convcli.records import record

KERNEL_SIZE = Field("sizes", "Taps; one number or one per axis.", 3)
BIAS = Field(
    "biases",
    "One number per output channel is added, and counted: true, false, or the numbers. With weights it is true where"
    " the file has NAME.bias.",
)
WEIGHTS = Field("array", "The layer's weights, instead of NAME.weight of the network's file.")
ACTIVATION = Field(
    "named_activation",
    "A function of each sample at last: as a kernel's, or prelu alone, whose slopes are NAME.slope of the file.",
)
BORDER = Field("border", f.BORDER.doc, "zero")
FIXED = Field("flag", "Keep the channels whatever the width multiplier.", False)
_COMMON: dict[str, Field] = {
    "kernel_size": KERNEL_SIZE, "stride": f.STRIDE, "dilation": f.DILATION, "padding": f.PADDING, "bias": BIAS,
    "fixed": FIXED, "border": BORDER, "activation": ACTIVATION,
}  # fmt: skip
_BENT = {"activation": ACTIVATION}
_WEIGHTS = {"weights": WEIGHTS}
_GROUPS = {"groups": f.GROUPS}
_POOL_STRIDE = Field("sizes", "Every stride-th output is kept; the kernel size unless it is said.", None)


@record(kw_only=False)
class Kind:
    """A kind of item: what stands after its name, and the fields it may have."""

    doc: str
    fields: Mapping[str, Field] = field(default_factory=dict)
    #: What stands after the name: whole (a number), channels (a number, or several), word (one of `words`), join
    #: (branches, or names), activation, name, chain.
    value: str = "whole"
    words: tuple[str, ...] = ()
    #: The word that is meant where the name stands alone.
    meant: str = ""


#: Words of some kinds.
POOLINGS = ("max", "average")
NORMALS = ("instance", "group", "layer")
ACROSS = ("softmax", "mean", "max", "argmax")

KINDS: dict[str, Kind] = {
    "dense": Kind("Standard convolution; its output channels.", _COMMON | _GROUPS | _WEIGHTS),
    "depthwise": Kind(
        "A kernel per channel; how many per channel.", {k: v for k, v in _COMMON.items() if k != "fixed"} | _WEIGHTS
    ),
    "pointwise": Kind(
        "1x1 convolution; its output channels.",
        {"stride": f.STRIDE, "bias": BIAS, "fixed": FIXED} | _GROUPS | _BENT | _WEIGHTS,
    ),
    "separable": Kind("Spatially separable convolution; its output channels.", _COMMON | _GROUPS),
    "depthwise_separable": Kind("A kernel per channel, then 1x1; its output channels.", _COMMON),
    "transposed": Kind(
        "Transposed convolution; its output channels.",
        _COMMON | _GROUPS | _WEIGHTS
        | {"output_padding": Field("sizes", "Cells added at the end of the output.", 0, least=0)},
    ),
    "deformable": Kind(
        "Deformable convolution with its offset branch; its output channels.",
        _COMMON | _GROUPS | _WEIGHTS | {
            "offsets": Field("text", "The earlier layer that makes its offsets, instead of a branch of its own.", ""),
            "mask": Field(
                "flag", "Version 2: a mask branch besides the offset branch, or the last third of `offsets`.", False
            ),
            "offset_groups": Field("whole", "Groups of channels with offsets of their own.", 1),
        },
    ),
    "fc": Kind("Fully connected layer; its outputs.", {"bias": BIAS} | _BENT | _WEIGHTS),
    "pool": Kind(
        "Pooling; max or average.",
        {
            "kernel_size": Field("sizes", "Side of the window.", 2),
            "stride": _POOL_STRIDE,
            "padding": Field("padding", f.PADDING.doc, "valid"),
            "ceil": Field("flag", "A window that reaches beyond the end gives an output, too.", False),
            "activation": ACTIVATION,
        },
        "word", POOLINGS, "average",
    ),
    "global_pool": Kind("Pooling of the whole picture to 1x1; max or average.", _BENT, "word", POOLINGS, "average"),
    "normalize": Kind(
        "Less the mean, over the deviation: of each channel of a picture (instance), of each group of channels (group),"
        " or of all channels of each pixel (layer).",
        {
            "groups": Field("whole", "Groups of channels, of group.", 1),
            "epsilon": Field("length", "What is added to the variance.", 1e-5),
            "scale": Field(
                "flag",
                "Each channel is multiplied by a number of its own then, NAME.weight, which is counted; true where the"
                " file has it.",
                None,
            ),
            "bias": BIAS,
        } | _BENT | _WEIGHTS,
        "word", NORMALS,
    ),
    "across_channels": Kind(
        "Of each pixel's channels: their softmax; or one number, their mean, their max, or argmax, the number of the"
        " first that is greatest.",
        _BENT, "word", ACROSS,
    ),
    "upsample": Kind(
        "Enlargement without weights; the factor.",
        {
            "bilinear": Field("flag", "Bilinear, not nearest.", False),
            "cubic": Field("flag", "Bicubic (a = -0.75), not nearest.", False),
        } | _BENT,
    ),
    "depth_to_space": Kind(
        "Channels become pixels (pixel shuffle); the factor.",
        {
            "order": Field(
                "text", "Which channel is which pixel: crd (PyTorch's pixel shuffle) or dcr (TensorFlow's).", "crd"
            ),
        } | _BENT,
    ),
    "space_to_depth": Kind(
        "Pixels become channels (pixel unshuffle); the factor.",
        {"order": Field("text", "Which pixel is which channel: crd (PyTorch's) or dcr (ONNX's, TensorFlow's).", "crd")}
        | _BENT,
    ),
    "take": Kind(
        "Some channels: how many, or their numbers, from 0 on, in the order in which they come.",
        {
            "first": Field("whole", "The first one, where it is said how many.", 0, least=0),
            "step": Field("whole", "How far they lie apart.", 1),
        } | _BENT,
        "channels",
    ),
    "channel_shuffle": Kind("The first channel of every group, then the second, and so on; the groups.", _BENT),
    "add": Kind("The sum of branches, or of this chain and an earlier layer.", _BENT, "join"),
    "subtract": Kind("The first branch minus the others, or this chain minus an earlier layer.", _BENT, "join"),
    "multiply": Kind("The product of branches, or of this chain and an earlier layer.", _BENT, "join"),
    "divide": Kind("The first branch over the others, or this chain over an earlier layer.", _BENT, "join"),
    "concat": Kind("The channels of branches, or of this chain and an earlier layer, side by side.", _BENT, "join"),
    "activate": Kind("An activation alone: relu, or another.", {}, "activation"),
    "block": Kind("A named block.", {}, "name"),
    "layers": Kind("Layers to be repeated.", {}, "chain"),
}  # fmt: skip
#: Other programs' words for layers, and what is written here.
WORDS = {
    "conv": "{dense: CHANNELS}", "conv2d": "{dense: CHANNELS}", "convolution": "{dense: CHANNELS}",
    "conv1x1": "{pointwise: CHANNELS}", "dwconv": "{depthwise: 1}", "depthwiseconv": "{depthwise: 1}",
    "depthwiseconv2d": "{depthwise: 1}", "separableconv": "{depthwise_separable: CHANNELS}",
    "separableconv2d": "{depthwise_separable: CHANNELS}", "deconv": "{transposed: CHANNELS}",
    "convtranspose": "{transposed: CHANNELS}", "convtranspose2d": "{transposed: CHANNELS}",
    "conv2dtranspose": "{transposed: CHANNELS}", "deformconv": "{deformable: CHANNELS}",
    "linear": "{fc: OUTPUTS}", "gemm": "{fc: OUTPUTS}", "fullyconnected": "{fc: OUTPUTS}",
    "maxpool": "{pool: max}", "maxpool2d": "{pool: max}", "avgpool": "{pool: average}",
    "averagepool": "{pool: average}", "avgpool2d": "{pool: average}", "globalavgpool": "{global_pool: average}",
    "globalaveragepool": "{global_pool: average}", "gap": "{global_pool: average}",
    "globalmaxpool": "{global_pool: max}", "adaptiveavgpool2d": "{global_pool: average}",
    "pixelshuffle": "{depth_to_space: 2}", "depthtospace": "{depth_to_space: 2}",
    "pixelunshuffle": "{space_to_depth: 2}", "spacetodepth": "{space_to_depth: 2}", "resize": "{upsample: 2}",
    "upsampling": "{upsample: 2}", "upsampling2d": "{upsample: 2}", "cat": "{concat: NAME}",
    "slice": "{take: CHANNELS, first: 0}", "split": "{take: CHANNELS, first: 0}",
    "chunk": "{take: CHANNELS, first: 0}", "gather": "{take: [0, 1]}", "shuffle": "{channel_shuffle: 2}",
    "channelshuffle": "{channel_shuffle: 2}", "concatenate": "{concat: NAME}",
    "sub": "{subtract: NAME}", "mul": "{multiply: NAME}", "div": "{divide: NAME}",
    "instancenorm": "{normalize: instance}", "instancenorm2d": "{normalize: instance}",
    "instancenormalization": "{normalize: instance}", "groupnorm": "{normalize: group, groups: 8}",
    "groupnormalization": "{normalize: group, groups: 8}", "layernorm": "{normalize: layer}",
    "layernorm2d": "{normalize: layer}", "layernormalization": "{normalize: layer}",
    "softmax": "{across_channels: softmax}", "argmax": "{across_channels: argmax}",
    "product": "{multiply: NAME}", "residual": "{add: NAME}", "shortcut": "{add: NAME}",
}  # fmt: skip
#: Of activations and norms, which are no layers of their own.
ACTIVATIONS = (
    "relu", "leakyrelu", "prelu", "sigmoid", "tanh", "relu6", "clip", "activation", "abs", "elu", "gelu", "softplus",
    "exp", "sqrt", "erf",
)  # fmt: skip
NORMS = ("batchnorm", "batchnorm2d", "batchnormalization", "bn")
NOTHING = ("flatten", "dropout", "identity")


def word(name: str) -> str:
    """What another program's word for a layer is here; empty where nothing is known."""
    plain = name.lower().replace("_", "").replace("-", "")
    if plain in ACTIVATIONS:
        known = "relu" if plain in ("relu6", "activation") else name.lower()
        return f"a field of the layer before it, activation: {known}; or {{activate: {known}}}"
    if plain in NORMS:
        return "fold it into the weights before it, as 'convcli import' does"
    if plain in NOTHING:
        return "leave it out: it changes no number here"
    return f"that is {WORDS[plain]} here" if plain in WORDS else ""


NAME = Field("text", "A name for the layer, in tables and for joins.", "")
FROM = Field("text", "The earlier layer that it reads, or input, instead of the layer above.", "")
REPEAT = Field("whole", "How many times, one after the other.", 1)
