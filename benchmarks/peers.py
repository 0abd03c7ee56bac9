"""The libraries that are compared with, each loaded only where it is installed."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.model import Array


def installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def onnx_run(op: str, inputs: Sequence[Array], weights: Array, **attributes: Any) -> Callable[[], Array] | str:
    """One node of onnxruntime with `weights` as a constant second input; "not installed" where that is so."""
    if not (installed("onnxruntime") and installed("onnx")):
        return "not installed"
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    names = ["x", "offset", "mask"]
    order = ["x", "w"] if len(inputs) == 1 else ["x", "w", "offset", "", "mask"][: 3 if len(inputs) == 2 else 5]
    node = helper.make_node(op, order, ["y"], **attributes)
    given = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape)
        for name, array in zip(names, inputs, strict=False)
    ]
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [f"n{i}" for i in range(inputs[0].ndim)])
    graph = helper.make_graph([node], "g", given, [result], [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)])
    model.ir_version = 9
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads(), 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = dict(zip(names, inputs, strict=False))
    return lambda: session.run(None, feed)[0]


def torch_run(function: str, x: Array, weights: Array, **options: Any) -> Callable[[], Any] | str:
    """`torch.nn.functional`'s `function` in the faster of its layouts; "not installed" where that is so."""
    if not installed("torch"):
        return "not installed"
    import torch

    torch.set_num_threads(threads())
    given, w = torch.from_numpy(x), torch.from_numpy(weights)
    if x.ndim == 4:
        given, w = (t.contiguous(memory_format=torch.channels_last) for t in (given, w))
    return lambda: getattr(torch.nn.functional, function)(given, w, **options)
