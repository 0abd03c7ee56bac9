"""TIFF files whose description tells of more pictures than one: tifffile writes them, and reads what comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from convcli.errors import ImageError
from convcli.pictures import reading
from tests.support import Pixels, noise, run
from tests.tiff_files import tiff_file

#: How each kind of stack is asked for, and whether it says so in tifffile's own way.
KINDS: dict[str, dict[str, Any]] = {"imagej": {"imagej": True}, "shaped": {}, "ome": {"ome": True}}
#: Height and width of what is read whole, and of what is read in bands.
SIZES = [(24, 30), (1500, 3000)]


def stack(size: tuple[int, int], colours: int = 1) -> Pixels:
    pages = [noise(*size, 3, seed=seed)[..., :colours] for seed in range(3)]
    return np.stack(pages).squeeze()


@pytest.mark.parametrize("colours", [1, 3])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_one_of_several_is_described_as_one(kind: str, size: tuple[int, int], colours: int, tmp_path: Path) -> None:
    pixels, source, out = stack(size, colours), tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(source, pixels, photometric="rgb" if colours == 3 else "minisblack", **KINDS[kind])
    result = run("apply", source, "-k", "identity", "-o", out)
    assert result.code == 0 and "frame 1 of 3" in result.err
    assert "description of 3 pictures dropped: the result is one" in result.err
    assert np.array_equal(tifffile.imread(out), pixels[0])


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_them_keep_their_description(kind: str, tmp_path: Path) -> None:
    pixels, source, out = stack((24, 30)), tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(source, pixels, photometric="minisblack", **KINDS[kind])
    result = run("apply", source, "-k", "identity", "-o", out, "--all-frames")
    assert (result.code, result.err) == (0, "")
    with tifffile.TiffFile(source) as file, tifffile.TiffFile(out) as again:
        assert again.pages[0].description == file.pages[0].description
        assert np.array_equal(again.asarray(), pixels)


@pytest.mark.parametrize("options", [(), ("--all-frames",)])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["imagej", "shaped"])
def test_pictures_behind_the_only_page_are_told_of(
    kind: str, size: tuple[int, int], options: tuple[str, ...], tmp_path: Path
) -> None:
    source, out = tmp_path / "in.tif", tmp_path / "out.npy"
    tifffile.imwrite(source, stack(size), photometric="minisblack", truncate=True, **KINDS[kind])
    result = run("apply", source, "-k", "identity", "-o", out, *options)
    assert result.code == 0 and np.array_equal(np.load(out).squeeze(), stack(size)[0])
    assert "its description tells of 3 pictures, its list of pages of 1: the others are not read" in result.err


@pytest.mark.parametrize("compression", [None, "zlib", "lzma"])
def test_volumes_in_one_page_are_refused(compression: str | None, tmp_path: Path) -> None:
    source = tmp_path / "in.tif"
    volume = noise(3, 40 * 50).reshape(3, 40, 50)
    tifffile.imwrite(
        source, volume, volumetric=True, tile=(16, 16, 16), photometric="minisblack", compression=compression
    )
    result = run("apply", source, "-k", "identity", "-o", tmp_path / "out.npy")
    assert result.code == 1 and "unsupported TIFF: its picture is 3 deep" in result.err


@pytest.mark.parametrize(
    "description",
    [
        "ImageJ=1.53t\nunit=um", "ImageJ=1.53t\nimages=1\nunit=um", '{"shape": [24, 30, 3]}', '{"shape": "x"}',
        '{"shape": [-1, 0]}', '{"shape": ' + "[" * 9999, "<OME>", "images=9", '<OME><Pixels SizeZ="1" SizeC="3"/>',
    ],
)  # fmt: skip
def test_descriptions_of_one_picture_stay(description: str, tmp_path: Path) -> None:
    source, out = tmp_path / "in.tif", tmp_path / "out.tif"
    tifffile.imwrite(source, noise(24, 30, 3), photometric="rgb", description=description, metadata=None)
    result = run("apply", source, "-k", "identity", "-o", out)
    assert (result.code, result.err) == (0, "")
    with tifffile.TiffFile(out) as file:
        assert file.pages[0].description == description


@pytest.mark.parametrize("compression", [None, "zlib", "jpeg"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("colours", [1, 3])
def test_reduced_copies_that_come_first(
    compression: str | None, size: tuple[int, int], colours: int, tmp_path: Path
) -> None:
    """The picture is the first page that is none."""
    pixels, source, out = stack(size, colours), tmp_path / "in.tif", tmp_path / "out.npy"
    with tifffile.TiffWriter(source) as file:
        for page, reduced in ((pixels[0, ::4, ::4], 1), (pixels[0], 0), (pixels[1, ::2, ::2], 1), (pixels[2], 0)):
            colour = "rgb" if colours == 3 else "minisblack"
            file.write(page, subfiletype=reduced, photometric=colour, compression=compression, metadata=None)
    result = run("apply", source, "-k", "identity", "-o", out)
    right = tifffile.imread(source, key=1), tifffile.imread(source, key=3)
    assert result.code == 0 and "frame 1 of 2" in result.err
    assert np.array_equal(np.load(out).squeeze(), right[0])
    run("apply", source, "-k", "identity", "-o", out, "--all-frames", "--overwrite")
    assert np.array_equal(np.load(out).squeeze(), np.stack(right))


@pytest.mark.parametrize("options", [(), ("--all-frames",)])
@pytest.mark.parametrize("size", SIZES)
def test_a_reduced_copy_alone_is_told_of(size: tuple[int, int], options: tuple[str, ...], tmp_path: Path) -> None:
    source, out = tmp_path / "in.tif", tmp_path / "out.npy"
    tifffile.imwrite(source, stack(size)[0], subfiletype=1, metadata=None)
    result = run("apply", source, "-k", "identity", "-o", out, *options)
    assert result.code == 0 and "its only page is a reduced copy of a picture that is not read" in result.err
    assert np.array_equal(np.load(out).squeeze(), stack(size)[0])


def test_a_page_of_no_samples_is_an_error() -> None:
    """Whose description is looked at before its samples are."""
    ome = b'<OME><Pixels SizeZ="2" SizeC="1" SizeT="1"/></OME>\0'
    data = tiff_file(noise(6, 7, 1), more={270: (2, len(ome), ome), 277: (3, 1, b"\0\0")})
    with pytest.raises(ImageError, match="TIFF"):
        reading.decode(data, place="")
