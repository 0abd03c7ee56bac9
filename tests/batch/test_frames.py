"""Frames as a volume, a file for every frame, and what can't be written refused before anything is filtered."""

from __future__ import annotations

import errno
import itertools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

import convcli
from convcli.batch import sources
from convcli.errors import ShapeError
from convcli.filtering import colour
from convcli.filtering.chain import Chain
from convcli.filtering.picture import Outline, Picture
from convcli.filtering.steps import filter_pixels
from convcli.filtering.treatment import Treatment
from convcli.pictures import reading
from tests.support import decoded, noise, run, save

Pixels = NDArray[Any]

BOX = "{axes: zyx, weights: {box: {size: 3}}, divisor: sum}"
ALONG_Z = "{axes: z, weights: [1, 1, 1], divisor: sum}"


def film(name: str, frames: Pixels | list[Pixels], **variant: Any) -> Path:
    """Frames as a file of pages or an animation, written by Pillow."""
    pictures = [Image.fromarray(frame) for frame in frames]
    pictures[0].save(name, save_all=True, append_images=pictures[1:], **variant)
    return Path(name)


def volume(source: Path, *arguments: str, code: int = 0) -> Pixels:
    """The frames of a file, filtered all together, as an array."""
    result = run("apply", source, *arguments, "--all-frames", "-o", "volume.npy", "--overwrite", "--quiet")
    assert (result.code, result.err) == (code, "")
    return np.asarray(np.load("volume.npy"))


def mean(frames: Pixels, size: tuple[int, int, int] = (3, 3, 3)) -> Pixels:
    """An oracle: scipy's box along z, y and x, channel by channel, in float64."""
    shaped = frames if frames.ndim == 4 else frames[..., None]
    return ndimage.uniform_filter(shaped.astype(np.float64), (*size, 1), mode="mirror").reshape(frames.shape)


# --- frames as a volume -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7, 20, 30), (5, 16, 24, 3), (1, 6, 8, 3)])
def test_frames_are_a_volume(here: Path, shape: tuple[int, ...]) -> None:
    frames = noise(*shape)
    source = film("a.tif", frames)
    assert np.abs(volume(source, "-k", BOX).reshape(shape) - mean(frames)).max() <= 0.5 + 1e-4
    result = run("apply", source, "-k", BOX, "-o", "b.tif", "--all-frames", "--json")
    pages = list(reading.decode_all(Path("b.tif").read_bytes(), place=""))
    assert np.array_equal(
        np.stack([page.pixels for page in pages]).reshape(shape), volume(source, "-k", BOX).reshape(shape)
    )
    report = json.loads(result.err)
    assert (report["frames"], report["stages"][0]["size_in"]) == (shape[0], list(shape[:3]))


def test_kernels_in_the_plane_run_on_each_slice(here: Path) -> None:
    frames = noise(5, 16, 24, 3)
    source = film("a.tif", frames)
    np.save("v.npy", frames)
    for kernels in (["-k", BOX, "-k", "sharpen"], ["-k", "swirl", "-k", ALONG_Z, "-k", "gaussian"]):
        assert run("apply", "v.npy", *kernels, "-o", "array.npy", "--overwrite", "--quiet").code == 0
        assert np.array_equal(volume(source, *kernels), np.load("array.npy"))
    one = "{axes: zyx, weights: [[[1]]]}"
    assert np.array_equal(volume(source, "-k", "sharpen", "-k", one), volume(source, "-k", "sharpen"))


@pytest.mark.parametrize("extension", [".png", ".webp"])
def test_a_film_stays_one(here: Path, extension: str) -> None:
    frames = noise(6, 16, 24, 3)
    source = film(f"a{extension}", frames, duration=[40, 50, 60, 70, 80, 90], loop=2, lossless=True)
    variant = ("--all-frames", "--quiet", "-O", "webp_lossless=1")
    assert run("apply", source, "-k", BOX, "-o", f"b{extension}", *variant).code == 0
    assert run("apply", source, "-k", BOX, "--stride", "2", "-o", f"c{extension}", *variant).code == 0
    same, half = (list(reading.decode_all(Path(f"{name}{extension}").read_bytes(), place="")) for name in "bc")
    assert [picture.duration for picture in same] == [40, 50, 60, 70, 80, 90] and same[0].loops == 2
    assert np.abs(np.stack([picture.pixels for picture in same]) - mean(frames)).max() <= 0.5 + 1e-4
    assert [picture.duration for picture in half] == [130, 130, 130]  # as long as before
    assert np.array_equal(half[1].pixels, same[2].pixels[::2, ::2])


