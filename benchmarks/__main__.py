"""`python -m benchmarks`: prints Markdown tables of medians and ratios."""

from __future__ import annotations

import argparse
import re
import sys

from benchmarks import library, timing


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few cases, in under a minute")
    parser.add_argument(
        "--only", metavar="PATTERN", default="", help="cases whose name matches this regular expression"
    )
    parser.add_argument("--rounds", type=int, default=0)
    options = parser.parse_args()
    rounds = options.rounds or (5 if options.quick else 9)
    print("| case | conditions | ours ms | peers ms | ratio (of CPU) | goal |")
    print("|---|---|---|---|---|---|")
    for case in library.cases():
        if not re.search(options.only, case.name) or (options.quick and not case.quick):
            continue
        found = timing.measure(case.make(), rounds=rounds)
        peers = ", ".join(f"{name} {t.seconds * 1e3:.1f}" for name, t in found.items() if name != "convcli")
        ratios = ", ".join(
            f"{name} {t.ratio:.2f} ({t.cpu_ratio:.2f})" for name, t in found.items() if name != "convcli"
        )
        own = found["convcli"].seconds * 1e3
        print(f"| {case.name} | {case.conditions} | {own:.2f} | {peers} | {ratios} | {case.goal} |")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
