"""What the machine itself takes: copying memory, multiplying matrices, a filter bank in every library."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks import peers
from benchmarks.functions import Layer, noise
from benchmarks.peers import threads

#: A layer of ResNet's, on which libraries are compared in what they make of this processor.
BANK = Layer(inputs=64, outputs=64, taps=3, size=(56, 56))


def rates() -> dict[str, float]:
    """Bytes per second of a copy on one core and on all, and FLOP per second of float32 matrices on all."""
    source = np.ones((3000, 4000, 3), np.float32)
    target = np.empty_like(source)
    left, right = np.ones((1024, 1024), np.float32), np.ones((1024, 1024), np.float32)
    product = np.empty_like(left)
    parts = list(zip(np.array_split(target, threads()), np.array_split(source, threads()), strict=True))
    with ThreadPoolExecutor(threads()) as pool:
        return {
            "copy, one core": source.nbytes / _best(lambda: np.copyto(target, source)),
            "copy": source.nbytes / _best(lambda: list(pool.map(lambda part: np.copyto(*part), parts))),
            "sgemm": 2 * 1024**3 / _best(lambda: np.matmul(left, right, out=product)),
        }


def banks() -> dict[str, float]:
    """FLOP per second of the plain sums of `BANK`, by library; OpenBLAS's is the matrix product alone, of its shape."""
    x = noise(BANK.inputs, *BANK.size)
    file = peers.model([BANK.node()], [x[None]])
    left = BANK.weights().reshape(BANK.outputs, -1)
    right, product = noise(left.shape[1], x[0].size), np.empty((len(left), x[0].size), np.float32)
    runs = {
        "OpenBLAS": lambda: np.matmul(left, right, out=product),
        "cv2.dnn": peers.dnn_run(file, x[None]),
        "onnxruntime": peers.onnx_run(file, [x[None]]),
        "torch": peers.torch_run([BANK.call()], x[None]),
    }
    return {name: BANK.flops / _best(run) for name, run in runs.items() if not isinstance(run, str)}


def _best(run: Callable[[], object]) -> float:
    """Seconds of the fastest of 15 runs: a floor is what the machine can do."""
    taken = []
    for _ in range(15):
        started = time.perf_counter()
        run()
        taken.append(time.perf_counter() - started)
    return min(taken)


def described(rates: Mapping[str, float], banks: Mapping[str, float]) -> str:
    return (
        f"memory copy {rates['copy, one core'] / 1e9:.1f} GB/s on one core, {rates['copy'] / 1e9:.1f} on {threads()}; "
        f"float32 matrices {rates['sgemm'] / 1e9:.0f} GFLOP/s; a bank 64 to 64, 3x3, 56x56, in GFLOP/s of plain sums: "
        + ", ".join(f"{name} {rate / 1e9:.0f}" for name, rate in banks.items())
    )
