"""What is known of a graph's values before any picture is: their shapes, and numbers that follow from constants.

Exporters compute shapes by nodes (Shape, Gather, Concat, ...), and turn constants by some; of a network on pictures of
one size all that is constant, as onnx's own inference and reference evaluation have it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from convcli.records import late

if TYPE_CHECKING:
    import numpy as np
else:
    np = late("numpy")

#: Operators on few numbers, which make no more than a product of them.
ON_FEW: Final = frozenset({
    "Add", "Sub", "Mul", "Div", "Neg", "Floor", "Ceil", "Sqrt", "Reciprocal", "Exp", "Pow", "Gather", "Slice", "Concat",
    "Min", "Max", "Equal", "Where", "ReduceProd",
})  # fmt: skip
#: Operators that make as many numbers as their last input says.
AS_MANY: Final = frozenset({"ConstantOfShape", "Expand"})
#: Operators that only move numbers, of which there may be many.
ON_MANY: Final = frozenset({"Transpose", "Reshape", "Cast", "Squeeze", "Unsqueeze", "Identity", "Flatten"})
#: Numbers that are few.
_FEW: Final = 4096


def shapes(model: Any, sides: Sequence[int], computed: Mapping[str, Any]) -> Mapping[str, tuple[int, ...]]:
    """The shapes of values by name, of an input with these `sides`, as far as they are fixed: those of a graph that is
    malformed are not. `computed` are numbers that nodes are known to make, which onnx does not follow far."""
    import onnx

    plain = onnx.ModelProto()
    plain.ir_version = model.ir_version
    plain.opset_import.extend(model.opset_import)
    plain.graph.CopyFrom(_without_many(model.graph, computed))
    entering = next(
        value for value in plain.graph.input if value.name not in {one.name for one in plain.graph.initializer}
    )
    for axis, (dimension, side) in enumerate(zip(entering.type.tensor_type.shape.dim, sides, strict=False)):
        dimension.dim_value = side if axis else 1
    try:
        inferred = onnx.shape_inference.infer_shapes(plain, data_prop=True).graph
    except Exception:  # of onnx's own, of which it documents none: who needs a shape says that it isn't known
        return {}
    known = {}
    for value in (*inferred.value_info, *inferred.output, *inferred.input):
        sizes = [side.dim_value for side in value.type.tensor_type.shape.dim]
        if all(size > 0 for size in sizes) and value.type.tensor_type.HasField("shape"):
            known[value.name] = tuple(sizes)
    return known


def _without_many(graph: Any, computed: Mapping[str, Any]) -> Any:
    """A graph whose large constants are inputs, of which shapes alone are known: numbers are copied otherwise. Few that
    are computed are constants."""
    import onnx

    large = [tensor for tensor in graph.initializer if math.prod(tensor.dims) > _FEW]
    plain = onnx.GraphProto()
    plain.name = graph.name or "g"
    few = {name: array for name, array in computed.items() if array.size <= _FEW}
    plain.node.extend(node for node in graph.node if few.keys().isdisjoint(node.output))
    plain.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in few.items())
    plain.output.extend(graph.output)
    plain.value_info.extend(graph.value_info)
    names = {tensor.name for tensor in large}
    plain.input.extend(value for value in graph.input if value.name not in names)
    plain.input.extend(onnx.helper.make_tensor_value_info(one.name, one.data_type, list(one.dims)) for one in large)
    plain.initializer.extend(tensor for tensor in graph.initializer if tensor.name not in names)
    return plain


def evaluated(node: Any, opsets: Any, constant: Callable[[str], Any]) -> Any:
    """The numbers that a node makes of constants alone; None where that is none of its kind, or they are too many."""
    if len(node.output) != 1 or node.op_type not in ON_FEW | ON_MANY | AS_MANY or node.domain not in ("", "ai.onnx"):
        return None
    numbers = {name: np.asarray(constant(name)) for name in node.input if name}
    if node.op_type in ON_FEW and sum(array.size for array in numbers.values()) > _FEW:
        return None
    if node.op_type in AS_MANY and not 0 <= np.prod(numbers[node.input[-1]], dtype=np.float64) <= _FEW:
        return None
    return np.asarray(run(node, opsets, numbers)[0])


def run(node: Any, opsets: Any, numbers: Mapping[str, Any]) -> Sequence[Any]:
    """What a node makes of inputs by name. Raises ValueError."""
    import onnx
    from onnx.reference import ReferenceEvaluator

    def end(name: str) -> Any:
        return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None)

    graph = onnx.helper.make_graph([node], "g", [*map(end, numbers)], [*map(end, filter(None, node.output))])
    model = onnx.helper.make_model(graph, opset_imports=list(opsets))
    try:
        with np.errstate(all="ignore"):
            return list(ReferenceEvaluator(model).run(None, dict(numbers)))
    except Exception as error:  # of whatever class: the node is malformed
        raise ValueError(str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__) from error
