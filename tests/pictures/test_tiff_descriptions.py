"""TIFF descriptions that tell how a file's pages lie are left behind: by them others would read another picture."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from convcli.pictures import reading
from tests.support import noise, run

VOLUME = noise(10, 32, 40)
KINDS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "imagej": ({"imagej": True}, ["ImageJ"]),
    "ome": ({"ome": True, "metadata": {"axes": "ZYX"}}, ["OME-XML"]),
    "shaped": ({}, []),  # its shape is all that it says
    "shaped with axes": ({"metadata": {"axes": "ZYX"}}, ["tifffile"]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("-k", "identity"), VOLUME[0]),
        (("-k", "identity", "--all-frames"), VOLUME),
        (("-k", "{weights: [[1]], stride: 2}"), VOLUME[0, ::2, ::2]),
    ],
    ids=["first", "all", "smaller"],
)
def test_others_read_what_was_written(
    kind: str, options: tuple[str, ...], expected: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arguments, named = KINDS[kind]
    tifffile.imwrite(tmp_path / "in.tif", VOLUME, photometric="minisblack", **arguments)
    result = run("apply", str(tmp_path / "in.tif"), *options, "-o", str(tmp_path / "out.tif"), "--report")
    assert result.code == 0
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(tifffile.imread(tmp_path / "out.tif"), expected)
    assert not caplog.records
    lost = [f"the description of the file's pages ({name}) dropped" for name in named]
    assert reading.decode((tmp_path / "in.tif").read_bytes(), place="").metadata.lost == tuple(lost)


@pytest.mark.parametrize("text", ["A lake", "ImageJ", "shape: OME>x", '{"about": "a lake"}', "<OME>, they said"])
def test_what_tells_of_the_picture_stays(text: str, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "in.tif", VOLUME[0], photometric="minisblack", description=text, metadata=None)
    assert run("apply", str(tmp_path / "in.tif"), "-k", "identity", "-o", str(tmp_path / "out.tif")).code == 0
    with tifffile.TiffFile(tmp_path / "out.tif") as file:
        assert file.pages.first.description == text
