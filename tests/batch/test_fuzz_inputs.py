"""The targets of `tests.fuzz` for a moment, driven by Hypothesis: it makes a case that fails small, and keeps it.

`python -m tests.fuzz --seconds 3600` runs them for long.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from fuzz import case as cases, corpus, structure, targets
from fuzz.guard import Broken
from hypothesis import HealthCheck, given, settings, strategies as st

from convcli.errors import ConvcliError
from convcli.pictures import reading, sniff
from tests.support import PATIENCE, ROOT


@pytest.mark.parametrize("target", targets.TARGETS)
def test_an_error_of_ours_or_a_right_result(target: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    work = tmp_path_factory.mktemp(target) / "work"
    cases.furnish(work)

    @given(st.randoms(use_true_random=False))
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
    def case(random: Random) -> None:
        targets.TARGETS[target](cases.Case(random=random, folder=work))

    case()


def test_the_corpus_holds_every_format_whole() -> None:
    seen = set()
    for name, (format, data) in corpus.pictures().items():
        picture = reading.decode(data, place=name)
        assert picture.format == sniff.identify(data) == format
        assert sorted(picture.pixels.shape[:2]) == [36, 44]
        assert structure.repaired(data, format) == data
        assert structure.structure(data, format).fields
        seen.add(format)
    assert seen == set(sniff.READABLE)


def test_a_broken_word_is_noticed() -> None:
    for error in (
        ConvcliError(""),
        ConvcliError("numpy.core is unhappy"),
        ConvcliError("a", hint="b", snippet="one line"),
    ):
        with pytest.raises(Broken):
            cases.checked_error(error)
    with pytest.raises(Broken, match="exit code 0"):
        cases.check_command(["list"], Path(), codes=(1, 2))


def test_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "images", "commands", "--seconds", "2", "--first", "7"]
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    first, *rest = done.stdout.splitlines()
    assert first == "Cases from number 7 on, 1 s for each of: images, commands"
    assert [line.split(":")[0] for line in rest] == ["images", "commands"]
    assert all(line.endswith("; 0 failed") for line in rest)
    one = subprocess.run(
        [*command[:4], "--case", "9"], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert one.stdout.strip() in ("read", "refused", "written")
    assert list(tmp_path.iterdir()) == []
