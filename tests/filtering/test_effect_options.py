"""Amounts, thresholds, regions and masks as the shell, Python and kernel files say them; what cannot be is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import convcli
from convcli.errors import ConvcliError
from convcli.filtering import Chain, paging, steps
from convcli.filtering.effect import Effect, Region
from tests.filtering.mixed import formula, picture, plain
from tests.support import read, run, save


@pytest.mark.parametrize("text, rows, columns", [
    ("30x20+10+5", (5, 25), (10, 40)), ("30x20", (0, 20), (0, 30)), ("30x20-10-5", (0, 15), (0, 20)),
    ("50%x50%+10+10", (10, 40), (10, 45)), ("50x50%", (0, 30), (0, 35)), ("300x300+60+50", (50, 60), (60, 70)),
    ("20%x50%+50%+10%", (6, 36), (35, 49)),
])  # fmt: skip
def test_regions_are_imagemagicks(text: str, rows: tuple[int, int], columns: tuple[int, int]) -> None:
    assert Region.parse(text).inside(60, 70) == (slice(*rows), slice(*columns))


def test_volumes_and_arrays(tmp_path: Path) -> None:
    volume = picture("float32", 1, (4, 20, 30))[..., 0]
    np.save(tmp_path / "v.npy", volume)
    done = run(
        "apply", str(tmp_path / "v.npy"), "--layout", "zyx", "-k", "gaussian", "--region", "10x10+5+5", "-o",
        str(tmp_path / "w.npy"),
    )  # fmt: skip
    assert done.code == 0, done.err
    result, blurred = np.load(tmp_path / "w.npy"), convcli.load("gaussian").apply(volume, "zyx")
    assert np.abs(result[:, 5:15, 5:15] - blurred[:, 5:15, 5:15]).max() < 1e-6
    result[:, 5:15, 5:15] = volume[:, 5:15, 5:15]
    assert np.array_equal(result, volume)


@pytest.mark.parametrize("kernel, effect, first", [
    ("sharpen:amount=.5", "x + 0.5 * (K(x) - x); in the weights above", "0 -0.5    0"),
    ("gaussian:sigma=1,amount=2,threshold=.1", "where |K(x) - x| >= 0.1 of white; K has the weights above", "1.3e-04"),
    ("unsharp:amount=1.5,threshold=3", "x + 1.5 * (x - K(x)) where |K(x) - x| >= 3 samples", ""),
])  # fmt: skip
def test_show_tells_of_the_effect(kernel: str, effect: str, first: str) -> None:
    shows = run("show", kernel).out.decode()
    assert effect in shows and first in shows
    assert "effect" not in run("show", kernel.partition(":")[0].replace("unsharp", "box")).out.decode()


def test_what_cannot_be_is_refused_in_a_line(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture())
    save(tmp_path / "m.png", picture(channels=1, shape=(30, 30)))
    save(tmp_path / "c.png", picture())
    for arguments, code, words in [
        (("-k", "downsample-2x", "--amount", "50%"), 1, "makes 35x30x3 samples of 70x60x3, which can't be mixed"),
        (("-k", "downsample-2x:amount=50%"), 1, "makes 35x30x3 samples of 70x60x3, which can't be mixed with them"),
        (("-k", "gaussian", "--region", "10x10+100+0"), 1, "region 10x10+100+0 lies outside of a picture of 70x60"),
        (("-k", "gaussian", "--region", "left"), 2, "'left' is no region"),
        (("-k", "gaussian", "--region", f"{'9' * 400}x10"), 2, "999x10' is no region"),
        (("-k", "gaussian", "--region", f"10x10+0-{'9' * 5000}"), 2, "999' is no region"),
        (("-k", "gaussian", "--where", str(tmp_path / "m.png")), 1, "the mask of --where is 30x30, the picture 70x60"),
        (("-k", "gaussian", "--where", str(tmp_path / "c.png")), 1, "a mask is grey or has alpha"),
        (("-k", "gaussian", "--feather", "3"), 2, "--feather softens the edge of a mask"),
        (("-k", "gaussian", "--amount", "50"), 2, "--amount 50 is 5000 %"),
        (("-k", "gaussian", "--amount", "half"), 2, "'half' is neither a number nor per cent"),
        (("-k", "gaussian", "--amount", "50%", "--range", "rescale"), 1, "--range rescale moves all samples"),
        (("-k", "gaussian:threshold=-1"), 2, "'threshold' is -1; it must be at least 0"),
        (("-k", "gaussian:amount=much"), 2, "'amount' must be a number, not 'much'"),
    ]:
        done = run("apply", str(tmp_path / "a.png"), *arguments, "-o", str(tmp_path / "o.png"))
        assert (done.code, "Traceback" in done.err) == (code, False), done.err
        assert words in done.err and not (tmp_path / "o.png").exists()
    with pytest.raises(ConvcliError, match="rows and columns"):
        effect = Effect(region=Region.parse("1x1"))
        line = steps.Outline(shape=(9, 1), dtype=np.float32, axes="x")
        steps.filtered(
            steps.Picture(line, Chain([convcli.load("{axes: x, weights: [1, 1]}")], effect=effect)), np.zeros((9, 1))
        )


def test_resume_knows_the_mask(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture())
    save(tmp_path / "m.png", np.full((60, 70, 1), 255, np.uint8))
    words = ["apply", str(tmp_path / "a.png"), "-k", "gaussian", "--where", str(tmp_path / "m.png"), "--report-file",
             str(tmp_path / "r.jsonl"), "--resume", "-o", str(tmp_path / "o.png")]  # fmt: skip
    assert run(*words).code == 0
    before = read(tmp_path / "o.png")
    assert run(*words).code == 0 and np.array_equal(read(tmp_path / "o.png"), before)
    save(tmp_path / "m.png", np.zeros((60, 70, 1), np.uint8))
    assert run(*words).code == 0
    assert np.array_equal(read(tmp_path / "o.png"), read(tmp_path / "a.png"))


def test_masks_are_pictures_or_arrays(tmp_path: Path) -> None:
    save(tmp_path / "a.png", x := picture())
    shares = np.zeros((60, 70), np.float32)
    shares[10:40, 20:50] = 1
    results = []
    for name, mask in (
        ("b.npy", shares > 0), ("u8.npy", (255 * shares).astype(np.uint8)), ("f4.npy", shares), ("f8.npy", shares),
        ("u16.npy", (65535 * shares).astype(np.uint16)), ("third.npy", shares[..., None]),
    ):  # fmt: skip
        np.save(tmp_path / name, mask.astype(np.float64) if name == "f8.npy" else mask)
        where = ("--where", str(tmp_path / name))
        done = run("apply", str(tmp_path / "a.png"), "-k", "gaussian", *where, "-o", str(tmp_path / "o.png"), "-f")
        assert done.code == 0, done.err
        results += [read(tmp_path / "o.png"), convcli.apply(x, "gaussian", where=np.load(tmp_path / name))]
    assert all(np.array_equal(result, results[0]) for result in results)
    inside = np.where(shares[..., None] > 0, convcli.load("gaussian").apply(x), x)
    assert np.array_equal(results[0], inside)


@pytest.mark.parametrize("mask, words", [
    (np.full((60, 70), np.nan), "4200 of 4200 shares of the mask are NaN or infinite"),
    (np.eye(60, 70, dtype=np.int64), "a mask of int64 says not what is white"),
    (np.eye(60, 70, dtype=np.uint8), "the mask's largest number is 1, its white 255"),
    (np.full((60, 70), 255.0), "the mask's largest number is 255, its white 1"),
    (np.ones((60, 70, 3)), "this has the shape (60, 70, 3)"), (np.ones((9, 70)), "is 70x9, the picture 70x60"),
])  # fmt: skip
def test_numbers_that_are_no_shares_are_refused(mask: Any, words: str, tmp_path: Path) -> None:
    save(tmp_path / "a.png", x := picture())
    np.save(tmp_path / "m.npy", mask)
    done = run(
        "apply", str(tmp_path / "a.png"), "-k", "gaussian", "--where", str(tmp_path / "m.npy"), "-o",
        str(tmp_path / "o.png"),
    )  # fmt: skip
    assert done.code and words in done.err and not (tmp_path / "o.png").exists()
    with pytest.raises(ConvcliError, match=re.escape(words)):
        convcli.apply(x, "gaussian", where=mask)


MASK = np.zeros((60, 70), np.uint8)
MASK[5:25, 30:60], MASK[40:, :20], MASK[12, 40] = 255, 100, 1


EFFECTS: dict[str, dict[str, Any]] = {
    "threshold": {"threshold": 0.05}, "amount": {"amount": -1.5}, "both": {"amount": 0.4, "threshold": 0.02},
    "region": {"region": "30x20+30+5"}, "feathered": {"region": "30x20+30+5", "feather": 2.0, "amount": 0.5},
    "mask": {"where": MASK}, "soft mask": {"where": MASK, "feather": 1.5, "threshold": 0.05},
    "all": {"where": MASK, "region": "50%x80%+10+5", "feather": 1.0, "amount": 1.5, "threshold": 0.02},
}  # fmt: skip


def shares_of(options: dict[str, Any]) -> Any:
    """The mask of some options in float64."""
    mask = np.ones((60, 70)) if "where" not in options else options["where"] / 255
    if "region" in options:
        inside = np.zeros((60, 70))
        inside[Region.parse(options["region"]).inside(60, 70)] = 1
        mask = mask * inside
    if sigma := options.get("feather"):
        mask = ndimage.gaussian_filter(mask, sigma, mode="nearest", radius=int(4 * sigma + 0.5))
    return mask[..., None]


@pytest.mark.skipif(not paging.available(), reason="pictures go in bands where memory can be given back")
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("name", EFFECTS)
@pytest.mark.parametrize("kernels", [["gaussian:sigma=2"], ["gaussian", "sharpen"]], ids=str)
def test_bands_and_the_whole_are_the_formula(
    kernels: list[str], name: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, options = picture(dtype), EFFECTS[name]
    white = 1.0 if dtype == "float32" else float(np.iinfo(dtype).max)
    y, least = plain(x, kernels), options.get("threshold", 0) * white
    wanted = formula(x, y, options.get("amount", 1), least, shares_of(options))
    near = abs(abs(y - x) - least) < 1e-4 * white if least else False
    whole = convcli.apply(x, kernels, **options)
    monkeypatch.setattr(steps, "goes_in_rows", lambda picture, pixels: True)
    monkeypatch.setattr(steps, "_STEP_BYTES", 1 << 12)
    bands = convcli.apply(x, kernels, **options)
    assert np.array_equal(bands, whole)
    if dtype != "float32":
        wanted = np.clip(wanted, 0, white)
    off = np.where(near, 0, abs(np.float64(whole) - wanted))
    assert off.max() <= 2e-5 * white + 0.5 * (dtype != "float32")


@pytest.mark.parametrize("name", EFFECTS)
def test_shell_python_and_kernel_files_agree(name: str, tmp_path: Path) -> None:
    x, options = picture("uint16"), EFFECTS[name]
    save(tmp_path / "a.png", x)
    save(tmp_path / "mask.png", MASK[..., None])
    words = [f"--{key}={tmp_path / 'mask.png' if key == 'where' else value}" for key, value in options.items()]
    done = run("apply", str(tmp_path / "a.png"), "-k", "gaussian:sigma=2", *words, "-o", str(tmp_path / "o.png"))
    assert done.code == 0, done.err
    assert np.array_equal(read(tmp_path / "o.png"), convcli.apply(x, "gaussian:sigma=2", **options))
    if not options.keys() - {"amount", "threshold"}:
        fields = "".join(f"{key}: {value}\n" for key, value in options.items())
        (tmp_path / "k.yaml").write_text(f"type: separable\ntaps: {{gaussian: {{sigma: 2}}}}\n{fields}")
        for kernel in (str(tmp_path / "k.yaml"), convcli.load("gaussian:sigma=2").replace(**options)):
            assert np.array_equal(convcli.load(kernel).apply(x), read(tmp_path / "o.png"))
