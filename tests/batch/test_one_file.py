"""Large TIFF files in bands of rows: the same file, byte for byte, as the whole picture gives."""

from __future__ import annotations

import dataclasses
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convcli import Kernel, load
from convcli.batch.names.jobs import Job
from convcli.batch.one_job import run_job
from convcli.batch.report import Report
from convcli.batch.settings import PictureSettings, Settings
from convcli.engine.channel import fused
from convcli.filtering import paging, steps
from convcli.filtering.treatment import Treatment
from convcli.pictures.formats.tiff import rows as tiff_rows
from tests.support import Pixels, noise, run_in_bands
from tests.tiff_files import tiff_file

pytestmark = pytest.mark.skipif(not paging.available(), reason="this system gives no memory back")


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch, in_bands: None) -> Iterator[None]:
    """Memory given back page by page, at once: what is used later than it is there for turns to zeros."""
    monkeypatch.setattr(paging, "GRAIN", mmap.PAGESIZE)
    monkeypatch.setattr(steps, "_STEP_BYTES", 1 << 17)
    # Small pictures have several bands, as large ones do.
    monkeypatch.setattr(fused, "MOST", 64)
    monkeypatch.setattr(fused, "ALONE", 0)
    monkeypatch.setattr(tiff_rows, "_BAND_BYTES", 1 << 14)
    yield


def paths(data: bytes, folder: Path, name: str) -> tuple[Job, Path]:
    """A job that makes a file `name` of a file of these bytes, of the same format."""
    format = "png" if data.startswith(b"\x89PNG") else "tiff"
    source, out = folder / f"in.{format[:3]}", folder / f"{name}.{format[:3]}"
    source.write_bytes(data)
    return Job(input=str(source), output=str(out), format=format), out


def in_bands(
    data: bytes, folder: Path, kernels: Sequence[str | Kernel], mode: str = "clip", **more: Any
) -> tuple[Report | str, bytes]:
    """What the run in bands reports, and its output."""
    job, out = paths(data, folder, "banded")
    chain = [load(kernel) for kernel in kernels]
    report = run_in_bands(job, Settings(kernels=chain, range=mode, pictures=PictureSettings(**more)))
    return report, out.read_bytes() if out.exists() else b""


def whole(
    data: bytes, folder: Path, kernels: Sequence[str | Kernel], mode: str = "clip", **more: Any
) -> tuple[Report, bytes]:
    job, out = paths(data, folder, "whole")
    chain = [load(kernel) for kernel in kernels]
    settings = Settings(kernels=chain, range=mode, overwrite=True, pictures=PictureSettings(**more))
    return run_job(job, settings), out.read_bytes()


def check_same(data: bytes, folder: Path, kernels: Sequence[str | Kernel], mode: str = "clip", **more: Any) -> Report:
    """Asserts that both ways give the same file and, times and places aside, the same report."""
    report, actual = in_bands(data, folder, kernels, mode, **more)
    assert isinstance(report, Report), report
    expected, wanted = whole(data, folder, kernels, mode, **more)
    assert actual == wanted
    own = {"output": expected.output, "bands": 1, "decode_s": 0.0, "filter_s": 0.0, "encode_s": 0.0}
    assert dataclasses.replace(report, **own) == dataclasses.replace(expected, **own)
    return report


def photo(*shape: int, dtype: Any = np.uint8, seed: int = 0) -> Pixels:
    """Noise without zeros, so that rows that are not there show."""
    if np.dtype(dtype).kind == "f":
        return np.random.default_rng(seed).uniform(0.1, 1, shape).astype(dtype)
    return np.maximum(noise(*shape, seed=seed, dtype=dtype), 1)


CHAINS: dict[str, list[str | Kernel]] = {
    "dense": ["sharpen"],
    "passes": ["gaussian:sigma=2"],
    "long passes": ["gaussian:sigma=9,border=symmetric"],
    "fourier": ["{weights: {disk: {radius: 13.5}}, divisor: sum}"],
    "dilated": ["laplacian:dilation=3,border=zero"],
    "strided": ["{weights: {fill: 1, size: [5, 3]}, divisor: sum, stride: [3, 2], border: replicate}"],
    "no padding": ["{weights: {fill: 1, size: [5, 3]}, divisor: sum, padding: valid}"],
    "bias": ["{weights: [[0, 1, 0], [1, -4, 1], [0, 1, 0]], bias: 90}"],
    "along x": ["{axes: x, weights: [1, 2, 1], divisor: 4}"],
    "transposed": ["upsample-bilinear-2x"],
    "transposed by 3": ["{type: transposed, weights: {fill: 1, size: [4, 4]}, stride: 3, divisor: 2, border: wrap}"],
    "swirl": ["swirl:border=zero"],
    "lens": ["{type: deformable, weights: [[1]], offsets: {lens: {strength: 0.4}}}"],
    "jitter": ["{type: deformable, weights: {fill: 1, size: [3, 3]}, divisor: sum, offsets: {jitter: {amplitude: 4}}}"],
    "along": ["brush", "brush:border=wrap,around=2"],
    "follow": ["smooth-edges"],
    "wrap": ["gaussian:sigma=2,border=wrap"],
    "chain": ["gaussian:border=wrap", "box:stride=2", "sharpen:border=wrap", "upsample-bilinear-2x", "sobel-x"],
    "taller than the picture": ["{axes: y, weights: {fill: 1, size: [1901]}, divisor: sum, border: wrap}"],
}  # fmt: skip


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("name", CHAINS)
def test_every_kernel_gives_the_same_file(name: str, dtype: str, tmp_path: Path) -> None:
    data = tiff_file(photo(901, 431, 1, dtype=dtype), rows=16)
    report = check_same(data, tmp_path, CHAINS[name])
    assert report.bands > 1 or name == "taller than the picture"


