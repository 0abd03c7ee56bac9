"""An .onnx file -> a network, and the text of the network file that says the same."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convcli.errors import KernelError
from convcli.networks import file
from convcli.networks.network import Network
from convcli.networks.onnx.graph import INPUT, JOINS, Graph, Layer, Unsupported
from convcli.networks.onnx.moved import MOVING
from convcli.networks.onnx.operators import OFF_LAST, OFF_ROWS, ON_LAST, ON_ROWS, OPERATORS
from convcli.ops import tensors
from convcli.ops.weight_files import members
from convcli.records import late, record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = late("numpy")

#: What attributes of another type, or inputs of other numbers or shapes than the operator has, raise.
_MALFORMED = (AttributeError, ArithmeticError, LookupError, TypeError, ValueError)
#: Nodes that a note names.
_NAMED = 6


@record(eq=False)
class Imported:
    """A graph as a network file: its text without `weights`, which are `arrays`, and notes on what was left out."""

    text: str
    arrays: dict[str, npt.NDArray[np.floating[Any]]]
    notes: tuple[str, ...]

    def naming(self, weights: str) -> str:
        """The text of the file whose weights are in the file `weights` beside it."""
        if not self.arrays:
            return self.text
        head, layers, rest = self.text.partition("layers:\n")
        return f"{head}weights: {_flow(weights)}\n{layers}{rest}"

    def network(self, name: str) -> Network:
        """The same, ready to be assembled."""
        network = file.from_text(self.text, name)
        return network.changed(
            name=name, arrays={key: tensors.of_array(array, key) for key, array in self.arrays.items()}
        )


def read(path: Path, *, size: tuple[int, int] | None = None, strict: bool = True) -> Imported:
    """The graph in a file. Unless `strict`, what has no layer here is left out, and what comes behind it.

    Raises `KernelError` for what is no ONNX file, and for a node that can't be taken, with its name.
    """
    stored = members(path)
    model = stored.model
    graph = Graph(stored, size)
    left: list[str] = []
    for node in model.graph.node:
        _take(graph, node, left, strict=strict)
    for moved in (graph.moved[value.name] for value in model.graph.output[:1] if value.name in graph.moved):
        if strict:
            raise _refusal(graph, moved.node, moved.reason)
        left.append(_said(moved.node))
    if not graph.layers:
        raise KernelError("it holds no layer that is known here", place=str(path))
    if not model.graph.output:
        raise KernelError("it names no output", place=str(path))
    notes = graph.notes
    if len(model.graph.output) > 1:
        notes.append(f"it has {len(model.graph.output)} outputs; the network ends with the last layer")
    elif strict:
        notes += _end(graph, model.graph.output[0].name)
    if left:
        more = f" and {len(left) - _NAMED} more" if len(left) > _NAMED else ""
        notes.append(f"counted as nothing: {', '.join(left[:_NAMED])}{more}")
    return Imported(text=_text(graph, model), arrays=dict(graph.arrays), notes=tuple(notes))


def _take(graph: Graph, node: Any, left: list[str], *, strict: bool) -> None:
    """One node, as a layer or folded into one."""
    from onnx import helper

    if node.op_type == "Constant" or all(map(graph.is_known, filter(None, node.input))):
        try:
            if graph.evaluate(node):
                return
            for moved in (graph.moved[name] for name in node.input if name in graph.moved):
                if node.op_type not in MOVING:
                    raise Unsupported(moved.reason, moved.node)
            if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx"):
                raise Unsupported("no layer here does that")
            rows = not graph.flat.isdisjoint(node.input)
            if rows and node.op_type not in ON_ROWS:
                raise Unsupported("it reads one row per picture, as Flatten makes one")
            if not graph.interleaved.keys().isdisjoint(node.input) and node.op_type not in ("Gemm", "MatMul"):
                raise Unsupported("it reads a row of pixels whose channels are last, which only Gemm does here")
            if not graph.spread.isdisjoint(node.input) and node.op_type not in (
                "Add",
                "Sum",
                "Sub",
                "Mul",
                "Div",
                "Concat",
            ):
                raise Unsupported("it reads one pixel all over, as Expand makes it, which joins alone do here")
            last = not graph.last.isdisjoint(node.input)
            if last and node.op_type not in ON_LAST:
                raise Unsupported("it reads channels last")
            attributes = {entry.name: helper.get_attribute_value(entry) for entry in node.attribute}
            with np.errstate(all="ignore"):  # what isn't finite is found when the weights are checked
                OPERATORS[node.op_type](graph, node, attributes)
            if rows and node.op_type not in OFF_ROWS:
                graph.flat.add(node.output[0])
            if last and node.op_type not in OFF_LAST:
                graph.last.add(node.output[0])
            return
        except (Unsupported, *_MALFORMED) as error:
            malformed = f"its inputs or attributes are not those of the operator ({error})"
            blamed = getattr(error, "node", None) or node
            if strict:
                raise _refusal(graph, blamed, str(error) if isinstance(error, Unsupported) else malformed) from None
            if blamed is not node and _said(blamed) not in left:
                left.append(_said(blamed))
    elif strict:
        lacking = next(name for name in node.input if name and not graph.is_known(name))
        raise _refusal(graph, node, f"it reads '{lacking}', which no node above makes: a cycle, or a wrong order")
    left.append(_said(node))


def _said(node: Any) -> str:
    return f"{node.op_type} ({_name(node)})"


def _name(node: Any) -> str:
    return node.name or next(iter(node.output), "")


def _refusal(graph: Graph, node: Any, reason: str) -> KernelError:
    shapes = []
    for name in filter(None, node.input):
        with suppress(Unsupported):
            shapes.append("x".join(map(str, graph.shape(name))) or "a number")
    reads = f"; it reads {' and '.join(shapes)}" if shapes else ""
    fact = f"node '{_name(node)}' ({node.op_type}): {reason}{reads}"
    return KernelError(fact, place=graph.place, hint=f"operators that are read: {', '.join(OPERATORS)}")


def _end(graph: Graph, output: str) -> list[str]:
    """Has the network end with the layer that makes its output. Returns notes."""
    try:
        last = graph.source(output)
    except Unsupported as error:
        raise KernelError(f"output '{output}': {error}", place=graph.place) from None
    if output in graph.spread:
        raise KernelError(f"output '{output}' is one pixel all over, which is none here", place=graph.place)
    if graph.layers[-1].name != last:
        graph.add("", "activate", "none", [last], "output")
    if output in graph.flat and graph.has_rows(last):
        return [f"its output '{output}' is one row per picture; rows, columns and channels stay what they are here"]
    return []


def _text(graph: Graph, model: Any) -> str:
    """The file, a line for each layer."""
    shape = graph.sides
    if len(shape) != 4 or graph.channels(INPUT) < 1:
        fact = f"its input '{graph.entering.name}' has shape {shape}: (batch, channels, height, width) is read"
        raise KernelError(fact, place=graph.place)
    height, width = shape[1:3] if graph.enters_last else shape[2:]
    if height < 1 or width < 1:
        raise KernelError("it says no size of its input", place=graph.place, hint="--size HxW")
    lines, above = [], INPUT
    for layer in graph.layers:
        lines.append(f"  - {_line(layer, above)}")
        above = layer.name
    about = f"{model.graph.name or 'A network'}, read from ONNX." if model.graph.name.isprintable() else "From ONNX."
    head = [f"about: {_flow(about)}", f"input: {height}x{width}x{graph.channels(INPUT)}", "layers:"]
    return "\n".join([*head, *lines, ""])


def _line(layer: Layer, above: str) -> str:
    fields = _short(layer)
    kind = (
        "pointwise"
        if layer.kind == "dense" and fields.get("kernel_size") == 1 and "padding" not in fields
        else layer.kind
    )
    if kind == "pointwise":
        fields = {key: value for key, value in fields.items() if key not in ("kernel_size", "dilation", "border")}
    entries = {kind: layer.value, "name": layer.name}
    if layer.kind not in JOINS and layer.sources[0] != above:
        entries["from"] = layer.sources[0]
    return _flow(entries | fields)


def _short(layer: Layer) -> dict[str, Any]:
    """The fields that say something: a number for equal ones, and none where it is what is meant anyway."""
    fields = dict(layer.fields)
    if layer.kind in ("dense", "deformable") and "padding" in fields and not isinstance(fields["padding"], str):
        reaches = [d * (k - 1) for d, k in zip(fields["dilation"], fields["kernel_size"], strict=True)]
        if all(
            reach % 2 == 0 and pad == [reach // 2] * 2 for reach, pad in zip(reaches, fields["padding"], strict=True)
        ):
            del fields["padding"]  # same
    fields = {key: _alike(value) for key, value in fields.items()}
    usual: dict[str, float] = {
        "stride": 1, "dilation": 1, "groups": 1, "output_padding": 0, "offset_groups": 1,
        "epsilon": 1e-5,
    }  # fmt: skip
    if layer.kind == "pool":
        usual = {"kernel_size": 2, "stride": fields["kernel_size"], "padding": 0}
    elif layer.kind != "depthwise":
        usual["kernel_size"] = 3
    return {key: value for key, value in fields.items() if usual.get(key, ...) != value or isinstance(value, list)}


def _alike(value: Any) -> Any:
    """One number for a list of equal ones."""
    if not isinstance(value, list):
        return value
    inner = [_alike(item) for item in value]
    # [[1, 2], [1, 2]] stays: [1, 2] would be one number per axis.
    return inner[0] if not isinstance(inner[0], list) and all(item == inner[0] for item in inner) else value


def _flow(value: Any) -> str:
    """A value in YAML's flow style; texts in quotes unless they are plain words."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value if value.isidentifier() and not value[0].isdigit() else "'" + value.replace("'", "''") + "'"
    return f"{value:.9g}" if isinstance(value, float) else str(value)
