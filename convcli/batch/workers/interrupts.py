"""Signals that end a run, also where Python would lose them.

A signal's handler may run inside a finaliser, or the callback of a weak reference, as there is one for every module
that loads. What it raises there is printed and forgotten, and the run would go on.
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_MOMENT_S = 0.001


def ending() -> list[signal.Signals]:
    """The signals that end a run: Ctrl-C, a service's word to stop, a terminal that is gone, Ctrl-\\."""
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def insist_on(*kinds: type[BaseException]) -> None:
    """Exceptions of these kinds, raised by handlers of signals, are raised again a moment later where they get lost."""
    if not hasattr(signal, "setitimer"):
        return
    before = sys.unraisablehook

    def hook(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, kinds):
            before(lost)
            return
        error = lost.exc_value or lost.exc_type()

        def again(number: int, frame: FrameType | None) -> None:
            raise error.with_traceback(None)

        signal.signal(signal.SIGALRM, again)
        signal.setitimer(signal.ITIMER_REAL, _MOMENT_S)

    sys.unraisablehook = hook


def ignore() -> None:
    """From now on nothing ends the run any more."""
    for number in [*ending(), *([signal.SIGALRM] if hasattr(signal, "SIGALRM") else [])]:
        signal.signal(number, signal.SIG_IGN)
