"""Random banks against onnxruntime: Conv, ConvTranspose and DeformConv."""

from __future__ import annotations

import numpy as np
import reference as ref

from tests.ops.drawn import FLOAT32, run


def test_against_onnxruntime_conv() -> None:
    for seed in range(150):
        rng = np.random.default_rng([1, seed])
        rank, groups = int(rng.integers(1, 4)), int(rng.choice([1, 1, 2, 3]))
        taps, stride, dilation = (rng.integers(1, top, rank) for top in (5, 5, 4))
        padding = [(int(b), int(a)) for b, a in rng.integers(0, 4, (rank, 2))]
        spatial = [
            int(max(1, d * (k - 1) + 1 - sum(p)) + rng.integers(0, 6))
            for k, d, p in zip(taps, dilation, padding, strict=True)
        ]
        into, out = (int(v) for v in rng.integers(1, 6, 2))
        x = rng.standard_normal((into * groups, *spatial), np.float32)
        w = rng.standard_normal((out * groups, into, *taps), np.float32)
        b = rng.standard_normal(out * groups, np.float32)
        attributes = {"strides": stride, "dilations": dilation, "group": groups, "pads": ref.onnx_pads(padding)}
        expected = ref.onnxruntime_run("Conv", [x[None], w, b], **attributes)[0]
        fields = {"weights": w, "bias": b, "stride": stride.tolist(), "dilation": dilation.tolist(), "groups": groups}
        fields |= {"padding": [list(p) for p in padding], "border": "zero", "axes": "zyx"[3 - rank :]}
        y = run(fields, x, rank)
        assert y.shape == expected.shape, seed
        assert np.abs(y - expected).max() <= FLOAT32 * ref.scale(w, x, expected), seed


def test_against_onnxruntime_conv_transpose() -> None:
    for seed in range(150):
        rng = np.random.default_rng([2, seed])
        rank, groups = int(rng.integers(1, 4)), int(rng.choice([1, 1, 2, 3]))
        taps, stride, dilation = (rng.integers(1, top, rank) for top in (5, 5, 4))
        extra = [int(rng.integers(0, s)) for s in stride]
        padding = [(int(b), int(a)) for b, a in rng.integers(0, 3, (rank, 2))]
        spatial = [
            int(max(1, 2 + (sum(p) - d * (k - 1) - 1) // s) + rng.integers(0, 4))
            for k, d, p, s in zip(taps, dilation, padding, stride, strict=True)
        ]
        into, out = (int(v) for v in rng.integers(1, 5, 2))
        x = rng.standard_normal((into * groups, *spatial), np.float32)
        w = rng.standard_normal((into * groups, out, *taps), np.float32)
        b = rng.standard_normal(out * groups, np.float32)
        attributes = {"strides": stride, "dilations": dilation, "group": groups, "pads": ref.onnx_pads(padding)}
        expected = ref.onnxruntime_run("ConvTranspose", [x[None], w, b], output_padding=extra, **attributes)[0]
        fields = {"weights": w, "bias": b, "stride": stride.tolist(), "dilation": dilation.tolist(), "groups": groups}
        fields |= {"padding": [list(p) for p in padding], "border": "zero", "axes": "zyx"[3 - rank :]}
        y = run(fields | {"type": "transposed", "output_padding": extra}, x, rank)
        assert y.shape == expected.shape, seed
        assert np.abs(y - expected).max() <= FLOAT32 * ref.scale(w, x, expected), seed


def test_against_onnxruntime_deform_conv() -> None:
    for seed in range(100):
        rng = np.random.default_rng([3, seed])
        groups, offset_groups = (int(v) for v in rng.integers(1, 4, 2))
        taps, stride, dilation = (rng.integers(1, top, 2) for top in (4, 4, 3))
        padding = [(int(b), int(a)) for b, a in rng.integers(0, 3, (2, 2))]
        spatial = [
            int(max(1, d * (k - 1) + 1 - sum(p)) + rng.integers(0, 8))
            for k, d, p in zip(taps, dilation, padding, strict=True)
        ]
        into, out = (int(v) for v in rng.integers(1, 4, 2))
        x = rng.standard_normal((into * groups * offset_groups, *spatial), np.float32)
        w = rng.standard_normal((out * groups, into * offset_groups, *taps), np.float32)
        b = rng.standard_normal(out * groups, np.float32)
        size = [
            ref.dense_length(n, taps=k, stride=s, dilation=d, pads=p)
            for n, k, s, d, p in zip(spatial, taps, stride, dilation, padding, strict=True)
        ]
        reach = float(rng.choice([0.5, 3, 30]))
        offsets = (reach * rng.standard_normal((offset_groups * 2 * taps.prod(), *size))).astype(np.float32)
        mask = rng.random((offset_groups * taps.prod(), *size), np.float32) if seed % 3 else None
        attributes = {"strides": stride, "dilations": dilation, "group": groups, "pads": ref.onnx_pads(padding)}
        inputs = [x[None], w, offsets[None], b] + ([] if mask is None else [mask[None]])
        expected = ref.onnxruntime_run("DeformConv", inputs, offset_group=offset_groups, **attributes)[0]
        fields = {"weights": w, "bias": b, "stride": stride.tolist(), "dilation": dilation.tolist(), "groups": groups}
        fields |= {"padding": [list(p) for p in padding], "border": "zero", "offsets": offsets, "type": "deformable"}
        y = run(fields if mask is None else fields | {"mask": mask}, x, 2)
        assert y.shape == expected.shape, seed
        assert np.abs(y - expected).max() <= FLOAT32 * ref.scale(w, x, expected), seed
