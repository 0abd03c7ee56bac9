"""`python -m tests.pictures.matrix [SECTION...] [--wrong N] [--refused]`; exit 1 where a cell is wrong."""

from __future__ import annotations

import argparse
import collections
import re
import sys
import tempfile
import time
from pathlib import Path

from tests.pictures.matrix.sections import SECTIONS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.pictures.matrix", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all by default")
    parser.add_argument("--wrong", type=int, default=0, metavar="N", help="print as many of a section's wrong cells")
    parser.add_argument("--refused", action="store_true", help="print the reasons of refusals, with their numbers")
    options = parser.parse_args()
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    sums: collections.Counter[tuple[str, str]] = collections.Counter()
    print(f"{'':16}{'read whole':>24}{'read in bands':>40}")
    print(f"{'section':16}{'right':>8}{'refused':>8}{'wrong':>8}{'right':>12}{'refused':>8}{'whole':>8}{'wrong':>8}")
    for name in options.sections or SECTIONS:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            tally = SECTIONS[name](Path(folder))
        counts = {(route, outcome): tally.count(route, outcome) for route, outcome in COLUMNS}
        sums.update(counts)
        print(
            _line(name, counts), f" {tally.several} in several bands, {time.perf_counter() - start:.1f} s", flush=True
        )
        for line in list(tally.wrong())[: options.wrong]:
            print("    ", line[:400])
        if options.refused:
            words = [re.sub(r"\d+", "N", r.words) for _, r in tally.whole if r.outcome == "refused"]
            for text, many in collections.Counter(words).most_common():
                print(f"    {many:6} {text[:200]}")
    print(_line("all", sums))
    return int(any(many for (_, outcome), many in sums.items() if outcome == "wrong"))


#: What is counted, from left to right.
COLUMNS = [("whole", "right"), ("whole", "refused"), ("whole", "wrong"),
           ("bands", "right"), ("bands", "refused"), ("bands", "whole"), ("bands", "wrong")]  # fmt: skip


def _line(name: str, counts: dict[tuple[str, str], int]) -> str:
    widths = [8, 8, 8, 12, 8, 8, 8]
    return f"{name:16}" + "".join(f"{counts[key]:{width}}" for key, width in zip(COLUMNS, widths, strict=True))


if __name__ == "__main__":
    sys.exit(main())
