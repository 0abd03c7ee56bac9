"""Write torch_vectors.npz beside this file: what PyTorch 2.13.0 (CPU) answers to about 80 small convolutions.

    python3 -m venv torchenv && torchenv/bin/pip install torch==2.13.0 numpy
    torchenv/bin/python tests/ops/vectors/make_torch_vectors.py

Inputs and parameters are float32 from one seed. PyTorch computes in float64, so that the stored float32 results are
right to the last bit or so. The member `cases` is a JSON list; the arrays of case number n are `n/x`, `n/w`, `n/b`
(when it has a bias) and `n/y`, channels first and without the batch axis. PyTorch is imported inside functions: test
runs look into every module for doctests.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

TORCH = "2.13.0"
TARGET = Path(__file__).with_name("torch_vectors.npz")
SIZES = {1: (17,), 2: (9, 8), 3: (5, 6, 7)}
LAYERS = {"dense": "Conv{}d", "transposed": "ConvTranspose{}d"}

# rank, in, out, taps, then PyTorch's own keywords
DENSE: list[tuple[int, int, int, Any, dict[str, Any]]] = [
    (1, 1, 1, 3, {}),
    (1, 2, 3, 3, {"padding": 1}),
    (1, 2, 3, 4, {"padding": "same"}),
    (1, 2, 2, 5, {"padding": "same", "dilation": 3}),
    (1, 2, 2, 4, {"padding": "same", "dilation": 2, "bias": False}),
    (1, 4, 6, 3, {"groups": 2, "stride": 2, "padding": 1}),
    (1, 3, 6, 3, {"groups": 3, "stride": 3, "padding": 2, "dilation": 2}),
    (1, 2, 2, 2, {"stride": 4, "padding": "valid"}),
    (1, 2, 2, 5, {"padding": 3, "padding_mode": "reflect"}),
    (1, 2, 2, 5, {"padding": 3, "padding_mode": "replicate", "stride": 2}),
    (1, 2, 2, 5, {"padding": 3, "padding_mode": "circular", "dilation": 2}),
    (1, 2, 2, 4, {"padding": "same", "padding_mode": "reflect"}),
    (1, 2, 2, 4, {"padding": "same", "padding_mode": "circular", "dilation": 3}),
    (2, 1, 1, 3, {}),
    (2, 3, 4, 3, {"padding": 1}),
    (2, 3, 4, (3, 5), {"padding": (1, 2), "bias": False}),
    (2, 3, 4, (2, 4), {"padding": "same"}),
    (2, 3, 2, (4, 3), {"padding": "same", "dilation": (1, 2)}),
    (2, 2, 2, 3, {"padding": "valid", "dilation": 3}),
    (2, 3, 8, 3, {"stride": 2, "padding": 1}),
    (2, 3, 4, 5, {"stride": (3, 2), "padding": (2, 1)}),
    (2, 3, 2, 3, {"stride": (1, 4), "padding": (0, 3), "dilation": (2, 1)}),
    (2, 4, 6, 3, {"groups": 2, "padding": 1}),
    (2, 4, 4, (3, 2), {"groups": 4, "stride": 2, "padding": 1}),
    (2, 3, 6, 3, {"groups": 3, "padding": 1}),
    (2, 3, 9, 3, {"groups": 3, "padding": 2, "dilation": 2, "stride": 2}),
    (2, 8, 8, 1, {}),
    (2, 4, 8, 1, {"groups": 4, "stride": 2}),
    (2, 16, 16, 3, {"padding": 1}),
    (2, 3, 2, 7, {"stride": 2, "padding": 3}),
    (2, 2, 2, 3, {"padding": 1, "padding_mode": "reflect"}),
    (2, 2, 2, 5, {"padding": 4, "padding_mode": "reflect", "dilation": 2}),
    (2, 2, 2, (3, 4), {"padding": (2, 3), "padding_mode": "replicate", "stride": 2}),
    (2, 2, 2, (5, 3), {"padding": (3, 2), "padding_mode": "circular"}),
    (2, 2, 4, 3, {"padding": "same", "padding_mode": "reflect", "groups": 2}),
    (2, 2, 2, (4, 2), {"padding": "same", "padding_mode": "replicate"}),
    (2, 2, 2, 4, {"padding": "same", "padding_mode": "circular", "bias": False}),
    (3, 1, 1, 2, {}),
    (3, 2, 3, 3, {"padding": 1}),
    (3, 2, 2, (1, 3, 2), {"padding": "same"}),
    (3, 2, 4, (2, 3, 3), {"groups": 2, "stride": (1, 2, 2), "padding": (1, 0, 1)}),
    (3, 2, 2, (2, 3, 2), {"dilation": (1, 2, 3), "padding": (0, 2, 1), "stride": (2, 1, 1)}),
    (3, 2, 4, 3, {"groups": 2, "padding": 1, "bias": False}),
    (3, 2, 2, 3, {"padding": 2, "padding_mode": "reflect"}),
    (3, 2, 2, 3, {"padding": 1, "padding_mode": "replicate", "stride": 2}),
    (3, 2, 2, (3, 2, 4), {"padding": "same", "padding_mode": "circular"}),
]
SCATTERED: list[tuple[int, int, int, Any, dict[str, Any]]] = [
    (1, 1, 1, 3, {}),
    (1, 2, 3, 3, {"stride": 2, "padding": 1, "output_padding": 1}),
    (1, 2, 3, 4, {"stride": 2, "padding": 1, "bias": False}),
    (1, 4, 6, 3, {"stride": 3, "groups": 2, "output_padding": 2}),
    (1, 2, 2, 3, {"stride": 2, "dilation": 3, "output_padding": 2, "padding": 2}),
    (1, 3, 3, 2, {"stride": 4, "groups": 3}),
    (1, 2, 2, 5, {"stride": 1, "padding": 4, "dilation": 2, "output_padding": 1}),
    (2, 1, 1, 3, {}),
    (2, 3, 2, 3, {"stride": 2, "padding": 1, "output_padding": 1}),
    (2, 3, 2, 4, {"stride": 2, "padding": 1}),
    (2, 2, 3, (4, 2), {"stride": (4, 2), "bias": False}),
    (2, 2, 2, 8, {"stride": 4, "padding": 2}),
    (2, 4, 6, (2, 3), {"stride": (3, 2), "groups": 2, "padding": (0, 1), "output_padding": (2, 1)}),
    (2, 3, 3, 3, {"stride": 2, "groups": 3, "padding": 1, "output_padding": (0, 1)}),
    (2, 3, 6, 4, {"stride": 2, "groups": 3, "padding": 1}),
    (2, 2, 2, 3, {"stride": (2, 1), "dilation": (1, 3), "output_padding": (1, 2), "padding": (0, 3)}),
    (2, 2, 2, 2, {"stride": 3, "output_padding": 2}),
    (2, 2, 2, 3, {"stride": 1, "padding": 1}),
    (2, 2, 2, 1, {"stride": 2, "output_padding": 1}),
    (3, 1, 1, 2, {}),
    (3, 2, 2, 3, {"stride": 2, "padding": 1, "output_padding": 1}),
    (3, 2, 4, (1, 2, 3), {"stride": (1, 2, 2), "groups": 2, "padding": (0, 0, 1), "output_padding": (0, 1, 0)}),
    (3, 2, 2, (2, 1, 2), {"stride": (2, 3, 1), "dilation": (3, 1, 2), "output_padding": (2, 2, 1), "bias": False}),
]
UPSAMPLED = [("nearest", 2), ("nearest", 3), ("bilinear", 2), ("bilinear", 3), ("bilinear", 4), ("bilinear", 5)]
UPSAMPLED += [("bicubic", 2), ("bicubic", 3), ("bicubic", 4)]


def single(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The array as float32."""
    return np.asarray(array, np.float32)


