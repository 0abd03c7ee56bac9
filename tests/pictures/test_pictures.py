"""Pictures made by others, through `convcli apply`: PngSuite, and the 18 pictures of all EXIF orientations."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.support import corpus, decoded, read, run

needs_corpora = pytest.mark.skipif(
    not corpus("pngsuite"), reason="no pictures by others: set CONVCLI_CORPORA to a folder with pngsuite/ and exif/"
)


@needs_corpora
def test_identity_through_pngsuite(here: Path) -> None:
    paths = [path for path in corpus("pngsuite") if not path.name.startswith("x")]
    assert len(paths) > 150
    result = run("apply", *paths, "-k", "identity", "-o", "out/")
    assert (result.code, result.out) == (0, b"")
    assert not result.errors()
    for path in paths:
        before, after = read(path), read(Path("out") / path.name)
        data = path.read_bytes()
        if data[25] == 0 and b"tRNS" in data:  # grey with a transparent value: written as grey and alpha
            assert decoded(Path("out") / path.name).shape[2] == 2
            before = np.dstack([before] * 3)
            after = after[..., :3]
        assert after.dtype == before.dtype
        assert np.array_equal(after, before), path.name


@needs_corpora
def test_each_corrupt_png_is_one_clear_line(here: Path) -> None:
    paths = [path for path in corpus("pngsuite") if path.name.startswith("x")]
    assert len(paths) > 10
    result = run("apply", *paths, "-k", "identity", "-o", "out/")
    assert (result.code, result.out) == (1, b"")
    *lines, summary = result.err.splitlines()
    assert summary.startswith(f"0 done, {len(paths)} failed in ")
    assert len(lines) == len(paths)
    for path, line in zip(paths, lines, strict=True):
        assert line.startswith(f"Error: {path}: damaged PNG: ")
    assert not list(Path("out").iterdir())


@needs_corpora
def test_exif_pictures_come_out_upright(here: Path) -> None:
    paths = corpus("exif")
    assert len(paths) == 18
    assert run("apply", *paths, "-k", "downsample-2x", "-k", "downsample-2x", "-o", "out/", "--quiet").code == 0
    for name, shape in (("Landscape", (300, 450, 3)), ("Portrait", (450, 300, 3))):
        small = [
            cv2.resize(read(Path("out") / f"{name}_{number}.jpg"), (100, 100), interpolation=cv2.INTER_AREA)
            for number in range(9)
        ]
        for number in range(9):
            data = (Path("out") / f"{name}_{number}.jpg").read_bytes()
            # A reader that obeys EXIF sees the same picture: no tag turns the upright pixels again.
            assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == shape
            assert read(data).shape == shape
            assert np.abs(small[number].astype(int) - small[0].astype(int)).mean() < 3
