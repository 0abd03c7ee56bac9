"""Pictures that are filtered in their place: whole at any moment, once only, with their originals where wanted."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support import decoded, environment, leftovers, noise, read, run, save

KINDS = {"in.png": (60, 50, 3), "in.jpg": (60, 50, 3), "in.tif": (1500, 1300, 3), "in.bmp": (60, 50, 3)}


@pytest.mark.parametrize("suffix", [[], [".bak"], ["~"]], ids=["alone", ".bak", "~"])
@pytest.mark.parametrize("name", [*KINDS, "in.npy"])
def test_the_result_is_what_another_file_would_be(here: Path, name: str, suffix: list[str]) -> None:
    if name == "in.npy":
        np.save(name, noise(20, 30))
    else:
        save(Path(name), noise(*KINDS[name]))
    before = Path(name).read_bytes()
    Path(name).chmod(0o640)
    assert run("apply", name, "-k", "gaussian", "-o", "other/", "-q").code == 0
    result = run("apply", name, "-k", "gaussian", "-q", "--in-place", *suffix)
    assert (result.code, result.err) == (0, "")
    assert Path(name).read_bytes() == Path("other", name).read_bytes() != before
    assert Path(name).stat().st_mode & 0o777 == 0o640
    there = {path.name for path in here.iterdir()}
    assert there == {name, "other", *(name + text for text in suffix)}
    for text in suffix:
        assert Path(name + text).read_bytes() == before


def test_a_batch_keeps_exif_and_is_told_as_any_other(here: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    for number in range(20):
        Image.fromarray(noise(30, 40, 3, seed=number)).save(f"{number}.jpg", exif=exif)
    result = run("apply", ".", "-k", "sharpen", "--in-place", ".orig", "-j", "2", "-q", "--report-file", "r.jsonl")
    assert (result.code, result.err) == (0, "")
    for number in range(20):
        with Image.open(f"{number}.jpg") as picture, Image.open(f"{number}.jpg.orig") as original:
            assert picture.getexif()[0x010F] == original.getexif()[0x010F] == "a camera"
    lines = [json.loads(line) for line in Path("r.jsonl").read_text().splitlines()]
    assert [line["status"] for line in lines] == ["done"] * 20
    again = run("apply", ".", "-k", "sharpen", "--in-place", ".orig", "--report-file", "r.jsonl", "--resume", "--json")
    assert {json.loads(line)["status"] for line in again.err.splitlines()} == {"skipped"}


def test_an_input_behind_the_option_is_no_suffix(here: Path) -> None:
    for name in ("a.png", "b.png"):
        save(Path(name), noise(9, 8, 3))
    assert run("apply", "-k", "box", "-q", "--in-place", "a.png", "b.png").code == 0
    assert read(Path("a.png")).tobytes() == read(Path("b.png")).tobytes() != noise(9, 8, 3).tobytes()
    assert run("apply", "-k", "box", "-q", "--in-place", ".").code == 0
    assert sorted(path.name for path in here.iterdir()) == ["a.png", "b.png"]


def test_links_and_other_names_are_told(here: Path) -> None:
    before = save(Path("a.png"), noise(9, 8, 3)).read_bytes()
    Path("link.png").symlink_to("a.png")
    result = run("apply", "link.png", "-k", "box", "--in-place", ".bak")
    said = f"Warning: link.png: it is a link: the picture that it leads to was replaced, {here / 'a.png'}\n"
    assert (result.code, result.err) == (0, said)
    assert Path("link.png").is_symlink() and Path("a.png.bak").read_bytes() == before != Path("a.png").read_bytes()
    Path("hard.png").hardlink_to("a.png")
    before = Path("a.png").read_bytes()
    result = run("apply", "a.png", "-k", "box", "--in-place")
    said = "Warning: a.png: 1 other name of this file still leads to the original\n"
    assert (result.code, result.err) == (0, said)
    assert Path("hard.png").read_bytes() == before != Path("a.png").read_bytes()
    result = run("apply", "a.png", "link.png", "-k", "box", "--in-place")
    assert (result.code, result.err.splitlines()[0]) == (
        2, "Error: a.png and link.png would both be written to link.png"
    )  # fmt: skip


def _pages(path: str, count: int) -> None:
    pages = [Image.fromarray(noise(9, 8, 3, seed=number)) for number in range(count)]
    pages[0].save(path, save_all=True, append_images=pages[1:])


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_nothing_is_lost(here: Path, jobs: str) -> None:
    """Pages, formats and originals of former runs; each input is refused alone."""
    _pages("pages.tif", 3)
    save(Path("wrong.png"), noise(9, 8, 3)).rename("wrong.jpg")
    save(Path("twice.png"), noise(9, 8, 3))
    Path("twice.png.bak").write_text("precious")
    np.savez("a.npz", noise(9, 8))
    save(Path("good.png"), noise(9, 8, 3))
    before = {path.name: path.read_bytes() for path in here.iterdir()}
    names = ["pages.tif", "wrong.jpg", "twice.png", "a.npz", "good.png"]
    result = run("apply", *names, "-k", "box", "--in-place", ".bak", "-j", jobs)
    backup = here / "twice.png.bak"
    assert result.code == 1
    assert result.errors() == [
        "Error: pages.tif: in place it would keep 1 of its 3 frames or pages",
        "Error: wrong.jpg: its content is PNG, its name says JPEG: in place it would change",
        f"Error: twice.png: what it was would stay as {backup}, which exists already",
        "Error: a.npz: an archive of arrays is not replaced",
    ]
    after = {path.name: path.read_bytes() for path in here.iterdir()}
    assert after.pop("good.png") != before["good.png"] == after.pop("good.png.bak")
    assert {name: data for name, data in before.items() if name != "good.png"} == after
    assert run("apply", "pages.tif", "-k", "box", "--in-place", ".bak", "--all-frames", "-q").code == 0
    with Image.open("pages.tif") as picture:
        assert picture.n_frames == 3


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        (["-o", "x.png"], "--in-place replaces the inputs, which -o does not go with"),
        (["--format", "png"], "--in-place replaces the inputs, which --format does not go with"),
        (["--skip-existing"], "--in-place replaces the inputs, which --skip-existing does not go with"),
        (["-"], "--in-place replaces files, and stdin (-) is none"),
        (["--report-file", "r", "--resume"], "--in-place --resume: what was filtered could not be told from"),
        (["--scheduler", "tcp://127.0.0.1:9"], "--in-place is for this machine, --scheduler for a cluster"),
    ],
)
def test_what_does_not_go_with_it(here: Path, arguments: list[str], fact: str) -> None:
    before = save(Path("a.png"), noise(9, 8, 3)).read_bytes()
    result = run("apply", "a.png", "-k", "box", "--in-place", *arguments)
    assert result.code == 2 and result.err.startswith(f"Error: {fact}")
    assert [path.name for path in here.iterdir()] == ["a.png"] and Path("a.png").read_bytes() == before
    result = run("apply", "a.png", "-k", "box", "--in-place", ".jpg")
    assert (result.code, "--in-place .jpg.bak" in result.err) == (2, True)


def test_a_file_system_without_links(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refused)
    before = save(Path("a.png"), noise(9, 8, 3)).read_bytes()
    assert run("apply", "a.png", "-k", "box", "--in-place", ".bak", "-q").code == 0
    assert Path("a.png.bak").read_bytes() == before != Path("a.png").read_bytes()
    assert leftovers(here) == []


def test_a_failure_leaves_all_as_it_was(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = save(Path("a.png"), noise(9, 8, 3)).read_bytes()

    def full(source: str, target: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    result = run("apply", "a.png", "-k", "box", "--in-place", ".bak", "-q")
    assert result.errors() == ["Error: a.png: can't be written: no space left on device"]
    assert {path.name: path.read_bytes() for path in here.iterdir()} == {"a.png": before}


#: Ends the process at the N-th call that replaces a file, before or after it.
KILLED = """
import os, sys
from convcli.cli import main
replace, left = os.replace, [int(sys.argv.pop(1))]
def replaced(*names):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), 9)
    replace(*names)
    if left[0] == 1 and {after}:
        os.kill(os.getpid(), 9)