def test_frames_that_make_no_volume(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "filtered", None)  # nothing is filtered
    for other, displayed in ((noise(6, 9, 3), "9 x 6 RGB uint8"), (noise(6, 8), "8 x 6 grey uint8")):
        source = film("a.tif", [noise(6, 8, 3), noise(6, 8, 3), other])
        result = run("apply", source, "-k", BOX, "-o", "b.tif", "--all-frames")
        assert result.code == 1
        assert result.err.startswith(
            f"Error: a.tif: frame 1 is 8 x 6 RGB uint8, frame 3 is {displayed}: they make no volume"
        )
    result = run("apply", source, "-k", "sharpen", "-k", ALONG_Z, "-o", "b.tif")
    assert (result.code, Path("b.tif").exists()) == (1, False)
    assert "moves along z, which one picture lacks\n  hint: --all-frames takes the frames" in result.err


# --- alpha, light and channels of a volume ----------------------------------------------------------------------------


def test_alpha_counts_along_z(here: Path) -> None:
    frames = noise(5, 16, 24, 4)
    frames[..., 3] = 255
    source = film("a.tif", frames)
    opaque = volume(source, "-k", BOX)
    assert np.array_equal(opaque[..., :3], volume(film("b.tif", frames[..., :3]), "-k", BOX))
    assert (opaque[..., 3] == 255).all()
    frames[2] = (255, 0, 0, 0)  # red that nobody sees
    frames[[0, 1, 3, 4]] = (0, 0, 200, 255)
    result = volume(film("c.tif", frames), "-k", ALONG_Z)
    assert (result[:, :, :, :3] == (0, 0, 200)).all()  # does not bleed into its neighbours in time
    assert np.array_equal(result[:, 0, 0, 3], [255, 170, 170, 170, 255])
    remaining = volume(Path("c.tif"), "-k", ALONG_Z, "--alpha", "keep")
    assert np.array_equal(remaining[..., 3], frames[..., 3])
    assert volume(Path("c.tif"), "-k", ALONG_Z, "--alpha", "drop").shape == (5, 16, 24, 3)
    white = volume(Path("c.tif"), "-k", ALONG_Z, "--background", "white")
    assert np.array_equal(white[1, 0, 0], [85, 85, 218])


def test_light_and_channels_of_a_volume(here: Path) -> None:
    frames = noise(5, 16, 24, 3)
    source = film("a.tif", frames)
    light = mean(colour.decoded(frames / 255.0))
    assert np.abs(volume(source, "-k", BOX, "--linear") - colour.encoded(light) * 255).max() <= 0.51
    red = volume(source, "-k", BOX, "--channels", "r")
    assert np.array_equal(red[..., 1:], frames[..., 1:])
    assert np.abs(red[..., 0] - mean(frames[..., 0])).max() <= 0.5 + 1e-4
    luma = frames @ np.array(colour.LUMA)
    expected = np.clip(frames + (mean(luma) - luma)[..., None], 0, 255)
    assert np.abs(volume(source, "-k", BOX, "--channels", "luma") - expected).max() <= 0.51
    result = run("apply", source, "-k", BOX, "--stride", "2", "--channels", "r", "-o", "x.tif", "--all-frames")
    assert result.code == 1 and "the kernel makes 12x8x3 pixels of 24x16x5, some channels" in result.err


# --- a file for every frame -------------------------------------------------------------------------------------------


