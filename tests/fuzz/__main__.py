"""`python -m tests.fuzz [TARGET...] [--seconds N] [--first N] [--case N [--save FILE]]`; exit 1 where a case failed.

Each target runs in a process of its own, so that a crash or a hang inside a decoder is seen, told and survived.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from random import Random

from .case import Case, furnish
from .guard import Broken, limit_address_space, limits
from .targets import TARGETS

#: Failures of one target after which it is given up.
ENOUGH = 20


def main() -> int:
    """Run the targets, or one case."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=float, default=60, help="for all targets together")
    parser.add_argument(
        "--first", type=int, default=0, help="number of the first case; the clock chooses it by default"
    )
    parser.add_argument("--case", type=int, help="run this case alone, with its traceback")
    parser.add_argument("--save", type=Path, help="with --case: write the data of the case to a file")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    names = options.targets or list(TARGETS)
    if unknown := set(names) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if options.worker:
        return work(names[0], options.first, options.seconds)
    if options.case is not None:
        return one(names[0], options.case, options.save)
    first, seconds = options.first or int(time.time()) * 1000, options.seconds / len(names)
    print(f"Cases from number {first} on, {seconds:.0f} s for each of: {', '.join(names)}", flush=True)
    failed = [supervise(name, first, seconds) for name in names]
    return int(any(failed))


def run_case(target: str, number: int, folder: Path) -> tuple[str, bytes]:
    """One case: its outcome and its data. Raises whatever it broke with."""
    case = Case(random=Random(f"{target}/{number}"), folder=folder)
    try:
        with limits(target):
            return TARGETS[target](case), case.data
    except BaseException as error:
        error.add_note(f"data: {case.data[:300]!r}")
        raise


def one(target: str, number: int, save: Path | None) -> int:
    """One case alone, for a look at it."""
    with tempfile.TemporaryDirectory() as folder:
        furnish(Path(folder, "work"))
        case = Case(random=Random(f"{target}/{number}"), folder=Path(folder, "work"))
        try:
            with limits(target):
                outcome = TARGETS[target](case)
        finally:
            if save:
                save.write_bytes(case.data)
    print(outcome)
    return 0


def work(target: str, first: int, seconds: float) -> int:
    """Cases one after the other; before each its number goes to stdout, failures and counts as JSON lines."""
    limit_address_space()
    pipe = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # decoders may print what they like
    counts: collections.Counter[str] = collections.Counter()
    end, number = time.monotonic() + seconds, first
    with tempfile.TemporaryDirectory() as folder:
        furnish(Path(folder, "work"))
        while time.monotonic() < end:
            pipe.write(f"{number}\n")
            try:
                counts[run_case(target, number, Path(folder, "work"))[0]] += 1
            except (Exception, SystemExit) as error:
                text = str(error) if isinstance(error, Broken) else traceback.format_exc()
                pipe.write(json.dumps({"case": number, "failure": text}) + "\n")
            number += 1
        pipe.write(json.dumps({"counts": counts}) + "\n")
    return 0


def supervise(target: str, first: int, seconds: float) -> bool:
    """A worker for a target, and another one after each that dies. True where a case failed."""
    counts: collections.Counter[str] = collections.Counter()
    failures: dict[int, str] = {}
    end, number = time.monotonic() + seconds, first
    while (left := end - time.monotonic()) > 0 and len(failures) < ENOUGH:
        command = [sys.executable, "-m", "tests.fuzz", target, "--worker", "--first", str(number)]
        finished = False
        with tempfile.TemporaryFile("w+") as said:
            worker = subprocess.Popen(
                [*command, "--seconds", str(left)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said,
                text=True,
            )  # fmt: skip
            assert worker.stdout is not None
            for line in worker.stdout:
                message = json.loads(line)
                if isinstance(message, int):
                    number = message
                elif "counts" in message:
                    counts.update(message["counts"])
                    finished = True
                else:
                    failures[message["case"]] = message["failure"].strip()
            worker.wait()
            if not finished:
                said.seek(0)
                failures[number] = f"the process ended with code {worker.returncode}\n{said.read()[-3000:].strip()}"
        number += 1
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    print(f"{target}: {sum(counts.values())} cases: {outcomes}; {len(failures)} failed", flush=True)
    for case, failure in failures.items():
        print(f"\n{target}, case {case}: {failure}\n  again: python -m tests.fuzz {target} --case {case}", flush=True)
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
