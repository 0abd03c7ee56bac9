"""Real networks that tests read beside the checkout, where they are, and onnxruntime's word on any graph."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from convcli.filtering import Chain, filter_pixels
from convcli.networks import runnable
from tests.support import ROOT

#: Others' weights, which are no part of the project.
FOLDER = Path(os.environ.get("CONVCLI_NETWORKS", ROOT.parent / "shared" / "networks"))


def weights(name: str) -> Path:
    """A file of weights; the test is skipped where it isn't there."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"needs {name} in {FOLDER} (or in CONVCLI_NETWORKS)")
    return path


def model(nodes: list[Any], arrays: dict[str, Any], *, channels: int = 3, opset: int = 20) -> Any:
    """An ONNX model of nodes from `x` (1, channels, any, any) to `y`."""
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, channels, "h", "w"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def answer(onnx_model: Any, x: Any) -> Any:
    """What onnxruntime makes of `x` (height, width, channels), as (height, width, channels) or (1, 1, numbers)."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    session = onnxruntime.InferenceSession(onnx_model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    y = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(x.transpose(2, 0, 1)[None])})[0][0]
    return y.reshape(1, 1, -1) if y.ndim == 1 else y.transpose(1, 2, 0)


def ours(file: str | Path, x: Any) -> Any:
    """What a network file makes of an array (height, width, channels)."""
    kernel = runnable.load(str(file))
    assert kernel is not None
    return filter_pixels(x, Chain([kernel]), axes="yx" if kernel.network.picture is None else "").array
