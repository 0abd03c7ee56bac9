"""`convcli apply`: where results go, which names and options are wrong, several inputs."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.cli.applied import apply, mean_of_3x3
from tests.support import noise, read, run, save, spawn


@pytest.mark.parametrize("shape", [(7, 9), (7, 9, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_one_file(here: Path, shape: tuple[int, ...], dtype: type) -> None:
    pixels = noise(*shape, dtype=dtype)
    result = apply(pixels, "-k", "box:size=3")
    assert result.dtype == dtype
    assert np.abs(result.astype(np.int64) - mean_of_3x3(pixels)).max() <= (dtype is np.uint16)
    assert np.mean(result != mean_of_3x3(pixels)) < 0.02  # float32 sums may round the other way at .5
    assert sorted(path.name for path in here.iterdir()) == ["in.png", "out.png"]


def test_several_files_into_a_folder(here: Path) -> None:
    pictures = {name: noise(6, 5, seed=index) for index, name in enumerate(("a.png", "b.bmp", "c.tif"))}
    for name, pixels in pictures.items():
        save(Path(name), pixels)
    result = run("apply", *pictures, "-k", "identity", "-o", "made/by me/")
    assert (result.code, result.out, result.err) == (0, b"", "")
    for name, pixels in pictures.items():
        assert np.array_equal(read(Path("made/by me") / name), pixels)
    (here / "made" / "there").mkdir()
    assert run("apply", "a.png", "-k", "identity", "-o", "made/there").code == 0  # a folder that exists needs no slash
    assert (here / "made" / "there" / "a.png").exists()


def test_templates(here: Path) -> None:
    (here / "sub").mkdir()
    save(Path("sub/a.b.png"), noise(6, 5))
    save(Path("c.bmp"), noise(6, 5))
    for template, *names in (
        ("{stem}-{kernel}{ext}", "a.b-identity+gaussian.png", "c-identity+gaussian.bmp"),
        ("{parent}/x_{stem}.tif", "sub/x_a.b.tif", "x_c.tif"),
        ("new/{kernel}/{stem}{ext}", "new/identity+gaussian/a.b.png", "new/identity+gaussian/c.bmp"),
    ):
        result = run("apply", "sub/a.b.png", "c.bmp", "-k", "identity", "-k", "gaussian:sigma=0.5", "-o", template)
        assert (result.code, result.err) == (0, "")
        assert all(Path(name).is_file() for name in names)


def test_stdin_to_stdout() -> None:
    pixels = noise(20, 30, 3)
    for extension, start in ((".png", b"\x89PNG"), (".jpg", b"\xff\xd8"), (".bmp", b"BM"), (".tif", b"II*")):
        data = cv2.imencode(extension, pixels)[1].tobytes()
        result = spawn("apply", "-", "-k", "box:size=3", "-o", "-", stdin=data)
        assert (result.code, result.err) == (0, "")
        assert result.out.startswith(start)  # the format of the input
        result = spawn("apply", "-", "-k", "identity", "-o", "-", "--format", "png", stdin=data)
        assert np.array_equal(read(result.out), read(data))


def test_stdin_into_a_file_and_a_file_to_stdout(here: Path) -> None:
    pixels = noise(5, 6, 3)
    source = save(Path("in.png"), pixels)
    assert run("apply", "-", "-k", "identity", "-o", "out.tif", stdin=source.read_bytes()).code == 0
    assert run("apply", "-", "-k", "identity", "-o", "made/", stdin=source.read_bytes()).code == 0
    result = run("apply", "in.png", "-k", "identity", "-o", "-")
    for data in (Path("out.tif").read_bytes(), Path("made/stdin.png").read_bytes(), result.out):
        assert np.array_equal(read(data), pixels)
    assert run("apply", "-", "in.png", "-k", "identity", "-o", "two/", stdin=source.read_bytes()).code == 0
    assert sorted(path.name for path in Path("two").iterdir()) == ["in.png", "stdin.png"]


def test_the_name_decides_the_format(here: Path) -> None:
    save(Path("in.png"), noise(16, 16, 3))
    starts = {"o.jpg": b"\xff\xd8", "o.JPEG": b"\xff\xd8", "o.webp": b"RIFF", "o.tif": b"II*", "o.bmp": b"BM"}
    starts |= {"o.ppm": b"P6", "o.pam": b"P7", "o.npy": b"\x93NUMPY"}
    for name, start in starts.items():
        assert run("apply", "in.png", "-k", "identity", "-o", name).code == 0
        assert Path(name).read_bytes().startswith(start)
    assert run("apply", "in.png", "-k", "identity", "-o", "made/", "--format", "webp").code == 0
    assert Path("made/in.webp").read_bytes().startswith(b"RIFF")
    assert run("apply", "in.png", "-k", "identity", "-o", "{stem}-2{ext}", "--format", ".JPG").code == 0
    assert Path("in-2.JPG").read_bytes().startswith(b"\xff\xd8")
    assert run("apply", "in.png", "-k", "identity", "-o", "bare", "--format", "png").code == 0
    assert Path("bare").read_bytes().startswith(b"\x89PNG")


def test_what_is_there_is_kept_without_overwrite(here: Path) -> None:
    save(Path("in.png"), noise(6, 5))
    Path("out.png").write_bytes(b"precious")
    result = run("apply", "in.png", "-k", "gaussian", "-o", "out.png")
    assert (result.code, result.err) == (
        1,
        "Error: out.png: it exists already\n  hint: --overwrite replaces it, --skip-existing leaves it\n",
    )
    assert Path("out.png").read_bytes() == b"precious"
    assert run("apply", "in.png", "-k", "identity", "-o", "out.png", "--overwrite").code == 0
    assert np.array_equal(read(Path("out.png")), noise(6, 5))


def test_input_as_output(here: Path) -> None:
    pixels = noise(6, 5)
    save(Path("in.png"), pixels)
    Path("link.png").symlink_to("in.png")
    Path("hard.png").hardlink_to("in.png")
    for source in ("in.png", "link.png", "hard.png"):
        for target in ("in.png", "link.png", "hard.png", "./in.png"):
            assert run("apply", source, "-k", "gaussian", "-o", target).code == 1
            assert np.array_equal(read(Path("in.png")), pixels)
    assert run("apply", "link.png", "-k", "identity:weights=[[0]]", "-o", "in.png", "--overwrite").code == 0
    assert not read(Path("in.png")).any()
    save(Path("in.png"), pixels)
    assert run("apply", "in.png", "-k", "identity:weights=[[0]]", "-o", "link.png", "--overwrite").code == 0
    assert Path("link.png").is_symlink() and not read(Path("in.png")).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.png", "b/a.png", "-o", "out/"], "a.png and b/a.png would both be written to out/a.png"),
        (["a.png", "b/a.png", "-o", "{stem}.tif"], "a.png and b/a.png would both be written to a.tif"),
        (["a.png", "a.bmp", "-o", "out/", "--format", "tif"], "a.png and a.bmp would both be written to out/a.tif"),
        (["a.png", "./a.png", "-o", "out/"], "a.png and ./a.png would both be written to out/a.png"),
        (["a.png", "a.png", "-o", "out/"], "an input is named twice, and both results would go to one file"),
        (["a.png", "a.bmp", "-o", "out.png"], "2 inputs would all be written to out.png"),
        (["a.png", "a.bmp", "-o", "-"], "2 inputs can't go to one stdout"),
        (["-", "-", "-o", "out/"], "stdin (-) can be read only once"),
        (["a.png", "-o", ""], "-o names no output"),
        (["a.png", "-o", "out"], "'out' has no image extension"),
        (["a.png", "-o", "out.xyz"], "no image format has the extension '.xyz'"),
        (["a.png", "-o", "out.hdr"], "HDR can be read but not written"),
        (["a.png", "-o", "out/", "--format", "bla"], "no image format has the extension '.bla'"),
        (["a.png", "-o", "out.png", "--format", "jpg"], "--format says jpeg, the name out.png png"),
        (["a.png", "-o", "{stem}-{kernl}{ext}"], "unknown field {kernl} in {stem}-{kernl}{ext}"),
        (["a.png", "-o", "{stem}{}.png"], "unknown field {} in {stem}{}.png"),
        (["a.png", "-o", "{stem"], "the template {stem is damaged"),
        (["a.png", "-o", "out.png", "--layout", "qx"], "layout 'qx' is not made of the letters x, y, z and c"),
        (["a.png", "-o", "out.png", "--layout", "c"], "layout 'c' names no axis x, y or z"),
        (["a.png", "-o", "out.png", "--offsets", "o.npy"], "--offsets has no use: dense kernels take no offsets"),
        (["a.png", "-o", "out.png", "--border", "round"], "--border: 'border' must be one of"),
        (["a.png", "-o", "out.png", "--stride", "[1"], "--stride:1:1: not valid YAML"),
        (["a.png", "-o", "out.png", "--range", "all"], "invalid value for '--range'"),
        (["a.png", "-o", "out.png", "--bordr", "wrap"], "no such option '--bordr'"),
        (["-o", "out.png"], "missing argument 'INPUTS...'"),
        (["a.png"], "missing option '-o'"),
    ],
)
def test_wrong_usage_is_found_before_any_work(here: Path, arguments: list[str], message: str) -> None:
    save(Path("a.png"), noise(6, 5))
    save(Path("a.bmp"), noise(6, 5))
    (here / "b").mkdir()
    save(Path("b/a.png"), noise(6, 5))
    before = sorted(here.rglob("*"))
    result = run("apply", *arguments, "-k", "identity")
    assert result.code == 2
    assert result.out == b""
    (error,) = result.errors()
    assert error.startswith(f"Error: {message}")
    assert sorted(here.rglob("*")) == before


def test_a_missing_kernel_option_is_wrong_usage(here: Path) -> None:
    save(Path("a.png"), noise(4, 4))
    result = run("apply", "a.png", "-o", "out.png")
    assert (result.code, result.err) == (
        2,
        "Error: missing option '-k' / '--kernel'; -k says which kernel\n"
        "  hint: convcli apply a.png -k sharpen -o out.png\n",
    )


def test_one_bad_input_of_three(here: Path) -> None:
    save(Path("a.png"), noise(6, 5))
    Path("b.png").write_text("<html><body>404</body></html>")
    save(Path("c.png"), noise(6, 5))
    result = run("apply", "a.png", "b.png", "c.png", "-k", "identity", "-o", "out/")
    assert (result.code, result.out) == (1, b"")
    assert result.errors() == ["Error: b.png: not an image (looks like HTML)"]
    assert "2 done, 1 failed in " in result.err
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "c.png"]


def test_inputs_that_no_picture_could_be_written_as(here: Path) -> None:
    save(Path("a.png"), noise(6, 5, 3))
    save(Path("b.ras"), noise(6, 5, 3))
    Path("Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    result = run("apply", "a.png", "b.ras", "Thumbs.db", "-k", "identity", "-o", "out/")
    assert result.code == 1
    assert result.err.splitlines()[:3] == [
        "Error: b.ras: RAS can be read but not written",
        "  hint: --format png, or another that can be written",
        "Error: Thumbs.db: not an image in a known format",
    ]
    assert [path.name for path in Path("out").iterdir()] == ["a.png"]
    assert run("apply", "b.ras", "-k", "identity", "-o", "out/", "--format", "png").code == 0
    assert np.array_equal(read(Path("out/b.png"))[..., :3], read(Path("b.ras"))[..., :3])
