"""A file for every frame, in batches: recorded, resumed, and kept apart from leftovers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import pytest

from convcli.batch import temporaries
from tests.support import environment, noise, run

REPORT = "run.jsonl"
posix = pytest.mark.skipif(os.name != "posix", reason="POSIX locks")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two files of three pages."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("a.tif", "b.tif")):
        assert cv2.imwritemulti(name, [noise(9, 8, 3, seed=3 * seed + page) for page in range(3)])
    return tmp_path


def apply(*options: str) -> int:
    arguments = ("a.tif", "b.tif", "-k", "box", "--all-frames", "-o", "out/{stem}-{frame}.png")
    return run("apply", *arguments, "--report-file", REPORT, *options).code


def records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(REPORT).read_text().splitlines()]


def marks() -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in Path("out").iterdir()}


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_frames_are_recorded_each_and_skipped_together(here: Path, jobs: str) -> None:
    assert apply("-j", jobs) == 0
    assert [file["path"] for file in records()[0]["written"]] == [f"out/a-{number}.png" for number in (1, 2, 3)]
    before = marks()
    assert apply("--resume") == 0
    assert ([record["status"] for record in records()], marks()) == (["skipped", "skipped"], before)
    Path("out/a-2.png").unlink()
    assert apply("--resume", "-j", jobs) == 0
    after = marks()
    assert [record["status"] for record in records()] == ["done", "skipped"]
    assert [name for name in before if before[name] != after[name]] in ([], ["a-2.png"])  # a number may be used again
    Path("out/b-3.png").write_bytes(b"precious")
    assert apply("--resume") == 1
    assert Path("out/b-3.png").read_bytes() == b"precious"
    assert marks() == after


def test_inputs_that_can_have_no_output_keep_their_lines(here: Path) -> None:
    arguments = ("apply", "no*.tif", "none*.tif", "a.tif", "-k", "box", "-o", "out/", "--report-file", REPORT)
    assert run(*arguments).code == 1
    assert [record["input"] for record in records()] == ["no*.tif", "none*.tif", "a.tif"]
    assert run(*arguments, "--resume").code == 1
    assert [record["status"] for record in records()] == ["failed", "failed", "skipped"]


HOLDS = """
import os, sys, pathlib
from convcli.batch import files
def stop(handle):
    if len(list(pathlib.Path(sys.argv[1]).iterdir())) == 5:
        print("writing", flush=True)
        sys.stdin.read()
os.fsync = stop
files.write_together((os.path.join(sys.argv[1], str(number)), b"x", True) for number in range(5))
"""


@posix
def test_all_of_a_live_run_stays_and_all_of_a_dead_one_goes(tmp_path: Path) -> None:
    for kill in (False, True):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDS, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=environment(), text=True,
        )  # fmt: skip
        assert process.stdout is not None and process.stdout.readline() == "writing\n"
        assert temporaries.sweep(tmp_path) == 0
        assert len(list(tmp_path.iterdir())) == 5
        if kill:
            process.kill()
        process.communicate("")
        if kill:
            temporaries.sweep(tmp_path)
        names = sorted(path.name for path in tmp_path.iterdir())
        assert names == ([] if kill else ["0", "1", "2", "3", "4"])
        for name in names:
            (tmp_path / name).unlink()


def test_more_frames_than_files_may_be_open(tmp_path: Path) -> None:
    script = (
        "import resource, sys\nfrom convcli.batch import files\nresource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))\n"
        "files.write_together((f'{sys.argv[1]}/{number}', b'x', True) for number in range(200))\n"
    )
    pytest.importorskip("resource")
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], env=environment(), check=True)
    assert len(list(tmp_path.iterdir())) == 200
