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
from tests.support import SAMPLES, command, environment, noise, run, save, spawn

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
        (
            "raise RuntimeError('module compiled against ABI version 0x1000009')",
            "compiled against ABI version 0x1000009",
        ),
        ("def imdecode(", "'(' was never closed"),  # a file that was cut short
        ("raise OSError(5, 'Input/output error')", "Input/output error"),
    ],
    ids=["libGL", "two wheels", "numpy", "another numpy", "cut short", "unreadable"],
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


def test_a_broken_library_is_told_once(here: Path) -> None:
    Path("broken").mkdir()
    Path("broken/cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file', name='cv2')\n")
    path = os.pathsep.join([str(here / "broken"), environment()["PYTHONPATH"]])
    commands = [
        ("apply", "good.png", "none.png", "x.png", "-k", "identity", "-o", "out/", "-j", "1"),
        ("apply", "good.png", "none.png", "x.png", "-k", "identity", "-o", "out/", "-j", "2"),
        ("show", "gaussian"),
        ("compare", "gaussian", "--time"),
        ("compare", "gaussian", "--image", "good.png"),
    ]
    for arguments in commands:
        result = spawn(*arguments, env={"PYTHONPATH": path})
        assert (result.code, len(result.err.splitlines())) == (1, 2), result.err
        assert "OpenCV can't be used: libGL.so.1: cannot open" in result.err
        assert "hint: pip uninstall opencv-python opencv-python-headless" in result.err


@posix
@pytest.mark.parametrize("mebibytes", [64, 160, 256, 340, 352])
@pytest.mark.parametrize(
    "arguments", ["apply good.png -k gaussian -o out.png", "apply good.png -k box -o o/ -j2", "show box"]
)
def test_too_little_memory_for_the_libraries(here: Path, arguments: str, mebibytes: int) -> None:
    """The reason is memory, not an installation that is broken."""
    script = f'ulimit -v {1024 * mebibytes}; exec "$@"'
    line = ["sh", "-c", script, "sh", *command(*arguments.split())]
    done = subprocess.run(line, capture_output=True, text=True, env=environment(), check=False)
    if done.returncode:
        first, *rest = done.stderr.splitlines()
        assert (done.returncode, len(rest) <= 1, "Traceback" in done.stderr) == (1, True, False)
        assert "memory" in first.lower() and "pip" not in done.stderr
    else:
        assert done.stderr == ""


VARIABLES = {
    "OPENCV_IO_MAX_IMAGE_PIXELS": ("10", "many", ""), "OPENCV_IO_MAX_IMAGE_WIDTH": ("5",),
    "OPENCV_IO_MAX_IMAGE_HEIGHT": ("5",), "OPENCV_IO_MAX_IMAGE_PARAMS": ("0",), "OPENCV_LOG_LEVEL": ("VERBOSE",),
    "OPENCV_IMGCODECS_WEBP_MAX_FILE_SIZE": ("9", "x"), "OPENCV_IMGCODECS_AVIF_MAX_FILE_SIZE": ("9", "x"),
    "OPENCV_DUMP_CONFIG": ("1",), "OPENCV_DUMP_ERRORS": ("1",), "OPENCV_TRACE": ("1",), "OPENCV_PYTHON_DEBUG": ("1",),
    "OPENCV_TRACE_DEPTH_OPENCV": ("x",), "OPENCV_FOR_THREADS_NUM": ("x",), "OPENCV_PARALLEL_BACKEND": ("none",),
    "OPENCV_BUFFER_AREA_ALWAYS_SAFE": ("x",), "OPENCV_ENABLE_MEMALIGN": ("x",),
}  # fmt: skip


@pytest.mark.parametrize("number", range(max(map(len, VARIABLES.values()))))
def test_what_opencv_is_told_by_the_environment_does_not_count(here: Path, number: int) -> None:
    """Not its limits, which would call sound files damaged, nor its logs and traces; some values even end a process."""
    variables = {name: values[number] for name, values in VARIABLES.items() if number < len(values)}
    for ending in ("webp", "avif"):
        save(Path(f"more.{ending}"), noise(120, 100, 3))
    names = ("good.png", "more.webp", "more.avif")
    for jobs in (("-j", "1"), ("-j", "2")):
        result = spawn("apply", *names, "-k", "box", "-o", "out/", *jobs, "--overwrite", env=variables)
        assert (result.code, result.err, result.out) == (0, "", b"")
    result = spawn("compare", "box", "--image", "good.png", env=variables)
    assert (result.code, result.err) == (0, "")
    assert sorted(path.name for path in here.iterdir()) == ["good.png", "more.avif", "more.webp", "out"]


@pytest.mark.parametrize("most", [1 << 30, (1 << 30) + 1, 10**20, 10**40])
def test_any_number_is_a_limit_of_pixels(here: Path, most: int) -> None:
    result = spawn("apply", "good.png", "-k", "identity", "-o", "out.png", "--max-pixels", str(most))
    assert (result.code, result.err) == (0, "")
    result = spawn("apply", "good.png", "-k", "identity", "-o", "new.png", "--max-pixels", "10",
                   env={"OPENCV_IO_MAX_IMAGE_PIXELS": str(most)})  # fmt: skip
    assert result.err.startswith("Error: good.png: 100 x 120 is 12,000 pixels; at most 10 are read")


@pytest.mark.parametrize("value", ["nan", "NaN", "inf", "-inf", "1e999", "-1", "0", "x"])
@pytest.mark.parametrize("option", ["--budget", "--width", "--resolution"])
def test_numbers_that_are_none(value: str, option: str) -> None:
    network = SAMPLES / "networks" / "mobilenet.yaml"
    result = run("compare", network, option, value, *(["--time"] if option == "--budget" else []))
    assert (result.code, len(result.errors()), result.out) == (2, 1, b"")


@posix
@pytest.mark.parametrize("blocks", [0, 1])
@pytest.mark.parametrize("jobs", ["-j1", "-j2"])
def test_a_report_that_the_disk_has_no_room_for(here: Path, blocks: int, jobs: str) -> None:
    """Whole lines stay, and a file without any does not, so that the same command can be run again."""
    for name in ("a.png", "b.png", "c.png"):
        save(Path(name), noise(2, 2))
    script = f'ulimit -f {3 * blocks}; exec "$@"'  # blocks of 512 bytes, or 1024
    program = command(
        "apply", "a.png", "b.png", "c.png", "-k", "identity", "-o", "out/", jobs, "--report-file", "r.jsonl"
    )
    done = subprocess.run(["sh", "-c", script, "sh", *program], capture_output=True, env=environment(), check=False)
    assert done.returncode == 1 and b"Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith(b"Error: r.jsonl: can't be written: ")
    if not blocks:
        assert not Path("r.jsonl").exists()
        again = spawn("apply", "a.png", "b.png", "c.png", "-k", "identity", "-o", "again/", "--report-file", "r.jsonl")
        assert again.code == 0
    else:
        assert Path("r.jsonl").read_bytes().endswith(b"}\n")


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
    result = run("apply", f"in.{ending}", "-k", "identity", "-o", f"out.{ending}", *lossless)
    assert (result.code, result.err) == (0, "")
    out = Image.open(f"out.{ending}")
    assert out.getexif().get(0x0112, 1) == 1
    by_us = reading.decode(Path(f"out.{ending}").read_bytes(), place="").pixels
    for pixels in (np.asarray(ImageOps.exif_transpose(out)), by_us):
        assert pixels.shape == upright.shape
        assert np.abs(pixels.astype(int) - upright).max() <= (8 if ending == "jpg" else 0)
