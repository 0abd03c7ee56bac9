"""The command `convcli`, also as `python -m convcli`."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from convcli.startup import lighten

if TYPE_CHECKING:
    from types import FrameType


def main() -> None:
    """Runs the command line and exits. Signals are obeyed from here on: Ctrl-C while modules load is no traceback."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as in `nohup`, or `&` of a script
            signal.signal(number, leave)
    lighten()
    from convcli import cli

    cli.main()


def leave(number: int, frame: FrameType | None) -> None:
    """Ends the process at once, with the exit code of the signal: there is nothing to clean up, or no time for it."""
    os.write(2, b"Stopped.\n")
    os._exit(128 + number)


if __name__ == "__main__":  # and not where a process of ours loads it again
    main()
