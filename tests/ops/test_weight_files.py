"""Weights by name from .safetensors and .onnx files: the numbers that are in them, or one line that says why not."""

from __future__ import annotations

import builtins
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import support
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

import convcli
from convcli.errors import KernelError
from convcli.ops import tensors, weight_files

DTYPES = ["float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"]


def safetensors_file(path: Path, header: dict[str, Any], data: bytes = b"", *, length: int | None = None) -> Path:
    """A file of that header and data, whatever they say."""
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def onnx_file(path: Path, *stored: onnx.TensorProto, nodes: Any = ()) -> Path:
    graph = helper.make_graph(list(nodes), "g", [], [], initializer=list(stored))
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


def numbers(dtype: str) -> Any:
    return (support.noise(3, 1, 2, 2, seed=1).astype("float64") - 100).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_numbers_are_what_was_saved(dtype: str, tmp_path: Path) -> None:
    array = numbers(dtype)
    save_file({"a.weight": array, "b": array[0]}, tmp_path / "w.safetensors")
    onnx_file(tmp_path / "w.onnx", numpy_helper.from_array(array, "a.weight"), numpy_helper.from_array(array[0], "b"))
    for name in ("w.safetensors", "w.onnx"):
        tensor = tensors.from_file(f"{name}::a.weight", tmp_path)
        assert tensor.shape == (3, 1, 2, 2)
        assert tensor.array.dtype == np.float64
        assert np.array_equal(tensor.array, array.astype(np.float64))


def test_bfloat16_is_widened(tmp_path: Path) -> None:
    exact = np.float32([[1.5, -2.0], [0.15625, 3e20]])
    halves = (exact.view("<u4") >> 16).astype("<u2").tobytes()
    header = {"w": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [0, 8]}}
    safetensors_file(tmp_path / "w.safetensors", header, halves)
    stored = TensorProto(name="w", data_type=TensorProto.BFLOAT16, dims=[2, 2], raw_data=halves)
    onnx_file(tmp_path / "w.onnx", stored)
    for name in ("w.safetensors", "w.onnx"):
        assert np.array_equal(
            tensors.from_file(f"{name}::w", tmp_path).native, (exact.view("u4") >> 16 << 16).view("f4")
        )


def test_the_constants_of_a_graph_are_taken_too(tmp_path: Path) -> None:
    node = helper.make_node("Constant", [], ["w"], value=numpy_helper.from_array(np.float32([1, 2])))
    assert tensors.from_file(str(onnx_file(tmp_path / "w.onnx", nodes=[node])), Path()).array.tolist() == [1, 2]


def test_every_field_that_takes_an_array_takes_one_by_name(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "conv.weight": rng.normal(size=(4, 3, 3, 3)), "conv.bias": rng.normal(size=4),
        "conv.slope": rng.uniform(size=4),
        "taps": rng.normal(size=3), "offsets": rng.normal(size=(18, 8, 8)), "mask": rng.uniform(size=(9, 8, 8)),
    }  # fmt: skip
    save_file(arrays, tmp_path / "w.safetensors")
    x = rng.normal(size=(8, 8, 3))
    for text, same in [
        (
            "weights: w.safetensors::conv.weight\nbias: w.safetensors::conv.bias\n"
            "activation: {prelu: w.safetensors::conv.slope}",
            {"weights": "conv.weight", "bias": "conv.bias", "activation": {"prelu": arrays["conv.slope"]}},
        ),
        (
            "type: separable\ntaps: {y: w.safetensors::taps, x: [1, 2, 1]}",
            {"taps": {"y": arrays["taps"], "x": [1, 2, 1]}},
        ),
        (
            "type: deformable\nweights: [[1, 2, 1], [2, 4, 2], [1, 2, 1]]\noffsets: w.safetensors::offsets\n"
            "mask: w.safetensors::mask",
            {"weights": [[1, 2, 1], [2, 4, 2], [1, 2, 1]], "offsets": "offsets", "mask": "mask"},
        ),
    ]:
        (tmp_path / "k.yaml").write_text(text)
        kind = text.partition("type: ")[2].partition("\n")[0] or "dense"
        fields = {key: arrays.get(value, value) if isinstance(value, str) else value for key, value in same.items()}
        expected = convcli.load({"type": kind, **fields}).apply(x)
        assert np.array_equal(convcli.load(tmp_path / "k.yaml").apply(x), expected)


