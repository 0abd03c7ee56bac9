"""The matrix finds what is wrong: a value, a channel's meaning, a silence, a refusal that names nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from convcli.errors import ImageError
from tests.pictures.matrix import cells, rules, tiff_cells, tiff_codecs
from tests.pictures.matrix.cells import Cell, Reading
from tests.pictures.matrix.pages import Page

RIGHT = tiff_cells.cell("rgba", Page(samples=4, photometric=2, extra=(2,)))


def other(reading: Reading, **changes: Any) -> Cell:
    return replace(RIGHT, readings=(replace(reading, **changes),))


def test_each_kind_of_mistake_is_found(tmp_path: Path) -> None:
    (reading,) = RIGHT.readings
    one_off = reading.pixels.copy()
    one_off[2, 3, 1] ^= 1
    wrong = {
        "a value": other(reading, pixels=one_off),
        "a depth": other(reading, pixels=reading.pixels.astype(np.uint16)),
        "a channel too many": other(reading, pixels=reading.pixels[..., :3], extra=()),
        "a meaning": other(reading, extra=("band",)),
        "what is not told": other(reading, note="scaled"),
        "no word of it": replace(RIGHT, notes="scaled"),
        "what is to be refused": replace(RIGHT, readings=()),
        "a refusal without a reason": replace(RIGHT, file=lambda: b"II*\0", reasons=("CMYK",)),
    }
    path = tmp_path / "cell.tif"
    for name, cell in {"": RIGHT, "within": other(reading, pixels=one_off, within=1), **wrong}.items():
        path.write_bytes(cell.file())
        outcome = "wrong" if name in wrong else "right"
        assert cells.whole(cell, cell.file()).outcome == outcome, name
        result, _ = cells.in_bands(cell, path)
        assert result.outcome in (outcome, "whole"), name


def test_a_traceback_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(data: bytes, **how: Any) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(cells, "decode", fails)
    assert cells.whole(RIGHT, b"").outcome == "wrong"

    def refuses(data: bytes, **how: Any) -> None:
        raise ImageError("unsupported TIFF: 5-bit samples")

    monkeypatch.setattr(cells, "decode", refuses)
    assert cells.whole(RIGHT, b"").outcome == "wrong"
    assert cells.whole(replace(RIGHT, reasons=("5-bit",)), b"").outcome == "refused"


@pytest.mark.parametrize("section", [tiff_cells.storage, tiff_cells.depths])
def test_every_pair_of_choices_occurs(section: tiff_cells.Section) -> None:
    seen: Counter[tuple[str, str]] = Counter()
    fields = [set() for _ in range(3)]  # type: ignore[var-annotated]
    for name, _ in section():
        words = name.split()[1:4]  # depth, meaning, layout
        for values, word in zip(fields, words, strict=True):
            values.add(word)
        seen.update(combinations(words, 2))
    assert len(seen) == sum(len(a) * len(b) for a, b in combinations(fields, 2))


def test_orientations_are_those_of_pillow() -> None:
    pixels = np.arange(35, dtype=np.uint8).reshape(5, 7)
    for orientation in range(1, 9):
        picture = Image.fromarray(pixels)
        picture.getexif()[274] = orientation
        upright = np.array(ImageOps.exif_transpose(picture))
        assert (rules.turned(pixels[..., None], orientation)[..., 0] == upright).all(), orientation


@pytest.mark.parametrize(("mode", "photometric", "within"), [("CMYK", 5, 1), ("YCbCr", 6, 2)])
def test_colours_are_those_of_pillow(mode: str, photometric: int, within: int) -> None:
    bands = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(0).integers(0, 256, (40, 50, bands), np.uint8)
    wanted = np.array(
        Image.merge(mode, [Image.fromarray(band) for band in np.moveaxis(values, 2, 0).copy()]).convert("RGB")
    )
    (reading,) = rules.readings(Page(size=(40, 50), samples=bands, photometric=photometric), values.astype(np.uint64))
    assert np.abs(reading.pixels.astype(int) - wanted).max() <= within


def test_lab_is_that_of_little_cms() -> None:
    values = np.random.default_rng(0).integers((40, -60, -60), (220, 60, 60), (40, 50, 3))
    picture = Image.frombytes("LAB", (50, 40), (values % 256).astype(np.uint8).tobytes())
    profiles = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    exactly = ImageCms.Flags.NOOPTIMIZE
    wanted = np.array(ImageCms.profileToProfile(picture, *profiles, outputMode="RGB", flags=exactly), int)
    inside = ((wanted > 0) & (wanted < 255)).all(axis=2)
    eight, _ = tiff_codecs.lab_as_rgb(values)
    assert inside.mean() > 0.5
    assert np.abs(eight.pixels - wanted)[inside].max() <= 2
