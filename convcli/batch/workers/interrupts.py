"""Signals that end a run, also where Python would lose them, or wait without end.

A signal's handler may run inside a finaliser, or the callback of a weak reference, as there is one for every module
that loads. What it raises there is printed and forgotten, and the run would go on. Between two steps of an import it
may leave a lock behind, for which the next import waits, or an open file.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import signal
    from types import FrameType
else:
    import _signal as signal  # without the enumerations around it

_MOMENT_S: Final = 0.001
#: How the files of the functions of Python's begin that hold locks and open files while modules load.
_IMPORTS: Final = "<frozen importlib._bootstrap"


def ending() -> list[int]:
    """The signals that end a run: Ctrl-C, a service's word to stop, a terminal that is gone, Ctrl-\\."""
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
    return [getattr(signal, name) for name in names if hasattr(signal, name)]


def insist_on(*kinds: type[BaseException]) -> None:
    """Exceptions of these kinds, raised by handlers of signals, are raised again a moment later where they get lost."""
    if not hasattr(signal, "setitimer"):
        return
    before = sys.unraisablehook

    def hook(lost: sys.UnraisableHookArgs) -> None:
        if issubclass(lost.exc_type, kinds):
            _raise_later(lost.exc_value or lost.exc_type())
        else:
            before(lost)

    sys.unraisablehook = hook


def raise_in(frame: FrameType | None, error: BaseException) -> None:
    """Raises what a signal's handler is to raise in `frame`, a moment later where that is a step of an import."""
    loads = frame is not None and frame.f_code.co_filename.startswith(_IMPORTS)
    if not loads or not hasattr(signal, "setitimer"):
        raise error.with_traceback(None)
    _raise_later(error)


def _raise_later(error: BaseException) -> None:
    signal.signal(signal.SIGALRM, lambda number, frame: raise_in(frame, error))
    signal.setitimer(signal.ITIMER_REAL, _MOMENT_S)


def ignore() -> None:
    """From now on nothing ends the run any more."""
    for number in [*ending(), *([signal.SIGALRM] if hasattr(signal, "SIGALRM") else [])]:
        signal.signal(number, signal.SIG_IGN)
