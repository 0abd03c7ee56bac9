"""Collisions, shares of the work, and what `--dry-run` says of a run that it doesn't start."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from convcli.batch.names import collisions
from convcli.batch.names.finding import Input
from convcli.batch.names.inputs import Shard
from convcli.batch.names.jobs import plan_jobs
from tests.support import noise, read, run, save, spawn

posix = pytest.mark.skipif(os.name != "posix", reason="links, pipes and names of any bytes")
not_root = pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with pictures `in/a.png`, `in/b/a.png`, `in/b/c.jpg`."""
    monkeypatch.chdir(tmp_path)
    Path("in/b").mkdir(parents=True)
    for name in ("in/a.png", "in/b/a.png", "in/b/c.jpg"):
        save(Path(name), noise(6, 5, 3))
    return tmp_path


def snapshot(folder: Path) -> list[tuple[str, int, int]]:
    return sorted((str(path), path.lstat().st_mtime_ns, path.lstat().st_ino) for path in folder.rglob("*"))


# --- collisions -------------------------------------------------------------------------------------------------------


def actual(*names: str, output: str) -> list[str]:
    jobs = plan_jobs([Input(name=name) for name in names], output, "k", None)
    return [collision.fact for collision in collisions.find(jobs)]


def test_all_collisions_are_found(here: Path) -> None:
    names = ["x/1.png", "y/1.png", "x/2.png", "z/1.png", "y/2.png", "x/3.png"]
    assert actual(*names, output="out/") == [
        "x/1.png and y/1.png would both be written to out/1.png",
        "x/1.png and z/1.png would both be written to out/1.png",
        "x/2.png and y/2.png would both be written to out/2.png",
    ]
    result = run("apply", *names, "-k", "identity", "-o", "out/")
    assert result.code == 2 and not Path("out").exists()
    assert result.err.startswith("Error: x/1.png and y/1.png would both be written to out/1.png (and 2 more like it)\n")
    assert actual(*names, output="out/{parent}/{stem}{ext}") == []


@posix
def test_collisions_through_links(here: Path) -> None:
    Path("out").mkdir()
    Path("way").symlink_to("out")
    Path("out/b.png").symlink_to("a.png")  # leads nowhere yet
    assert actual("x/a.png", "y/b.png", output="out/") == ["x/a.png and y/b.png would both be written to out/b.png"]
    assert actual("out/a.png", "way/a.png", output="{parent}/{stem}.tif") == [
        "out/a.png and way/a.png would both be written to way/a.tif"
    ]
    Path("l.png").symlink_to("in/a.png")
    message = "in/b/a.png would be written to in/a.png, which is an input, too"
    assert actual("in/b/a.png", "l.png", output="{parent}/../{stem}{ext}")[0].startswith(message[:30])
    assert actual("in/b/a.png", "in/a.png", output="in/{stem}{ext}")[0] == message


def test_capitals_count_where_the_file_system_says_so(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "probe").touch()
    folds = (here / "PROBE").exists()
    assert bool(actual("x/a.png", "y/A.PNG", output="out/")) == folds
    monkeypatch.setattr(os.path, "samefile", lambda one, other: one.casefold() == other.casefold())
    (fact,) = actual("x/a.png", "y/A.PNG", output="out/")
    assert fact.startswith("x/a.png and y/A.PNG would both be written to out/A.PNG: capitals don't count")
    assert actual("x/a.png", "y/B.png", output="out/") == []


# --- shares -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", [1, 2, 3, 7, 12])
def test_shares_are_disjoint_and_everything(of: int) -> None:
    items = [f"{number}.png" for number in range(11)]
    shares = [Shard(number=number, of=of).pick(items) for number in range(1, of + 1)]
    assert sorted(item for share in shares for item in share) == sorted(items)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_shares_of_a_run(here: Path) -> None:
    for number in (1, 2, 3, 4):  # one more than there are pictures
        result = run("apply", "in", "-r", "-k", "identity", "-o", "out/", "--shard", f"{number}/4", "--report")
        assert (result.code, len(list(Path("out").rglob("*.*")))) == (0, min(number, 3))
    assert result.err == "Nothing to do: 3 inputs leave none for this share\n"
    for name in ("a.png", "b/a.png"):
        assert (read(Path("out") / name) == read(Path("in") / name)).all()
    # Collisions are those of the whole list, also where each share alone would have none.
    for number in (1, 2, 3):
        result = run("apply", "in", "-r", "-k", "identity", "-o", "new/{stem}.png", "--shard", f"{number}/3")
        assert result.code == 2 and "in/a.png and in/b/a.png would both be written to new/a.png" in result.err


@pytest.mark.parametrize(
    ("shard", "message"),
    [
        ("0/4", "there are shares 1 to 4\n  hint: shares count from 1: add 1 to an index that counts from 0"),
        ("5/4", "there are shares 1 to 4"),
        ("0/0", "there are shares 1 to 0"),
        ("1", "a share is I/N, such as 1/8"),
        ("a/b", "a share is I/N, such as 1/8"),
        ("-1/4", "a share is I/N, such as 1/8"),
        ("/", "a share is I/N, such as 1/8"),
        ("1/99999999999999999999999", "a share is I/N, such as 1/8"),
    ],
)
def test_wrong_shares(here: Path, shard: str, message: str) -> None:
    result = run("apply", "in", "-k", "identity", "-o", "out/", "--shard", shard)
    assert result.code == 2 and result.err.startswith(f"Error: --shard {shard}: {message}")


# --- dry runs ---------------------------------------------------------------------------------------------------------


