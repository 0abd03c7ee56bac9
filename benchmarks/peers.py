"""The libraries that are compared with, each loaded only where it is installed."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

import cv2
import numpy as np

from benchmarks.model import Array

#: What isn't there, as a row tells it.
ABSENT = "not installed"
Run = Callable[[], Any]
# Threads that spin between calls take the cores from whoever has the next turn.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


@cache
def threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class Node:
    """One operation of an ONNX graph: constant inputs that follow its first one, and attributes."""

    op: str
    constants: Sequence[Array] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


def model(nodes: Sequence[Node], inputs: Sequence[Array]) -> bytes | None:
    """An ONNX model of nodes one after the other; the first has all `inputs`: x, or x, offset and mask.

    None where the package onnx isn't installed.
    """
    if not installed("onnx"):
        return None
    from onnx import TensorProto, helper, numpy_helper

    names = ["x", "offset", "mask"][: len(inputs)]
    output, constants, last = [], [], "x"
    for number, node in enumerate(nodes):
        own = [f"{number}.{place}" for place in range(len(node.constants))]
        constants += [numpy_helper.from_array(array, name) for array, name in zip(node.constants, own, strict=True)]
        order = [last, *own] if len(inputs) == 1 else ["x", *own, "offset", *["", "mask"][: 2 * (len(inputs) - 2)]]
        last = f"y{number}"
        output.append(helper.make_node(node.op, order, [last], **node.attributes))
    supplied = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape)
        for name, array in zip(names, inputs, strict=True)
    ]
    result = helper.make_tensor_value_info(last, TensorProto.FLOAT, [f"n{i}" for i in range(inputs[0].ndim)])
    graph = helper.make_graph(output, "g", supplied, [result], constants)
    file = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])
    file.ir_version = 9
    return bytes(file.SerializeToString())


def onnx_run(file: bytes | None, inputs: Sequence[Array]) -> Run | str:
    """A model in onnxruntime, on as many threads as there are cores."""
    if file is None or not installed("onnxruntime"):
        return ABSENT
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads(), 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    feed = dict(zip(["x", "offset", "mask"], inputs, strict=False))
    return lambda: session.run(None, feed)[0]


def dnn_run(file: bytes | None, x: Array) -> Run | str:
    """The same model in OpenCV, which is what our dependencies alone can reach."""
    if file is None:
        return ABSENT
    try:
        net = cv2.dnn.readNetFromONNX(np.frombuffer(file, np.uint8))
    except cv2.error as error:
        return f"can't: {str(error).strip().splitlines()[-1][:60]}"

    def run() -> Array:
        net.setInput(x)
        return np.asarray(net.forward())

    return run


@dataclass(frozen=True, kw_only=True)
class Call:
    """A function of `torch.nn.functional` by its name, with its arrays and other arguments."""

    function: str
    weights: Array
    bias: Array | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def torch_run(calls: Sequence[Call], x: Array) -> Run | str:
    """Calls one after the other, with relu between them, in the faster of torch's layouts."""
    if not installed("torch"):
        return ABSENT
    import torch

    torch.set_num_threads(threads())
    functional = torch.nn.functional

    def run_of(layout: Any) -> Run:
        first = torch.from_numpy(x).contiguous(memory_format=layout)
        steps = [
            partial(
                getattr(functional, call.function),
                weight=torch.from_numpy(call.weights).contiguous(memory_format=layout),
                bias=None if call.bias is None else torch.from_numpy(call.bias),
                **call.options,
            )
            for call in calls
        ]

        def run() -> Any:
            with torch.inference_mode():
                y = steps[0](first)
                for step in steps[1:]:
                    y = step(functional.relu(y, inplace=True))
                return y

        return run

    layouts = [torch.contiguous_format, *([torch.channels_last] if x.ndim == 4 else [])]
    runs = [run_of(layout) for layout in layouts]
    return min(runs, key=seconds) if len(runs) > 1 else runs[0]


def seconds(run: Run) -> float:
    """The least of three calls after a first one, of one where they are long."""
    taken = []
    for _ in range(4):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
        if taken[-1] > 0.1:
            break
    return min(taken)
