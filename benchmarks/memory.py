"""Peak memory of `apply`, for every type of kernel and kind of file, against what the pictures themselves take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks import pictures
from benchmarks.commands import convcli
from benchmarks.model import US, Contest, Goal, Scenario, Workshop

#: A kernel of each type and formulation: its name and how `apply` is told.
KERNELS = {
    "dense 3x3": "sharpen",
    "dense 11x11": "disk",
    "dense 31x31": "{weights: {disk: {radius: 15}}}",
    "separable": "gaussian:sigma=2",
    "separable, long": "gaussian:sigma=12",
    "dilated": "dilated-laplacian",
    "strided": "downsample-2x",
    "transposed": "upsample-bilinear-2x",
    "filter bank 3 to 3": "{weights: " + str((np.ones((3, 3, 3, 3)) / 27).round(4).tolist()) + "}",
    "depthwise separable": "luma",
    "deformable, generated": "swirl",
}
#: Kinds of pictures: type of file, bits, channels.
KINDS = {
    "PNG, 16 bits": ("png", np.uint16, 3),
    "PNG, RGBA": ("png", np.uint8, 4),
    "PNG, 16 bits RGBA": ("png", np.uint16, 4),
    "PNG, grey": ("png", np.uint8, 1),
    "JPEG": ("jpg", np.uint8, 3),
    "TIFF": ("tif", np.uint8, 3),
    "TIFF, 16 bits": ("tif", np.uint16, 3),
    "TIFF, float": ("tif", np.float32, 3),
}
#: What `apply` may take: this much of the decoded pictures, input and output, and so many megabytes for itself.
SHARE, BASE = 1.3, 80
#: Megabytes that a JPEG of 64 megapixels may take.
LARGE_JPEG = 250


def scenarios(*, quick: bool) -> Iterator[Scenario]:
    size = 1 if quick else 12
    for name, kernel in KERNELS.items():
        yield _scenario(name, kernel, size, "PNG", quick=quick and name in ("dense 3x3", "transposed"))
    yield _scenario("deformable, file", None, size, "PNG")
    for kind in KINDS:
        yield _scenario("dense 3x3", "sharpen", size, kind, quick=quick and kind in ("JPEG", "PNG, 16 bits RGBA"))
    if not quick:
        yield _scenario("deformable, generated", "swirl", size, "PNG, 16 bits RGBA")
        yield _large_jpeg()


def _large_jpeg() -> Scenario:
    """A JPEG of 64 megapixels, which can't be decoded in part, in so many megabytes."""

    def make(shop: Workshop) -> Contest:
        contender = convcli(shop, "sharpen", shop.picture(64, "jpg"), "memory.jpg")
        return Contest(contenders={US: contender}, limit=lambda: LARGE_JPEG)

    return Scenario(
        section="memory", name="dense 3x3", conditions="64 MP JPEG", make=make, rounds=1,
        goals=(Goal(what=f"JPEG memory, 64 MP, over {LARGE_JPEG} MB", against=("limit",), most=1.0),),
    )  # fmt: skip


def _scenario(name: str, kernel: str | None, size: int, kind: str, *, quick: bool = False) -> Scenario:
    """Without a kernel: one tap with offsets of a file, which are an input like the picture."""

    def make(shop: Workshop) -> Contest:
        source = _source(shop, size, kind)
        used, more = (kernel, 0) if kernel else _with_offsets(shop, source)
        contender = convcli(shop, used, source, f"memory{source.suffix}")

        def limit() -> float:
            assert contender.result is not None
            return SHARE * (pictures.read(source).nbytes + more + contender.result().nbytes) / 1e6 + BASE

        return Contest(contenders={US: contender}, limit=limit)

    return Scenario(
        section="memory", name=name, conditions=f"{size} MP {kind}", make=make, rounds=1, quick=quick,
        goals=(Goal(what="peak memory over 1.3 x (input + output) + 80 MB", against=("limit",), most=1.0),),
    )  # fmt: skip


def _with_offsets(shop: Workshop, source: Path) -> tuple[str, int]:
    """A deformable kernel for a picture, and the bytes of its offsets: waves a few pixels high."""
    height, width = pictures.read(source).shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    offsets = np.stack([3 * np.sin(x / 40), 3 * np.cos(y / 30)])
    np.save(shop.folder / "offsets.npy", offsets)
    path = shop.folder / "waves.yaml"
    path.write_text("type: deformable\nweights: [[1]]\noffsets: offsets.npy\n", encoding="utf-8")
    return str(path), offsets.nbytes


def _source(shop: Workshop, size: int, kind: str) -> Path:
    """The photograph in another depth, or with other channels."""
    if kind == "PNG":
        return shop.picture(size, "png")
    ending, dtype, channels = KINDS[kind]
    path = shop.folder / f"{size}-{kind.replace(', ', '-').replace(' ', '-')}.{ending}"
    if path.is_file():
        return path
    picture = pictures.read(shop.picture(size, "png"))
    if channels == 1:
        picture = picture[..., 1]
    elif channels == 4:
        picture = np.dstack([picture, picture[::-1, ::-1, 0]])
    if dtype == np.uint16:
        picture = picture.astype(np.uint16) * 257
    elif dtype == np.float32:
        picture = picture.astype(np.float32) / 255
    return pictures.save(path, picture, quickly=ending == "png")