def test_a_file_for_every_frame(here: Path) -> None:
    frames = noise(11, 12, 16, 3)
    source = film("a.tif", frames)
    result = run("apply", source, "-k", ALONG_Z, "-o", "f/{stem}-{frame}{ext}", "--format", "png", "--all-frames")
    assert (result.code, result.err) == (0, "")
    names = sorted(path.name for path in Path("f").iterdir())
    assert names == [f"a-{number:02}.png" for number in range(1, 12)]
    actual = np.stack([decoded(Path("f") / name) for name in names])
    assert np.abs(actual - mean(frames, (3, 1, 1))).max() <= 0.5 + 1e-4
    assert run("apply", source, "-k", "sharpen", "-o", "g{frame:04d}.npy", "--all-frames", "-q").code == 0
    assert run("apply", source, "-k", "sharpen", "-o", "h{frame}.npy", "--all-frames", "-q").code == 0
    assert np.array_equal(np.load("g0011.npy"), convcli.apply(frames[10], "sharpen", dtype=np.float32))
    assert Path("h11.npy").read_bytes() == Path("g0011.npy").read_bytes()
    one = save(Path("one.png"), noise(6, 5))
    assert run("apply", one, "-k", "identity", "-o", "{stem}_{frame}.png", "--all-frames").code == 0
    assert Path("one_1.png").exists()


def test_pages_of_several_sizes_each_to_a_file(here: Path) -> None:
    pages = [noise(12, 16, 3), noise(9, 7), noise(5, 4, 4)]
    source = film("a.tif", pages)
    assert run("apply", source, "-k", "identity", "-o", "p{frame}.png", "--all-frames").code == 0
    for number, page in enumerate(pages, 1):
        assert np.array_equal(decoded(f"p{number}.png").reshape(page.shape), page)
    refused = run("apply", source, "-k", "identity", "-o", "p{frame}.jpg", "--all-frames")
    assert refused.code == 1 and "jpeg can't hold RGBA" in refused.err and not list(here.glob("*.jpg"))
    result = run("apply", source, "-k", "identity", "-o", "all.jpg", "--all-frames")
    assert "jpeg can't hold 3 pictures" in result.err and "{frame} in the output's name" in result.err


