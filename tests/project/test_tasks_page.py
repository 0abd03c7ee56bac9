"""docs/tasks.md: the command of each task runs, begins with no error or warning, and writes what it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.project.pages import code, ran, rows, samples
from tests.support import ROOT

TASKS = [(row[1], code(row[2])) for row in rows(ROOT / "docs" / "tasks.md") if len(row) == 3]


def test_there_is_a_command_for_each() -> None:
    assert len(TASKS) >= 30
    assert all(command for _, command in TASKS)


@pytest.mark.parametrize(("first", "step"), [(0, 2), (1, 2)])
def test_commands_do_the_tasks(first: int, step: int, tmp_path: Path) -> None:
    failures = []
    for number, (task, command) in enumerate(TASKS[first::step]):
        folder = samples(tmp_path / str(number))
        status, printed = ran(command, folder)
        written = set(re.findall(r"(?:-o|--draw|>) ([\w./-]+)", command)) - {"-"}
        if status or re.match("Error|Warning", printed) or not all((folder / name).exists() for name in written):
            failures.append(f"{task}: {command}\n{printed}")
    assert not failures, "\n".join(failures)
