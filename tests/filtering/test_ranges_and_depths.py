"""The range that is chosen where none is asked for, and depths."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convcli
from convcli.channels import Channels
from convcli.filtering import Chain, Treatment, filter_pixels
from tests.support import read, run, save

RNG = np.random.default_rng(17)
RAMP = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1)


def remaining(pixels: Any, *kernels: str, **fields: Any) -> Any:
    return filter_pixels(pixels, Chain([convcli.load(kernel) for kernel in kernels], **fields)).array


def test_edges_are_bright_both_ways_and_nothing_else_changes() -> None:
    x = RNG.integers(0, 256, (40, 50, 3), np.uint8)
    for edge in ("sobel-x", "laplacian", "{type: separable, taps: {y: [1, 2, 1], x: [-1, 0, 1]}}"):
        signed = convcli.load(edge).apply(x, dtype="float64")
        assert np.array_equal(remaining(x, edge), np.clip(np.rint(abs(signed)), 0, 255))
        assert np.array_equal(remaining(x, edge), remaining(x, edge, range="abs"))
    for other in ("sharpen", "gaussian", "emboss", "{weights: [[-1, 0, 1]], bias: 128}"):
        assert np.array_equal(remaining(x, other), remaining(x, other, range="clip"))
    # Of a chain the last kernel counts; floats keep their signs.
    assert np.array_equal(remaining(x, "sobel-x", "gaussian"), remaining(x, "sobel-x", "gaussian", range="clip"))
    floats = x.astype(np.float32)
    assert np.array_equal(remaining(floats, "sobel-x"), remaining(floats, "sobel-x", range="float"))
    assert remaining(floats, "sobel-x").min() < 0


@pytest.mark.parametrize(
    "kernel, dtype",
    [
        ("gaussian", "uint8"), ("identity", "uint8"), ("swirl", "uint8"), ("sharpen", "float32"),
        ("sobel-x", "float32"), ("sepia", "float32"),
    ],
)  # fmt: skip
def test_array_files_keep_what_integers_would_lose(tmp_path: Path, kernel: str, dtype: str) -> None:
    x = RNG.integers(0, 256, (30, 20, 3), np.uint8)
    save(tmp_path / "x.png", x)
    bank = "{weights: [[[[9]], [[0]], [[0]]]]}"  # one filter of three channels
    name = bank if kernel == "sepia" else kernel
    done = run("apply", str(tmp_path / "x.png"), "-k", name, "-o", str(tmp_path / "y.npy"))
    assert done.code == 0 and not done.err
    y = np.load(tmp_path / "y.npy")
    assert y.dtype == dtype
    expected = convcli.load(name).apply(x, dtype=dtype)
    assert np.abs(y.reshape(expected.shape) - expected.astype("float64")).max() <= 1e-3


def test_sixteen_bits_become_eight_exactly_rounded_and_back() -> None:
    exact = np.rint(RAMP.astype(np.float64) * 255 / 65535)
    eight = remaining(RAMP, "identity", depth="8")
    assert eight.dtype == np.uint8 and np.array_equal(eight, exact)
    assert np.array_equal(remaining(eight, "identity", depth="16"), exact * 257)
    unit = remaining(RAMP, "identity", depth="float")
    assert unit.dtype == np.float32 and np.abs(unit - RAMP / 65535.0).max() < 1e-7
    assert np.array_equal(remaining(unit, "identity", depth="16"), RAMP)
    # One rounding, after the filter.
    blurred = convcli.load("gaussian").apply(RAMP, dtype="float64")
    assert np.array_equal(remaining(RAMP, "gaussian", depth="8"), np.rint(blurred * 255 / 65535))


@pytest.mark.parametrize("mode", ["clip", "abs", "offset", "rescale"])
@pytest.mark.parametrize("alpha", ["filter", "keep", "drop"])
@pytest.mark.parametrize("linear", [False, True])
def test_a_depth_is_a_matter_of_scale_alone(mode: str, alpha: str, linear: bool) -> None:
    """What is filtered at 8 bits and kept at 16 is, in parts of white, what is kept at 8, but for rounding."""
    x = RNG.integers(0, 256, (24, 20, 4), np.uint8)
    x[4:9, 3:8, 3] = 0
    x[12:20, 10:, 3] = 255
    for channels in (("all",), ("r", "g"), ("luma",)):
        if linear and channels == ("luma",):
            continue
        treatment = Treatment(channels=channels, alpha=alpha, linear=linear)
        both = []
        for depth in (None, "16", "float"):
            chain = Chain([convcli.load("sharpen")], mode, depth=depth)
            result = filter_pixels(x, chain, treatment, channels=Channels.of(4)).array
            white = 1.0 if result.dtype.kind == "f" else float(np.iinfo(result.dtype).max)
            # Mid-grey is (white + 1) / 2: half a step of 8 bits.
            both.append((np.clip(result / white, 0, 1), 0.51 / 255 + (mode == "offset") * 0.51 / 255))
        for other, tolerance in both[1:]:
            assert np.abs(other - both[0][0]).max() <= tolerance


def test_depths_on_the_command_line(tmp_path: Path) -> None:
    deep = str(tmp_path / "deep.tif")
    save(tmp_path / "deep.tif", RNG.integers(0, 65536, (30, 40, 3), np.uint16))
    refused = run("apply", deep, "-k", "sharpen", "-o", str(tmp_path / "x.jpg"))
    assert refused.code == 1 and "jpeg can't hold uint16 pixels, only uint8" in refused.err
    assert "hint: --depth 8 converts it" in refused.err
    assert run("apply", deep, "-k", "sharpen", "--depth", "8", "-o", str(tmp_path / "x.jpg")).code == 0
    assert read(tmp_path / "x.jpg").dtype == np.uint8
    wrong = run("apply", deep, "-k", "sharpen", "--depth", "8", "--range", "float", "-o", str(tmp_path / "y.tif"))
    assert wrong.code == 2 and "--range float keeps numbers as they are, --depth 8 scales them" in wrong.err


def test_what_was_chosen_is_told(tmp_path: Path) -> None:
    save(tmp_path / "x.png", RNG.integers(0, 256, (30, 20, 3), np.uint8))
    done = run("apply", str(tmp_path / "x.png"), "-k", "laplacian", "-o", str(tmp_path / "y.png"), "--report")
    assert "png uint8 -> png uint8; range abs: the weights of laplacian sum to 0" in done.err
    chain = ["-k", "sobel-x", "-k", "sobel-y"]
    done = run("apply", str(tmp_path / "x.png"), *chain, "-o", str(tmp_path / "z.png"))
    assert "sobel-x and sobel-y run one after the other, as edges of edges; --combine magnitude" in done.err
    # Edges that are cut off all the same are not told to use what is in use.
    noisy = np.where(RNG.random((50, 50, 1)) > 0.5, 255, 0).astype(np.uint8)
    save(tmp_path / "n.png", noisy)
    done = run("apply", str(tmp_path / "n.png"), "-k", "scharr-x", "-o", str(tmp_path / "s.png"))
    assert "% too high" in done.err and "--range abs" not in done.err


@pytest.mark.parametrize("dtype", ["uint16", "int16", "int32", "uint32"])
@pytest.mark.parametrize("alpha", [False, True])
def test_samples_that_come_out_dark_are_told(dtype: str, alpha: bool) -> None:
    top = np.iinfo(dtype).max
    treatment = Treatment() if alpha else Treatment(alpha="none")
    for share, said in ((0.01, True), (0.12, True), (0.2, False), (1.0, False)):
        pixels = np.full((20, 30, 4), top, dtype)
        pixels[..., :3] = int(top * share)
        if not alpha:
            pixels = pixels[..., :3]
        for fields in ({"depth": "8"}, {"depth": "8", "range": "rescale"}, {}, {"depth": "float"}):
            notes = filter_pixels(pixels, Chain([convcli.load("box")], **fields), treatment).notes
            assert bool(notes) == (said and fields == {"depth": "8"})
            for note in notes:
                assert note.startswith(f"its greatest sample is {round(255 * share)} of 255, since white of {dtype} is")


def test_rows_know_the_greatest_of_all(tmp_path: Path) -> None:
    dark = RNG.integers(0, 4000, (1500, 1500), np.uint16)
    for brightest, said in ((4000, True), (65535, False)):
        dark[700:720, 700:720] = brightest
        save(tmp_path / "x.tif", dark)
        line = ["apply", str(tmp_path / "x.tif"), "-k", "box", "--depth", "8", "-o", str(tmp_path / "y.tif"), "-f"]
        done = run(*line, "--report")
        assert "in 2 bands" in done.err or "in 3 bands" in done.err
        assert ("its greatest sample is 16 of 255" in done.err) == said


@pytest.mark.parametrize(
    ("kernel", "total"),
    [
        ("[[1, 2, 1], [2, 4, 2], [1, 2, 1]]", 16),
        ("[[1, 2, 1], [2, 4, 2], [1, 2, 1]]:divisor=sum", None),
        ("{type: separable, taps: [1, 1, 1]}", 9),
        ("[[-1, -1, -1], [-1, 9, -1], [-1, -1, -1]]", None),
        ("sobel-x", None),
        ("{weights: [[1]], bias: 200}", None),
        ("{type: transposed, weights: {fill: 1, size: [4, 4]}, stride: 2}", 4),
    ],
)
def test_a_divisor_that_was_forgotten_is_told_where_it_shows(kernel: str, total: float | None) -> None:
    for level, bright in ((200, True), (3, False)):
        notes = filter_pixels(np.full((20, 30, 3), level, np.uint8), Chain([convcli.load(kernel)])).notes
        said = [note for note in notes if "divisor: " in note]
        assert len(said) == (bright and total is not None), notes
        for note in said:
            assert f" sum to {total:g}," in note
            divisor = convcli.load(kernel + note[note.index(":divisor") : note.index(")")])
            flat = divisor.apply(np.full((20, 30, 3), 200, np.uint8))
            assert (flat[4:-4, 4:-4] == 200).all(), "what it advises keeps brightness"