def test_all_frames_are_checked_before_any_is_written(here: Path) -> None:
    source = film("a.tif", noise(12, 6, 8, 3))
    Path("f-09.png").write_bytes(b"precious")
    result = run("apply", source, "-k", "identity", "-o", "f-{frame}.png", "--all-frames")
    assert (result.code, result.err) == (1, "Error: f-09.png: it exists already\n  hint: --overwrite replaces it\n")
    assert sorted(path.name for path in here.iterdir()) == ["a.tif", "f-09.png"]
    result = run("apply", source, "-k", "identity", "-o", "f-{frame}.png", "--all-frames", "--overwrite")
    assert (result.code, len(list(here.iterdir()))) == (0, 13)


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_all_frames_or_none(here: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    source = film("a.tif", noise(5, 6, 8, 3))
    Path("f-1.png").write_bytes(b"precious")
    calls = itertools.count(1)
    fsync, replace = os.fsync, os.replace

    def full(*arguments: Any) -> Any:
        if next(calls) == 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return (fsync if step == "fsync" else replace)(*arguments)

    monkeypatch.setattr(os, step, full)
    result = run("apply", source, "-k", "identity", "-o", "f-{frame}.png", "--all-frames", "--overwrite")
    name = {"fsync": "f-4.png", "replace": "f-5.png"}[step]  # the first one, which has the lock, is renamed last
    assert (result.code, result.err) == (1, f"Error: {name}: can't be written: no space left on device\n")
    assert sorted(path.name for path in here.iterdir()) == ["a.tif", "f-1.png"]
    assert Path("f-1.png").read_bytes() == b"precious"


@pytest.mark.parametrize(
    ("output", "more", "message"),
    [
        ("{frame}.png", [], "{frame} in {frame}.png numbers the frames of --all-frames, which is not given"),
        ("{frame}/a.png", ["--all-frames"], "{frame} in {frame}/a.png must be in the file's name, not in a folder's"),
        ("{frame}/", ["--all-frames"], "{frame} in {frame}/ must be in the file's name, not in a folder's"),
        ("{stem:d}.png", [], "the template {stem:d}.png is damaged: "),
        ("{frame:y}.png", ["--all-frames"], "the template {frame:y}.png is damaged: "),
        ("{stem}{frame}.png", ["--all-frames", "b2.tif"], "the numbers of frames would run into those of the names"),
        ("x-{frame}.png", ["--all-frames", "b2.tif"], "a.tif and b2.tif would both be written to x-{frame}.png"),
    ],
)
def test_wrong_templates_of_frames(here: Path, output: str, more: list[str], message: str) -> None:
    film("a.tif", noise(3, 6, 8, 3))
    film("b2.tif", noise(3, 6, 8, 3))
    result = run("apply", "a.tif", *more, "-k", "identity", "-o", output)
    assert (result.code, len(list(here.iterdir()))) == (2, 2)
    assert result.err.startswith(f"Error: {message}")


# --- refused before filtering -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "arguments", "message"),
    [
        ((6, 8, 4), ["-k", "identity", "-o", "out.jpg"], "out.jpg: jpeg can't hold RGBA, only grey, RGB"),
        ((6, 8, 3), ["-k", "laplacian", "--range", "float", "-o", "out.png"], "out.png: png can't hold float32 pixels"),
        ((6, 8, 3), ["-k", "BANK", "-o", "out.png"], "out.png: png can't hold 6 bands, only grey"),
        ((1, 70000), ["-k", "identity", "-o", "out.jpg"], "out.jpg: jpeg can't hold 70000 x 1 pixels"),
    ],
)
def test_what_a_format_cannot_hold_is_refused_before_filtering(
    here: Path, shape: tuple[int, ...], arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save("bank.npy", np.ones((6, 3, 1, 1)))
    arguments = ["{weights: bank.npy}" if argument == "BANK" else argument for argument in arguments]
    monkeypatch.setattr(sources, "filtered", None)
    save(Path("in.png"), noise(*shape))
    np.save("in.npy", noise(*shape))
    for name in ("in.png", "in.npy"):
        result = run("apply", name, *arguments)
        assert (result.code, len(result.errors()), len(list(here.glob("out*")))) == (1, 1, 0)
        assert result.err.startswith(f"Error: {message}")


TREATMENTS = [
    Treatment(channels=channels, alpha=alpha, background=background, linear=linear)
    for channels in (("all",), ("luma",), ("r",), ("g", "b"), ("alpha",))
    for alpha in ("filter", "keep", "drop")
    for background in (None, (1.0, 1.0, 1.0), (1.0, 0.5, 0.0))
    for linear in (False, True)
    if not (channels == ("luma",) and linear)
    and not (channels == ("alpha",) and alpha != "filter")
    and not (background and alpha != "filter")
]
CHAINS: list[list[Any]] = [["gaussian"], ["gaussian", {"weights": [[1, 2], [3, 4]], "stride": 2}]]
CHAINS += [[{"weights": np.ones((out, 3, 1, 1))}] for out in (1, 2, 3, 5)]


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_outcome_is_known_beforehand(channels: int) -> None:
    checked = 0
    chains = [[convcli.load(kernel) for kernel in chain] for chain in CHAINS]
    for kernels, treatment, mode, dtype, deep in itertools.product(
        chains, TREATMENTS, ("clip", "float"), (np.uint8, np.float32), ((), (2,))
    ):
        pixels = noise(*deep, 6, 8, channels).astype(dtype)
        try:
            outcome = filter_pixels(pixels, Chain(kernels, mode), treatment)
        except ShapeError:
            continue
        expected = outcome.array.shape, outcome.array.dtype, outcome.stages[-1].channels_out
        outline = Outline(shape=pixels.shape, dtype=pixels.dtype)
        picture = Picture(outline, Chain(kernels, mode), treatment)
        assert (picture.shape, picture.dtype, picture.leaves) == expected
        checked += 1
    assert checked >= 400
