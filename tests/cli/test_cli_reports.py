"""What `convcli apply` says of a run: on a terminal, in a pipe, as JSON; and what it says of clipping."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from tests.support import KERNELS, noise, on_terminal, run, save

posix = pytest.mark.skipif(os.name != "posix", reason="pseudo-terminals")
TIME = r"[0-9.e-]+ m?s"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a grey `in.png` of 30 x 20 pixels, none of which a blur clips."""
    monkeypatch.chdir(tmp_path)
    save(Path("in.png"), noise(20, 30))
    return tmp_path


def lines(text: str) -> list[str]:
    """The lines of a report with its times replaced."""
    text = re.sub(rf"{TIME}\b", "TIME", text)
    text = re.sub(r"\([0-9.]+/s,", "(RATE,", text)
    return re.sub(r"[0-9.e+-]+ MP/s", "SPEED", text).splitlines()


def test_nothing_is_said_where_nobody_watches(here: Path) -> None:
    result = run("apply", "in.png", "-k", "gaussian", "-o", "out.png")
    assert (result.code, result.out, result.err) == (0, b"", "")


def test_a_report_of_one_input(here: Path) -> None:
    result = run("apply", "in.png", "-k", "gaussian", "-k", "luma:pointwise=[[1]]", "-o", "out.tif", "--report")
    assert (result.code, result.out) == (0, b"")
    assert lines(result.err) == [
        "in.png -> out.tif",
        "Kernel    Type                 Computed                          In    Out  Parameters    MACs  Border",
        "gaussian  separable            passes (13 + 13 taps)          30x20  30x20          26  15.6 k  reflect",
        "luma      depthwise_separable  planes, then a matrix product  30x20  30x20          10   6,000  reflect",
        "png uint8 -> tiff uint8",
        "decode TIME, filter TIME, encode TIME, SPEED",
    ]


def test_a_report_of_several_inputs_is_a_line_each(here: Path) -> None:
    save(Path("rgb.png"), noise(6, 4, 3))
    arguments = ["in.png", "absent.png", "rgb.png", "-k", "upsample-nearest-2x", "-o", "out/", "--report"]
    result = run("apply", *arguments)
    assert (result.code, result.out) == (1, b"")
    assert lines(result.err) == [
        "in.png -> out/in.png  30x20 -> 60x40  decode TIME, filter TIME, encode TIME",
        "Error: absent.png: no such file",
        "rgb.png -> out/rgb.png  4x6x3 -> 8x12x3  decode TIME, filter TIME, encode TIME",
        "2 done, 1 failed in TIME (RATE, SPEED)",
    ]


def test_a_report_of_a_flipped_kernel_says_so(here: Path) -> None:
    result = run("apply", "in.png", "-k", "box:flip=true", "-o", "out.png", "--report")
    assert result.err.endswith("weights flipped (convolution) where the kernel says so; otherwise cross-correlation\n")


def test_reports_of_stdin_and_stdout(here: Path) -> None:
    data = Path("in.png").read_bytes()
    result = run("apply", "-", "-k", "identity", "-o", "-", "--report", stdin=data)
    assert result.err.startswith("stdin -> stdout\n")
    result = run("apply", "-", "-k", "identity", "-o", "-", stdin=b"no image at all")
    assert (result.code, result.out) == (1, b"")
    assert result.err.startswith("Error: stdin: not an image (looks like text)\n")


@posix
def test_a_terminal_gets_a_report(here: Path) -> None:
    for columns in (100, 60, 40):
        code, seen = on_terminal("apply", "in.png", "-k", "gaussian", "-o", f"out-{columns}.png", columns=columns)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", seen)
        assert code == 0
        assert plain.startswith(f"in.png -> out-{columns}.png\n")
        assert "gaussian" in plain and "30x20" in plain
        assert max(map(len, plain.splitlines())) <= columns
        assert ("Not shown at" in plain) == (columns < 90)
        assert "\x1b[" in seen and not re.search(r"\x1b\[[^0-9;]", seen)  # colours, and no cursor is moved
    code, seen = on_terminal("apply", "in.png", "-k", "gaussian", "-o", "quiet.png", "--quiet")
    assert (code, seen) == (0, "")


@posix
def test_a_terminal_shows_names_as_they_are(here: Path) -> None:
    name = "[/red] [bold]é\x1b[31m\n:smile:.png"
    if os.sep in name:
        name = name.replace("/", "")
    save(Path("plain.png"), noise(5, 5)).rename(name)
    code, seen = on_terminal("apply", name, "-k", "identity", "-o", "out.png")
    assert code == 0
    assert "[red] [bold]é\\x1b[31m\\n:smile:.png -> out.png" in re.sub(r"\x1b\[[0-9;]*m", "", seen)


