"""`convcli diff` against numpy's and Pillow's numbers, and what can't be compared."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageStat

from convcli.batch import difference
from tests.support import SAMPLES, noise, read, run, save


def rows(*arguments: str | Path) -> list[dict[str, Any]]:
    done = run("diff", *arguments, "--json")
    assert done.err == ""
    listed = json.loads(done.out)["rows"]
    assert done.code == int(any(row["beyond"] or row["beyond"] is None for row in listed))
    return list(listed)


def test_photos_against_pillow(tmp_path: Path) -> None:
    sharp = tmp_path / "sharp.png"
    assert run("apply", SAMPLES / "scene.jpg", "-k", "sharpen", "-o", sharp, "--quiet").code == 0
    whole, *channels = rows(SAMPLES / "scene.jpg", sharp, "--per-channel", "--tolerance", "10")
    apart = ImageChops.difference(Image.open(SAMPLES / "scene.jpg"), Image.open(sharp))
    statistics = ImageStat.Stat(apart)
    for row, band, mean, rms in zip(channels, apart.split(), statistics.mean, statistics.rms, strict=True):
        assert (row["mean"], row["rmse"]) == pytest.approx((mean, rms))
        assert row["largest"] == band.getextrema()[1]
        assert row["beyond"] == sum(band.histogram()[11:])
    assert [row["channel"] for row in channels] == ["r", "g", "b"]
    assert whole["psnr_db"] == pytest.approx(10 * math.log10(255**2 / np.mean(np.square(statistics.rms))))
    assert whole["beyond"] == sum(row["beyond"] for row in channels)
    assert whole["samples"] == 3 * 640 * 480


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int64", "uint64", "float32", "float64", "bool"])
@pytest.mark.parametrize("shape", [(1,), (1, 1), (7, 5), (4, 3, 5, 2)])
def test_arrays_against_numpy(dtype: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    generator = np.random.default_rng(len(shape))
    pair = [generator.integers(0, 2 if dtype == "bool" else 100, shape).astype(dtype) for _ in range(2)]
    for name, array in zip("ab", pair, strict=True):
        np.save(tmp_path / f"{name}.npy", array)
    (row,) = rows(tmp_path / "a.npy", tmp_path / "b.npy", "--tolerance", "20")
    apart = np.abs(pair[0].astype(float) - pair[1].astype(float))
    assert (row["largest"], row["mean"]) == pytest.approx((apart.max(), apart.mean()))
    assert row["rmse"] == pytest.approx(np.sqrt(np.mean(apart**2)))
    assert row["beyond"] == (apart > 20).sum()
    if apart.any():
        assert row["at"] == ", ".join(map(str, np.unravel_index(apart.argmax(), shape)))
        white = np.iinfo(dtype).max if pair[0].dtype.kind in "iu" else 1.0
        assert row["psnr_db"] == pytest.approx(20 * math.log10(white / row["rmse"]))


def test_large_numbers_that_floats_take_for_equal_differ(tmp_path: Path) -> None:
    for name, value in (("a", 2**63), ("b", 2**63 + 1)):
        np.save(tmp_path / f"{name}.npy", np.array([value, 0], np.uint64))
    for name, value in (("c", -(2**63)), ("d", 2**63 - 1)):
        np.save(tmp_path / f"{name}.npy", np.array([value], np.int64))
    assert rows(tmp_path / "a.npy", tmp_path / "b.npy")[0]["largest"] == 1
    assert rows(tmp_path / "c.npy", tmp_path / "d.npy")[0]["largest"] == 2.0**64


def test_nan_in_both_is_equal_and_in_one_is_told(tmp_path: Path) -> None:
    nan, inf = math.nan, math.inf
    np.save(tmp_path / "a.npy", np.array([nan, nan, 1.0, inf, inf]))
    np.save(tmp_path / "b.npy", np.array([nan, 2.0, 1.5, inf, inf]))
    (row,) = rows(tmp_path / "a.npy", tmp_path / "b.npy", "--tolerance", "1")
    assert (row["largest"], row["beyond"], row["nan_in_one"]) == (0.5, 1, 1)
    assert row["mean"] == pytest.approx(0.125)
    assert "1 are NaN in one alone" in run("diff", tmp_path / "a.npy", tmp_path / "b.npy").out.decode()
    np.save(tmp_path / "b.npy", np.array([nan, nan, 1.0, inf, -inf]))
    done = run("diff", tmp_path / "a.npy", tmp_path / "b.npy")
    assert done.code == 1 and "inf" in done.out.decode()


@pytest.mark.parametrize("band", [1, 7, 100, 1 << 20])
def test_bands_change_nothing(band: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(difference, "_BAND", band)
    left, right = noise(9, 11, 3), noise(9, 11, 3, seed=1)
    whole, *channels = difference.difference(left, right, tolerance=5, peak=255)
    apart = np.abs(left.astype(int) - right)
    assert (whole.largest, whole.beyond) == (apart.max(), (apart > 5).sum())
    assert whole.at == np.unravel_index(apart.argmax(), apart.shape) or apart[whole.at] == apart.max()
    assert whole.rmse == pytest.approx(np.sqrt(np.mean(apart**2)))
    assert [one.largest for one in channels] == apart.max(axis=(0, 1)).tolist()


@pytest.mark.parametrize(("tolerance", "code"), [("0", 1), ("2", 1), ("3", 0), ("1%", 1), ("1.2%", 0), ("100%", 0)])
def test_the_exit_code_follows_the_tolerance(tolerance: str, code: int, tmp_path: Path) -> None:
    pixels = noise(5, 6, 3)
    other = pixels.copy()
    other[2, 4, 1] = int(pixels[2, 4, 1]) + (3 if pixels[2, 4, 1] < 128 else -3)
    save(tmp_path / "a.png", pixels)
    save(tmp_path / "b.png", other)
    done = run("diff", tmp_path / "a.png", tmp_path / "b.png", "--tolerance", tolerance)
    assert (done.code, done.err) == (code, "")
    assert "4, 2 g" in done.out.decode()
    assert run("diff", tmp_path / "a.png", tmp_path / "b.png", "-t", tolerance, "-q").out == b""


@pytest.mark.parametrize("shape", [(6, 7), (6, 7, 3), (6, 7, 4)])
def test_the_drawing_has_the_largest_difference_white(shape: tuple[int, ...], tmp_path: Path) -> None:
    left = noise(*shape)
    right = left.copy()
    right[1, 2] = left[1, 2] ^ 8
    right[3, 4] = left[3, 4] ^ 16
    save(tmp_path / "a.png", left)
    save(tmp_path / "b.png", right)
    assert run("diff", tmp_path / "a.png", tmp_path / "b.png", "-o", tmp_path / "d.png").code == 1
    drawing = read(tmp_path / "d.png")
    assert drawing.shape == (shape if len(shape) == 2 else (6, 7, 3))
    assert (drawing[3, 4] == 255).all() and (drawing[1, 2] == 128).all()
    assert (drawing > 0).sum() == 2 * (drawing.size // 42)
    again = run("diff", tmp_path / "a.png", tmp_path / "b.png", "-o", tmp_path / "d.png")
    assert again.code == 2 and "exists" in again.err
    assert run("diff", tmp_path / "a.png", tmp_path / "b.png", "-o", tmp_path / "d.png", "--overwrite").code == 1


def test_folders_are_compared_by_name(tmp_path: Path) -> None:
    for side, seed in (("left", 0), ("right", 1)):
        (tmp_path / side / "deep").mkdir(parents=True)
        save(tmp_path / side / "same.png", noise(4, 4, 3))
        save(tmp_path / side / "deep" / "other.png", noise(4, 4, 3, seed=seed))
        (tmp_path / side / "notes.txt").write_text(side)
    shutil.copy(tmp_path / "left" / "same.png", tmp_path / "left" / "alone.png")
    listed = rows(tmp_path / "left", tmp_path / "right")
    assert [row["name"] for row in listed] == ["alone.png", str(Path("deep") / "other.png"), "same.png"]
    assert listed[0]["note"] == f"only in {tmp_path / 'left'}"
    assert [bool(row["beyond"]) for row in listed[1:]] == [True, False]
    save(tmp_path / "right" / "alone.png", noise(5, 4, 3))
    done = run("diff", tmp_path / "left", tmp_path / "right")
    assert done.code == 2 and "is 4 x 4 RGB uint8" in done.err and "is 4 x 5 RGB uint8" in done.err
    assert "same.png" in done.out.decode()


def test_what_can_t_be_compared(tmp_path: Path) -> None:
    a = save(tmp_path / "a.png", noise(4, 6, 3))
    save(tmp_path / "grey.png", noise(4, 6))
    save(tmp_path / "deep.png", noise(4, 6, 3, dtype=np.uint16))
    np.save(tmp_path / "a.npy", noise(4, 6, 3))
    np.save(tmp_path / "none.npy", np.zeros((0, 5)))
    facts = {
        ("grey.png",): "is 6 x 4 RGB uint8, {}/grey.png is 6 x 4 grey uint8",
        ("deep.png",): "is 6 x 4 RGB uint8, {}/deep.png is 6 x 4 RGB uint16",
        ("a.npy",): "is 6 x 4 RGB uint8, {}/a.npy is an array 4x6x3 uint8",
        ("lost.png",): "no such file",
        ("none.npy",): "none.npy: an array of shape (0, 5) holds no samples",
        (".",): "is a file, {} is a folder",
        ("a.png", "-t", "-1"): "--tolerance -1 is no number from 0 on",
        ("a.png", "-t", "much"): "--tolerance much is no number from 0 on",
        ("a.png", "-t", "nan"): "--tolerance nan is no number from 0 on",
        ("a.png", "-o", "diff.xyz"): "no image format has the extension '.xyz'",
    }
    for (name, *rest), fact in facts.items():
        done = run("diff", a, tmp_path / name, *rest)
        assert (done.code, done.out, len(done.errors())) == (2, b"", 1), name
        assert fact.format(tmp_path) in done.err
    for names in (("", a), (a, ""), ("", "")):
        done = run("diff", *names)
        assert (done.code, done.out) == (2, b"") and "an empty file name" in done.err
    done = run("diff", tmp_path / "a.npy", tmp_path / "a.npy", "--per-channel")
    assert done.code == 2 and "--per-channel is for pictures" in done.err


def test_stdin_is_one_of_the_two(tmp_path: Path) -> None:
    a = save(tmp_path / "a.png", noise(4, 6, 3))
    assert run("diff", "-", a, stdin=a.read_bytes()).code == 0
    assert run("diff", a, "-", stdin=save(tmp_path / "b.png", noise(4, 6, 3, seed=1)).read_bytes()).code == 1
    assert "stdin is one picture" in run("diff", "-", "-").err
