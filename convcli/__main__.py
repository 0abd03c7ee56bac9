"""The command `convcli`, also as `python -m convcli`."""

from __future__ import annotations

import gc


def main() -> None:
    """Runs the command line.

    Loading it makes 40,000 objects that all stay; by default Python would look through them for garbage every 700.
    """
    gc.set_threshold(100_000)
    from convcli import cli

    cli.main()


if __name__ == "__main__":  # and not where a process of ours loads it again
    main()
