"""Matrices as other programs write them: what they mean here, against those programs; what wrong ones get."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import convcli
from convcli.errors import KernelError
from tests.support import run

SHARPEN = [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]
UNEVEN = [[1, 2, 0], [0, 3, -4], [0, 0, 2]]


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("3x3: 0,-1,0 -1,5,-1 0,-1,0", SHARPEN),
        ("3: 0 -1 0 -1 5 -1 0 -1 0", SHARPEN),
        ("3x3: nan,-1,- -1,5,-1 nan,-1,nan", SHARPEN),
        ("2x3: 1,2 3,4 5,6", [[1, 2], [3, 4], [5, 6]]),
        ("0 -1 0; -1 5 -1; 0 -1 0", SHARPEN),
        ("[0 -1 0; -1 5 -1; 0 -1 0]", SHARPEN),
        ("[0, -1, 0; -1, 5, -1; 0, -1, 0]", SHARPEN),
        (str(np.array(SHARPEN)), SHARPEN),
        (str(np.array(SHARPEN) / 8), np.array(SHARPEN) / 8),
        ("0 -1 0\n-1 5 -1\n0 -1 0\n", SHARPEN),
        ("0,-1,0,-1,5,-1,0,-1,0", SHARPEN),
        ("[0,-1,0,-1,5,-1,0,-1,0]", SHARPEN),
        ("{weights: [0,-1,0,-1,5,-1,0,-1,0]}", SHARPEN),
        ("{axes: x, weights: [0,-1,0,-1,5,-1,0,-1,0]}", [0, -1, 0, -1, 5, -1, 0, -1, 0]),
        ("1 2 1", [1, 2, 1]),
        ("[1, 3, 3, 1]", [1, 3, 3, 1]),
        ("1e-1 -.5 +2.", [0.1, -0.5, 2]),
        (":".join(["0 -1 0 -1 5 -1 0 -1 0"] * 4), SHARPEN),
        (":".join(["1 1 1 1 1 1 1 1 1"] * 4), np.full((3, 3), 1 / 9)),
        ("[[1,2,1],[2,4,2],[1,2,1]]:divisor=16", np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16),
        ("3x3: 1,2,1 2,4,2 1,2,1:divisor=sum", np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16),
    ],
)  # fmt: skip
def test_what_a_matrix_means(text: str, weights: Any) -> None:
    assert np.allclose(convcli.load(text).dense_weights(), weights, rtol=0, atol=1e-12)
    assert convcli.load(text).dense_weights().shape == np.shape(weights)


@pytest.mark.parametrize(
    ("name", "text", "weights", "bias"),
    [
        ("blur.mat", "3 3 16 0\n1 2 1\n2 4 2\n1 2 1\n", np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16, None),
        ("emboss.mat", "3 2 1 128\n1 0 -1\n2 0 -2\n", [[1, 0, -1], [2, 0, -2]], 128),
        ("plain.mat", "# a comment\n2\t2\n1 2\n3 4\n", [[1, 2], [3, 4]], None),
        ("w.csv", "0,-1,0\n-1,5,-1\n0,-1,0\n", SHARPEN, None),
        ("w.csv", "\ufeff0;-1;0\r\n-1;5;-1\r\n0;-1;0\r\n", SHARPEN, None),
        ("w.txt", "# numpy.savetxt\n0.0e+00 -1 0\n-1 5 -1\n0 -1 0\n", SHARPEN, None),
        ("row.txt", "1 2 3 4 5 4 3 2 1\n", [1, 2, 3, 4, 5, 4, 3, 2, 1], None),
    ],
)
def test_a_file_of_a_matrix(name: str, text: str, weights: Any, bias: float | None, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    kernel = convcli.load(f"{tmp_path / name}")
    assert np.allclose(kernel.dense_weights(), weights, rtol=0, atol=1e-12)
    assert (kernel.bias.array.item() if kernel.bias else None) == bias
    assert kernel.name == name.partition(".")[0]


def test_files_of_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "w.npy", np.array(SHARPEN))
    np.savez(tmp_path / "w.npz", sharp=np.array(SHARPEN), row=np.ones(9))
    assert np.array_equal(convcli.load(f"{tmp_path}/w.npy:divisor=2").dense_weights(), np.array(SHARPEN) / 2)
    assert np.array_equal(convcli.load(f"{tmp_path}/w.npz::sharp").dense_weights(), SHARPEN)
    assert convcli.load(f"{tmp_path}/w.npz::row").taps == (9,)  # its shape says that it is a row


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3x3: 1,2", "a kernel of 3x3 takes 9 numbers, not 2"),
        ("3x3: 1,2,x,4,5,6,7,8,9", "'x' is no number, nor a hole"),
        ("3x3>: 1,2,3,4,5,6,7,8,9", "'>' makes several kernels of one"),
        ("3x3+3+0: 1,2,3,4,5,6,7,8,9", r"the origin \+3\+0 lies outside of 3x3"),
        ("1" * 999 + "!", "unknown kernel '1111"),
        ("1 " * 999 + "!", "unknown kernel '1 1 "),
        ("[" + "1 " * 9999 + "!", "not valid YAML"),
        ("1 2; 3", "row 2 has 1 tap, row 1 has 2"),
        ("1 2 3:4 5 6", "between colons stand 3, 3 numbers"),
        ("0 0 0 0 1 0 0 0 0:0 0 0 0 2 0 0 0 0", "a matrix per plane, and they differ"),
    ],
)
def test_a_wrong_matrix(text: str, said: str) -> None:
    with pytest.raises(KernelError, match=said):
        convcli.load(text)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("w.mat", "3 3 1 0\n1 2 1\n", "its first line is '3 3 1 0', 3 numbers follow"),
        ("w.mat", "MATLAB 5.0 MAT-file", "a file of MATLAB's"),
        ("w.csv", "a,b\n1,2\n", "a row of words"),
        ("w.csv", "1,2\n3,x\n", r"w.csv:2: 'x' is no number"),
        ("w.csv", "1,2\n3\n", "row 2 is 1 long, row 1 is 2"),
        ("w.txt", "\n# nothing\n", "holds no numbers"),
        ("w.mat", "1e999 3\n1 2 1\n", "its first line is 'inf 3', 3 numbers follow"),
        ("w.csv", "0,5;1,0;0,5\n", "w.csv:1: commas and semicolons in one row: decimals, or rows of their own"),
    ],
)
def test_a_wrong_file_of_a_matrix(name: str, text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(KernelError, match=said):
        convcli.load(str(tmp_path / name))


def test_a_square_is_told_of(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "x.png"), np.full((5, 5), 9, np.uint8))
    done = run("apply", tmp_path / "x.png", "-k", "[0,-1,0,-1,5,-1,0,-1,0]", "-o", tmp_path / "y.png")
    assert "9 numbers in a row are taken as 3x3; a row of taps has axes: x" in done.err


def picture(folder: Path) -> np.ndarray[Any, Any]:
    pixels = np.random.default_rng(5).integers(20, 90, (24, 31), np.uint8)
    cv2.imwrite(str(folder / "x.png"), pixels)
    return pixels


def filtered(folder: Path, *command: str) -> np.ndarray[Any, Any]:
    """What another program makes of x.png; skips where that is not installed."""
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    subprocess.run([*command], cwd=folder, check=True, capture_output=True)
    return cv2.imread(str(folder / "y.png"), cv2.IMREAD_UNCHANGED).astype(int)


@pytest.mark.parametrize(
    ("text", "method"),
    [
        ("3x3: 1,2,0 0,3,-4 0,0,2", "Correlate"),
        ("3x3: 1,2,0 0,3,-4 0,0,2", "Convolve"),
        ("3x3+0+2: 1,2,0 0,3,-4 0,0,2", "Correlate"),
        ("5x2+1+1: 1,0,nan,0,1 -,2,0,0,-1", "Correlate"),
    ],
)
def test_as_imagemagick(text: str, method: str, tmp_path: Path) -> None:
    flip = "true" if method == "Convolve" else "false"
    pixels = picture(tmp_path)
    expected = filtered(tmp_path, "convert", "x.png", "-morphology", method, text, "-depth", "8", "y.png")
    ours = convcli.load(f"{text}:border=replicate,flip={flip}").apply(pixels)
    assert np.abs(ours.astype(int) - expected).max() <= 1  # it rounds halves up


def test_as_vips(tmp_path: Path) -> None:
    pixels = picture(tmp_path)
    (tmp_path / "w.mat").write_text("3 3 4 20\n1 2 0\n0 3 -4\n0 0 2\n")
    expected = filtered(tmp_path, "vips", "conv", "x.png", "y.png", "w.mat", "--precision", "float")
    ours = convcli.load(f"{tmp_path}/w.mat:border=replicate").apply(pixels)
    assert np.abs(ours.astype(int) - expected).max() <= 1  # it cuts fractions off


@pytest.mark.parametrize("rows", [UNEVEN, [[1, 2, 1], [2, 4, 3], [1, 2, 1]], [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]])
def test_as_ffmpeg(rows: list[list[int]], tmp_path: Path) -> None:
    pixels = picture(tmp_path)
    text = ":".join([" ".join(str(number) for row in rows for number in row)] * 4)
    expected = filtered(
        tmp_path,
        "ffmpeg",
        "-loglevel",
        "error",
        "-i",
        "x.png",
        "-vf",
        f"convolution={text}",
        "-pix_fmt",
        "gray",
        "y.png",
    )
    ours = convcli.load(text).apply(pixels)
    inside = (slice(1, -1), slice(1, -1))
    assert np.abs(ours.astype(int) - expected)[inside].max() <= 1  # it rounds halves up
