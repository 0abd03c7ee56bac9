"""What is fuzzed: each target makes one case from random choices, runs it, and raises where it breaks its word.

The word: a right result, or one ConvcliError of one line; from the command line exit code 0, 1 or 2 and clean text.
"""

from __future__ import annotations

import io
import json
import math
import shutil
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from convcli.channels import MOST
from convcli.errors import ConvcliError
from convcli.files import npy
from convcli.ops.base import Kernel
from convcli.pictures import reading
from convcli.pictures.formats.png import rows as png_rows
from convcli.pictures.sniff import READABLE
from convcli.spec import library

from . import commands, corpus, definitions, texts
from .case import Case, check_command, checked_error, furnish, require
from .mutations import mutant
from .networks import run_networks

DEPTHS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64")
#: Samples of an output that are not made for a test.
LARGE = 1 << 22
#: Pixels that a header may promise: by default so many that a picture may rightly take more memory than a test has.
MOST_PIXELS = 1 << 24
LAYOUTS = {1: "xc", 2: "yxc", 3: "zyxc"}
ENDINGS = {"jpeg": "jpg", "tiff": "tif", "pnm": "ppm"}


# --- pictures -----------------------------------------------------------------------------------------------------


def run_images(case: Case) -> str:
    """A changed picture: decoded, or through the command line."""
    random = case.random
    name = random.choice(list(corpus.pictures()))
    format, data = corpus.pictures()[name]
    others = [other for kind, other in corpus.pictures().values() if kind == format or random.random() < 0.1]
    data = case.data = mutant(data, format, random, others)
    if random.random() < 0.2:
        return _picture_command(case, data, format)
    if format == "png" and random.random() < 0.3:
        return _in_bands(data)
    options: dict[str, Any] = {
        "allow_truncated": random.random() < 0.3, "strict": random.random() < 0.2, "max_pixels": MOST_PIXELS
    }  # fmt: skip
    read: Callable[..., Any] = (
        reading.decode_all if random.random() < 0.3 else lambda *a, **k: [reading.decode(*a, **k)]
    )
    try:
        pictures = list(read(data, place=name, **options))
    except ConvcliError as error:
        return checked_error(error)
    for picture in pictures:
        check_picture(picture)
    return "read"


def check_picture(picture: reading.Picture) -> None:
    """What `reading.decode` promises of its result."""
    pixels = picture.pixels
    require(pixels.ndim == 3 and pixels.size and 1 <= pixels.shape[2] <= MOST, f"pixels of shape {pixels.shape}")
    require(picture.channels.count == pixels.shape[2], f"{picture.channels} of shape {pixels.shape}")
    require(str(pixels.dtype) in DEPTHS and pixels.dtype.isnative, f"pixels of {pixels.dtype}")
    require(pixels.flags.c_contiguous, "pixels out of order")
    require(picture.format in READABLE and picture.frames >= 1, f"{picture.format}, {picture.frames} frames")
    require(all("\n" not in str(note) for note in picture.notes), f"a note of several lines: {picture.notes}")


def _in_bands(data: bytes) -> str:
    """What is read in bands of rows is what the ordinary choice reads; all else is left to it."""
    try:
        source = png_rows.PngBands(data, least=0, max_pixels=MOST_PIXELS)
    except reading.NotInBandsError:
        return "left alone"
    try:
        pixels = np.empty(source.shape, source.dtype)
        # Rows are predicted from those above: bands of a few rows, to cross many borders.
        source.cuts = [(at, min(at + 3, len(pixels))) for at in range(0, len(pixels), 3)]
        source.rewind()
        for start, stop in source.cuts:
            source.read((start, stop), pixels)
    except reading.NotInBandsError:
        return "given up"
    finally:
        source.close()
    require(np.array_equal(pixels, reading.decode(data, place="").pixels), "other pixels in bands")
    return "read in bands"


def _picture_command(case: Case, data: bytes, format: str) -> str:
    name = f"in.{ENDINGS.get(format, format)}"
    (case.folder / name).write_bytes(data)
    output = case.random.choice(("out.png", "out.tif", "out.jpg", "out.webp", "out.npy", "out.jp2"))
    options = [option for option in ("--all-frames", "--strict", "--allow-truncated") if case.random.random() < 0.3]
    arguments = ["apply", name, "-k", "box:size=3", "-o", output, "--overwrite", *options]
    arguments += ["--max-pixels", str(MOST_PIXELS)]
    (case.folder / output).unlink(missing_ok=True)
    code = check_command(arguments, case.folder, codes=(0, 1))
    out = case.folder / output
    require(out.exists() == (code == 0), f"exit code {code}, output {'there' if out.exists() else 'missing'}")
    if code == 0 and not output.endswith(".npy"):
        check_picture(reading.decode(out.read_bytes(), place=output))
    return "written" if code == 0 else "refused"


# --- kernels --------------------------------------------------------------------------------------------------------


