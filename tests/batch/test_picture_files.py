"""Picture files through the command line: metadata, damage, frames, treatments and settings end to end."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from convcli.pictures import encoding, reading
from tests.support import run

Pixels = np.ndarray[Any, Any]
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def photograph(channels: int = 3) -> Pixels:
    y, x = np.mgrid[:48, :64]
    return np.stack([(x * (c + 1) + y * 2) % 200 + 20 for c in range(channels)], axis=2).astype(np.uint8)


def save(path: Path, pixels: Pixels, **settings: Any) -> Path:
    Image.fromarray(pixels).save(path, **settings)
    return path


def opened(path: Path) -> Image.Image:
    displayed = Image.open(io.BytesIO(path.read_bytes()))
    displayed.load()
    return displayed


def notes(error: str) -> list[str]:
    return json.loads(error.splitlines()[-1])["notes"]


def test_metadata_go_with_the_picture(tmp_path: Path) -> None:
    tags = Image.Exif()
    tags[0x0112], tags[0x010F] = 6, "A maker"
    source = save(tmp_path / "a.jpg", photograph(), icc_profile=SRGB, exif=tags, dpi=(300, 300))
    result = run("apply", source, "-k", "gaussian", "-o", tmp_path / "b.png", "--json")
    assert result.code == 0 and notes(result.err) == []
    displayed = opened(tmp_path / "b.png")
    assert displayed.size == (48, 64) and displayed.info["icc_profile"] == SRGB
    assert dict(displayed.getexif()) == {0x0112: 1, 0x010F: "A maker"}
    assert displayed.info["dpi"] == pytest.approx((300, 300), abs=0.05)
    result = run("apply", source, "-k", "gaussian", "-o", tmp_path / "b.ppm", "--json")
    assert notes(result.err) == ["ICC profile, EXIF, resolution dropped: not kept in pnm files"]
    result = run("apply", source, "-k", "{weights: [[[[1]], [[1]], [[1]]]], divisor: 3}", "-o", tmp_path / "g.png")
    assert "Warning: " in result.err and "it is for RGB, the result is grey" in result.err


def test_truncated_files_on_request(tmp_path: Path) -> None:
    source = save(tmp_path / "a.png", photograph())
    source.write_bytes(source.read_bytes()[:-40])
    result = run("apply", source, "-k", "gaussian", "-o", tmp_path / "b.png")
    assert result.code == 1 and "truncated PNG" in result.err and not (tmp_path / "b.png").exists()
    result = run("apply", source, "-k", "gaussian", "-o", tmp_path / "b.png", "--allow-truncated")
    assert result.code == 0 and "a.png: truncated: about 9" in result.err


def test_damage_is_a_warning_or_an_error(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    source = save(tmp_path / "a.jpg", noise)
    data = bytearray(source.read_bytes())
    data[9000:9300] = np.random.default_rng(2).integers(0, 255, 300, dtype=np.uint8).tobytes()
    source.write_bytes(data)
    result = run("apply", source, "-k", "gaussian", "-o", tmp_path / "b.png")
    assert result.code == 0 and "a.jpg: damaged JPEG: Corrupt JPEG data" in result.err
    result = run("apply", source, "-k", "gaussian", "-o", tmp_path / "c.png", "--strict")
    assert result.code == 1 and not (tmp_path / "c.png").exists()
    assert [line.split(": ")[2] for line in result.errors()] == ["damaged JPEG"]


def test_the_pixel_limit(tmp_path: Path) -> None:
    source = save(tmp_path / "a.jpg", photograph())
    result = run("apply", source, "-k", "gaussian", "-o", tmp_path / "b.jpg", "--max-pixels", "3071")
    assert result.code == 1 and "64 x 48 is 3,072 pixels; at most 3,071 are read" in result.err
    assert "--max-pixels raises the limit" in result.err
    assert run("apply", source, "-k", "gaussian", "-o", tmp_path / "b.jpg", "--max-pixels", "3072").code == 0


@pytest.mark.parametrize("extension", [".webp", ".png", ".tif", ".avif", ".npy"])
def test_all_frames(tmp_path: Path, extension: str) -> None:
    pictures = [Image.fromarray(np.roll(photograph(), shift, axis=1)) for shift in (0, 8, 16)]
    source = tmp_path / "a.gif"
    pictures[0].save(source, save_all=True, append_images=pictures[1:], duration=[70, 80, 90], loop=0)
    target = tmp_path / f"b{extension}"
    result = run("apply", source, "-k", "gaussian", "-o", target, "--all-frames", "--json")
    assert result.code == 0 and notes(result.err) == []
    assert json.loads(result.err)["frames"] == 3
    before = [picture.pixels for picture in reading.decode_all(source.read_bytes(), place="")]
    if extension == ".npy":
        assert np.load(target).shape == (3, 48, 64, 3)
        return
    after = list(reading.decode_all(target.read_bytes(), place=""))
    assert len(after) == 3 and ([p.duration for p in after] == [70, 80, 90] or extension == ".tif")
    for number, picture in enumerate(after):
        alone = run(
            "apply", "-", "-k", "gaussian", "-o", "-", stdin=encoding.encode(before[number], format="png", place="")
        )
        expected = reading.decode(alone.out, place="").pixels
        assert np.abs(picture.pixels.astype(int) - expected).mean() < (4 if extension in (".webp", ".avif") else 1e-9)
    first = run("apply", source, "-k", "gaussian", "-o", tmp_path / "one.png")
    assert "a.gif: frame 1 of 3" in first.err
    refused = run("apply", source, "-k", "gaussian", "-o", tmp_path / "b.jpg", "--all-frames")
    assert refused.code == 1 and "jpeg can't hold 3 pictures" in refused.err


def test_alpha_to_jpeg(tmp_path: Path) -> None:
    pixels = photograph(4)
    source = save(tmp_path / "a.png", pixels)
    refused = run("apply", source, "-k", "box", "-o", tmp_path / "b.jpg")
    assert refused.code == 1 and "--background COLOUR" in refused.err and not (tmp_path / "b.jpg").exists()
    for more in (["--background", "white"], ["--alpha", "drop"]):
        assert run("apply", source, "-k", "box", "-o", tmp_path / "b.jpg", "--overwrite", *more).code == 0
        assert opened(tmp_path / "b.jpg").mode == "RGB"
    remaining = run("apply", source, "-k", "box", "-o", tmp_path / "c.png", "--alpha", "keep")
    assert remaining.code == 0 and np.array_equal(np.asarray(opened(tmp_path / "c.png"))[..., 3], pixels[..., 3])


def test_channels_and_light(tmp_path: Path) -> None:
    source = save(tmp_path / "a.png", photograph())
    results = {}
    for name, more in {
        "all": [],
        "luma": ["--channels", "luma"],
        "r": ["--channels", "r"],
        "light": ["--linear"],
    }.items():
        target = tmp_path / f"{name}.png"
        assert run("apply", source, "-k", "gaussian:sigma=3", "-o", target, *more).code == 0
        results[name] = np.asarray(opened(target)).astype(int)
    assert np.array_equal(results["r"][..., 1:], photograph()[..., 1:])
    assert np.array_equal(results["r"][..., 0], results["all"][..., 0])
    assert results["light"].mean() > results["all"].mean() + 1
    assert np.abs(results["luma"] - results["all"]).max() > 5


def test_another_profile_has_another_curve(tmp_path: Path) -> None:
    other = bytearray(600)
    other[:4], other[16:20], other[36:40] = (600).to_bytes(4, "big"), b"RGB ", b"acsp"
    for icc, said in ((SRGB, 0), (bytes(other), 1)):
        source = save(tmp_path / "a.png", photograph(), icc_profile=icc)
        result = run("apply", source, "-k", "box", "-o", tmp_path / "b.png", "--overwrite", "--linear")
        assert result.code == 0 and result.err.count("linear light by sRGB's curve") == said


def test_settings_of_encoders(tmp_path: Path) -> None:
    source = save(tmp_path / "a.png", photograph())

    def size(extension: str, *more: str) -> int:
        target = tmp_path / f"b{extension}"
        assert run("apply", source, "-k", "gaussian", "-o", target, "--overwrite", *more).code == 0
        return target.stat().st_size

    assert size(".jpg", "--quality", "20") < size(".jpg") < size(".jpg", "-O", "jpeg_subsampling=444")
    own = size(".jpg", "-O", "jpeg_quality=20", "-O", "quality=90")
    assert own == size(".jpg", "--quality", "90", "-O", "jpeg_quality=20") == size(".jpg", "--quality", "20")
    assert size(".tif", "-O", "tiff_compression=deflate", "-O", "png_compression=9") < size(".tif")


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--channels", "lume"], "did you mean 'luma'?"),
        (["--background", "whit"], "did you mean 'white'?"),
        (["--quality", "0"], "quality is 1 to 100"),
        (["-O", "quality=80", "--quality", "90"], "quality is '90' and '80' at once"),
        (["-O", "jpeg_progressive=1", "-O", "jpeg-progressive=0"], "jpeg_progressive is '1' and '0' at once"),
        (["-O", "jpeg_progressive"], "a setting is NAME=VALUE"),
        (["-O", "jpeg_progresive=1"], "did you mean 'jpeg_progressive'?"),
        (["-O", "png_compression=10"], "png_compression is 0 to 9"),
        (["--max-pixels", "0"], "--max-pixels"),
        (["--alpha", "no"], "--alpha"),
        (["--linear", "--channels", "luma"], "not of linear light"),
    ],
)
def test_wrong_options_stop_before_any_work(tmp_path: Path, arguments: list[str], part: str) -> None:
    (tmp_path / "a.png").write_bytes(b"what reading would fail at")
    result = run("apply", tmp_path / "a.png", "-k", "box", "-o", tmp_path / "b.png", *arguments)
    assert result.code == 2 and part in result.err
