"""`convcli draw`: files, frames, stdout, and one line for all that can't be."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from tests.support import SAMPLES, read, run, save

STRIDED = "{weights: {fill: 1, size: [3, 3]}, stride: 2, padding: 1, border: zero}"


@pytest.mark.parametrize("ending", ["svg", "png", "gif", "webp", "avif", "jpg"])
def test_stills_of_every_format(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"a.{ending}"
    assert run("draw", "kernel", "sharpen", "-o", file).code == 0
    assert file.stat().st_size > 1000


def test_an_animation_goes_to_a_file_and_to_stdout_alike(tmp_path: Path) -> None:
    arguments = ["draw", "steps", STRIDED, "--size", "5x5"]
    assert run(*arguments, "-o", tmp_path / "s.svg").code == 0
    out = run(*arguments, "-o", "-", "--format", "svg").out
    assert out == (tmp_path / "s.svg").read_bytes()
    assert b"@keyframes" in out


@pytest.mark.parametrize("source", ["sobel-x", "gaussian:sigma=1", "[[1, 2], [3, 4]]", "{weights: [1, 2]}"])
def test_a_kernel_alone_is_drawn_by_its_weights(source: str) -> None:
    displayed = run("draw", source, "-o", "-", "--format", "svg")
    assert displayed.code == 0 and displayed.out == run("draw", "kernel", source, "-o", "-", "--format", "svg").out


def test_options_override_fields_of_kernels() -> None:
    for command, options in (("steps", ["--values", "[[1, 2], [3, 4]]"]), ("kernel", [])):
        words = ["draw", command, "{weights: {fill: 1, size: [3, 3]}}", *options, "-o", "-", "--format", "svg"]
        other = {"steps": "border: wrap, dilation: 2", "kernel": "stride: 2"}[command]
        changed = ["--border", "wrap", "--dilation", "2"] if command == "steps" else ["--stride", "2"]
        written = ["draw", command, f"{{weights: {{fill: 1, size: [3, 3]}}, {other}}}", *words[3:]]
        assert run(*words, *changed).out == run(*written).out != b""


def test_svg_is_as_wide_as_is_asked_for(tmp_path: Path) -> None:
    for arguments in (["--width", "500"], ["--scale", "3"]):
        done = run("draw", "box", *arguments, "-o", "-", "--format", "svg")
        root = ET.fromstring(done.out)
        wide, tall = float(root.attrib["width"]), float(root.attrib["height"])
        own = list(map(float, root.attrib["viewBox"].split()))
        assert wide == pytest.approx(500 if arguments[0] == "--width" else 3 * own[2], abs=0.01)
        assert tall / wide == pytest.approx(own[3] / own[2], abs=1e-3)


def test_each_step_is_a_file(tmp_path: Path) -> None:
    done = run("draw", "steps", STRIDED, "--size", "5x5", "-o", tmp_path / "s-{frame:02}.png", "--scale", "1")
    assert done.code == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"s-{number:02}.png" for number in range(1, 10)]
    assert (read(tmp_path / "s-01.png") != read(tmp_path / "s-09.png")).any()
    assert run("draw", "steps", STRIDED, "-o", tmp_path / "s-{frame:02}.png").code == 1


def test_one_step_of_a_width_without_a_title(tmp_path: Path) -> None:
    arguments = ["draw", "steps", STRIDED, "--frame", "3", "--title", "", "-o"]
    assert run(*arguments, tmp_path / "a.jpg", "--width", "500").code == 0
    assert read(tmp_path / "a.jpg").shape[1] == 500
    assert run(*arguments, tmp_path / "a.svg").code == 0
    assert 'font-size="16"' not in (tmp_path / "a.svg").read_text()


@pytest.mark.parametrize("source", ["rows", "matrix", "npy", "picture"])
def test_values_come_as_rows_arrays_and_corners_of_pictures(source: str, tmp_path: Path) -> None:
    x = np.arange(30, dtype=np.uint8).reshape(5, 6)
    np.save(tmp_path / "x.npy", x)
    save(tmp_path / "x.png", x)
    matrix = "; ".join(" ".join(map(str, row)) for row in x[:3, :4])
    supplied = {
        "rows": str(x[:3, :4].tolist()),
        "matrix": matrix,
        "npy": tmp_path / "x.npy",
        "picture": tmp_path / "x.png",
    }[source]
    size = [] if source in ("rows", "matrix") else ["--size", "3x4"]
    out = run("draw", "steps", "[[1]]", "--values", supplied, *size, "-o", "-", "--format", "svg").out.decode()
    said = re.findall(r"output\[(\d), (\d)\] = (\d+)", out)
    assert {(int(r), int(c)): int(v) for r, c, v in said} == dict(np.ndenumerate(x[:3, :4]))


def test_a_bank_takes_the_colours_of_a_picture() -> None:
    picture = SAMPLES / "scene.jpg"
    done = run("draw", "steps", "luma", "--values", picture, "--size", "3x3", "-o", "-", "--format", "svg")
    assert done.code == 0
    assert b"channels 0 to 2" in done.out


def test_themes_and_times() -> None:
    done = run("draw", "steps", "sharpen", "--theme", "dark", "--seconds", "2", "-o", "-", "--format", "svg")
    assert b"prefers-color-scheme" not in done.out
    assert re.search(rb"animation:\S+ 54s", done.out)
    ET.fromstring(done.out)


@pytest.mark.parametrize(
    "arguments",
    [
        ["taps", "dilated-laplacian", "PICTURE", "--at", "150,180", "--at", "0,0"],
        ["offsets", "swirl", "PICTURE", "--tap", "0"],
        ["field", "PICTURE", "-k", "box", "-k", "sharpen", "--at", "100,200"],
        ["sheet", "PICTURE", "-k", "sobel-x", "-k", "emboss", "--columns", "2"],
        ["sheet", "PICTURE", "-k", "sharpen", "--difference"],
        ["layers", "--in-channels", "2", "--out-channels", "9", "--kernel-size", "5", "--size", "8x9"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_figures_over_pictures(arguments: list[str], tmp_path: Path) -> None:
    real = [str(SAMPLES / "scene.jpg") if argument == "PICTURE" else argument for argument in arguments]
    assert run("draw", *real, "-o", tmp_path / "a.svg").code == 0
    ET.fromstring((tmp_path / "a.svg").read_bytes())
    assert (tmp_path / "a.svg").stat().st_size < 700_000


def test_compare_draws_its_rows(tmp_path: Path) -> None:
    bars, dots = tmp_path / "bars.svg", tmp_path / "dots.png"
    assert run("compare", "--draw", bars).code == 0
    assert "deformable v2: 4,185 weights" in bars.read_text()
    timed = ["--time", "--budget", "0.01", "--size", "32x32"]
    assert run("compare", "sharpen", "box", *timed, "--draw", dots).code == 0
    assert read(dots).shape[1] > 1000
    assert run("compare", "--draw", bars).errors() == [f"Error: {bars}: it exists already"]
    assert run("compare", "--draw", tmp_path / "a.txt").code == 2
    assert run("compare", "--draw", bars, "--overwrite", "-o", tmp_path / "a.json").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["kernel", "sharpen"], 2, "Error: where to?"),
        (["kernel", "sharpn", "-o", "a.svg"], 2, "Error: unknown kernel 'sharpn'"),
        (["kernel", "sharpen", "-o", "a.bmp"], 2, "Error: a.bmp: .bmp is no format of drawings"),
        (["kernel", "sharpen", "-o", "no/a.svg"], 1, "Error: no/a.svg: its folder 'no' does not exist"),
        (["kernel", "sharpen", "-o", "there.svg"], 1, "Error: there.svg: it exists already"),
        (["kernel", "sharpen", "-o", "-"], 2, "Error: stdout has no ending that says the format"),
        (["kernel", "sharpen", "-o", "a.svg", "--format", "png"], 2, "Error: --format is for stdout"),
        (["kernel", "sharpen", "-o", "{stem}.svg"], 2, "Error: {stem} in {stem}.svg has no meaning here"),
        (["steps", "sharpen", "-o", "steps.jpg"], 2, "Error: steps.jpg: a JPEG can't move"),
        (["steps", "sharpen", "--size", "128x128", "-o", "a.svg"], 2, "Error: 128x128 outputs make 16,384 steps"),
        (["steps", "sharpen", "--size", "5x", "-o", "a.svg"], 2, "Error: '5x' is no size for --size"),
        (["steps", "sharpen", "--size", "5x5x5", "-o", "a.svg"], 2, "Error: the kernel moves along y,x"),
        (
            ["steps", "sharpen", "--values", "[[1, 2], [3]]", "-o", "a.svg"],
            2,
            "Error: --values: row 2 has 1 number, row 1 has 2 numbers",
        ),
        (["steps", "sharpen", "--values", "[1", "-o", "a.svg"], 2, "Error: --values: no rows of numbers"),
        (["steps", "sharpen", "--values", f"[[{'9' * 400}]]", "-o", "a.svg"], 2, "Error: --values: no rows of numbers"),
        (["steps", "sharpen", "--values", "[[1e400]]", "-o", "a.svg"], 2, "Error: values that are not finite"),
        (["steps", "sharpen", "--values", "no.png", "-o", "a.svg"], 1, "Error: no.png: no such file"),
        (["steps", "sharpen", "--values", "no.npy", "-o", "a.svg"], 1, "Error: no.npy: no such file"),
        (["steps", "sharpen", "--values", "[[1]]", "--size", "2x2", "-o", "a.svg"], 2, "Error: --values has shape"),
        (["steps", "sharpen", "--frame", "26", "-o", "a.png"], 2, "Error: frame 26 of 25"),
        (["steps", "sharpen", "--stamps", "-o", "a.svg"], 2, "Error: kernel 'sharpen' is not transposed"),
        (["steps", "sharpen", "--scale", "nan", "-o", "a.png"], 2, "Error: invalid value for '--scale'"),
        (["kernel", "sharpen", "--scale", "200", "-o", "a.png"], 2, "Error: 1 frame of"),
        (["taps", "sharpen", "no.png", "-o", "a.svg"], 1, "Error: no.png: no such file"),
        (["taps", "sharpen", "SCENE", "--at", "500,10", "-o", "a.svg"], 1, "Error: 500,10 lies outside the output of"),
        (["taps", "sharpen", "SCENE", "--at", "5", "-o", "a.svg"], 2, "Error: --at 5 is no place"),
        (["offsets", "sharpen", "SCENE", "-o", "a.svg"], 2, "Error: kernel 'sharpen' is not deformable"),
        (["field", "SCENE", "-o", "a.svg"], 2, "Error: missing option '-k'"),
        (
            ["sheet", "SCENE", "-k", "box", "-k", "box", "--difference", "-o", "a.svg"],
            2,
            "Error: --difference takes one",
        ),
        (
            ["layers", "--kernel-size", "9", "-o", "a.svg"],
            2,
            "Error: 9x9 taps: layers are drawn of at most 7 cells a side",
        ),
        (["kernel", "sharpen", "-o", "a.svg", "--scale", "2", "--width", "99"], 2, "Error: --scale and --width both"),
        (["kernel", "sharpen", "-o", "a.svg", "--terminal", "sixel"], 2, "Error: --terminal is for what a terminal"),
        (["kernel", "sharpen", "-o", "-", "--format", "svg", "--overwrite"], 2, "Error: --overwrite is for files"),
        (["kernel", "sharpen", "-o", "a.svg", "--columns", "2"], 2, "Error: columns are those of a filter bank"),
        (
            ["kernel", "luma", "-o", "a.svg", "--numbers", "--columns", "2"],
            2,
            "Error: numbers are written into the cells of a kernel",
        ),
        (["kernel", "sharpen", "-o", "a.svg", "--border", "far"], 2, "Error: --border"),
        (["steps", "box", "-o", "a.svg", "--frame", "1", "--seconds", "2"], 2, "Error: --seconds is how long"),
        (["steps", "box", "-o", "f{frame}.svg", "--frame", "1"], 2, "Error: {frame} makes a file of each step"),
        (["taps", "box", "SCENE", "-o", "a.svg", "--max-pixels", "99"], 1, "Error: SCENE: "),
        (["steps", "box", "--values", "SCENE", "-o", "a.svg", "--max-pixels", "99"], 1, "Error: SCENE: "),
        (["taps", "box", "SCENE", "-o", "a.svg", "--offsets", "x.npy"], 2, "Error: --offsets has no use"),
        (["sharpn", "-o", "a.svg"], 2, "Error: unknown kernel 'sharpn'"),
        (["photo.jpg", "-k", "box", "-o", "a.svg"], 2, "Error: photo.jpg is a picture"),
        (["stpes", "sharpen"], 2, "Error: unknown kernel 'stpes'"),
    ],
    ids=lambda value: " ".join(value)[:50] if isinstance(value, list) else None,
)
def test_errors_are_a_line_and_leave_nothing(
    arguments: list[str], code: int, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.svg").write_text("mine")
    done = run("draw", *(str(SAMPLES / "scene.jpg") if argument == "SCENE" else argument for argument in arguments))
    assert (done.code, done.out) == (code, b"")
    assert done.err.splitlines()[0].replace(str(SAMPLES / "scene.jpg"), "SCENE").startswith(line)
    assert len(done.errors()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["there.svg"]
    assert (tmp_path / "there.svg").read_text() == "mine"
