"""Runs that are taken up again: what is done is skipped, what changed is done again."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from tests.batch.recorded import REPORT, apply, marks, records, statuses
from tests.support import noise, run, save


def test_a_line_tells_all_of_an_input(runs_folder: Path) -> None:
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


def test_what_is_done_is_skipped(runs_folder: Path) -> None:
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
def test_only_what_changed_is_done_again(runs_folder: Path, jobs: str) -> None:
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
def test_settings_count_by_what_they_do(
    runs_folder: Path, options: tuple[str, ...], kernel: str, expected: str
) -> None:
    apply()
    before = marks()
    assert apply("--resume", *options, kernel=kernel).code == 0
    assert statuses() == expected
    assert (marks() == before) == (expected == "sss")


def test_other_settings_that_give_the_same_bytes_write_nothing(runs_folder: Path) -> None:
    apply(kernel="[[0, 0, 0], [0, 1, 0], [0, 0, 0]]")
    before = marks()
    assert apply("--resume", kernel="identity").code == 0
    assert (statuses(), marks()) == ("ccc", before)


def test_an_activation_counts_by_what_it_is(runs_folder: Path) -> None:
    apply(kernel="laplacian:activation=relu")
    assert apply("--resume", kernel="laplacian:activation=relu").code == 0 and statuses() == "sss"
    assert apply("--resume", kernel="laplacian:activation=abs").code == 0 and statuses() == "ddd"


def test_weights_count_by_the_content_of_their_file(runs_folder: Path) -> None:
    apply()
    Path("other").mkdir()
    Path("weights.npy").rename("other/same.npy")
    Path("renamed.yaml").write_text("about: The same.\nweights: other/same.npy\n")
    apply("--resume", kernel="renamed.yaml")
    assert statuses() == "sss"
    np.save("weights.npy", np.full((3, 3), 1 / 18))
    apply("--resume")
    assert statuses() == "ddd"


def test_an_output_that_somebody_changed_is_not_replaced(runs_folder: Path) -> None:
    apply()
    Path("out/b.png").write_bytes(b"precious")
    Path("out/c.png").unlink()
    result = apply("--resume")
    assert (result.code, statuses()) == (1, "sfd")
    assert "it exists already, is not what this run makes" in result.err and "--overwrite" in result.err
    assert Path("out/b.png").read_bytes() == b"precious"
    assert apply("--resume", "--overwrite").code == 0
    assert statuses() == "sds"


def test_an_output_without_a_record_is_compared(runs_folder: Path) -> None:
    """As a run leaves it that is killed between the last two steps."""
    apply()
    before = marks()
    Path(REPORT).write_text("".join(Path(REPORT).read_text().splitlines(keepends=True)[::2]))
    assert apply("--resume").code == 0
    assert (statuses(), marks()) == ("scs", before)
    Path(REPORT).unlink()
    assert apply("--resume").code == 0
    assert (statuses(), marks()) == ("ccc", before)


def test_a_failure_in_between_does_not_forget_what_is_ours(runs_folder: Path) -> None:
    apply()
    picture = Path("b.png").read_bytes()
    Path("b.png").write_bytes(picture[:150])
    assert apply("--resume").code == 1
    assert statuses() == "sfs"
    save(Path("b.png"), noise(12, 10, 3, seed=9))
    assert apply("--resume").code == 0
    assert statuses() == "sds"


def test_what_was_not_started_is_not_forgotten_either(runs_folder: Path) -> None:
    apply()
    whole = Path("a.png").read_bytes()
    Path("a.png").write_bytes(whole[:150])
    save(Path("b.png"), noise(12, 10, 3, seed=9))
    assert apply("--resume", "--fail-fast", "--jobs", "1").code == 1
    assert statuses() == "fnn"
    Path("a.png").write_bytes(whole)
    assert apply("--resume").code == 0
    assert statuses() == "sds"


def test_a_damaged_input_is_tried_again_under_other_rules(runs_folder: Path) -> None:
    Path("b.png").write_bytes(Path("b.png").read_bytes()[:-30])
    apply()
    assert statuses() == "dfd"
    apply("--resume", "--allow-truncated")
    assert statuses() == "sds"
    assert apply("--resume").code == 1  # what was taken as it was is not good enough any more
    assert statuses() == "sfs"
