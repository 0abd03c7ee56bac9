"""Report files, and going on with them: what is done is told by content and settings, and nothing else is trusted."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convcli.batch import one_file, resume
from convcli.batch.names import inputs
from tests.support import Result, command, environment, noise, run, save

REPORT = "run.jsonl"


@pytest.fixture(params=["whole", "in bands"])
def here(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with pictures a.png, b.png and c.png, and a kernel with weights in a file.

    What goes for pictures that are filtered whole goes for large ones, whose bytes are never there together.
    """
    monkeypatch.chdir(tmp_path)
    if request.param == "in bands":
        monkeypatch.setattr(one_file, "_LEAST", 0)
        monkeypatch.setattr(one_file, "_LEAST_ALONE", 0)
    for seed, name in enumerate("abc"):
        save(Path(f"{name}.png"), noise(12, 10, 3, seed=seed))
    Path("kernel.yaml").write_text("weights: weights.npy\n")
    np.save("weights.npy", np.full((3, 3), 1 / 9))
    return tmp_path


def apply(*options: str, inputs: tuple[str, ...] = ("a.png", "b.png", "c.png"), kernel: str = "kernel.yaml") -> Result:
    return run("apply", *inputs, "-k", kernel, "-o", "out/", "--report-file", REPORT, *options)


def records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(REPORT).read_text().splitlines()]


def statuses() -> str:
    """What became of the inputs, a letter each: done, skipped, failed, or compared with what was there."""
    return "".join("c" if record["reason"].startswith("it was there") else record["status"][0] for record in records())


def marks() -> dict[str, tuple[int, int]]:
    """What would change if an output were written again."""
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in Path("out").iterdir()}