def layer_case(kind: str, number: int, case: tuple[int, int, int, Any, dict[str, Any]]) -> tuple[dict[str, Any], Any]:
    """One layer of PyTorch, run: its description and its arrays."""
    import torch

    rank, channels, out, taps, keywords = case
    layer = getattr(torch.nn, LAYERS[kind].format(rank))(channels, out, taps, **keywords)
    rng = np.random.default_rng([2026, number])
    spatial = SIZES[rank] if kind == "dense" else tuple((n + 1) // 2 for n in SIZES[rank])
    x = single(rng.standard_normal((channels, *spatial)))
    w = single(rng.standard_normal(layer.weight.shape))
    arrays = {"x": x, "w": w}
    with torch.no_grad():
        layer = layer.double()
        layer.weight.copy_(torch.from_numpy(w))
        if layer.bias is not None:
            arrays["b"] = single(rng.standard_normal(layer.bias.shape))
            layer.bias.copy_(torch.from_numpy(arrays["b"]))
        arrays["y"] = single(layer(torch.from_numpy(x[None].astype(np.float64)))[0].numpy())
    parameters = {"weights": layer.weight.numel(), "biases": 0 if layer.bias is None else layer.bias.numel()}
    assert sum(parameters.values()) == sum(p.numel() for p in layer.parameters())
    return {"kind": kind, "rank": rank, **keywords, "parameters": parameters}, arrays


def resize_case(number: int, mode: str, factor: int) -> tuple[dict[str, Any], Any]:
    """One enlargement by `interpolate`, corners not aligned."""
    import torch

    x = single(np.random.default_rng([2026, number]).standard_normal((2, 5, 6)))
    corners = None if mode == "nearest" else False
    wide = torch.from_numpy(x[None].astype(np.float64))
    y = torch.nn.functional.interpolate(wide, scale_factor=factor, mode=mode, align_corners=corners)
    return {"kind": "interpolate", "rank": 2, "mode": mode, "factor": factor}, {"x": x, "y": single(y[0].numpy())}


def main() -> None:
    """Run every case and write the file."""
    import torch

    assert torch.__version__.split("+")[0] == TORCH, torch.__version__
    torch.use_deterministic_algorithms(True)
    plan = [("dense", case) for case in DENSE] + [("transposed", case) for case in SCATTERED]
    output = [layer_case(kind, number, case) for number, (kind, case) in enumerate(plan)]
    output += [resize_case(number, *case) for number, case in enumerate(UPSAMPLED, start=len(output))]
    arrays = {f"{n}/{name}": array for n, (_, parts) in enumerate(output) for name, array in parts.items()}
    cases = json.dumps([description for description, _ in output]).encode()
    np.savez_compressed(TARGET, cases=np.frombuffer(cases, np.uint8), **arrays)
    print(f"{len(output)} cases, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