def run_kernels(case: Case) -> str:
    """A changed kernel file: loaded and run on a small picture, or through the command line."""
    random = case.random
    text = texts.kernel_text(
        random.choice(list(definitions.kernels().values())), random, list(definitions.kernels().values())
    )
    case.data = text.encode("utf-8", "surrogatepass")
    path = case.folder / "kernel.yaml"
    path.write_bytes(case.data)
    choice = random.random()
    if choice < 0.15:
        command = random.choice(
            (["show", "kernel.yaml"], ["compare", "kernel.yaml"], ["show", "--json", "kernel.yaml"])
        )
        return ("shown", "unfit", "refused")[check_command(command, case.folder, codes=(0, 1, 2))]
    if choice < 0.3 and not enlarges(path):
        arguments = ["apply", "small.png", "-k", "kernel.yaml", "-o", "out.npy", "--overwrite"]
        return ("applied", "unfit", "refused")[check_command(arguments, case.folder, codes=(0, 1, 2))]
    try:
        kernel = library.load(str(path) if choice < 0.9 else text)
    except ConvcliError as error:
        require(error.exit_code == 2, f"exit code {error.exit_code} for a wrong kernel")
        return checked_error(error)
    try:
        axes = len(kernel.axes)
        if is_large(kernel, {1: (40,), 2: (14, 12), 3: (5, 6, 7)}[axes]):
            return "large"
        result = kernel.apply(np.full({1: (40, 3), 2: (14, 12, 3), 3: (5, 6, 7, 3)}[axes], 7, np.uint8), LAYOUTS[axes])
    except ConvcliError as error:
        checked_error(error)
        return "unfit"
    require(result.dtype == np.uint8 and result.size, f"a result of {result.dtype} {result.shape}")
    return "applied"


def enlarges(path: Path) -> bool:
    """Whether a kernel makes so much of a small picture that nothing but time and memory would be tried."""
    try:
        kernel = library.load(path)
        return len(kernel.axes) == 2 and is_large(kernel, (9, 11))
    except ConvcliError:
        return False


def is_large(kernel: Kernel, size: tuple[int, ...]) -> bool:
    """Whether a kernel makes very many outputs, or samples the input at very many places for them."""
    outputs = math.prod(kernel.output_shape(size))
    return outputs * (kernel.weight_count if kernel.type == "deformable" else 1) > LARGE


# --- arrays ---------------------------------------------------------------------------------------------------------


def run_arrays(case: Case) -> str:
    """A changed .npy or .npz file: read as an input, as weights, or through the command line."""
    random = case.random
    name = random.choice(list(definitions.arrays()))
    data = definitions.arrays()[name]
    if name.startswith("npz") or random.random() < 0.7:
        data = mutant(data, name[:3], random, list(definitions.arrays().values()))
    else:
        data = _archive(mutant(data, "npy", random), random)
    case.data = data
    ending = "npz" if data.startswith(b"PK") else "npy"
    member = (
        random.choice(("", "", "::weights", "::only", "::nothing", "::", "::weights.npy")) if ending == "npz" else ""
    )
    path = case.folder / f"in.{ending}"
    path.write_bytes(data)
    choice = random.random()
    if choice < 0.15:
        arguments = ["apply", f"in.{ending}{member}", "-k", "{axes: x, weights: [1, 2, 1]}", "-o", "out.npy"]
        return ("applied", "refused")[check_command([*arguments, "--overwrite"], case.folder, codes=(0, 1))]
    try:
        if choice < 0.5:
            kernel = library.load({"weights": f"{path}{member}"})
            return f"weights of rank {len(kernel.axes)}"
        array = npy.read_npy(data, place=f"in.{ending}{member}")
    except ConvcliError as error:
        return checked_error(error)
    require(array.dtype.kind in "buif" and array.dtype.isnative, f"an array of {array.dtype}")
    return "read"


def _archive(member: bytes, random: Random) -> bytes:
    """A sound archive around a damaged member, whose size in the directory may be a lie."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        archive.writestr(random.choice(("weights.npy", "weights", "a\nb.npy", "../x.npy", "\x1b[31m.npy")), member)
        if random.random() < 0.3:
            archive.writestr("other.npy", member)
    data = bytearray(out.getvalue())
    if random.random() < 0.3:
        size = struct.pack("<I", random.choice((0, 1, len(member) + 1, 1 << 20, 1 << 31, (1 << 32) - 2)))
        at = data.find(b"PK\1\2")
        data[at + 24 : at + 28] = size
        data[22:26] = size
    return bytes(data)


# --- the command line -----------------------------------------------------------------------------------------------


def run_commands(case: Case) -> str:
    """A command line at random."""
    shutil.rmtree(case.folder)  # what cases before it wrote
    furnish(case.folder)
    arguments = commands.command_line(case.random)
    case.data = json.dumps(arguments).encode()
    code = check_command(arguments, case.folder, codes=(0, 1, 2))
    return f"exit {code}"


TARGETS: dict[str, Callable[[Case], str]] = {
    "images": run_images,
    "kernels": run_kernels,
    "arrays": run_arrays,
    "networks": run_networks,
    "commands": run_commands,
}
