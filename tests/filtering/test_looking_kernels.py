"""Kernels whose offsets follow from the picture, on whole pictures: alpha, light, steps, limits, --offsets-out."""

from __future__ import annotations

import dataclasses
import json
import mmap
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import convcli
from convcli.batch.fingerprint import fingerprint
from convcli.filtering import paging, steps
from convcli.filtering.chain import Chain
from convcli.filtering.treatment import Treatment
from tests.batch.test_one_file import photo
from tests.support import SAMPLES, run


def branch(**more: Any) -> Any:
    weights = np.random.default_rng(0).standard_normal((18, 1, 3, 3)) * 4
    inner = {"weights": weights, "range": "unit", **more}
    return convcli.load({"type": "deformable", "weights": np.ones((3, 3)), "divisor": 9, "offsets": {"branch": inner}})


KERNELS = {
    "brush": ["brush", "brush:border=wrap"],
    "follow": ["smooth-edges"],
    "limit": [branch(limit=3)],
    "no limit": [branch()],
}


@pytest.mark.skipif(not paging.available(), reason="this system gives no memory back")
@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("treatment", [Treatment(), Treatment(linear=True), Treatment(channels=("luma",)),
                                       Treatment(alpha="keep"), Treatment(alpha="drop")], ids=str)  # fmt: skip
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_steps_give_the_same_to_the_last_bit(
    name: str, treatment: Treatment, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "GRAIN", mmap.PAGESIZE)
    monkeypatch.setattr(steps, "_STEP_BYTES", 1 << 16)
    pixels: Any = photo(310, 73, 4, dtype=dtype)
    pixels[190:240, :, 3] = 0
    chain = Chain([convcli.load(kernel) for kernel in KERNELS[name]])
    results = []
    for by_steps in (True, False):
        monkeypatch.setattr(steps, "goes_in_rows", lambda picture, pixels, answer=by_steps: answer)
        results.append(steps.filter_pixels(pixels.copy(), chain, treatment))
    assert np.array_equal(results[0].array, results[1].array)
    same = {"array": None, "seconds": 0.0}
    assert dataclasses.replace(results[0], **same) == dataclasses.replace(results[1], **same)


@pytest.mark.parametrize("kernel", ["brush", branch(limit=3)], ids=["brush", "branch"])
def test_hidden_colour_moves_nothing(kernel: Any) -> None:
    """Colours where alpha is 0 change neither what is seen nor its outline, which goes where the colours go."""
    pixels: Any = photo(80, 90, 4)
    pixels = cv2.GaussianBlur(pixels, (0, 0), 2)
    pixels[..., 3] = 255
    pixels[:, 45:, 3] = 0
    others = pixels.copy()
    others[:, 45:, :3] = 255 - others[:, 45:, :3]
    results = [steps.filter_pixels(each, Chain([convcli.load(kernel)])).array for each in (pixels, others)]
    assert np.array_equal(results[0][..., 3], results[1][..., 3])
    seen = results[0][..., 3] > 0
    assert np.abs(results[0].astype(int) - results[1])[seen].max() <= 1
    flat = np.full_like(pixels, 200)
    flat[..., 3] = pixels[..., 3]
    assert (steps.filter_pixels(flat, Chain([convcli.load(kernel)])).array[..., :3][seen] == 200).all()


def test_what_a_limit_cut_off_is_told(tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", weights=np.full((18, 1, 1, 1), 10.0))
    (tmp_path / "k.yaml").write_text(
        "type: deformable\nweights: {fill: 1, size: [3, 3]}\ndivisor: sum\n"
        "offsets: {branch: {weights: w.npz::weights, range: unit, limit: 5}}\n"
    )
    pixels = np.zeros((20, 40), np.uint8)
    pixels[:, 20:] = 255
    cv2.imwrite(str(tmp_path / "in.png"), pixels)
    result = run("apply", tmp_path / "in.png", "-k", tmp_path / "k.yaml", "-o", tmp_path / "out.png", "--json")
    assert result.code == 0, result.err
    assert "50 % of the offsets of kernel 'k' were cut off at its limit" in json.loads(result.err)["notes"]


@pytest.mark.parametrize("kernel", ["brush", "smooth-edges:stride=2"])
def test_offsets_out(kernel: str, tmp_path: Path) -> None:
    """What is written makes the same picture where the kernel gets it as its offsets."""
    field, out = tmp_path / "field.npy", tmp_path / "out.png"
    result = run("apply", SAMPLES / "logo.png", "-k", kernel, "-o", out, "--offsets-out", field)
    assert result.code == 0, result.err
    planes = np.load(field)
    loaded = convcli.load(kernel)
    height, width = loaded.output_shape((200, 200))
    assert planes.shape == (2 * loaded.taps[0] * loaded.taps[1], height, width) and planes.dtype == np.float32
    again = tmp_path / "again.png"
    assert run("apply", SAMPLES / "logo.png", "-k", kernel, "-o", again, "--offsets", field).code == 0
    first, second = (cv2.imread(str(path), cv2.IMREAD_UNCHANGED).astype(int) for path in (out, again))
    # Hidden colour is filtered on its own, with offsets of its own.
    assert np.abs(first - second)[first[..., 3] > 60].max() <= 1
    assert {path.name for path in tmp_path.iterdir()} == {"field.npy", "out.png", "again.png"}


def test_offsets_out_refuses(tmp_path: Path) -> None:
    field, scene = tmp_path / "f.npy", SAMPLES / "scene.jpg"
    field.write_bytes(b"")

    def error(*arguments: str | Path) -> str:
        result = run("apply", *arguments, "--offsets-out", field)
        assert result.code in (1, 2)
        return result.errors()[0]

    out = ["-o", tmp_path / "o.png"]
    assert "it exists" in error(scene, "-k", "brush", *out)
    assert "here are 0" in error(scene, "-k", "swirl", *out)
    assert "here are 2" in error(scene, "-k", "brush", "-k", "brush", *out)
    assert "there are 2 inputs" in error(scene, SAMPLES / "pond.png", "-k", "brush", "-o", f"{tmp_path}/")
    assert field.read_bytes() == b"" and list(tmp_path.iterdir()) == [field]


def test_runs_are_told_apart_by_branches_too() -> None:
    """A record of a run is for its weights and limits."""
    marks = [fingerprint(kernel) for kernel in (branch(), branch(limit=3), branch(range="byte"), branch(bias=1.0))]
    assert len(set(marks)) == 4 and fingerprint(branch()) == marks[0]
    assert fingerprint(convcli.load("brush")) != fingerprint(convcli.load("brush:sigma=2"))


def test_show_tells_where_offsets_come_from() -> None:
    assert "along(sigma=1, around=3)" in run("show", "brush").out.decode()
    displayed = json.loads(run("show", "swirl", "--format", "json").out)
    assert "swirl(" in json.dumps(displayed)


def test_offsets_of_a_picture_that_was_done_are_told_to_be_missing(tmp_path: Path) -> None:
    words = ["apply", SAMPLES / "pond.png", "-k", "brush", "-o", tmp_path / "o.png"]
    words += ["--report-file", tmp_path / "r.jsonl", "--resume"]
    assert run(*words).code == 0
    result = run(*words, "--offsets-out", tmp_path / "f.npy")
    assert result.code == 1 and "done by an earlier run" in result.err and "leave out --resume" in result.err
    assert {path.name for path in tmp_path.iterdir()} == {"o.png", "r.jsonl"}
