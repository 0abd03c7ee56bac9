"""ONNX graphs as network files: read node by node, batch norms folded, what has no layer here named."""