def test_a_dry_run_touches_nothing(here: Path) -> None:
    before = snapshot(here)
    result = run("apply", "in", "-r", "-k", "identity", "-o", "out/deep/", "--dry-run")
    assert (result.code, result.err, snapshot(here)) == (0, "", before)
    assert result.out.decode() == (
        "in/a.png -> out/deep/a.png\nin/b/a.png -> out/deep/b/a.png\nin/b/c.jpg -> out/deep/b/c.jpg\n"
        "3 of 3 would be filtered\n"
    )
    shared = run("apply", "in", "-r", "-k", "identity", "-o", "out/deep/", "--dry-run", "--shard", "2/2")
    assert shared.out.decode() == "in/b/a.png -> out/deep/b/a.png\n1 of 1 would be filtered\n"


@posix
def test_what_would_be_refused(here: Path) -> None:
    Path("out").mkdir()
    Path("out/a.png").touch()
    Path("out/d.png").mkdir()
    os.mkfifo("e.png")
    Path("f.hdr").touch()
    supplied = ["in/a.png", "d.png", "in/b/c.jpg", "absent.png", "e.png", "f.hdr", "*.webp", "in/b/a.png/x.png"]
    before = snapshot(here)
    result = run("apply", *supplied, "-k", "identity", "-o", "out/", "--dry-run")
    assert (result.code, result.err, snapshot(here)) == (1, "", before)
    lines = result.out.decode().splitlines()
    assert lines[:9] == [
        "in/a.png -> out/a.png  refused: it exists already",
        "d.png -> out/d.png  refused: no such file",
        "in/b/c.jpg -> out/c.jpg",
        "absent.png -> out/absent.png  refused: no such file",
        "e.png -> out/e.png  refused: is a pipe or device, not a file",
        "f.hdr -> out/f.hdr  refused: HDR can be read but not written",
        "*.webp  refused: no file matches this pattern",
        "in/b/a.png/x.png -> out/x.png  refused: can't be read: not a directory",
        "1 of 8 would be filtered, 7 refused",
    ]
    assert "  hint: --overwrite replaces it" in lines[9:]
    # A run says the same.
    done = run("apply", *supplied, "-k", "identity", "-o", "out/")
    assert done.code == 1 and len(done.errors()) == 7
    assert [path.name for path in Path("out").iterdir() if path.stat().st_size and path.is_file()] == ["c.jpg"]


def test_a_dry_run_shows_all_collisions(here: Path) -> None:
    result = run("apply", "in", "-r", "-k", "identity", "-o", "out/{stem}.png", "--dry-run")
    assert (result.code, result.err) == (2, "")
    assert result.out.decode().splitlines()[1:5] == [
        "in/b/a.png -> out/a.png  refused: in/a.png and in/b/a.png would both be written to out/a.png",
        "in/b/c.jpg -> out/c.png",
        "0 of 3 would be filtered, since 1 collides",
        "  hint: -o 'FOLDER/{parent}/{stem}{ext}' keeps their folders, and so does a folder as an input (--recursive)",
    ]


def test_folders_that_take_no_files(here: Path) -> None:
    result = run("apply", "in/a.png", "-k", "identity", "-o", "in/b/a.png/new/x.png", "--dry-run")
    assert result.code == 1
    assert result.out.decode().startswith(
        "in/a.png -> in/b/a.png/new/x.png  refused: in/b/a.png/new: the folder can't be made: not a directory\n"
    )


@posix
@not_root
def test_folders_that_are_not_writable(here: Path) -> None:
    Path("in/b").chmod(0o500)
    try:
        result = run("apply", "in/a.png", "-k", "identity", "-o", "in/b/new/x.png", "--dry-run")
        assert (result.code, b"the folder 'in/b' is not writable" in result.out) == (1, True)
    finally:
        Path("in/b").chmod(0o700)


def test_a_wrong_kernel_is_wrong_usage(here: Path) -> None:
    result = run("apply", "in", "-k", "[[1, 2], [3]]", "-o", "out/", "--dry-run")
    assert (result.code, result.out) == (2, b"")
    result = run("apply", "in", "-k", "{weights: [[1, -1]], divisor: sum}", "-o", "out/", "--dry-run")
    assert (result.code, result.out) == (2, b"")


@posix
def test_a_plan_as_json_lines_with_names_of_any_bytes(here: Path) -> None:
    odd = b"caf\xe9\n\x1b[31m[red].png"
    Path("in/a.png").rename(os.fsdecode(b"in/" + odd))
    plain = spawn("apply", "in", "absent.png", "-k", "identity", "-o", "out/", "--dry-run")
    assert plain.code == 1
    assert plain.out.split(b"\n")[0] == b"in/caf\\udce9\\n\\x1b[31m[red].png -> out/caf\\udce9\\n\\x1b[31m[red].png"
    result = spawn("apply", "in", "absent.png", "-k", "identity", "-o", "out/", "--dry-run", "--json")
    first, second = map(json.loads, result.out.decode("ascii").splitlines())
    assert os.fsencode(first["input"]) == b"in/" + odd and os.fsencode(first["output"]) == b"out/" + odd
    assert (first["status"], second["status"], second["error"]) == ("planned", "refused", "no such file")


def test_the_help_has_headings() -> None:
    text = run("apply", "--help").out.decode()
    headings = [line for line in text.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings[:5] == ["Inputs:", "Kernels:", "Effect:", "Output:", "Pictures:"]
    for option in (
        "--recursive",
        "--files-from",
        "--null",
        "--shard",
        "--dry-run",
        "--layout",
        "--overwrite",
        "--json",
    ):
        assert text.count(f"{option} ") >= 1
