"""Commands as contenders: run by `runner`, in a folder of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.model import Turn

#: Seconds after which a command counts as stuck.
LIMIT = 300.0
ROOT = Path(__file__).parent.parent


class CommandError(Exception):
    """A command failed; the message is what it said last."""


def ours() -> list[str]:
    """The words that start convcli: as it is installed beside this Python, else from the checkout."""
    installed = Path(sys.executable).with_name("convcli")
    return [str(installed)] if installed.is_file() else [sys.executable, "-m", "convcli"]


class Launcher:
    """Runs commands one after the other, as a user's shell would: this checkout's convcli, compiled modules kept."""

    def __init__(self, folder: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        words = [sys.executable, "-I", "-S", str(Path(__file__).with_name("runner.py")), str(folder / "stderr.txt")]
        self._process = subprocess.Popen(
            words, cwd=folder, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._waiting = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._waiting:
            self._process.terminate()
        self._process.communicate()

    def command(self, words: Sequence[str | Path], *, remove: Sequence[Path] = ()) -> Callable[[], Turn]:
        """A turn of a command; files in `remove` are taken away first, and folders emptied.

        Raises CommandError where its exit code isn't 0.
        """

        def turn() -> Turn:
            for path in remove:
                for old in path.iterdir() if path.is_dir() else [path]:
                    old.unlink(missing_ok=True)
            return self._run([str(word) for word in words])

        return turn

    def _run(self, words: list[str]) -> Turn:
        channel, answers = self._process.stdin, self._process.stdout
        assert channel is not None
        assert answers is not None
        self._waiting = True
        channel.write(json.dumps({"words": words, "limit": LIMIT}) + "\n")
        channel.flush()
        answer = json.loads(answers.readline())
        self._waiting = False
        if answer["status"] != 0:
            raise CommandError(f"{Path(words[0]).name}: {answer['said'].strip() or answer['status']}")
        return Turn(wall=answer["wall"], cpu=answer["cpu"], peak=answer["peak"])
