"""Runs commands for the benchmarks and tells what they took: a small process with the standard library only.

A child's peak memory, as the system counts it, starts with that of the process that spawned it. This one takes 10 MB.
Reads a JSON object a line (`words`, `limit` in seconds), writes one a line.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Any


def run(words: list[str], limit: float, log: str) -> dict[str, Any]:
    """Runs one command to its end, or for `limit` seconds: wall, cpu, peak (megabytes), status and its last words."""
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
        (os.POSIX_SPAWN_OPEN, 2, log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
    ]
    started = time.perf_counter()
    child = os.posix_spawnp(words[0], words, os.environ, file_actions=files, setpgroup=0)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        _, status, usage = os.wait4(child, 0)
        wall = time.perf_counter() - started
    except BaseException:
        os.killpg(child, signal.SIGKILL)
        os.wait4(child, 0)
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return {
        "wall": wall,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak": usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e6 / 1024),
        "status": os.waitstatus_to_exitcode(status),
        "said": Path(log).read_text(encoding="utf-8", errors="replace")[-300:],
    }


def _late(number: int, frame: FrameType | None) -> None:
    raise TimeoutError


def main() -> None:
    signal.signal(signal.SIGALRM, _late)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = run(asked["words"], asked["limit"], sys.argv[1])
        except (OSError, TimeoutError) as error:
            said = str(error) or f"not done after {asked['limit']:g} s"
            answer = {"wall": 0.0, "cpu": 0.0, "peak": 0.0, "status": -1, "said": said}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