def damaged(folder: Path) -> dict[str, tuple[str, list[str]]]:
    """Name -> what is asked for, and what the one line of the error holds."""
    save_file({f"layer{n}.weight": np.zeros((1, 1), "f4") for n in range(40)}, folder / "many.safetensors")
    one = {"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}
    lies: dict[str, tuple[dict[str, Any], bytes, int | None]] = {
        "longer.safetensors": (one, bytes(8), None),
        "shape.safetensors": ({"w": {**one["w"], "shape": [2, 200]}}, bytes(16), None),
        "outside.safetensors": ({"w": {**one["w"], "data_offsets": [1 << 40, (1 << 40) + 16]}}, bytes(16), None),
        "overflow.safetensors": ({"w": {**one["w"], "shape": [1 << 62, 1 << 62]}}, bytes(16), None),
        "header.safetensors": (one, bytes(16), 1 << 50),
        "kind.safetensors": ({"w": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}}, bytes(4), None),
    }
    for name, (header, data, length) in lies.items():
        safetensors_file(folder / name, header, data, length=length)
    (folder / "empty.safetensors").write_bytes(b"")
    (folder / "text.onnx").write_text("<html>no model</html>")
    (folder / "empty.onnx").write_bytes(b"")
    external = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2, 2], data_location=TensorProto.EXTERNAL)
    external.external_data.add(key="location", value="/etc/passwd")
    onnx_file(folder / "external.onnx", external)
    onnx_file(folder / "short.onnx", TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[9, 9], raw_data=bytes(8)))
    onnx_file(folder / "words.onnx", helper.make_tensor("w", TensorProto.STRING, [1], [b"word"]))
    return {
        "missing file": ("no.safetensors::w", ["no such file"]),
        "missing member": (
            "many.safetensors::layer7.wieght", ["no member 'layer7.wieght'", "did you mean 'layer7.weight'?"],
        ),
        "many members": (
            "many.safetensors", ["layer0.weight", "and 16 more", "say which: many.safetensors::layer0.weight"],
        ),
        "fewer bytes": ("longer.safetensors::w", ["damaged .safetensors"]),
        "a lying shape": ("shape.safetensors::w", ["damaged .safetensors"]),
        "outside": ("outside.safetensors::w", ["damaged .safetensors"]),
        "overflow": ("overflow.safetensors::w", ["damaged .safetensors"]),
        "a lying header": ("header.safetensors::w", ["promises 1,125,899,906,842,624 bytes"]),
        "a dtype": ("kind.safetensors::w", ["F8_E4M3"]),
        "nothing": ("empty.safetensors::w", ["0 follow"]),
        "no ONNX": ("text.onnx::w", ["not an ONNX file"]),
        "no bytes": ("empty.onnx::w", ["not an ONNX file"]),
        "external data": ("external.onnx::w", ["in another file, which is not read"]),
        "short data": ("short.onnx::w", ["damaged numbers"]),
        "words": ("words.onnx::w", ["numbers of (1,) said"]),
        "a pickle": ("model.pt::w", ["is a pickle", "save_file", "model.safetensors"]),
        "another pickle": ("model.pth", ["is a pickle", "torch.load('model.pth', weights_only=True)"]),
    }  # fmt: skip


def test_what_is_damaged_gets_one_line_at_its_place(tmp_path: Path) -> None:
    for source, says in damaged(tmp_path).values():
        refused(tmp_path, source, says)


def refused(tmp_path: Path, source: str, says: list[str]) -> None:
    (tmp_path / "k.yaml").write_text(f"about: A test.\nweights: {source}\n")
    result = support.run("show", tmp_path / "k.yaml")
    assert result.code == 2
    assert result.err.count("Error:") == 1 and "Traceback" not in result.err
    assert f"{tmp_path / 'k.yaml'}:2:10: " in result.err
    for text in says:
        assert text in result.err


@pytest.mark.parametrize("library", ["onnx", "safetensors"])
def test_without_the_library_one_line_says_what_to_install(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_file({"w": np.zeros((1, 1))}, tmp_path / "w.safetensors")
    onnx_file(tmp_path / "w.onnx", numpy_helper.from_array(np.zeros((1, 1)), "w"))
    real = builtins.__import__

    def without(name: str, *arguments: Any, **more: Any) -> Any:
        if name.partition(".")[0] == library:
            raise ImportError(name)
        return real(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    weight_files._members.cache_clear()
    with pytest.raises(KernelError, match=f"the library {library}") as caught:
        tensors.from_file(f"w.{library}", tmp_path)
    assert caught.value.hint == "pip install 'convcli[networks]'"


def test_a_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    for value in (1.0, 2.0):
        save_file({"w": np.full((2, 2), value)}, tmp_path / "w.safetensors")
        (tmp_path / "w.safetensors").touch()
        assert tensors.from_file("w.safetensors::w", tmp_path).array[0, 0] == value