os.replace = replaced
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("jobs", ["1", "2"])
@pytest.mark.parametrize("after", [True, False])
def test_a_run_that_is_killed_goes_on_and_filters_nothing_twice(here: Path, after: bool, jobs: str) -> None:
    """Between the original's second name and its replacement, and between that and its record."""
    names = [save(Path(f"{number:02}.png"), noise(12, 10, 3, seed=number)).name for number in range(20)]
    before = {name: Path(name).read_bytes() for name in names}
    assert run("apply", *names, "-k", "gaussian", "-o", "expected/", "-q").code == 0
    arguments = ["apply", *names, "-k", "gaussian", "--in-place", ".bak", "-j", jobs, "-q", "--report-file", "r.jsonl"]
    done = subprocess.run(
        [sys.executable, "-c", KILLED.replace("{after}", str(after)), "6", *arguments],
        env=environment(OPENBLAS_NUM_THREADS="1"), capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == (-signal.SIGKILL if jobs == "1" else 1)
    expected = {name: Path("expected", name).read_bytes() for name in names}
    for name in names:
        assert Path(name).read_bytes() in (before[name], expected[name])
        assert Path(name).read_bytes() == before[name] or Path(f"{name}.bak").read_bytes() == before[name]
    again = run(*arguments, "--resume")
    assert (again.code, again.err) == (0, "")
    assert {name: Path(name).read_bytes() for name in names} == expected
    assert {name: Path(f"{name}.bak").read_bytes() for name in names} == before
    assert leftovers(here) == []


def test_what_would_be_done(here: Path) -> None:
    for name in ("a.png", "b.png", "b.png.bak"):
        save(Path("x.png"), noise(9, 8, 3)).rename(name)
    result = run("apply", "a.png", "b.png", "-k", "box", "--in-place", ".bak", "-n")
    backup = here / "b.png.bak"
    assert (result.code, result.out.decode().splitlines()[:3]) == (
        1,
        ["a.png -> a.png", f"b.png -> b.png  refused: what it was would stay as {backup}, which exists already",
         "1 of 2 would be filtered, 1 refused"],
    )  # fmt: skip


# --- outputs that exist ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_outputs_that_exist_are_left(here: Path, jobs: str) -> None:
    names = [save(Path(f"{number}.png"), noise(9, 8, 3)).name for number in range(6)]
    Path("out").mkdir()
    Path("out/2.png").write_text("mine")
    Path("out/3.png").symlink_to("nowhere")
    arguments = ["apply", *names, "-k", "box", "-o", "out/", "-j", jobs, "--skip-existing"]
    result = run(*arguments, "--json")
    said = [json.loads(line) for line in result.err.splitlines()]
    skipped = ("skipped", "its output exists already")
    assert result.code == 0
    assert [(line["status"], line["reason"]) for line in said] == [
        skipped if n in (2, 3) else ("done", "") for n in range(6)
    ]
    assert Path("out/2.png").read_text() == "mine" and Path("out/3.png").is_symlink()
    assert run(*arguments).err.startswith("0 done, 6 skipped in ")


def test_frames_that_exist_are_left(here: Path) -> None:
    _pages("a.tif", 2)
    _pages("b.tif", 2)
    arguments = ["apply", "a.tif", "b.tif", "-k", "box", "-o", "{stem}-{frame}.png", "--all-frames", "--skip-existing"]
    assert run(*arguments, "-q").code == 0
    Path("b-2.png").unlink()
    result = run(*arguments)
    assert (result.code, result.errors()) == (1, ["Error: b-1.png: it exists already"])
    assert not Path("b-2.png").exists()


@pytest.mark.parametrize("other", ["--overwrite", "--force", "-f", "--resume"])
def test_what_does_not_go_with_skipping(here: Path, other: str) -> None:
    save(Path("a.png"), noise(9, 8, 3))
    result = run("apply", "a.png", "-k", "box", "-o", "b.png", "--skip-existing", other, "--report-file", "r.jsonl")
    assert (result.code, len(result.errors())) == (2, 1)
    assert [path.name for path in here.iterdir()] == ["a.png"]


def test_short_words(here: Path) -> None:
    save(Path("a.png"), noise(9, 8, 3))
    Path("b.png").write_text("old")
    assert run("apply", "a.png", "-k", "box", "-o", "b.png", "-n").out.decode().splitlines()[0] == (
        "a.png -> b.png  refused: it exists already"
    )
    assert Path("b.png").read_text() == "old"
    assert run("apply", "a.png", "-k", "box", "-o", "b.png", "-f", "-q").code == 0
    assert decoded("b.png").shape == (9, 8, 3)
