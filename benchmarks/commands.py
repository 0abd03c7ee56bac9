"""The command against other commands that filter pictures, each on the same PNG and JPEG of noise and gradients."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from benchmarks import timing

SHARPEN = "0 -1 0 -1 5 -1 0 -1 0"


def measured(rounds: int, megapixels: float) -> Iterator[tuple[str, str, float, float]]:
    """The task, the program, its seconds, and our time over its own."""
    with tempfile.TemporaryDirectory() as folder:
        for ending in ("png", "jpg"):
            source = Path(folder) / f"in.{ending}"
            cv2.imwrite(str(source), picture(megapixels))
            for task, runs in _tasks(source, Path(folder) / f"out.{ending}").items():
                for name, found in timing.measure(runs, rounds=rounds).items():
                    yield f"{task}, {megapixels:g} MP {ending}", name, found.seconds, found.ratio


def picture(megapixels: float) -> np.ndarray:
    """Gradients with some noise: compresses like a photograph."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    down, right = np.mgrid[0:height, 0 : height * 4 // 3].astype(np.float32) / height
    colours = np.stack([down, right / 2, 1 - down * right / 2], axis=-1) * 200
    rng = np.random.default_rng(0)
    return np.clip(colours + rng.normal(20, 3, colours.shape), 0, 255).astype(np.uint8)


def _tasks(source: Path, target: Path) -> dict[str, dict[str, Callable[[], object]]]:
    ours = [sys.executable, "-m", "convcli", "apply", str(source), "-o", str(target), "--overwrite", "--quiet", "-k"]
    i, o = str(source), str(target)
    mask = str(target.with_suffix(".mat"))
    Path(mask).write_text("3 3 1 0\n0 -1 0\n-1 5 -1\n0 -1 0\n")
    tasks = {
        "sharpen 3x3": {
            "convcli": [*ours, "sharpen"],
            "vips": ["vips", "conv", i, o, mask],
            "convert": ["convert", i, "-morphology", "Convolve", "3x3:0,-1,0,-1,5,-1,0,-1,0", o],
            "gm": ["gm", "convert", i, "-convolve", SHARPEN.replace(" ", ","), o],
            "ffmpeg": [
                "ffmpeg",
                "-y",
                "-loglevel",
                "error",
                "-i",
                i,
                "-vf",
                "convolution=" + ":".join([SHARPEN] * 3),
                o,
            ],
            "gmic": ["gmic", "-v", "-1", i, "-convolve", "(0,-1,0;-1,5,-1;0,-1,0)", "-o", o],
        },
        "gaussian, sigma 2": {
            "convcli": [*ours, "gaussian:sigma=2"],
            "vips": ["vips", "gaussblur", i, o, "2"],
            "convert": ["convert", i, "-gaussian-blur", "0x2", o],
            "gm": ["gm", "convert", i, "-gaussian", "0x2", o],
            "ffmpeg": ["ffmpeg", "-y", "-loglevel", "error", "-i", i, "-vf", "gblur=sigma=2", o],
            "gmic": ["gmic", "-v", "-1", i, "-blur", "2", "-o", o],
        },
    }
    found: dict[str, dict[str, Callable[[], object]]] = {}
    for task, commands in tasks.items():
        present = {name: words for name, words in commands.items() if name == "convcli" or shutil.which(words[0])}
        found[task] = {name: lambda words=words: subprocess.run(words, check=True) for name, words in present.items()}
    return found
