"""`python -m benchmarks`: prints Markdown tables of medians and ratios."""

from __future__ import annotations

import argparse
import re
import sys

from benchmarks import commands, floors, forced, library, timing


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few cases, in under a minute")
    parser.add_argument(
        "--only", metavar="PATTERN", default="", help="library cases that match this regular expression"
    )
    parser.add_argument("--rounds", type=int, default=0, help="turns of every contender (5 with --quick, else 9)")
    options = parser.parse_args()
    rounds = options.rounds or (5 if options.quick else 9)
    print_library(options.only, rounds, options.quick)
    if options.only:
        return
    print("\n| command | program | s | ours over it |\n|---|---|---|---|")
    for task, name, seconds, ratio in commands.measured(3 if options.quick else 5, 1 if options.quick else 12):
        print(f"| {task} | {name} | {seconds:.2f} | {ratio:.2f} |", flush=True)
    print("\n| plan for | time over the best forced | best |\n|---|---|---|")
    for case, ratio, best in forced.measured(3 if options.quick else rounds, options.quick):
        print(f"| {case} | {ratio:.2f} | {best} |", flush=True)
    print("\n| floor | |\n|---|---|")
    for what, rate in floors.measured(rounds):
        print(f"| {what} | {rate} |")


def print_library(pattern: str, rounds: int, quick: bool) -> None:
    print("| case | conditions | ours ms | peers ms | ratio (of CPU) | goal |\n|---|---|---|---|---|---|")
    for case in library.cases():
        if not re.search(pattern, case.name) or (quick and not case.quick):
            continue
        found = timing.measure(case.make(), rounds=rounds)
        own = found.pop("convcli").seconds * 1e3
        peers = ", ".join(f"{name} {t.seconds * 1e3:.1f}" for name, t in found.items())
        ratios = ", ".join(f"{name} {t.ratio:.2f} ({t.cpu_ratio:.2f})" for name, t in found.items())
        print(f"| {case.name} | {case.conditions} | {own:.2f} | {peers} | {ratios} | {case.goal} |")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
