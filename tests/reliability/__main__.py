"""`python -m tests.reliability [--share F] [--first N]`: Markdown on stdout, progress on stderr, exit 1 on failures."""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import version

from . import batch, kills, mutants


def main() -> int:
    """Run all parts and print their tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("--share", type=float, default=1.0, help="of the full counts, to try it out")
    parser.add_argument("--first", type=int, default=1, help="number of the first mutant and seed of the kills")
    parser.add_argument("--only", choices=("mutants", "kills", "batch"), help="this part alone")
    options = parser.parse_args()

    def scaled(count: int) -> int:
        return max(1, round(count * options.share))

    started = time.monotonic()
    good = True
    parts: dict[str, Callable[[], tuple[str, list[str]]]] = {
        "mutants": lambda: mutants.report(scaled(1000), scaled(20), options.first),
        "kills": lambda: kills.report(scaled(50), options.first),
        "batch": lambda: batch.report(scaled(2000)),
    }
    for name in [options.only] if options.only else parts:
        table, failures = parts[name]()
        print(table, flush=True)
        for failure in failures[:20]:
            print(f"- {failure}", flush=True)
        good &= not failures
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "opencv-python", "click", "PyYAML"))
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {versions}"
    print(f"{system}; {time.monotonic() - started:.0f} s.")
    print("No failure." if good else "FAILED.", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
