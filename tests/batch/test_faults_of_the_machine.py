"""What the machine lacks or limits: a size limit on files, a full disk, a broken OpenCV; and EXIF through the shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from convcli.pictures import reading
from tests.support import command, environment, noise, save, spawn

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX limits")


@pytest.fixture
def here(here: Path) -> Path:
    """A working folder with a picture `good.png`."""
    save(Path("good.png"), noise(120, 100, 3))
    return here


@posix
@pytest.mark.parametrize("output", ["out.png", "out.npy", "out.webp", "out.tif"])
def test_a_limit_on_the_size_of_files(here: Path, output: str) -> None:
    Path(output).write_bytes(b"precious")
    script = 'ulimit -f 4; exec "$@"'  # blocks of 512 or 1024 bytes
    arguments = command("apply", "good.png", "-k", "identity", "-o", output, "--overwrite")
    done = subprocess.run(["sh", "-c", script, "sh", *arguments], capture_output=True, env=environment(), check=False)
    assert done.returncode == 1
    assert done.stderr.decode() == f"Error: {output}: can't be written: file too large\n"
    assert Path(output).read_bytes() == b"precious"
    assert sorted(path.name for path in here.iterdir()) == ["good.png", output]


def may_mount() -> bool:
    """Whether a small file system can be mounted by whoever runs this, in a name space of its own."""
    if not (shutil.which("unshare") and sys.platform == "linux"):
        return False
    probe = ["unshare", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs -o size=64k none /mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not may_mount(), reason="no small file system can be mounted here")
def test_a_disk_that_is_full(here: Path) -> None:
    Path("small").mkdir()
    script = (
        "mount -t tmpfs -o size=32k none small && printf precious > small/out.png && "
        '{ "$@" -o small/out.png --overwrite; echo "code $?"; "$@" -o small/new.npy; echo "code $?"; '
        "cat small/out.png; echo; ls -A small; }"
    )
    arguments = command("apply", "good.png", "-k", "identity")
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "sh", "-c", script, "sh", *arguments],
        capture_output=True, text=True, env=environment(), check=False,
    )  # fmt: skip
    assert done.stdout == "code 1\ncode 1\nprecious\nout.png\n"
    said = [f"Error: small/{name}: can't be written: no space left on device" for name in ("out.png", "new.npy")]
    assert done.stderr.splitlines() == said


@pytest.mark.parametrize(
    ("module", "part"),
    [
        ("raise ImportError('libGL.so.1: cannot open shared object file: No such file or directory')", "libGL.so.1"),
        ("", "has no attribute 'imdecode'"),  # two wheels in one place, one of them removed
        ("raise ImportError('numpy.core.multiarray failed to import')", "numpy.core.multiarray"),
    ],
    ids=["libGL", "two wheels", "numpy"],
)
def test_an_opencv_that_does_not_work(here: Path, module: str, part: str) -> None:
    Path("broken").mkdir()
    Path("broken/cv2.py").write_text(module + "\n")
    path = os.pathsep.join([str(here / "broken"), environment()["PYTHONPATH"]])
    for arguments in (
        ("apply", "good.png", "-k", "identity", "-o", "out.png"),
        ("apply", "good.png", "-k", "gaussian", "-o", "out.npy"),
    ):
        result = spawn(*arguments, env={"PYTHONPATH": path})
        assert (result.code, len(result.errors())) == (1, 1)
        assert part in result.err and "hint: pip uninstall opencv-python" in result.err
        assert "Traceback" not in result.err
    assert sorted(item.name for item in here.iterdir()) == ["broken", "good.png"]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
def test_orientations_through_the_command_line(here: Path, ending: str, orientation: int) -> None:
    stored = np.full((16, 32, 3), 40, np.uint8)
    stored[:8, :8], stored[8:, 24:] = (250, 60, 60), (60, 60, 250)  # which corner is which
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if ending == "webp" else {"quality": 100, "subsampling": 0} if ending == "jpg" else {}
    Image.fromarray(stored).save(f"in.{ending}", exif=exif, **options)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(f"in.{ending}")))
    lossless = ["-O", "jpeg_subsampling=444", "-O", "webp_lossless=1"]
    result = spawn("apply", f"in.{ending}", "-k", "identity", "-o", f"out.{ending}", *lossless)
    assert (result.code, result.err) == (0, "")
    out = Image.open(f"out.{ending}")
    assert out.getexif().get(0x0112, 1) == 1
    by_us = reading.decode(Path(f"out.{ending}").read_bytes(), place="").pixels
    for pixels in (np.asarray(ImageOps.exif_transpose(out)), by_us):
        assert pixels.shape == upright.shape
        assert np.abs(pixels.astype(int) - upright).max() <= (8 if ending == "jpg" else 0)