def test_a_line_tells_all_of_an_input(here: Path) -> None:
    assert apply(inputs=("a.png", "absent.png", "b.png")).code == 1
    first, absent, _ = records()
    content, picture = Path("out/a.png").read_bytes(), Path("a.png").read_bytes()
    assert first["written"] == [
        {"path": "out/a.png", "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    ]
    assert (first["bytes_in"], first["sha256_in"]) == (len(picture), hashlib.sha256(picture).hexdigest())
    assert (first["input"], first["output"], first["status"]) == ("a.png", "out/a.png", "done")
    assert first["stages"][0]["size_in"] == [12, 10] and first["stages"][0]["algorithm"]
    assert {"clipped_low", "clipped_high", "decode_s", "filter_s", "encode_s", "dtype_in", "version"} <= set(first)
    assert len(first["settings"]) == 64
    assert (absent["status"], absent["error"], absent["written"]) == ("failed", "absent.png: no such file", [])


def test_what_is_done_is_skipped(here: Path) -> None:
    assert apply().code == 0
    before, first = marks(), records()
    result = apply("--resume")
    assert (result.code, statuses(), marks()) == (0, "sss", before)
    assert result.err.startswith("0 done, 3 skipped in ")
    assert apply("--resume").code == 0  # a skipped line proves as much as a done one
    assert (statuses(), marks()) == ("sss", before)
    for record, original in zip(records(), first, strict=True):
        assert record == original | {"status": "skipped", "reason": "done before"}
        assert record["stages"] and record["filter_s"] > 0 and record["dtype_in"] == "uint8"


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_only_what_changed_is_done_again(here: Path, jobs: str) -> None:
    apply()
    before = marks()
    save(Path("b.png"), noise(12, 10, 3, seed=9))
    assert apply("--resume", "--jobs", jobs).code == 0  # the output is our own, as the record proves
    assert statuses() == "sds"
    after = marks()
    assert [name for name in before if before[name] != after[name]] == ["b.png"]
    run("apply", "b.png", "-k", "kernel.yaml", "-o", "fresh.png")
    assert Path("out/b.png").read_bytes() == Path("fresh.png").read_bytes()


@pytest.mark.parametrize(
    ("options", "kernel", "expected"),
    [
        ((), "gaussian", "ddd"),
        (("--border", "wrap"), "kernel.yaml", "ddd"),
        (("--linear",), "kernel.yaml", "ddd"),
        (("--range", "rescale"), "kernel.yaml", "ddd"),
        (("-O", "png_compression=0"), "kernel.yaml", "ddd"),
        (("--max-pixels", "5000"), "kernel.yaml", "sss"),
        (("--strict", "--allow-truncated"), "kernel.yaml", "sss"),
        (("--border", "reflect"), "kernel.yaml", "sss"),
    ],
)  # fmt: skip
def test_settings_count_by_what_they_do(here: Path, options: tuple[str, ...], kernel: str, expected: str) -> None:
    apply()
    before = marks()
    assert apply("--resume", *options, kernel=kernel).code == 0
    assert statuses() == expected
    assert (marks() == before) == (expected == "sss")


def test_other_settings_that_give_the_same_bytes_write_nothing(here: Path) -> None:
    apply(kernel="[[0, 0, 0], [0, 1, 0], [0, 0, 0]]")
    before = marks()
    assert apply("--resume", kernel="identity").code == 0
    assert (statuses(), marks()) == ("ccc", before)


def test_an_activation_counts_by_what_it_is(here: Path) -> None:
    apply(kernel="laplacian:activation=relu")
    assert apply("--resume", kernel="laplacian:activation=relu").code == 0 and statuses() == "sss"
    assert apply("--resume", kernel="laplacian:activation=abs").code == 0 and statuses() == "ddd"


def test_weights_count_by_the_content_of_their_file(here: Path) -> None:
    apply()
    Path("other").mkdir()
    Path("weights.npy").rename("other/same.npy")
    Path("renamed.yaml").write_text("about: The same.\nweights: other/same.npy\n")
    apply("--resume", kernel="renamed.yaml")
    assert statuses() == "sss"
    np.save("weights.npy", np.full((3, 3), 1 / 18))
    apply("--resume")
    assert statuses() == "ddd"


def test_an_output_that_somebody_changed_is_not_replaced(here: Path) -> None:
    apply()
    Path("out/b.png").write_bytes(b"precious")
    Path("out/c.png").unlink()
    result = apply("--resume")
    assert (result.code, statuses()) == (1, "sfd")
    assert "it exists already, is not what this run makes" in result.err and "--overwrite" in result.err
    assert Path("out/b.png").read_bytes() == b"precious"
    assert apply("--resume", "--overwrite").code == 0
    assert statuses() == "sds"


def test_an_output_without_a_record_is_compared(here: Path) -> None:
    """As a run leaves it that is killed between the last two steps."""
    apply()
    before = marks()
    Path(REPORT).write_text("".join(Path(REPORT).read_text().splitlines(keepends=True)[::2]))
    assert apply("--resume").code == 0
    assert (statuses(), marks()) == ("scs", before)
    Path(REPORT).unlink()
    assert apply("--resume").code == 0
    assert (statuses(), marks()) == ("ccc", before)


def test_a_failure_in_between_does_not_forget_what_is_ours(here: Path) -> None:
    apply()
    picture = Path("b.png").read_bytes()
    Path("b.png").write_bytes(picture[:150])
    assert apply("--resume").code == 1
    assert statuses() == "sfs"
    save(Path("b.png"), noise(12, 10, 3, seed=9))
    assert apply("--resume").code == 0
    assert statuses() == "sds"


def test_what_was_not_started_is_not_forgotten_either(here: Path) -> None:
    apply()
    whole = Path("a.png").read_bytes()
    Path("a.png").write_bytes(whole[:150])
    save(Path("b.png"), noise(12, 10, 3, seed=9))
    assert apply("--resume", "--fail-fast", "--jobs", "1").code == 1
    assert statuses() == "fnn"
    Path("a.png").write_bytes(whole)
    assert apply("--resume").code == 0
    assert statuses() == "sds"


def test_a_damaged_input_is_tried_again_under_other_rules(here: Path) -> None:
    Path("b.png").write_bytes(Path("b.png").read_bytes()[:-30])
    apply()
    assert statuses() == "dfd"
    apply("--resume", "--allow-truncated")
    assert statuses() == "sds"
    assert apply("--resume").code == 1  # what was taken as it was is not good enough any more
    assert statuses() == "sfs"


def test_torn_and_foreign_lines(here: Path) -> None:
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


def test_a_report_file_is_never_overwritten_in_silence(here: Path) -> None:
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


def test_lines_are_in_the_order_of_the_inputs_and_others_stay(here: Path) -> None:
    apply(inputs=("b.png",))
    assert apply("--resume", inputs=("c.png", "a.png")).code == 0
    assert [record["input"] for record in records()] == ["c.png", "a.png", "b.png"]
    assert apply("--resume").code == 0
    assert ([record["input"] for record in records()], statuses()) == (["a.png", "b.png", "c.png"], "sss")


def test_a_full_disk_leaves_whole_lines(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_a_run_that_was_killed_goes_on(here: Path, jobs: str) -> None:
    pictures = [save(Path(f"{number}.png"), noise(250, 300, 3, seed=number)).name for number in range(24)]
    arguments = ["apply", *pictures, "-k", "jitter", "-k", "box:size=9", "-j", jobs, "--report-file", REPORT]
    process = subprocess.Popen(command(*arguments, "-o", "out/"), env=environment())
    end = time.monotonic() + 30
    while time.monotonic() < end and (not Path(REPORT).exists() or Path(REPORT).read_bytes().count(b"\n") < 5):
        time.sleep(0.002)
    process.kill()
    process.wait(20)
    done = {record["output"] for record in records()}  # each of them a whole line
    assert 5 <= len(done) < 24
    assert run(*arguments, "-o", "out/", "--resume").code == 0
    assert {record["output"] for record in records() if record["status"] == "skipped"} == done
    assert [record["input"] for record in records()] == pictures
    assert run(*arguments[:-2], "-o", "fresh/").code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == sorted(pictures)  # and no leftovers
    for name in pictures:
        assert Path("out", name).read_bytes() == Path("fresh", name).read_bytes()


def test_an_input_that_changes_meanwhile_is_not_recorded_as_what_it_was(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a large file the hash is made first, and then it is read again."""
    monkeypatch.setattr(one_file, "_LEAST", 0)
    monkeypatch.setattr(one_file, "_LEAST_ALONE", 0)
    monkeypatch.setattr(inputs, "_SMALL", 0)
    hashed = resume.file_digest

    def disturbed(path: str) -> str:
        found = hashed(path)
        if path == "b.png":
            save(Path(path), noise(12, 10, 3, seed=9))
        return found

    monkeypatch.setattr(resume, "file_digest", disturbed)
    result = apply("--jobs", "1")
    assert (result.code, statuses()) == (1, "dfd")
    assert "b.png: it was changed while it was read" in result.err
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "c.png"]