@pytest.mark.parametrize("name", ["dense", "passes", "fourier", "transposed", "jitter", "along", "chain"])
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colours_and_alpha_give_the_same_file(name: str, channels: int, tmp_path: Path) -> None:
    pixels = photo(900, 311, channels)
    if channels in (2, 4):
        pixels[90:140, :, -1] = 0  # hidden colour, which is filtered on its own
    assert check_same(tiff_file(pixels, rows=11), tmp_path, CHAINS[name]).bands > 1


def test_offsets_that_are_cut_off_are_told_of(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(18, 1, 3, 3))
    branch = {"weights": weights, "range": "unit", "limit": 0.2}
    kernel = load({"type": "deformable", "weights": {"fill": 1, "size": [3, 3]}, "divisor": "sum",
                   "offsets": {"branch": branch}})  # fmt: skip
    report = check_same(tiff_file(photo(900, 311, 1), rows=11), tmp_path, [kernel])
    assert report.bands > 1 and any("cut off at its limit" in note for note in report.notes)


def test_a_filter_bank_on_grey_and_colours(tmp_path: Path) -> None:
    bank = load({"type": "depthwise_separable", "depthwise": [[1, 2, 1]], "divisor": "sum", "axes": "yx",
                 "pointwise": [[0.3, 0.6, 0.1], [0.1, 0.6, 0.3], [0.3, 0.3, 0.3]]})  # fmt: skip
    for channels in (1, 3, 4):
        check_same(tiff_file(photo(200, 150, channels), rows=7), tmp_path, [bank])


@pytest.mark.parametrize("mode", ["abs", "offset", "float", "rescale"])
@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_every_range(mode: str, channels: int, dtype: str, tmp_path: Path) -> None:
    data = tiff_file(photo(260, 190, channels, dtype=dtype), rows=8)
    check_same(data, tmp_path, ["sobel-x"], mode)


def test_opaque_alpha_and_values_that_are_no_numbers(tmp_path: Path) -> None:
    opaque = photo(250, 120, 4)
    opaque[..., 3] = 255
    check_same(tiff_file(opaque, rows=8), tmp_path, ["sharpen"])
    floats = photo(250, 120, 1, dtype="float32")
    floats[100, 50], floats[200, 7] = np.nan, np.inf
    for kernel in ("gaussian:sigma=4", "sharpen", "swirl"):
        assert check_same(tiff_file(floats, rows=8), tmp_path, [kernel]).nonfinite


@pytest.mark.parametrize(
    "treatment",
    [
        Treatment(linear=True),
        Treatment(channels=("luma",)),
        Treatment(channels=("r", "alpha")),
        Treatment(alpha="keep"),
        Treatment(alpha="drop"),
        Treatment(background=(1.0, 0.5, 0.0), linear=True),
    ],
    ids=str,
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_every_treatment(treatment: Treatment, dtype: str, tmp_path: Path) -> None:
    data = tiff_file(photo(220, 140, 4, dtype=dtype), rows=8)
    check_same(data, tmp_path, ["gaussian", "sharpen"], treatment=treatment)
    check_same(data, tmp_path, ["sobel-y"], "rescale", treatment=treatment)


def test_offsets_and_mask_of_a_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    np.save(tmp_path / "offsets.npy", rng.normal(0, 9, (18, 240, 130)).astype(np.float32))
    np.save(tmp_path / "mask.npy", rng.random((9, 240, 130)).astype(np.float32))
    text = "weights: {fill: 1, size: [3, 3]}\ntype: deformable\ndivisor: sum\noffsets: offsets.npy\nmask: mask.npy\n"
    for border in ("reflect", "zero", "wrap"):
        (tmp_path / "own.yaml").write_text(f"{text}border: {border}\n")
        check_same(tiff_file(photo(240, 130, 3), rows=8), tmp_path, [str(tmp_path / "own.yaml")])


def test_compressed_output(tmp_path: Path) -> None:
    data = tiff_file(photo(300, 700, 3, dtype="uint16"), rows=4)
    check_same(data, tmp_path, ["sharpen"], options={"tiff_compression": "deflate"})


def test_small_files_and_others_are_left_alone(tmp_path: Path) -> None:
    source = tmp_path / "in.tif"
    source.write_bytes(tiff_file(photo(64, 64, 1), rows=8))
    for name, format, least in (("out.tif", "tiff", 1 << 13), ("out.bmp", "bmp", 0)):
        job = Job(input=str(source), output=str(tmp_path / name), format=format)
        assert run_in_bands(job, Settings(kernels=[load("sharpen")]), least=least) == ""
        assert not (tmp_path / name).exists()
