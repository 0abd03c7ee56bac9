"""Files that hold several arrays by name: .npz, .safetensors and .onnx, read as data and never as programs.

Source: safetensors' format (github.com/huggingface/safetensors); ONNX IR specification, TensorProto. Their libraries
are the extra `convcli[networks]`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from convcli.errors import KernelError, reason, suggestion
from convcli.files import streams
from convcli.ops.tensors import MEMBER_LIMIT, Tensor
from convcli.records import late, record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = late("numpy")

#: Bytes of a .safetensors header at most: names and shapes of a hundred thousand arrays.
HEADER_LIMIT: Final = 16 << 20
#: Names that an error lists.
LISTED: Final = 24
#: Dtypes of .safetensors files that are real numbers.
_DTYPES: Final = frozenset((
    "F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8", "BOOL",
))  # fmt: skip


@record(eq=False)
class Members:
    """The arrays of a file: shapes by name, and how the numbers of one are made."""

    path: Path
    shapes: Mapping[str, tuple[int, ...]]
    numbers: Callable[[str], npt.NDArray[Any]]
    #: What an .onnx file holds.
    model: Any = None

    def tensor(self, name: str) -> Tensor:
        """One array; the only one where `name` is empty. Raises `KernelError`, listing what is there."""
        if not name and len(self.shapes) == 1:
            name = next(iter(self.shapes))
        if name not in self.shapes:
            listed = ", ".join(list(self.shapes)[:LISTED]) or "no arrays"
            known = f"{listed} and {len(self.shapes) - LISTED} more" if len(self.shapes) > LISTED else listed
            fact = f"it has no member '{name}'; it holds {known}" if name else f"it holds {known}"
            example = f"say which: {self.path.name}::{next(iter(self.shapes))}" if self.shapes else ""
            raise KernelError(fact, place=str(self.path), hint=suggestion(name, self.shapes) or example)
        origin = f"{self.path.name}::{name}"

        def make() -> npt.NDArray[Any]:
            array = self.numbers(name)
            if array.shape != self.shapes[name] or array.dtype.kind not in "buif":
                raise ValueError(f"it holds {array.dtype} of shape {array.shape}; numbers of {self.shapes[name]} said")
            return array

        return Tensor(shape=self.shapes[name], origin=origin, make=make)


def members(path: Path) -> Members:
    """The arrays of a .safetensors or .onnx file, of which only the names and shapes are looked at now.

    Raises `KernelError` for a missing or damaged file, and where the library that reads it is not installed; `OSError`.
    """
    with streams.opened(path) as file:
        state = os.fstat(file.fileno())
    if path.suffix == ".onnx" and state.st_size > MEMBER_LIMIT:
        raise KernelError(f"it has {state.st_size:,} bytes; at most {MEMBER_LIMIT:,} are read", place=str(path))
    return _members(path.absolute(), path, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=8)
def _members(path: Path, place: Path, *version: int) -> Members:
    """Kept while the file is the same: a network asks for many arrays of one file."""
    return _onnx(path, place) if path.suffix == ".onnx" else _safetensors(path, place)


def missing(library: str, path: Path) -> KernelError:
    """The error where a library of the extra is not installed."""
    fact = f"{path.suffix} files are read by the library {library}, which is not installed"
    return KernelError(fact, place=str(path), hint="pip install 'convcli[networks]'")


def _safetensors(path: Path, place: Path) -> Members:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise missing("safetensors", place) from None
    with streams.opened(path) as file:
        length, size = int.from_bytes(streams.piece(file, 8).ljust(8, b"\0"), "little"), path.stat().st_size
    if length > min(HEADER_LIMIT, size - 8):
        fact = f"its header promises {length:,} bytes, {max(0, size - 8):,} follow; at most {HEADER_LIMIT:,} are read"
        raise KernelError(fact, place=str(place))
    try:
        with safe_open(path, framework="numpy") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118, no mapping
            shapes = {name: tuple(part.get_shape()) for name, part in slices.items()}
            kinds = {name: str(part.get_dtype()) for name, part in slices.items()}
    except (SafetensorError, ValueError, OverflowError) as error:
        raise KernelError(f"a damaged .safetensors file: {_reason(error)}", place=str(place)) from error

    def numbers(name: str) -> npt.NDArray[Any]:
        if kinds[name] not in _DTYPES:
            raise ValueError(f"it holds {kinds[name]}, which is not read; floats and integers of 8 to 64 bits are")
        try:
            if kinds[name] == "BF16":
                return _of_bfloat16(path, name)
            with safe_open(path, framework="numpy") as file:
                array: npt.NDArray[Any] = file.get_tensor(name)
        except SafetensorError as error:
            raise ValueError(_reason(error)) from error
        return array

    return Members(path=place, shapes=shapes, numbers=numbers)


def _of_bfloat16(path: Path, name: str) -> npt.NDArray[Any]:
    """numpy has no bfloat16: its bits are the upper half of a float32's."""
    import json

    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        entry = json.loads(file.read(length))[name]
        start, stop = entry["data_offsets"]
        file.seek(8 + length + start)
        halves = np.frombuffer(file.read(stop - start), "<u2").astype("<u4") << 16
    widened: npt.NDArray[Any] = halves.view("<f4").reshape(entry["shape"])
    return widened


def _onnx(path: Path, place: Path) -> Members:
    model = _onnx_model(path, place)
    from onnx import numpy_helper

    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    constants = (node for node in model.graph.node if node.op_type == "Constant" and node.output)
    stored |= {node.output[0]: entry.t for node in constants for entry in node.attribute if entry.name == "value"}

    def numbers(name: str) -> npt.NDArray[Any]:
        if stored[name].external_data:
            raise ValueError("its numbers are in another file, which is not read")
        try:
            array = np.asarray(numpy_helper.to_array(stored[name]))
        except Exception as error:  # whatever the library raises
            raise ValueError(f"damaged numbers: {_reason(error)}") from error
        return array.astype("f4") if array.dtype.name == "bfloat16" else array

    shapes = {name: tuple(t.dims) for name, t in stored.items()}
    return Members(path=place, shapes=shapes, numbers=numbers, model=model)


def _onnx_model(path: Path, place: Path) -> Any:
    """The model in an .onnx file, without numbers that it keeps in other files. Raises `KernelError`."""
    try:
        import onnx
    except ImportError:
        raise missing("onnx", place) from None
    try:
        model = onnx.load(path, load_external_data=False)
    except OSError as error:
        raise KernelError(reason(error), place=str(place)) from error
    except Exception as error:  # protobuf's, and what the library makes of it
        raise KernelError(f"not an ONNX file: {_reason(error)}", place=str(place)) from error
    if not model.graph.node and not model.graph.initializer:
        raise KernelError("not an ONNX file: it holds no graph", place=str(place))
    if any(isinstance(name, bytes) for name in _names(model.graph)):
        raise KernelError("not an ONNX file: a name in it is no UTF-8 text", place=str(place))
    return model


def _names(graph: Any) -> Iterator[str | bytes]:
    """All names in a graph: bytes where they are no text."""
    yield graph.name
    for value in (*graph.input, *graph.output, *graph.initializer):
        yield value.name
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)


def _reason(error: Exception) -> str:
    """What another library says, in one line."""
    return " ".join(str(error).split()) or type(error).__name__