@posix
def test_list_and_show_on_a_terminal(here: Path) -> None:
    code, seen = on_terminal("list", columns=60)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", seen)
    assert code == 0
    assert all(path.stem in plain for path in KERNELS.glob("*.yaml"))
    assert max(map(len, plain.splitlines())) <= 60
    code, seen = on_terminal("show", "sharpen", columns=80)
    assert code == 0 and "even left-right, even up-down, transposed" in re.sub(r"\x1b\[[0-9;]*m", "", seen)


def test_quiet_says_nothing_but_errors(here: Path) -> None:
    result = run("apply", "in.png", "absent.png", "-k", "sobel-x", "-o", "out/", "--quiet", "--report")
    assert (result.code, result.out, result.err) == (1, b"", "Error: absent.png: no such file\n")


def test_clipping_is_told_above_one_per_cent(here: Path) -> None:
    for bright, dark, message in (
        (10, 0, ""),  # 10 of 1000 are not more than 1 %
        (0, 10, ""),
        (11, 0, "1.1 % of the samples were clipped (0.0 % too low, 1.1 % too high)"),
        (20, 15, "3.5 % of the samples were clipped (1.5 % too low, 2.0 % too high)"),
    ):
        pixels = np.full(1000, 100, np.uint8)
        pixels[:bright], pixels[bright : bright + dark] = 250, 2
        save(Path("in.png"), pixels.reshape(25, 40))
        result = run("apply", "in.png", "-k", "{weights: [[2]], bias: -60}", "-o", "out.png", "--overwrite")
        assert result.code == 0
        hint = "  hint: --amount 50% cuts fewer off; --range float in a .tif or .npy file keeps all\n"
        assert result.err == (f"Warning: in.png: {message}\n{hint}" if message else "")
    for mode in ("rescale", "float"):
        result = run("apply", "in.png", "-k", "[[-5]]", "-o", "out.tif", "--overwrite", "--range", mode)
        assert (result.code, result.err) == (0, "")


def test_rounding_is_not_clipping(here: Path) -> None:
    save(Path("in.png"), np.full((5, 5), 255, np.uint8))
    result = run("apply", "in.png", "-k", "{weights: [[1]], bias: 0.4}", "-o", "out.png")
    assert (result.code, result.err) == (0, "")


def test_clipping_of_a_batch_is_told_once(here: Path) -> None:
    for name, contrast in (("a.png", 1), ("b.png", 2), ("c.png", 1), ("d.png", 255)):
        save(Path(name), noise(20, 30) // contrast)
    result = run("apply", "a.png", "b.png", "c.png", "d.png", "-k", "sobel-x", "-o", "out/")
    warning, hint = result.err.splitlines()
    assert warning.startswith("Warning: 3 of 4 results were clipped, most of all a.png: ")
    assert hint.startswith("  hint: --range")
    assert run("apply", "a.png", "d.png", "-k", "sobel-x", "-o", "quiet/", "--quiet").err == ""


def test_notes_are_told(here: Path) -> None:
    result = run("apply", "in.png", "-k", "luma", "-o", "out.png")
    assert (result.code, result.err) == (0, "Warning: in.png: a grey picture, filtered as three equal channels\n")
    Path("deep.pgm").write_bytes(b"P5 2 1 1023\n\x00\x00\x03\xff")
    result = run("apply", "deep.pgm", "-k", "identity", "-o", "out.pgm")
    assert (result.code, result.err) == (0, "Warning: deep.pgm: its values up to 1023 are scaled to 65535\n")


def test_json_is_a_line_per_input_and_nothing_else(here: Path) -> None:
    arguments = ["-k", "sobel-x", "--range", "clip", "-o", "out/", "--json", "--report"]
    result = run("apply", "in.png", "absent.png", *arguments)
    reports = [json.loads(line) for line in result.err.splitlines()]
    assert [report["status"] for report in reports] == ["done", "failed"]
    assert set(reports[0]) == set(reports[1])
    done = reports[0]
    taken = run("apply", "in.png", "-k", "sobel-x", "-o", "out.npy", "--range", "float")
    assert taken.code == 0
    floats = np.load("out.npy")
    assert done["clipped_low"] == pytest.approx(float((floats < -0.5).mean()))
    assert done["clipped_high"] == pytest.approx(float((floats > 255.5).mean()))
    assert all(done[key] >= 0 for key in ("decode_s", "filter_s", "encode_s", "megapixels_per_s"))
