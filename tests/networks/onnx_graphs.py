"""Graphs of ONNX by what is in them: those that become network files, and those that no layer does."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import helper

RNG = np.random.default_rng(0)


def numbers(*shape: int) -> Any:
    return (RNG.normal(size=shape) / np.sqrt(max(1, np.prod(shape[1:])))).astype(np.float32)


def node(operator: str, *inputs: str, out: str = "y", **attributes: Any) -> Any:
    return helper.make_node(operator, list(inputs), [out], name=f"{operator}_{out}", **attributes)


def batch_norm(channels: int) -> dict[str, Any]:
    return {
        "scale": numbers(channels) + 1, "shift": numbers(channels), "mean": numbers(channels),
        "variance": np.abs(numbers(channels)) + 0.1,
    }  # fmt: skip


NORM = ("scale", "shift", "mean", "variance")


GRAPHS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "a norm behind a convolution": (
        [node("Conv", "x", "w", out="a", pads=[1] * 4), node("BatchNormalization", "a", *NORM, out="b"),
         node("Relu", "b")],
        {"w": numbers(6, 3, 3, 3), **batch_norm(6)},
    ),
    "a norm behind a convolution with groups and a bias": (
        [node("Conv", "x", "w", "b", out="a", group=3), node("BatchNormalization", "a", *NORM, epsilon=0.01)],
        {"w": numbers(6, 1, 3, 3), "b": numbers(6), **batch_norm(6)},
    ),
    "a norm behind a transposed convolution with groups": (
        [node("ConvTranspose", "x", "w", out="a", group=3, strides=[2, 2]), node("BatchNormalization", "a", *NORM)],
        {"w": numbers(3, 2, 3, 3), **batch_norm(6)},
    ),
    "a norm before a convolution": (
        [node("BatchNormalization", "x", *NORM, out="a"), node("Conv", "a", "w")],
        {"w": numbers(4, 3, 3, 3), **batch_norm(3)},
    ),
    "a norm of what two read": (
        [
            node("Conv", "x", "w", out="a", pads=[1] * 4), node("BatchNormalization", "a", *NORM, out="b"),
            node("Relu", "b", out="c"), node("Add", "a", "c"),
        ],
        {"w": numbers(3, 3, 3, 3), **batch_norm(3)},
    ),
    "a bias as a node": (
        [node("Conv", "x", "w", out="a"), node("Add", "a", "b")], {"w": numbers(4, 3, 1, 1), "b": numbers(1, 4, 1, 1)},
    ),
    "a classifier": (
        [
            node("Conv", "x", "w", out="a", strides=[2, 2]), node("Relu", "a", out="b"),
            node("GlobalAveragePool", "b", out="c"), node("Flatten", "c", out="d"),
            node("MatMul", "d", "fc", out="e"), node("Add", "e", "bias"),
        ],
        {"w": numbers(4, 3, 3, 3), "fc": numbers(4, 7), "bias": numbers(7)},
    ),
    "reshape before gemm": (
        [node("Reshape", "x", "to", out="a"), node("Gemm", "a", "w", "b", transB=1, alpha=0.5, beta=2.0)],
        {"to": np.int64([1, -1]), "w": numbers(5, 3 * 12 * 10), "b": numbers(5)},
    ),
    "cells of the picture itself": (
        [node("Pad", "x", "pads", out="a", mode="reflect"), node("Conv", "a", "w")],
        {"pads": np.int64([0, 0, 1, 2, 0, 0, 3, 1]), "w": numbers(4, 3, 3, 3)},
    ),
    "cells of zeros around a padded convolution": (
        [node("Pad", "x", "pads", out="a"), node("Conv", "a", "w", pads=[1, 0, 1, 2])],
        {"pads": np.int64([0, 0, 1, 2, 0, 0, 3, 1]), "w": numbers(4, 3, 3, 3)},
    ),
    "more cells at the end": (
        [node("Conv", "x", "w", pads=[1, 1, 2, 2])], {"w": numbers(2, 3, 4, 4)},
    ),
    "a pool with more cells at the end": (
        [node("MaxPool", "x", kernel_shape=[3, 2], strides=[2, 1], pads=[0, 0, 1, 1])], {},
    ),
    "branches": (
        [
            node("Conv", "x", "w", out="a"), node("Relu", "a", out="b"), node("Conv", "x", "v", out="c"),
            node("Sigmoid", "c", out="d"), node("Concat", "d", "b", "a", out="e", axis=1),
            node("Sub", "e", "e", out="f"),
            node("LeakyRelu", "e", out="g", alpha=0.3), node("Add", "f", "g"),
        ],
        {"w": numbers(2, 3, 1, 1), "v": numbers(3, 3, 1, 1)},
    ),
    "an output that is not the last": (
        [node("Conv", "x", "w"), node("Relu", "y", out="unused")], {"w": numbers(2, 3, 1, 1)},
    ),
    "auto_pad": (
        [node("Conv", "x", "w", out="a", auto_pad="SAME_UPPER", strides=[2, 2]),
         node("Conv", "a", "v", auto_pad="VALID")],
        {"w": numbers(2, 3, 4, 3), "v": numbers(2, 2, 2, 2)},
    ),
    "names for one value, which others read, too": (
        [node("Conv", "x", "w", out="a"), node("Identity", "a", out="b"), node("Relu", "b", out="c"),
         node("Dropout", "a", out="d"), node("Sigmoid", "d", out="e"), node("Concat", "e", out="f", axis=1),
         node("Tanh", "f", out="g"), node("Add", "c", "e", out="h"), node("Add", "g", "h")],
        {"w": numbers(2, 3, 1, 1)},
    ),
    "rows of numbers side by side": (
        [node("Flatten", "x", out="a"), node("Sigmoid", "a", out="b"), node("Concat", "a", "b", out="c", axis=-1),
         node("Gemm", "c", "w", out="d", transB=1), node("PRelu", "d", "s", out="e"),
         node("Gemm", "e", "v")],
        {"w": numbers(6, 720), "s": numbers(6), "v": numbers(6, 2)},
    ),
    "clips": (
        [node("Clip", "x", "low", out="a"), node("Clip", "a", "", "high", out="b"), node("Clip", "b", "low", "high")],
        {"low": np.float32(-0.5), "high": np.float32(0.75)},
    ),
    "numbers per channel": (
        [node("Mul", "x", "f", out="a"), node("Sub", "c", "a", out="b"), node("Conv", "b", "w", out="d", pads=[1] * 4),
         node("Div", "d", "g", out="e"), node("Relu", "e", out="h"), node("Add", "h", "s", out="i"),
         node("Neg", "i", out="j"), node("Mul", "j", "two")],
        {"f": numbers(3, 1, 1), "c": numbers(1, 3, 1, 1), "w": numbers(4, 3, 3, 3), "g": numbers(1, 4, 1, 1) + 2,
         "s": np.float32([0.5]), "two": np.float32(2)},
    ),
    "a picture's mean and deviation behind a branch": (
        [node("Sub", "x", "mean", out="a"), node("Div", "a", "deviation", out="b"), node("Conv", "b", "w", out="c"),
         node("Mul", "c", "half", out="d"), node("Add", "c", "d")],
        {"mean": np.float32([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1), "w": numbers(2, 3, 1, 1),
         "deviation": np.float32([0.229, 0.224, 0.225]).reshape(3, 1, 1), "half": np.float32([[[[0.5]]]])},
    ),
    "factors of groups of a transposed convolution": (
        [node("ConvTranspose", "x", "w", out="a", group=3, strides=[2, 2]), node("Mul", "a", "f", out="b"),
         node("HardSigmoid", "b", alpha=0.3, beta=0.4)],
        {"w": numbers(3, 2, 3, 3), "f": numbers(6, 1, 1)},
    ),
    "hard sigmoids": ([node("Relu", "x", out="a"), node("HardSigmoid", "a")], {}),
    "means of rows and columns": (
        [node("Conv", "x", "w", out="a"), node("ReduceMean", "a", "axes", out="b", keepdims=0),
         node("Mul", "b", "f", out="c"), node("Gemm", "c", "v", out="d"), node("Add", "d", "s")],
        {"w": numbers(4, 3, 1, 1), "axes": np.int64([-1, -2]), "f": numbers(4), "v": numbers(4, 5), "s": numbers(1, 5)},
    ),
    "the greatest of rows and columns, squeezed": (
        [node("ReduceMax", "x", "axes", out="a", keepdims=1), node("Squeeze", "a", "axes", out="b"),
         node("Gemm", "b", "v", out="c"), node("Unsqueeze", "c", "axes", out="d"), node("Conv", "d", "w", out="e"),
         node("Flatten", "e")],
        {"axes": np.int64([2, 3]), "v": numbers(3, 5), "w": numbers(4, 5, 1, 1)},
    ),
    "a pixel of numbers": (
        [node("GlobalAveragePool", "x", out="a"), node("Flatten", "a", out="b"), node("Gemm", "b", "v", out="c"),
         node("Reshape", "c", "to", out="d"), node("Conv", "d", "w", out="e"), node("Reshape", "e", "back")],
        {"v": numbers(3, 5), "w": numbers(4, 5, 1, 1), "to": np.int64([-1, 5, 1, 1]), "back": np.int64([1, -1])},
    ),
    "weights that nodes make of others": (
        [node("Transpose", "w", out="t", perm=[3, 2, 0, 1]), node("Conv", "x", "t", out="a"),
         node("Identity", "v", out="i"), node("Flatten", "a", out="b"), node("Transpose", "i", out="j", perm=[1, 0]),
         node("MatMul", "b", "j")],
        {"w": numbers(3, 3, 3, 4), "v": numbers(6, 4 * 10 * 8)},
    ),
    "shapes that nodes compute": (
        [node("Conv", "x", "w", out="a"), node("Shape", "a", out="s", end=1),
         node("Concat", "s", "rest", out="to", axis=0),
         node("Reshape", "a", "to", out="r"), node("Gemm", "r", "v", transB=1)],
        {"w": numbers(2, 3, 1, 1), "rest": np.int64([-1]), "v": numbers(3, 240)},
    ),
    "sizes that nodes compute": (
        [node("MaxPool", "x", out="p", kernel_shape=[2, 2], strides=[2, 2]), node("Shape", "x", out="s"),
         node("Slice", "s", "two", "four", out="side"), node("Concat", "head", "side", out="to", axis=0),
         node("Resize", "p", "", "", "to", out="up", mode="linear"), node("Add", "up", "x")],
        {"two": np.int64([2]), "four": np.int64([4]), "head": np.int64([1, 3])},
    ),
    "channels last, as TensorFlow has them": (
        [node("Transpose", "x", out="l", perm=[0, 2, 3, 1]), node("Mul", "l", "f", out="a"),
         node("Relu", "a", out="b"), node("Concat", "b", "l", out="c", axis=3),
         node("Transpose", "c", out="d", perm=[0, 3, 1, 2]), node("Conv", "d", "w", out="e"),
         node("Transpose", "e", out="g", perm=[0, 2, 3, 1]), node("Add", "g", "s", out="h"),
         node("Reshape", "h", "row", out="i"), node("MatMul", "i", "v")],
        {"f": numbers(3), "w": numbers(4, 6, 1, 1), "s": numbers(1, 1, 1, 4), "row": np.int64([-1, 480]),
         "v": numbers(480, 5)},
    ),
    "means of channels last": (
        [node("Transpose", "x", out="l", perm=[0, 2, 3, 1]), node("ReduceMean", "l", "axes", out="m", keepdims=1),
         node("Squeeze", "m", "axes", out="r"), node("Gemm", "r", "v")],
        {"axes": np.int64([1, 2]), "v": numbers(3, 4)},
    ),
    "cells around the output": ([node("Relu", "x", out="a"), node("Pad", "a", "p", mode="reflect")],
                                {"p": np.int64([0, 0, 4, 1, 0, 0, 1, 2])}),
    "a pool behind Pad": ([node("Pad", "x", "p", out="a"), node("MaxPool", "a", kernel_shape=[2, 2])],
                          {"p": np.int64([0, 0, 1, 1, 0, 0, 2, 1])}),
    "two that read what Pad makes": (
        [node("Pad", "x", "p", out="a", mode="edge"), node("Conv", "a", "w", out="b"),
         node("MaxPool", "a", out="c", kernel_shape=[3, 3], strides=[1, 1]), node("Add", "b", "c")],
        {"p": np.int64([0, 0, 1, 1, 0, 0, 1, 1]), "w": numbers(3, 3, 3, 3)},
    ),
    "a mean that counts its cells": (
        [node("AveragePool", "x", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 0, 1], count_include_pad=1,
              ceil_mode=1)], {},
    ),
    "a product of layers": ([node("Sigmoid", "x", out="a"), node("Mul", "a", "x")], {}),
    "hard swish of what two read": (
        [node("Conv", "x", "w", out="a"), node("HardSwish", "a", out="b"), node("Add", "a", "b", out="c"),
         node("HardSwish", "c")],
        {"w": numbers(4, 3, 3, 3) * 4},
    ),
    "hard swish in the words of old exporters": (
        [node("Conv", "x", "w", out="a"), node("Add", "a", "three", out="b"), node("Clip", "b", "zero", "six", out="c"),
         node("Mul", "a", "c", out="d"), node("Div", "d", "six")],
        {"w": numbers(4, 3, 3, 3) * 4, "three": np.float32(3), "zero": np.float32(0), "six": np.float32(6)},
    ),
    "squeeze and excitation": (
        [node("Conv", "x", "w", out="a"), node("ReduceMean", "a", "axes", out="m", keepdims=1),
         node("Conv", "m", "v", out="b"), node("Relu", "b", out="c"), node("Conv", "c", "u", out="d"),
         node("HardSigmoid", "d", out="s"), node("Mul", "s", "a", out="e"), node("GlobalMaxPool", "e", out="f"),
         node("Flatten", "f", out="g"), node("Gemm", "g", "fc")],
        {"w": numbers(8, 3, 3, 3), "axes": np.int64([2, 3]), "v": numbers(2, 8, 1, 1), "u": numbers(8, 2, 1, 1),
         "fc": numbers(8, 5)},
    ),
    "excitation by fully connected layers": (
        [node("Conv", "x", "w", out="a"), node("GlobalAveragePool", "a", out="m"), node("Flatten", "m", out="r"),
         node("Gemm", "r", "v", out="b"), node("Sigmoid", "b", out="c"), node("Reshape", "c", "to", out="s"),
         node("Mul", "a", "s", out="d"), node("Relu", "d")],
        {"w": numbers(6, 3, 3, 3), "v": numbers(6, 6), "to": np.int64([1, 6, 1, 1])},
    ),
    "attention of one channel": (
        [node("Conv", "x", "w", out="a"), node("Conv", "a", "v", out="b"), node("Sigmoid", "b", out="c"),
         node("Mul", "c", "a")],
        {"w": numbers(6, 3, 3, 3), "v": numbers(1, 6, 1, 1)},
    ),
    "a residual in a residual, scaled": (
        [node("Conv", "x", "w", out="a", pads=[1] * 4), node("LeakyRelu", "a", out="b", alpha=0.2),
         node("Concat", "x", "b", out="c", axis=1), node("Conv", "c", "v", out="d", pads=[1] * 4),
         node("Mul", "d", "fifth", out="e"), node("Add", "e", "x", out="f"), node("Mul", "f", "fifth", out="g"),
         node("Add", "g", "x")],
        {"w": numbers(5, 3, 3, 3), "v": numbers(3, 8, 3, 3), "fifth": np.float32(0.2)},
    ),
    "up again, beside what went round": (
        [node("Conv", "x", "w", out="a", pads=[1] * 4),
         node("MaxPool", "a", out="b", kernel_shape=[2, 2], strides=[2, 2]),
         node("ConvTranspose", "b", "t", out="c", strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1], group=2),
         node("Concat", "c", "a", out="d", axis=1), node("Conv", "d", "v", auto_pad="SAME_LOWER", strides=[2, 2])],
        {"w": numbers(4, 3, 3, 3), "t": numbers(4, 3, 3, 3), "v": numbers(2, 10, 4, 4)},
    ),
    "channels split, changed and joined": (
        [node("Conv", "x", "w", out="a"),
         helper.make_node("Split", ["a", "parts"], ["l", "unread", "r"], axis=-3, name="s"),
         node("Relu", "l", out="b"), node("BatchNormalization", "r", *NORM, out="c"),
         node("Concat", "c", "b", axis=1)],
        {"w": numbers(9, 3, 3, 3), "parts": np.int64([2, 3, 4]), **batch_norm(4)},
    ),
    "some of the channels, and backwards": (
        [node("Conv", "x", "w", out="a"), node("Slice", "a", "one", "far", "one", "two", out="b"),
         node("Slice", "a", "last", "low", "one", "back", out="c"), node("Gather", "a", "which", out="d", axis=1),
         node("Slice", "a", "zero", "far", "one", out="all"), node("Relu", "all", out="e"),
         node("Concat", "b", "c", "d", "e", "a", axis=1)],
        {"w": numbers(7, 3, 3, 3), "zero": np.int64([0]), "one": np.int64([1]), "two": np.int64([2]),
         "far": np.int64([1 << 40]), "last": np.int64([-1]), "low": np.int64([-1 << 40]), "back": np.int64([-1]),
         "which": np.int64([-1, 3, 3, 0])},
    ),
    "channels shuffled": (
        [node("Conv", "x", "w", out="a", group=3), node("Reshape", "a", "apart", out="b"),
         node("Transpose", "b", out="c", perm=[0, 2, 1, 3, 4]), node("Reshape", "c", "together", out="d"),
         node("Conv", "d", "v", group=3)],
        {"w": numbers(6, 1, 3, 3), "v": numbers(3, 2, 1, 1), "apart": np.int64([-1, 3, 2, 10, 8]),
         "together": np.int64([0, -1, 10, 8])},
    ),
    "channels shuffled by halves": (
        [node("Conv", "x", "w", out="a"), node("Reshape", "a", "apart", out="b"),
         node("Transpose", "b", out="c", perm=[1, 0, 2]), node("Reshape", "c", "together", out="d"),
         node("Gather", "d", "none", out="l"), node("Gather", "d", "one", out="r", axis=0),
         node("Concat", "r", "l", axis=1)],
        {"w": numbers(6, 3, 3, 3), "apart": np.int64([3, 2, 80]), "together": np.int64([2, -1, 3, 10, 8]),
         "none": np.int64(0), "one": np.int64(1)},
    ),
    "there and back, beside the half": (
        [node("Conv", "x", "w", out="a"), node("Reshape", "a", "apart", out="b"),
         node("Reshape", "b", "together", out="c"), node("Relu", "c", out="d"),
         node("Gather", "b", "half", out="e", axis=1), node("Squeeze", "e", "one", out="f"),
         node("Concat", "d", "f", axis=1)],
        {"w": numbers(6, 3, 3, 3), "apart": np.int64([1, 2, 3, 10, 8]), "together": np.int64([1, 6, 10, 8]),
         "half": np.int64([1]), "one": np.int64([1])},
    ),
    "halves of channels last": (
        [node("Transpose", "x", out="l", perm=[0, 2, 3, 1]), node("Slice", "l", "one", "far", "three", out="a"),
         node("Mul", "a", "s", out="b"), node("Transpose", "b", out="c", perm=[0, 3, 1, 2]), node("Conv", "c", "w")],
        {"one": np.int64([1]), "far": np.int64([9]), "three": np.int64([3]), "s": numbers(2), "w": numbers(4, 2, 3, 3)},
    ),
    "an old name of resize": (
        [node("Conv", "x", "w", out="a"), node("Resize", "a", "", "s", mode="nearest", nearest_mode="floor",
              coordinate_transformation_mode="asymmetric")],
        {"w": numbers(2, 3, 1, 1), "s": np.float32([1, 1, 3, 3])},
    ),
}  # fmt: skip


REFUSED: dict[str, tuple[list[Any], dict[str, Any], list[str]]] = {
    "cumsum": ([node("Conv", "x", "w", out="a"), node("CumSum", "a", "i")],
               {"w": numbers(2, 3, 1, 1), "i": np.int64(1)}, ["CumSum_y"]),
    "another domain": ([node("Conv", "x", "w", out="a"), helper.make_node("Swish", ["a"], ["y"], domain="com.maker")],
                       {"w": numbers(2, 3, 1, 1)}, ["'y' (Swish)"]),
    "a cycle": ([node("Add", "x", "b", out="a"), node("Relu", "a", out="b")], {}, ["Add_a", "reads 'b'", "cycle"]),
    "computed weights": ([node("Relu", "x", out="w"), node("Conv", "x", "w")], {}, ["Conv_y", "'w' is no constant"]),
    "some of the rows": ([node("Slice", "x", "one", "far", "two", out="a"), node("Relu", "a")],
                         {"one": np.int64([1]), "far": np.int64([9]), "two": np.int64([2])},
                         ["'Slice_a' (Slice)", "no picture of whole channels"]),
    "halves of a row": ([node("Flatten", "x", out="a"), node("Split", "a", axis=1, num_outputs=1)], {}, ["one row"]),
    "a constant's channels": ([node("Relu", "x", out="a"), node("Gather", "c", "a")], {"c": numbers(4)}, ["Gather_y"]),
    "channels of cells beside each other": (
        [node("Reshape", "x", "to", out="a"), node("Conv", "a", "w")],
        {"to": np.int64([1, 12, 6, 5]), "w": numbers(2, 12, 1, 1)}, ["'Reshape_a' (Reshape)", "[1, 12, 6, 5]"]),
    "a volume": ([node("Conv", "x", "w")], {"w": numbers(2, 3, 1, 1, 1)}, ["Conv_y", "rank 5"]),
    "less at the edges": ([node("Relu", "x", out="a"), node("Pad", "a", "p")],
                          {"p": np.int64([0, 0, -1, 1, 0, 0, 1, 1])}, ["output 'y'", "cuts off cells"]),
    "constants alone": ([node("Relu", "x", out="a"), node("Add", "c", "c")], {"c": numbers(3)},
                        ["output 'y'", "constant"]),
    "numbers per pixel": ([node("Mul", "x", "m")], {"m": numbers(12, 10)}, ["Mul_y", "(12, 10)", "1x3x12x10"]),
    "numbers of another count": ([node("Mul", "x", "m")], {"m": numbers(5, 1, 1)}, ["Mul_y", "5 numbers for 3"]),
    "numbers of a higher rank": ([node("Add", "x", "m")], {"m": numbers(1, 1, 1, 1, 1)}, ["Add_y", "(1, 1, 1, 1, 1)"]),
    "a constant over a layer": ([node("Div", "c", "x")], {"c": np.float32(1)}, ["Div_y", "over what a layer"]),
    "a division by 0": ([node("Div", "x", "c")], {"c": np.float32([1, 0, 1]).reshape(3, 1, 1)}, ["Div_y", "by 0"]),
    "a mean of rows alone": ([node("ReduceMean", "x", "a")], {"a": np.int64([2])}, ["ReduceMean_y", "[2]"]),
    "axes in another order": ([node("Transpose", "x", perm=[0, 1, 3, 2])], {}, ["Transpose_y", "[0, 1, 3, 2]"]),
    "a pool of channels last": (
        [node("Transpose", "x", out="a", perm=[0, 2, 3, 1]), node("MaxPool", "a", kernel_shape=[2, 2])], {},
        ["MaxPool_y", "channels last"],
    ),
    "rows of pixels with channels last": (
        [node("Transpose", "x", out="a", perm=[0, 2, 3, 1]), node("Flatten", "a", out="b"), node("Relu", "b")], {},
        ["Relu_y", "only Gemm"],
    ),
    "a size that is no multiple": ([node("Resize", "x", "", "", "s")], {"s": np.int64([1, 3, 30, 25])},
                                   ["Resize_y", "2.5"]),
    "one of many rows": ([node("Relu", "x", out="a"), node("Squeeze", "a", "i")], {"i": np.int64([2, 3])},
                         ["Squeeze_y", "more rows"]),
    "rows and a picture": ([node("Flatten", "x", out="a"), node("Add", "a", "x")], {}, ["Add_y", "one row"]),
    "a product along columns": ([node("MatMul", "x", "w")], {"w": numbers(10, 4)}, ["MatMul_y", "no row"]),
    "rows of all pictures": ([node("Flatten", "x", axis=2)], {}, ["Flatten_y", "axis 2"]),
    "norms of another number": ([node("Conv", "x", "w", out="a"), node("BatchNormalization", "a", *NORM)],
                                {"w": numbers(6, 3, 1, 1), **batch_norm(1)}, ["1 numbers for 6 channels"]),
    "taps that its weights don't have": ([node("Conv", "x", "w", kernel_shape=[1, 3])], {"w": numbers(2, 3, 3, 3)},
                                         ["Conv_y", "kernel_shape (1, 3)"]),
    "padded mean": ([node("AveragePool", "x", kernel_shape=[3, 3], auto_pad="SAME_UPPER", count_include_pad=1)], {},
                    ["count_include"]),
    "rows joined": ([node("Concat", "x", "x", axis=2)], {}, ["axis 2"]),
    "two fifths of sizes": ([node("Resize", "x", "", "s")], {"s": np.float32([1, 1, 0.4, 0.4])}, ["scales"]),
    "a shape": ([node("Reshape", "x", "s")], {"s": np.int64([1, 3, -1])}, ["[1, 3, -1]"]),
    "nothing known": ([node("Identity", "x")], {}, ["no layer that is known"]),
}  # fmt: skip
