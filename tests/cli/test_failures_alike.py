"""Failures of one cause in one line, what goes on after Ctrl-C, and how far a single large picture is."""

from __future__ import annotations

import io
import json
import re
import shlex
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from convcli.batch import one_file
from convcli.cli.alike import Alike, Message
from convcli.reports.progress import Share
from tests.support import PATIENCE, held, noise, run, save, waiting


@pytest.fixture(autouse=True)
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a run takes, what has waited is told at its end."""
    monkeypatch.setattr(Alike.__init__, "__defaults__", (lambda: 0.0,))


def failure(name: str, fact: str) -> Message:
    return Message("Error", name, fact)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_many_outputs_that_exist_are_one_line(here: Path, jobs: str) -> None:
    names = [save(Path(f"{number:03}.png"), noise(4, 5)).name for number in range(40)]
    Path("out").mkdir()
    for name in names:
        Path("out", name).write_text("mine")
    arguments = ["apply", *names, "-k", "box", "-o", "out/", "-j", jobs]
    result = run(*arguments)
    error, hint, summary = result.err.splitlines()
    assert result.code == 1
    assert error == "Error: out/000.png and 39 others: it exists already"
    assert hint == "  hint: --overwrite replaces it, --skip-existing leaves it"
    assert summary.startswith("0 done, 40 failed in ")
    assert run(*arguments, "-q").err.splitlines() == [error, hint]
    lines = [json.loads(line) for line in run(*arguments, "--json").err.splitlines()]
    assert [(line["place"], line["error"].partition("\n")[0]) for line in lines] == [
        (f"out/{name}", f"out/{name}: it exists already") for name in names
    ]
    assert run(*arguments, "--skip-existing").code == 0


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_many_warnings_of_one_cause_are_one_line(here: Path, jobs: str) -> None:
    """Samples of 12 bits in 16 come out dark: of each picture with its own greatest sample."""
    for number in range(30):
        save(Path(f"{number:02}.png"), np.full((4, 5), 4000 + 100 * number, np.uint16))
    arguments = ["apply", ".", "-k", "box", "-o", "out/", "--depth", "8", "-j", jobs]
    (warning,) = run(*arguments).err.splitlines()
    assert warning.startswith(
        "Warning: ./00.png and 29 others (their numbers differ): its greatest sample is 16 of 255"
    )
    assert run(*arguments, "--overwrite", "-q").err == ""
    lines = [json.loads(line) for line in run(*arguments, "--overwrite", "--json").err.splitlines()]
    assert len(lines) == 30 and all("greatest sample" in line["notes"][0] for line in lines)
    few = run("apply", "00.png", "01.png", "-k", "box", "-o", "few/", "--depth", "8", "-j", jobs).err.splitlines()
    assert [line[: len("Warning: 00.png: its")] for line in few] == ["Warning: 00.png: its", "Warning: 01.png: its"]


def test_a_missing_library_is_told_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heif = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
    for number in range(30):
        Path(f"{number:02}.heic").write_bytes(heif)
    save(Path("good.png"), noise(9, 8, 3))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    result = run("apply", ".", "-k", "box", "-o", "out/", "--format", "png", "-j", "1")
    assert len(result.errors()) == 1 and "00.heic and 29 others: " in result.err and "pip install" in result.err
    assert [path.name for path in Path("out").iterdir()] == ["good.png"]


def test_a_few_are_told_each_in_their_order() -> None:
    said: list[str] = []
    alike = Alike(said.append)
    for number in range(9):
        alike.add(failure(f"{number}.png", "damaged"))
        alike.add(failure(f"{number}.gif", "truncated" if number else "empty"))
    alike.tell()
    assert said == [
        f"Error: {number}.{kind}: {fact}\n" for number in range(9)
        for kind, fact in (("png", "damaged"), ("gif", "truncated" if number else "empty"))
    ]  # fmt: skip
    alike.tell(last=True)
    assert len(said) == 18


def test_others_of_a_cause_that_is_known_are_counted_until_the_end() -> None:
    said, now = list[str](), [0.0]
    alike = Alike(said.append, lambda: now[0])
    for number in range(20):
        alike.add(failure(f"{number}.png", "damaged"))
    alike.pause()
    assert said == []  # others may come
    now[0] = 1.5
    alike.pause()
    assert said == ["Error: 0.png and 19 others: damaged\n"]
    alike.add(failure("a.gif", "truncated"))
    for number in range(20, 50):
        now[0] += 1
        alike.add(failure(f"{number}.png", "damaged"))
        alike.pause()
    assert said[1:] == ["Error: a.gif: truncated\n"]
    alike.tell(last=True)
    assert said[2:] == ["Error: 20.png and 29 more: damaged\n"]


def test_causes_that_become_many_later() -> None:
    said: list[str] = []
    alike = Alike(said.append)
    for number in range(14):
        alike.add(failure(f"{number}.png", "damaged"))
        alike.tell()
    alike.tell(last=True)
    assert said == [*(f"Error: {number}.png: damaged\n" for number in range(9)), "Error: 9.png: damaged\n",
                    "Error: 10.png and 3 more: damaged\n"]  # fmt: skip


@pytest.mark.parametrize("ways", [[], ["--resume"], ["--in-place", ".bak"]])
@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_the_line_that_goes_on_after_ctrl_c(here: Path, ways: list[str]) -> None:
    """As it stands there, it is typed."""
    for number in range(30):
        save(Path(f"{number} a.png"), noise(300, 400, 3, seed=number))
    arguments = ["apply", "*.png", "-k", "jitter", *ways, "--report-file", "run 1.jsonl", "-q", "-j", "1"]
    arguments += [] if "--in-place" in ways else ["-o", "out/"]
    with held(*arguments, at=["29 a.png"]) as (process, _):
        waiting(process)
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=PATIENCE)[1]
    stopped, hint = err.decode().strip().splitlines()
    assert (process.returncode, stopped) == (130, "Stopped.")
    line = hint.removeprefix("  hint: goes on from there: ")
    assert shlex.split(line) == ["convcli", *arguments, *([] if "--resume" in ways else ["--resume"])]
    done = run(*shlex.split(line)[1:])
    assert (done.code, done.err) == (0, "")
    assert len(Path("run 1.jsonl").read_text().splitlines()) == 30


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("arguments", [["-o", "out/"], ["--in-place", "--report-file", "r.jsonl"]])
def test_a_run_that_cant_be_gone_on_with_says_no_line(here: Path, arguments: list[str]) -> None:
    for number in range(30):
        save(Path(f"{number}.png"), noise(300, 400, 3, seed=number))
    with held("apply", "*.png", "-k", "jitter", *arguments, "-j", "1", "--json", at=["29.png"]) as (process, _):
        waiting(process)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE)[1].splitlines()[-1] == b"Stopped."


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_bar_after_two_seconds_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    now, stream = [0.0], Screen()
    share = Share(stream, lambda: now[0])
    now[0] = 1.9
    share.update(0.1)
    share.close()
    assert stream.getvalue() == ""
    share = Share(stream, lambda: now[0])
    now[0] += 4
    share.update(0.25)
    assert re.search(r"25%.* 0:12 left", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue()))
    share.close()
    length = len(stream.getvalue())
    now[0] += 4
    share.update(0.5)
    assert len(stream.getvalue()) == length


def test_a_single_picture_in_bands_tells_how_far_it_is(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from convcli.cli.reporter import Reporter

    shares: list[float] = []
    monkeypatch.setattr(one_file, "thread_count", lambda: 2)  # with one, smaller pictures are read whole
    monkeypatch.setattr(Reporter, "watch", lambda self, share: shares.append(share))
    save(Path("in.tif"), noise(3000, 1500, 3))
    assert run("apply", "in.tif", "-k", "gaussian", "-o", "out.tif", "-q").code == 0
    assert len(shares) > 1 and shares == sorted(shares) and shares[-1] == 1.0


@pytest.mark.parametrize("name", ["t.xlsx", "t.png", "t.cvs", "t.pdf"])
def test_reports_of_no_known_ending_are_refused(here: Path, name: str) -> None:
    result = run("compare", "sharpen", "-o", name)
    assert (result.code, Path(name).exists()) == (2, False)
    assert result.err == (
        f"Error: no report has the ending '.{name[2:]}': {name}\n"
        "  hint: endings that can be written: .json .csv .md .markdown .txt; --format says it for any name\n"
    )
    assert run("compare", "sharpen", "-o", name, "--format", "csv").code == 0
    assert Path(name).read_text().startswith("name,")
