"""Which files are inputs: folders, patterns, lists of names and shares of them; and where their results go."""

from __future__ import annotations

import glob
import os
import subprocess
from pathlib import Path

import pytest

from convcli.batch.names.finding import EXTENSIONS, Input, matches, natural, pictures_in
from convcli.batch.names.inputs import Selection, collect
from convcli.batch.names.jobs import plan_jobs
from convcli.pictures.sniff import READABLE
from tests.support import Result, noise, run, save, spawn

posix = pytest.mark.skipif(os.name != "posix", reason="links, pipes and names of any bytes")
not_root = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may look anywhere")

TREE = [
    "in/p10.png", "in/p9.png", "in/P1.PNG", "in/notes.txt", "in/.hidden.png", "in/.convcli-0123456789abcdef.part",
    "in/a/b/x [1].png", "in/a/scene.jpg", "in/.git/index.png", "in/empty/readme.md", "in/10/q.tif", "in/9/q.tif",
]  # fmt: skip


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a tree `in` of files that only have names."""
    monkeypatch.chdir(tmp_path)
    for name in TREE:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    return tmp_path


def names(actual: list[Input]) -> list[str]:
    return [item.name.replace(os.sep, "/") for item in actual]


def select(*supplied: str, output: str = "out/", **more: bool) -> list[Input]:
    return collect(Selection(names=supplied, **more), output=output)  # type: ignore[arg-type]


def planned(*supplied: str, output: str = "out/", **more: bool) -> list[tuple[str, str]]:
    jobs = plan_jobs(select(*supplied, output=output, **more), output, "k", None)
    return [(job.input, job.output) for job in jobs]


# --- folders ----------------------------------------------------------------------------------------------------------


def test_a_folder_gives_its_own_pictures(here: Path) -> None:
    assert names(select("in")) == ["in/P1.PNG", "in/p9.png", "in/p10.png"]
    assert names(select("in/")) == ["in/P1.PNG", "in/p9.png", "in/p10.png"]


def test_a_tree_is_mirrored(here: Path) -> None:
    assert planned("in", recursive=True) == [
        ("in/P1.PNG", "out/P1.PNG"),
        ("in/p9.png", "out/p9.png"),
        ("in/p10.png", "out/p10.png"),
        ("in/9/q.tif", "out/9/q.tif"),
        ("in/10/q.tif", "out/10/q.tif"),
        ("in/a/scene.jpg", "out/a/scene.jpg"),
        ("in/a/b/x [1].png", "out/a/b/x [1].png"),
    ]
    # A folder's pictures go to a folder, also if it is new and its name has no slash; a template says it all itself.
    assert planned("in/a", output="new") == [("in/a/scene.jpg", "new/scene.jpg")]
    assert planned("in/a", output="new/{kernel}/", recursive=True)[1] == ("in/a/b/x [1].png", "new/k/b/x [1].png")
    assert planned("in/a", output="{parent}/{stem}.tif", recursive=True)[1] == ("in/a/b/x [1].png", "in/a/b/x [1].tif")


def test_every_readable_format_is_found_by_an_extension(tmp_path: Path) -> None:
    by_format = {"jpeg": ".jpg", "tiff": ".tif", "pnm": ".ppm"}
    for format in READABLE:
        assert by_format.get(format, f".{format}") in EXTENSIONS
    assert ".npy" not in EXTENSIONS


@posix
def test_links(here: Path) -> None:
    Path("in/a/round").symlink_to("..")
    Path("elsewhere").mkdir()
    Path("elsewhere/far.png").touch()
    Path("in/9/away").symlink_to(here / "elsewhere")
    Path("in/9/linked.png").symlink_to(here / "elsewhere" / "far.png")
    Path("in/9/dangling.png").symlink_to("nowhere")
    Path("in/9/itself.png").symlink_to("itself.png")
    actual = names(select("in/9", recursive=True))
    # Links to files are files, those that lead nowhere fail when they are read; folders behind links are not entered.
    assert actual == ["in/9/dangling.png", "in/9/itself.png", "in/9/linked.png", "in/9/q.tif"]
    assert len(select("in", recursive=True)) == 7 + 3
    assert len(select("in/**/*.png")) == 3 + 3
    Path("link").symlink_to("in")
    assert len(select("link", recursive=True)) == 7 + 3  # a link that was named is entered


def test_a_folder_without_pictures_says_what_it_holds(here: Path) -> None:
    (only,) = select("in/empty")
    assert only.fault and str(only.fault) == "in/empty: no picture is in this folder, only other files (.md)"
    Path("in/empty/deeper").mkdir()
    (only,) = select("in/empty")
    assert only.fault and only.fault.hint == "--recursive looks into its folders, too"
    (only,) = select("in/empty", recursive=True)
    assert only.fault and not only.fault.hint
    Path("in/empty/w.npy").touch()
    (only,) = select("in/empty")
    assert only.fault and only.fault.hint.endswith(f"'{Path('in/empty', '*.npy')}'")
    result = run("apply", "in/empty", "in/absent", "-k", "identity", "-o", "out/")
    assert (result.code, len(result.errors())) == (1, 2)
    assert not Path("out").exists() or not list(Path("out").iterdir())


def test_results_are_no_inputs(here: Path) -> None:
    for output in ("in/out/", "in/out", "in/../in/out/", str(here / "in" / "out"), "in/out/{stem}-{kernel}{ext}"):
        before = select("in", output=output, recursive=True)
        for name in ("in/out/p9.png", "in/out/a/scene.jpg"):
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).touch()
        assert select("in", output=output, recursive=True) == before
        assert not [name for name in names(select("in/**/*.*", output=output)) if name.startswith("in/out")]
    assert "in/out/p9.png" in names(select("in", output="elsewhere/", recursive=True))
    assert "in/out/p9.png" in names(select("in/out", output="in/out/"))  # named itself


def test_results_beside_their_inputs_are_no_inputs(here: Path) -> None:
    beside = "{parent}/{stem}-{kernel}{ext}"
    before = planned("in", output=beside, recursive=True)
    for _, output in before[:3]:
        Path(output).touch()
    assert planned("in", output=beside, recursive=True) == before
    assert all(name == output for name, output in planned("in", output="in/"))  # in their places: all are filtered
    Path("in/p9.tif").touch()  # a picture of its own, which another one's result would replace
    result = run("apply", "in", "-k", "identity", "-o", "in/", "--format", "tif", "--overwrite")
    assert result.code == 2 and "in/p9.png would be written to in/p9.tif, which is an input, too" in result.err


@posix
@not_root
def test_a_closed_folder_is_told(here: Path) -> None:
    Path("in/a").chmod(0)
    try:
        actual = select("in", recursive=True)
        (closed,) = [item for item in actual if item.fault]
        assert closed.fault and "permission denied" in str(closed.fault) and len(actual) == 6
    finally:
        Path("in/a").chmod(0o700)


def test_a_deep_tree(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(400):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "x.png").touch()
    (actual,) = pictures_in(str(tmp_path), recursive=True)
    assert actual.name == str(deep / "x.png") and actual.under.count("d") == 400
    (actual,) = matches(str(tmp_path / "**" / "*.png"))
    assert actual.name == str(deep / "x.png")


# --- patterns ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern",
    ["in/*.png", "in/p?.png", "in/[pP]1*", "in/*/*.tif", "*/*.jpg", "in/**/*.png", "**/*.png", "in/**", "in/**/*",
     "in/a/**/x*", "in/.*.png", "in/**/b/*.png", "./in/*.png", "in/[!p]*.*", "in//*.png", "**/in/**/*.tif",
     "in/a/*/x [[]1].png", "in/*/b/x*"],
)  # fmt: skip
def test_patterns_match_as_pythons_do(here: Path, pattern: str) -> None:
    matched = glob.glob(pattern, recursive=True)  # noqa: PTH207 - pathlib's matches hidden names
    expected = {os.path.normpath(name) for name in matched if not Path(name).is_dir()}
    for start in ("", f"{here}/"):
        actual = [os.path.normpath(os.path.relpath(item.name, here)) for item in matches(start + pattern)]
        assert len(actual) == len(set(actual))
        assert set(actual) == expected


def test_patterns_are_expanded_in_order_and_mirrored(here: Path) -> None:
    assert planned("in/p*.png") == [("in/p9.png", "out/p9.png"), ("in/p10.png", "out/p10.png")]
    assert planned("in/**/*.tif") == [("in/9/q.tif", "out/9/q.tif"), ("in/10/q.tif", "out/10/q.tif")]
    assert planned("in/a/**/x*") == [("in/a/b/x [1].png", "out/b/x [1].png")]
    assert sorted(["x10", "x9", "X1", "x01", "x"], key=natural) == ["x", "X1", "x01", "x9", "x10"]


def test_a_name_wins_over_a_pattern(here: Path) -> None:
    Path("in/x1.png").touch()
    assert names(select("in/x[1].png")) == ["in/x1.png"]
    Path("in/x[1].png").touch()
    assert names(select("in/x[1].png")) == ["in/x[1].png"]
    assert names(select("in/a/b/x [1].png")) == ["in/a/b/x [1].png"]


def test_a_pattern_that_matches_nothing_is_an_error(here: Path) -> None:
    save(here / "good.png", noise(6, 5))
    result = run("apply", "in/*.webp", "good.png", "nowhere/**/*.png", "-k", "identity", "-o", "out/")
    assert result.code == 1
    assert result.errors() == [
        "Error: in/*.webp: no file matches this pattern", "Error: nowhere/**/*.png: no file matches this pattern",
    ]  # fmt: skip
    assert [path.name for path in Path("out").iterdir()] == ["good.png"]


# --- lists ------------------------------------------------------------------------------------------------------------


def listed(data: bytes, *more: str, stdin: bool = True) -> Result:
    Path("list").write_bytes(data)
    variant = ["--files-from", "-" if stdin else "list", *more]
    return run("apply", *variant, "-k", "identity", "-o", "out/", stdin=data if stdin else b"")


@pytest.mark.parametrize("stdin", [True, False])
def test_lists_of_names(here: Path, stdin: bool) -> None:
    for name in ("a.png", "b [2].png", "-", " c.png"):
        save(Path("x.png"), noise(6, 5)).rename(name)
    result = listed(b"\xef\xbb\xbfa.png\r\n\n\r\nabsent.png\nb [2].png\n*.png\n c.png\n-", stdin=stdin)
    assert result.code == 1
    assert result.errors() == ["Error: absent.png: no such file", "Error: *.png: no such file"]
    assert sorted(path.name for path in Path("out").iterdir()) == [" c.png", "-.png", "a.png", "b [2].png"]


def test_lists_join_the_other_inputs(here: Path) -> None:
    Path("list0").write_bytes(b"in/a/scene.jpg\0\0in/p\n.png\0")
    actual = names(collect(Selection(names=["in"], files_from="list0", null=True), output="o/"))
    assert actual == ["in/P1.PNG", "in/p9.png", "in/p10.png", "in/a/scene.jpg", "in/p\n.png"]


@posix
def test_names_of_any_bytes_survive(here: Path) -> None:
    odd = [b"caf\xe9.png", b"line\nbreak.png", b"\x1b[31mred.png"]
    for name in odd:
        save(here / "x.png", noise(6, 5)).rename(os.fsdecode(name))
    find = subprocess.run(["find", ".", "-maxdepth", "1", "-name", "*.png", "-print0"], capture_output=True, check=True)
    result = spawn("apply", "--files-from", "-", "-0", "-k", "identity", "-o", "out/", stdin=find.stdout)
    assert (result.code, result.err) == (0, "")
    assert sorted(os.fsencode(path.name) for path in Path("out").iterdir()) == sorted(odd)


@pytest.mark.parametrize(
    ("data", "arguments", "code", "message"),
    [
        (b"", [], 1, "stdin: names no input"),
        (b"a\0b", [], 2, "NUL bytes in a list of one name a line"),
        ("a.png\n".encode("utf-16"), [], 2, "NUL bytes in a list of one name a line"),
        (b"a.png", ["-"], 2, "stdin (-) can't be both a picture and the list of --files-from"),
        (b"a.png\nb.png\n", ["-0"], 2, "no NUL byte in a list whose names end with one"),
        (b"in\n", [], 1, "in: is a folder, not a file"),
    ],
)
def test_wrong_lists(here: Path, data: bytes, arguments: list[str], code: int, message: str) -> None:
    result = listed(data, *arguments)
    assert (result.code, len(result.errors())) == (code, 1)
    assert result.errors()[0].startswith(f"Error: {message}")


def test_lists_that_are_not_there(here: Path) -> None:
    for name in ("absent", "in"):
        result = run("apply", "--files-from", name, "-k", "identity", "-o", "out/")
        assert (result.code, result.errors()[0].startswith(f"Error: --files-from {name}: ")) == (2, True)
    result = run("apply", "in", "--null", "-k", "identity", "-o", "out/")
    assert result.code == 2 and "--null is about the names in a list" in result.err
