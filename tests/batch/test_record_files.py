"""Report files of runs: torn, foreign, on a full disk, of a killed run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from convcli.batch import one_file, resume
from convcli.batch.names import inputs
from convcli.batch.workers import groups
from tests.batch.recorded import REPORT, apply, records, statuses
from tests.support import PATIENCE, held, noise, run, save, wait_until


def test_torn_and_foreign_lines(runs_folder: Path) -> None:
    apply()
    whole = Path(REPORT).read_bytes()
    torn = whole.splitlines(keepends=True)
    Path(REPORT).write_bytes(torn[0] + torn[1][:70] + b"\n" + torn[2] + b'{"input": "d.png", "outp')
    assert apply("--resume").code == 0
    assert statuses() == "scs"
    for content in (b"\x89PNG precious", b"# notes\nprecious\n", b'{"rows": 3}\n'):
        Path(REPORT).write_bytes(content)
        result = apply("--resume")
        assert (result.code, "is no report file" in result.err) == (1, True)
        assert Path(REPORT).read_bytes() == content
    Path(REPORT).write_bytes(b"")
    assert apply("--resume").code == 0
    assert statuses() == "ccc"


def test_a_report_file_is_never_overwritten_in_silence(runs_folder: Path) -> None:
    apply()
    before = Path(REPORT).read_bytes()
    result = apply("--jobs", "2")
    assert (result.code, Path(REPORT).read_bytes()) == (1, before)
    assert result.err == (
        "Error: run.jsonl: the report file exists already\n  hint: --resume goes on with it, --overwrite replaces it\n"
    )
    assert apply("--overwrite").code == 0
    assert statuses() == "ddd"
    for path, words in (("missing/run.jsonl", "does not exist"), ("out", "it is a folder"), ("a.png/r", "a.png")):
        for more in ((), ("--resume",)):
            result = run("apply", "a.png", "-k", "box", "-o", "x.png", "--report-file", path, *more)
            assert (result.code, words in result.err, Path("x.png").exists()) == (1, True, False)


def test_lines_are_in_the_order_of_the_inputs_and_others_stay(runs_folder: Path) -> None:
    apply(inputs=("b.png",))
    assert apply("--resume", inputs=("c.png", "a.png")).code == 0
    assert [record["input"] for record in records()] == ["c.png", "a.png", "b.png"]
    assert apply("--resume").code == 0
    assert ([record["input"] for record in records()], statuses()) == (["a.png", "b.png", "c.png"], "sss")


def test_a_full_disk_leaves_whole_lines(runs_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from convcli.batch import report_file

    apply(inputs=("a.png",))
    before = Path(REPORT).read_bytes()

    class Full:
        def __init__(self, file: Any) -> None:
            self._file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def write(self, data: bytes) -> int:
            return int(self._file.write(data[:40]))

    start = report_file.ReportFile.__init__

    def started(self: Any, *arguments: Any, **options: Any) -> None:
        start(self, *arguments, **options)
        self._file = Full(self._file)

    monkeypatch.setattr(report_file.ReportFile, "__init__", started)
    result = apply("--resume")
    assert (result.code, len(result.errors())) == (1, 1)
    assert "run.jsonl: can't be written" in result.err
    assert Path(REPORT).read_bytes() == before


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_run_that_was_killed_goes_on(runs_folder: Path, jobs: str) -> None:
    # More than are recorded together: those of a group that is under way are lost with it.
    count = groups.most_results() + 6
    pictures = [save(Path(f"{number}.png"), noise(50, 60, 3, seed=number)).name for number in range(count)]
    arguments = ["apply", *pictures, "-k", "jitter", "-k", "box:size=9", "-j", jobs, "--report-file", REPORT]
    with held(*arguments, "-o", "out/", at=pictures[-1:]) as (process, _):
        wait_until(lambda: Path(REPORT).exists() and Path(REPORT).read_bytes().count(b"\n") >= 5)
        process.kill()
        process.wait(PATIENCE)
    done = {record["output"] for record in records()}  # each of them a whole line
    assert 5 <= len(done) < count
    assert run(*arguments, "-o", "out/", "--resume").code == 0
    assert {record["output"] for record in records() if record["status"] == "skipped"} == done
    assert [record["input"] for record in records()] == pictures
    assert run(*arguments[:-2], "-o", "fresh/").code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == sorted(pictures)  # and no leftovers
    for name in pictures:
        assert Path("out", name).read_bytes() == Path("fresh", name).read_bytes()


def test_an_input_that_changes_meanwhile_is_not_recorded_as_what_it_was(
    runs_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a large file the hash is made first, and then it is read again."""
    monkeypatch.setattr(one_file, "_LEAST", 0)
    monkeypatch.setattr(one_file, "_LEAST_ALONE", 0)
    monkeypatch.setattr(inputs, "_SMALL", 0)
    hashed = resume.file_digest

    def disturbed(path: str) -> str:
        actual = hashed(path)
        if path == "b.png":
            save(Path(path), noise(12, 10, 3, seed=9))
        return actual

    monkeypatch.setattr(resume, "file_digest", disturbed)
    result = apply("--jobs", "1")
    assert (result.code, statuses()) == (1, "dfd")
    assert "b.png: it was changed while it was read" in result.err
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "c.png"]
